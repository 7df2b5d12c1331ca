"""Orders: ORM^O01 (2.3.1, IHE RAD-2, RAD-3, RAD-4, RAD-13) and OMI^O23 (2.5.1, IHE RAD-4)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from imagebank.hl7 import fields
from imagebank.hl7.answers import MISSING, NOT_IN_TABLE, SEGMENT_SEQUENCE, Refused
from imagebank.hl7.messages import Message, Segment
from imagebank.model.order import Code, Order, Ordered, Patient, State

_NEW: Final = frozenset({"NW", "SN", "XO", "XX", "XR", "RP", "RO", "RU", "NA", "PA", "CH", "OK", "OD", "DE"})
_ENDS: Final = {
    **dict.fromkeys(("CA", "CR", "OC", "UC"), State.CANCELLED),
    **dict.fromkeys(("DC", "DR", "OR"), State.STOPPED),
    "CM": State.DONE,
    **dict.fromkeys(("HD", "HR"), State.HELD),
    **dict.fromkeys(("RL", "OE"), State.SCHEDULED),
}
"""Order control codes (table 0119) that decide by themselves how far an order is."""
_STATUSES: Final = {
    "SC": State.SCHEDULED,
    "IP": State.STARTED,
    "HD": State.HELD,
    "CM": State.DONE,
    "CA": State.CANCELLED,
    "DC": State.STOPPED,
}
"""Order status (table 0038, ORC-5), which status changes (SC, SR) go by."""
_FIRST: Final = frozenset({"NW", "SN", "RO", "RL"})
_NUMBER_BYTES: Final = 64
_NUMBERS: Final = (2, 3, 20)
"""The fields of an OBR by which one order or step is told from another: placer, filler, step."""
_AET: Final = re.compile(r"[ -\[\]-~]{1,16}")


@dataclass(slots=True)
class _Group:
    """The segments of one order: ORC to the next ORC, or to another OBR that names an order or a step of its own."""

    orc: Segment
    obr: Segment | None = None
    ipcs: list[Segment] = field(default_factory=list)
    timing: Segment | None = None
    zds: Segment | None = None
    is_further: bool = False


def orders(message: Message, organization: str, now: datetime) -> list[Order]:
    """What a message says of orders, a step each. Raises Refused."""
    patient = fields.patient(message, organization)
    groups = _groups(message)
    if not groups:
        raise Refused("the message has no ORC segment", MISSING, "ORC^1")
    visit = message.first("PV1")
    # Some senders have one ZDS at the end, for one order.
    alone = message.first("ZDS") if len(groups) == 1 else None
    found: list[Order] = []
    for group in groups:
        group.zds = group.zds or alone
        at = fields.happened(message, group.orc.get(9)) or now
        found += _steps(group, patient, visit, organization, at)
    return found


def _groups(message: Message) -> list[_Group]:
    groups: list[_Group] = []
    for segment in message.segments:
        if segment.name == "ORC":
            groups.append(_Group(segment))
        elif segment.name in ("OBR", "IPC", "TQ1", "ZDS") and not groups:
            raise Refused(f"{segment.name} comes before any ORC", SEGMENT_SEQUENCE, f"{segment.name}^1")
        elif segment.name == "OBR":
            _begin(groups, segment)
        elif segment.name == "IPC":
            groups[-1].ipcs.append(segment)
        elif segment.name == "TQ1":
            groups[-1].timing = groups[-1].timing or segment
        elif segment.name == "ZDS":
            groups[-1].zds = segment
    return groups


def _begin(groups: list[_Group], obr: Segment) -> None:
    """The OBR of the group at the end; one that comes after it there is of a further order with the same ORC."""
    last = groups[-1]
    if last.obr is None:
        last.obr = obr
    elif any(obr.get(place) and obr.get(place) != last.obr.get(place) for place in _NUMBERS):
        groups.append(_Group(last.orc, obr, is_further=True))


def state_of(control: str, status: str) -> State | None:
    """How far an order is by ORC-1 and ORC-5; None where they do not say. Raises Refused for an unknown code."""
    if control in _ENDS:
        return _ENDS[control]
    if control in ("SC", "SR", "SN", "XX") and status in _STATUSES:
        return _STATUSES[status]
    if control in ("SC", "SR") or control in _NEW:
        return State.SCHEDULED if control in _FIRST else None
    raise Refused("the order control code is not one that is known here", NOT_IN_TABLE, "ORC^1^1")


def _steps(group: _Group, patient: Patient, visit: Segment | None, organization: str, at: datetime) -> list[Order]:
    orc = group.orc
    obr = group.obr or Segment("OBR", ["OBR"], orc.marks)
    one, other = (obr, orc) if group.is_further else (orc, obr)
    placer, filler = (fields.number(one.value(place)) or fields.number(other.value(place)) for place in (2, 3))
    if not (placer or filler):
        raise Refused("the order has neither a placer nor a filler number", MISSING, "ORC^1^2")
    whole = Order(
        organization,
        patient,
        at,
        state_of(orc.get(1).upper(), orc.get(5).upper()),
        placer,
        filler,
        accession=fields.line(obr.get(18))[:_NUMBER_BYTES],
        accession_issuer=fields.line(obr.get(18, 2)),
        procedure_id=fields.line(obr.get(19))[:_NUMBER_BYTES],
        step_id=fields.line(obr.get(20))[:_NUMBER_BYTES],
        study=fields.uid(group.zds.get(1), "ZDS^1^1") if group.zds else None,
        modality=_modality(obr.get(24)),
        station_aet=_aet(obr.get(21)),
        scheduled_at=_scheduled(group, obr),
        ordered=_ordered(orc, obr, group.timing, visit),
    )
    return [_step(whole, ipc, place) for place, ipc in enumerate(group.ipcs, 1)] or [whole]


def _step(whole: Order, ipc: Segment, place: int) -> Order:
    """A step of an order as its IPC says (2.5.1 chapter 4.5.6)."""
    protocol = fields.code(ipc.value(6))
    given = {
        "accession": fields.line(ipc.get(1))[:_NUMBER_BYTES],
        "accession_issuer": fields.line(ipc.get(1, 2)),
        "procedure_id": fields.line(ipc.get(2))[:_NUMBER_BYTES],
        "study": fields.uid(ipc.get(3), f"IPC^{place}^3"),
        "step_id": fields.line(ipc.get(4))[:_NUMBER_BYTES],
        "modality": _modality(ipc.get(5)),
        "station_aet": _aet(ipc.get(9)),
    }
    details = {
        "protocol": protocol if protocol != Code() else None,
        "station_name": fields.line(ipc.get(7)),
        "place": fields.line(ipc.get(8, 2) or ipc.get(8)),
    }
    return _with(whole, given, details)


def _with(whole: Order, given: Mapping[str, Any], details: Mapping[str, Any]) -> Order:
    """An order with what a step says itself."""
    kept = {name: value for name, value in given.items() if value}
    more = {name: value for name, value in details.items() if value}
    return replace(whole, ordered=replace(whole.ordered, **more), **kept)


def _ordered(orc: Segment, obr: Segment, timing: Segment | None, visit: Segment | None) -> Ordered:
    requested = obr.value(44) or obr.value(4)
    reasons: Sequence[str] = [fields.line(value.component(2) or value.component(1)) for value in obr.values(31)]
    priority = (timing.get(9) if timing else "") or obr.get(27, 6) or orc.get(7, 6) or obr.get(5)
    return Ordered(
        procedure=fields.code(requested),
        # The scheduled protocol is the second part of the universal service ID (IHE RAD-4).
        protocol=Code(*(fields.line(obr.get(4, number)) for number in (4, 5, 6))),
        reason="; ".join(filter(None, reasons)) or fields.line(obr.get(13)),
        priority=_priority(priority),
        requesting=fields.physician(orc.value(12) or obr.value(16)),
        referring=fields.physician(visit.value(8)) if visit else "",
        performing=fields.reader(obr.value(34)),
        admission=fields.line(visit.get(19)) if visit else "",
        place=fields.line(orc.get(13, 1)),
    )


def _priority(text: str) -> str:
    """Requested Procedure Priority (PS3.3 C.4.11) of a priority (table 0485 or 0027)."""
    return {"S": "STAT", "A": "HIGH", "R": "ROUTINE", "P": "HIGH", "C": "MEDIUM", "T": "MEDIUM"}.get(
        text.upper()[:1], ""
    )


def _scheduled(group: _Group, obr: Segment) -> str:
    """When it is to be done: TQ1-7 (2.5), the fourth component of quantity and timing, or OBR-36 (2.3.1)."""
    timing = group.timing
    texts = (timing.get(7) if timing else "", obr.get(36), obr.get(27, 4), group.orc.get(7, 4), obr.get(6))
    return next((found for text in texts if (found := fields.clock(text)) and len(found) >= 8), "")


def _modality(text: str) -> str:
    """A modality is a code string (PS3.5 6.2); what is none is no modality."""
    return text.upper() if re.fullmatch(r"[A-Za-z0-9_ ]{1,16}", text, re.ASCII) else ""


def _aet(text: str) -> str:
    return text.strip() if _AET.fullmatch(text) else ""
