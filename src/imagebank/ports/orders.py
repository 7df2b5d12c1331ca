"""What the bank needs to keep of orders, reports, and the messages that bring them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from imagebank.model.access import Scope
from imagebank.model.encounter import Encounter
from imagebank.model.imaging import Digest
from imagebank.model.message import Fate, Letter, Peer, Told
from imagebank.model.order import Order, Patient, Performed
from imagebank.model.person import PatientId
from imagebank.model.report import Report, Which
from imagebank.model.uid import Uid


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which scheduled steps are looked for; what is empty does not narrow.

    The days are YYYYMMDD, both included. A step that names no station is any station's. `number` is the placer's or the
    filler's.
    """

    since: str = ""
    until: str = ""
    modalities: tuple[str, ...] = ()
    station_aet: str = ""
    accession: str = ""
    identifier: str = ""
    issuer: str = ""
    number: str = ""
    is_open: bool = True
    limit: int = 10_000


class OrderReader(Protocol):
    """Reads orders, reports and messages."""

    def peers(self) -> list[Peer]:
        """Every system that may send messages, by name."""
        ...

    def letters(self, fates: Sequence[Fate] = (), limit: int = 100) -> list[Letter]:
        """The newest messages, of these fates where any are named. For the bank's operator: they are nobody's study."""
        ...

    def letter(self, number: int) -> Letter | None: ...

    def letter_like(self, sender: str, control: str, digest: Digest) -> Letter | None:
        """The same message of the same sender, if it came before."""
        ...

    def orders(self, wanted: Wanted, scope: Scope) -> list[Order]:
        """Orders of the scope's organizations, by time. An order is not a study yet: a scope of studies shows none."""
        ...

    def steps_of(self, organization: str, placer: str, filler: str) -> list[Order]:
        """Every step of an order of an organization by its numbers, as they were heard of."""
        ...

    def order_of(self, organization: str, placer: str, filler: str) -> Order | None:
        """An order of an organization by its numbers, to tell of which study a report speaks."""
        ...

    def encounters(self, patient: PatientId, scope: Scope) -> list[Encounter]:
        """A patient's visits to the scope's organizations, newest first, cancelled ones left out."""
        ...

    def encounter(self, number: str, scope: Scope) -> Encounter | None:
        """The visit with this number to one of the scope's organizations, a cancelled one too; None where several have it."""
        ...

    def reports(self, study: Uid, scope: Scope) -> list[Report]:
        """Every version of every report of a study in scope, newest first; of its own patient and organization."""
        ...

    def studies_of(self, report: Report, scope: Scope) -> list[Uid]:
        """Studies in scope that a report may be of, by UID or accession number, whoever their patient is."""
        ...


class OrderWriter(Protocol):
    """Changes about orders, reports and messages, within one transaction."""

    def put_peer(self, peer: Peer) -> None: ...

    def remove_peer(self, application: str, facility: str) -> int: ...

    def put_letter(self, letter: Letter, sealed_by: bytes) -> int:
        """Note a message that is kept; its number. Raises Unavailable when the account's key was destroyed meanwhile."""
        ...

    def tell_letter(self, number: int, told: Told) -> None:
        """Note what became of a message."""
        ...

    def put_order(self, order: Order) -> bool:
        """Add an order or change the one with its numbers; False when something newer is held, and nothing changed.

        What the newer word leaves empty stays as it was.
        """
        ...

    def note_word(self, organization: str, patient: PatientId, at: datetime) -> bool:
        """Note when an organization last said who a patient is; False when it has said something newer."""
        ...

    def name_patient(self, organization: str, patient: Patient, at: datetime) -> int:
        """Let an organization's open orders that are older than `at` say who their patient is; how many there are."""
        ...

    def move_orders(self, organization: str, old: PatientId, new: PatientId) -> int:
        """Give an organization's open orders and visits of one identifier to another; how many orders there are."""
        ...

    def put_encounter(self, encounter: Encounter) -> bool:
        """Add a visit or change it; False when something newer is held, and nothing changed."""
        ...

    def add_performed(self, step: Performed) -> bool:
        """Note a performed step that has begun; False for one that is known."""
        ...

    def performed(self, uid: Uid, organization: str) -> Performed | None:
        """A performed step of an organization, which nobody else changes until the transaction ends."""
        ...

    def change_performed(self, step: Performed) -> None: ...

    def advance(self, step: Performed) -> None:
        """Let the orders of its organization that a performed step answers be as far as it is."""
        ...

    def put_report(self, report: Report, sealed_by: bytes) -> bool:
        """Add a version of a report; False when this very version is there. Raises Unavailable as `put_letter` does.

        Delays count since the first version of it came.
        """
        ...

    def release(self, which: Which) -> None:
        """Let all versions of a report, or a series of documents, be read at once; twice changes nothing."""
        ...
