"""Visits: when a patient is somewhere for care, by the number that the visit has there."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from imagebank.model.person import PatientId


class Stay(StrEnum):
    """Whether a visit goes on."""

    OPEN = "open"
    ENDED = "ended"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Encounter:
    """A visit of an organization, as it was last told of. Times are local, as DICOM writes them (YYYYMMDDHHMMSS).

    `kind` is the patient class (HL7 table 0004: E, I, O, …) and `place` where the patient lies. `event_at` is when this
    became so: what is older than what is held changes nothing.
    """

    organization: str
    number: str
    patient: PatientId
    event_at: datetime
    stay: Stay = Stay.OPEN
    kind: str = ""
    place: str = ""
    began_at: str = ""
    ended_at: str = ""
