"""What the bank needs to keep of what was announced of studies, and of whether it has come."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from imagebank.model.access import Scope
from imagebank.model.completeness import Completeness, Progress, Standing
from imagebank.model.expectation import Expectation, Origin
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid


@dataclass(frozen=True, slots=True)
class Asked:
    """Which studies are looked for; what is empty does not narrow. The days are YYYYMMDD, both included."""

    progress: tuple[Progress, ...] = (Progress.MISSING, Progress.ARRIVING)
    modality: str = ""
    since: str = ""
    until: str = ""
    origin: Origin | None = None
    limit: int = 100
    offset: int = 0


class CompletenessReader(Protocol):
    """Reads what was found of studies.

    A study that never came is shown as orders are (`OrderReader.orders`): to its organization, and by no rule that
    asks for more than organization and modality.
    """

    def standings(self, studies: Collection[Uid], scope: Scope) -> dict[Uid, Standing]:
        """What a list says of these studies, of those in scope that anything is known of."""
        ...

    def of_study(self, study: Uid, scope: Scope) -> Completeness | None: ...

    def listed(self, asked: Asked, scope: Scope) -> list[Completeness]:
        """Studies by date, newest first."""
        ...

    def count(self, asked: Asked, scope: Scope) -> int:
        """How many there are without limit and offset."""
        ...

    def unjudged(self, limit: int, scope: Scope, after: str = "") -> list[Uid]:
        """Studies of which nothing was found yet, by UID; those after one."""
        ...


class CompletenessWriter(Protocol):
    """Changes to what was found, within one transaction."""

    def arrive(self, studies: Iterable[Uid], at: datetime) -> None:
        """Note that these studies are arriving; what was found of them before is found again later."""
        ...

    def put(self, found: Completeness, versions: Mapping[Uid, int], at: datetime) -> bool:
        """Write what was found; False, and nothing, when the study's series have changed since these versions."""
        ...

    def drop(self, study: Uid, but: Collection[str] = ()) -> None:
        """Forget what was found of a study for any organization `but` these."""
        ...


class ExpectationsWriter(Protocol):
    """What was announced, within one transaction, and what has to be known to hold it against what is here."""

    def put(self, expectation: Expectation) -> None:
        """Take a word in. It replaces the one before of the same study, organization, origin and key.

        `actions.expecting.expect` also keeps it among the objects, and has the study judged anew.
        """
        ...

    def about(self, study: Uid) -> list[Expectation]:
        """Every word about a study, also what open orders say."""
        ...

    def held(self, instances: Sequence[str], organization: str) -> frozenset[str]:
        """Those of these SOP Instance UIDs that lie in a study of the organization, whichever."""
        ...

    def owner_of(self, study: Uid) -> str | None:
        """Whose a study is that is here, None when it is not; nothing comes into it until the transaction ends."""
        ...

    def withdraw(self, study: Uid) -> list[Expectation]:
        """Forget every word about a study, but for those of orders, and what was found of it; the words."""
        ...

    def forget(self, patient: PatientId) -> None:
        """Forget every word about a patient's studies, and what was found of those that never came."""
        ...

    def overdue(self, before: datetime, since: datetime, limit: int) -> list[Uid]:
        """Studies of orders that should have come before a moment, and after another one, and of which nothing is here.

        Also those that were found not to have come: they may have in the meantime, under another UID.
        """
        ...
