"""Orders for imaging: what is to be done to whom, where, when, and how far it has come."""

from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from imagebank.model.person import PatientId
from imagebank.model.uid import Uid


class State(StrEnum):
    """How far a scheduled step has come (PS3.3 C.4.10, Scheduled Procedure Step Status, and what follows it)."""

    SCHEDULED = "scheduled"
    HELD = "held"
    STARTED = "in progress"
    DONE = "completed"
    STOPPED = "discontinued"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        return self in (State.DONE, State.STOPPED, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class Code:
    """A coded term; parts may be empty."""

    value: str = ""
    meaning: str = ""
    system: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """Whom an order is for, as the message that brought it says. Names are in DICOM form, dates YYYYMMDD."""

    id: PatientId
    name: str = ""
    birth_date: str = ""
    sex: str = ""


@dataclass(frozen=True, slots=True)
class Ordered:
    """What is asked for. `reason` and the names of physicians are as the message has them, names in DICOM form."""

    procedure: Code = Code()
    protocol: Code = Code()
    reason: str = ""
    priority: str = ""
    requesting: str = ""
    referring: str = ""
    performing: str = ""
    admission: str = ""
    place: str = ""
    station_name: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """One scheduled step of an order, of one organization.

    `placer` and `filler` are the numbers of whoever asked and whoever does it. `scheduled_at` is local time as DICOM
    writes it (YYYYMMDDHHMMSS, or less). `event_at` is when this became so where it was decided: what is older than what
    is held changes nothing. Without a Study Instance UID the bank gives one when it first hears of the order.
    `state` is None in a word that does not say how far it has come, and `state_at` when another word than the last did.
    """

    organization: str
    patient: Patient
    event_at: datetime
    state: State | None = None
    placer: str = ""
    filler: str = ""
    accession: str = ""
    accession_issuer: str = ""
    procedure_id: str = ""
    step_id: str = ""
    study: Uid | None = None
    modality: str = ""
    station_aet: str = ""
    scheduled_at: str = ""
    ordered: Ordered = Ordered()
    state_at: datetime | None = None
    id: int = 0

    @property
    def number(self) -> str:
        """How people call it: by whoever does it, else by whoever asked."""
        return self.filler or self.placer

    @property
    def decided_at(self) -> datetime:
        """When its state was decided."""
        return self.state_at or self.event_at


def joined(one: Order, other: Order) -> Order:
    """What two words about one order come to, in whichever order they came: the later one says what is so.

    What the later one leaves empty is as the earlier one has it. A state counts from when it was decided.
    """
    later, earlier = (other, one) if other.event_at >= one.event_at else (one, other)
    given = {name: getattr(later, name) or getattr(earlier, name) for name in _FILLED}
    details: dict[str, Any] = {
        name: _or_else(getattr(later.ordered, name), getattr(earlier.ordered, name)) for name in _DETAILS
    }
    decided = max((each for each in (earlier, later) if each.state), key=lambda each: each.decided_at, default=later)
    at = decided.decided_at if decided.state else None
    return replace(later, **given, ordered=Ordered(**details), state=decided.state, state_at=at)


def _or_else(later: str | Code, earlier: str | Code) -> str | Code:
    return earlier if later in ("", Code()) else later


_DETAILS: Final = tuple(field.name for field in fields(Ordered))
_FILLED: Final = (
    *("placer", "filler", "accession", "accession_issuer", "procedure_id", "step_id", "study"),
    *("modality", "station_aet", "scheduled_at"),
)


@dataclass(frozen=True, slots=True)
class Reference:
    """Which scheduled step a performed one answers, as the modality says."""

    study: str = ""
    accession: str = ""
    step_id: str = ""


@dataclass(frozen=True, slots=True)
class PerformedSeries:
    """A series that a modality has made, and the SOP Instance UIDs of what is in it (PS3.3 C.4.15)."""

    uid: str
    instances: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class Performed:
    """A performed procedure step (PS3.3 B.17): what a modality does or has done. `state` is one of three.

    `dose` is what it says of the radiation, by keyword (PS3.3 C.4.16), as it is written.
    """

    uid: Uid
    organization: str
    patient: PatientId
    state: State
    references: tuple[Reference, ...]
    by: str
    changed_at: datetime
    modality: str = ""
    series: tuple[PerformedSeries, ...] = ()
    dose: tuple[tuple[str, str], ...] = ()
