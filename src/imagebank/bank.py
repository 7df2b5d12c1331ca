"""The bank: what every action needs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from imagebank.dicom.sandbox import Sandbox
from imagebank.model.access import Principal
from imagebank.model.attribute import Catalogue
from imagebank.model.delay import Delay
from imagebank.model.imaging import Instance, Kept
from imagebank.model.rights import Rights
from imagebank.model.rules import Deposit, Opinion
from imagebank.ports import AccountKeys, Clock, Entered, Index, Jobs, Objects, Signer
from imagebank.ports.copies import Copies
from imagebank.ports.journal import Journal
from imagebank.ports.people import Seal
from imagebank.ports.renditions import Renditions
from imagebank.settings import Settings

if TYPE_CHECKING:
    from imagebank.rules.steps import Ruleset


class Commits(Protocol):
    """Makes written records durable and enters their rows, together with whatever else waits. See `actions.commit`."""

    def commit(self, kept: Sequence[Kept]) -> list[Entered]: ...


class Reads(Protocol):
    """Remembers who has read and sought what, so that the first of it is in the ledger before the answer; and refusals.

    See `actions.audit`.
    """

    def count(self, principal: Principal, instances: Collection[Instance], way: str, address: str) -> None: ...

    def count_again(self, principal: Principal, instances: Collection[Instance], way: str, address: str) -> bool: ...

    def search(self, principal: Principal, sought: str, address: str) -> None: ...

    def search_again(self, principal: Principal, sought: str, address: str) -> bool: ...

    def refused(self, name: str, organization: str, what: str, address: str) -> None: ...

    def not_signed_in(self, name: str, organization: str, means: str, address: str) -> None: ...

    def flush(self, *, is_last: bool = False) -> None: ...


class Rules(Protocol):
    """The site's rules for what arrives. See `actions.rules_in_force`."""

    def current(self) -> "Ruleset | None": ...

    def renew(self) -> None: ...

    def ask(self, name: str, deposit: Deposit) -> Opinion: ...


@dataclass(frozen=True, slots=True)
class Bank:
    """Built once in `app.py`; tests build their own."""

    index: Index
    blobs: Objects
    jobs: Jobs
    commits: Commits
    reads: Reads
    keys: AccountKeys
    signer: Signer
    seal: Seal
    sandbox: Sandbox
    settings: Settings
    rights: Rights
    rules: Rules
    now: Clock
    delays: tuple[Delay, ...] = ()
    renditions: Renditions | None = None
    """None where the site keeps none."""
    journal: Journal | None = None
    copies: Copies | None = None
    """None where nothing waits for an object store."""

    @property
    def catalogue(self) -> Catalogue:
        """The attributes that can be matched now. A question that looks twice asks once and keeps it."""
        return self.index.searchable.catalogue()
