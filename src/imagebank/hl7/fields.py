"""What fields of HL7 mean in DICOM's words: identifiers, names, dates and times, codes."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from imagebank.errors import Invalid
from imagebank.hl7.answers import DATA_TYPE, MISSING, Refused
from imagebank.hl7.messages import Message, Segment, Value
from imagebank.model.order import Code, Patient
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

_TIME: Final = re.compile(r"(\d{4})(\d\d)?(\d\d)?(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.\d{1,6})?)?)?)?([+-]\d{4})?", re.ASCII)
_MAX_TEXT: Final = 512
MAX_NUMBER: Final = 200
"""Longer than any identifier, and short enough for an index of every database."""
_SEXES: Final = {"M": "M", "F": "F", "O": "O", "A": "O"}
_MEDICAL_RECORD: Final = ("MR", "PI", "PT", "")
"""Identifier types (table 0203) that a system uses for its patients, in our order of preference."""


def patient_ids(values: Iterable[Value], organization: str) -> list[PatientId]:
    """Identifiers (CX) with who gave them: by the namespace, else the universal ID, else the sender's own.

    Those of medical records come first. What is longer than any identifier is none.
    """
    found: list[tuple[int, PatientId]] = []
    for value in values:
        if identifier := value.component(1):
            issuer = value.component(4) or value.component(4, 2) or organization
            kind = value.component(5).upper()
            if len(identifier) > MAX_NUMBER or len(issuer) > MAX_NUMBER:
                continue
            rank = _MEDICAL_RECORD.index(kind) if kind in _MEDICAL_RECORD else len(_MEDICAL_RECORD)
            found.append((rank, PatientId(issuer, identifier)))
    return list(dict.fromkeys(one for _, one in sorted(found, key=lambda pair: pair[0])))


def ids_of(pid: Segment, organization: str) -> list[PatientId]:
    """Every identifier of a PID segment; before version 2.3 it stood in PID-2."""
    return patient_ids(pid.values(3), organization) or patient_ids(pid.values(2), organization)


def patient(message: Message, organization: str) -> Patient:
    """Whom a message is about. Raises Refused when it does not say."""
    pid = message.first("PID")
    if pid is None:
        raise Refused("the message has no PID segment", MISSING, "PID^1")
    return patient_of(pid, organization)


def patient_of(pid: Segment, organization: str) -> Patient:
    """The patient of a PID segment. Raises Refused when it has no identifier."""
    ids = ids_of(pid, organization)
    if not ids:
        raise Refused("the message has no patient identifier", MISSING, "PID^1^3")
    return Patient(ids[0], names(pid.values(5)), date(pid.get(7)), sex(pid.get(8)))


def names(values: Iterable[Value]) -> str:
    """A person name (XPN) in DICOM's form, in up to three writings by XPN-8."""
    groups = {"A": "", "I": "", "P": ""}
    for value in values:
        writing = value.component(8).upper()
        group = writing if writing in groups else "A"
        groups[group] = groups[group] or _name(value, 1)
    return "=".join(groups.values()).rstrip("=")


def physician(value: Value) -> str:
    """A person with a number (XCN), as a name."""
    return _name(value, 2)


def reader(value: Value) -> str:
    """Who read or did it (NDL): the name stands in subcomponents, and where some senders have it, as in XCN."""
    inner = "^".join(filter(None, (_plain(value.component(1, part)) for part in (2, 3))))
    return inner or ("" if value.component(2)[:4].isdigit() else physician(value))


def _name(value: Value, first: int) -> str:
    family, given, middle, suffix, prefix = (_plain(value.component(first + place)) for place in range(5))
    return f"{family}^{given}^{middle}^{prefix}^{suffix}".rstrip("^")


def _plain(text: str) -> str:
    """What has no meaning of its own within a name or a value (PS3.5 6.2)."""
    return " ".join(re.sub(r"[\^=\\\x00-\x1f\x7f]", " ", text).split())[:64]


def number(value: Value, authority_at: int = 2) -> str:
    """An order number (EI) or a visit's (CX); the authority that gave it is part of it where it is named.

    Raises Refused for what is too long to be one: a part of it could be another's.
    """
    own, authority = line(value.component(1)), line(value.component(authority_at))
    if len(own) + len(authority) > MAX_NUMBER:
        raise Refused(f"a number has at most {MAX_NUMBER} characters", DATA_TYPE)
    return f"{own}^{authority}" if own and authority else own


def line(text: str) -> str:
    """Text as one line of DICOM, with an end."""
    return " ".join(text.replace("\\", "/").split())[:_MAX_TEXT]


def sex(text: str) -> str:
    return _SEXES.get(text.upper()[:1], "")


def date(text: str) -> str:
    """YYYYMMDD; empty for what is no whole date."""
    found = clock(text)[:8]
    return found if len(found) == 8 else ""


def clock(text: str) -> str:
    """A date with time as DICOM writes it, without an offset; empty for what is none."""
    found = _TIME.fullmatch(text.strip())
    if found is None or moment(text) is None:
        return ""
    return "".join(part for part in found.groups()[:6] if part)


def moment(text: str) -> datetime | None:
    """A moment in universal time; one without an offset is taken as that. None for what is no date."""
    found = _TIME.fullmatch(text.strip())
    if found is None or not found[3]:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    try:
        shift = timedelta(hours=int(found[7][:3]), minutes=int(found[7][0] + found[7][3:])) if found[7] else timedelta()
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=timezone(shift)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def happened(message: Message, *further: str) -> datetime | None:
    """When what a message tells has happened: the first of these times, the event's own, or that of the message."""
    event = message.first("EVN")
    own = (event.get(6), event.get(2)) if event else ()
    return next((found for text in (*further, *own, message.header.get(7)) if (found := moment(text))), None)


def code(value: Value) -> Code:
    """A coded element (CE, CWE): the code itself, or the alternate one where there is no other."""
    first = Code(*(line(value.component(number)) for number in (1, 2, 3)))
    return first if first.value else Code(*(line(value.component(number)) for number in (4, 5, 6)))


def uid(text: str, place: str) -> Uid | None:
    """A UID; None for an empty field. Raises Refused for what is none: identity is never guessed."""
    if not text:
        return None
    try:
        return Uid.parse(text)
    except Invalid as error:
        raise Refused(str(error), DATA_TYPE, place) from error
