"""Reports: ORU^R01, with text (TX, FT, ST) and PDF (ED); tied to a study by accession number or Study Instance UID."""

import base64
import binascii
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from imagebank.hl7 import fields
from imagebank.hl7.answers import DATA_TYPE, MISSING, NOT_IN_TABLE, Refused
from imagebank.hl7.messages import Message, Segment
from imagebank.model.delay import SECTION, type_words
from imagebank.model.report import STATUSES, Body, Part, Report
from imagebank.model.uid import Uid

_TEXTS: Final = frozenset({"TX", "FT", "ST"})
_STUDY_UID: Final = frozenset({"113014", "110180"})
"""DICOM Study, and Study Instance UID (PS3.16 annex D), as observations that name the study."""
_PDF: Final = b"%PDF-"


@dataclass(slots=True)
class _Group:
    obr: Segment
    observations: list[Segment] = field(default_factory=list)
    zds: Segment | None = None


def reports(message: Message, organization: str, now: datetime) -> list[tuple[Report, Body]]:
    """The reports of a message, each with what it says. Raises Refused."""
    patient = fields.patient(message, organization).id
    groups = _groups(message)
    if not groups:
        raise Refused("the message has no OBR segment", MISSING, "OBR^1")
    found = []
    for place, group in enumerate(groups, 1):
        obr = group.obr
        status = obr.get(25).upper() or "F"
        if status not in STATUSES:
            raise Refused("the status of the report is not one that is known here", NOT_IN_TABLE, f"OBR^{place}^25")
        report = Report(
            organization,
            patient,
            fields.happened(message, obr.get(22)) or now,
            status,
            number=fields.line(obr.get(3) or obr.get(2) or obr.get(18)),
            accession=fields.line(obr.get(18)),
            study=_study(group, place),
            types=_types(group),
        )
        found.append((report, _body(group, place)))
    return found


def _types(group: _Group) -> tuple[str, ...]:
    """What kind of report it is: the section that made it (OBR-24), and the codes of the service and of what is told."""
    section = group.obr.get(24)
    named = (section and SECTION + section, *(group.obr.value(4).component(place) for place in (1, 4)))
    return type_words((*named, *(one.get(3) for one in group.observations if one.get(3) not in _STUDY_UID)))


def numbers(message: Message) -> list[tuple[str, str]]:
    """Placer and filler numbers of each report, by which the order of one that names no study is found."""
    return [
        tuple(fields.number(group.obr.value(place)) for place in (2, 3))  # type: ignore[misc]  # two places are a pair
        for group in _groups(message)
    ]


def _groups(message: Message) -> list[_Group]:
    groups: list[_Group] = []
    for segment in message.segments:
        if segment.name == "OBR":
            groups.append(_Group(segment))
        elif segment.name == "OBX" and groups:
            groups[-1].observations.append(segment)
        elif segment.name == "ZDS" and groups:
            groups[-1].zds = segment
    return groups


def _study(group: _Group, place: int) -> Uid | None:
    """The study that a report names by an observation, or by ZDS."""
    for observation in group.observations:
        if observation.get(3) in _STUDY_UID:
            return fields.uid(observation.get(5), f"OBX^{place}^5")
    return fields.uid(group.zds.get(1), "ZDS^1^1") if group.zds else None


def _body(group: _Group, place: int) -> Body:
    """What a report says: texts of one heading are one part, whatever their lines came as."""
    parts: list[Part] = []
    for number, observation in enumerate(group.observations, 1):
        kind = observation.get(2).upper()
        title = fields.line(observation.get(3, 2) or observation.get(3))
        if observation.get(3) in _STUDY_UID:
            continue
        if kind == "ED":
            parts.append(_document(observation, title, number))
        elif text := _text(observation, kind):
            if parts and parts[-1].kind == "text/plain" and parts[-1].title == title:
                text = f"{parts.pop().text}\n{text}"
            parts.append(Part("text/plain", text.encode("utf-8", "replace"), title))
    if not parts and group.obr.get(25).upper() != "X":
        raise Refused("the report has neither text nor a document", MISSING, f"OBX^{place}^5")
    procedure = fields.code(group.obr.value(4))
    return Body(procedure.meaning or procedure.value, fields.reader(group.obr.value(32)), tuple(parts))


def _text(observation: Segment, kind: str) -> str:
    """The words of an observation; of another than text its value with its unit, a line each."""
    values = observation.values(5)
    if kind in _TEXTS:
        return "\n".join(value.text.rstrip() for value in values)
    if kind in ("CE", "CWE"):
        return "\n".join(filter(None, (value.component(2) or value.component(1) for value in values)))
    if kind in ("NM", "DT", "TM", "TS", "SN"):
        unit = observation.get(6)
        return "\n".join(" ".join(filter(None, (value.text.replace("^", " ").strip(), unit))) for value in values)
    return ""


def _document(observation: Segment, title: str, number: int) -> Part:
    """An encapsulated PDF (ED): source^type^subtype^Base64^data. Raises Refused for another, or for a broken one."""
    value = observation.value(5)
    place = f"OBX^{number}^5"
    coding, data = value.component(4), value.component(5)
    if coding.upper() != "BASE64":
        raise Refused("a document comes in Base64", DATA_TYPE, place)
    try:
        content = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refused("the Base64 of the document cannot be read", DATA_TYPE, place) from None
    if not content.startswith(_PDF):
        raise Refused("only PDF documents are kept", DATA_TYPE, place)
    return Part("application/pdf", content, title)
