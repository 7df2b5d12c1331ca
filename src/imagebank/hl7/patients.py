"""Patients and their visits: ADT (chapter 3; IHE RAD-1, RAD-12, ITI-8, ITI-30)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from imagebank.hl7 import fields
from imagebank.hl7.answers import MISSING, Refused
from imagebank.hl7.messages import Message, Segment
from imagebank.model.encounter import Encounter, Stay
from imagebank.model.order import Patient
from imagebank.model.person import PatientId

STAYS: Final = {
    "A01": Stay.OPEN,
    "A02": Stay.OPEN,
    "A03": Stay.ENDED,
    "A04": Stay.OPEN,
    "A05": Stay.OPEN,
    "A06": Stay.OPEN,
    "A07": Stay.OPEN,
    "A08": Stay.OPEN,
    "A11": Stay.CANCELLED,
    "A12": Stay.OPEN,
    "A13": Stay.OPEN,
}
"""What a visit is after each event; A12 and A13 take back a transfer and an end."""
PERSONS: Final = frozenset({"A28", "A31"})
"""A person was added or changed, without a visit."""
MERGES: Final = frozenset({"A18", "A34", "A36", "A40", "A47"})
"""An identifier takes the place of another: merged (A40, before 2.3.1 A34, A36 and A18), or changed (A47)."""
LINK, UNLINK = "A24", "A37"
EVENTS: Final = frozenset({*STAYS, *PERSONS, *MERGES, LINK, UNLINK})


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of one patient: the record's identifiers, the demographics, and where and since when."""

    patient: Patient
    others: tuple[PatientId, ...]
    at: datetime
    address: str = ""
    phone: str = ""
    mother: str = ""


def told(message: Message, pid: Segment, organization: str, now: datetime) -> Told:
    """What a PID segment says. Raises Refused when it names nobody."""
    ids = fields.ids_of(pid, organization)
    address = pid.value(11)
    street = (address.component(1), *(address.component(number) for number in (2, 3, 4, 5, 6)))
    return Told(
        fields.patient_of(pid, organization),
        tuple(ids[1:]),
        fields.happened(message) or now,
        fields.line(", ".join(filter(None, street))),
        fields.line(pid.get(13) or pid.get(13, 12) or pid.get(13, 7)),
        fields.names(pid.values(6)),
    )


def merged(message: Message, organization: str) -> list[tuple[Segment, PatientId]]:
    """Each surviving PID with the identifier that gives way to it (MRG-1). Raises Refused."""
    pairs: list[tuple[Segment, PatientId]] = []
    pid: Segment | None = None
    for segment in message.segments:
        if segment.name == "PID":
            pid = segment
        elif segment.name == "MRG" and pid is not None:
            old = fields.patient_ids(segment.values(1), organization)
            if not old:
                raise Refused("the message has no prior patient identifier", MISSING, "MRG^1^1")
            pairs.append((pid, old[0]))
    if not pairs:
        raise Refused("the message has no MRG segment", MISSING, "MRG^1")
    return pairs


def pair(message: Message, organization: str) -> tuple[Segment, Segment]:
    """The two patients of a link or its end. Raises Refused."""
    found = list(message.all("PID"))
    if len(found) != 2:
        raise Refused("the message has no two PID segments", MISSING, "PID^2")
    for pid in found:
        fields.patient_of(pid, organization)
    return found[0], found[1]


def visit(message: Message, event: str, organization: str, now: datetime) -> Encounter | None:
    """The visit that a message tells of; None for one without a number."""
    pv1 = message.first("PV1")
    number = fields.number(pv1.value(19), 4) if pv1 else ""
    if pv1 is None or not number or event not in STAYS:
        return None
    at = fields.happened(message) or now
    ended = fields.clock(pv1.get(45))
    stay = STAYS[event]
    if stay is Stay.OPEN and ended and event != "A13":
        stay = Stay.ENDED
    place = [pv1.get(3, component) for component in (4, 1, 2, 3)]
    return Encounter(
        organization,
        number,
        fields.patient(message, organization).id,
        at,
        stay,
        fields.line(pv1.get(2)),
        fields.line(" ".join(filter(None, place))),
        fields.clock(pv1.get(44)),
        ended or (fields.clock(message.header.get(7)) if stay is Stay.ENDED else ""),
    )
