"""How values of the DICOM JSON model read on a page."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from imagebank.dicom.moments import read_day
from imagebank.model.access import Purpose
from imagebank.model.contributed import WORDS, is_contributed
from imagebank.model.imaging import DataSet
from imagebank.model.person import PersonName
from imagebank.model.provision import Provision
from imagebank.portal.language import counted, day, gettext, listed, noted

_OLDEST = 130
"""Years. A birth date further back is a placeholder or a slip, and no age is made of it."""

_PURPOSES: Mapping[str, str] = {
    Purpose.TREATMENT: noted("treatment"),
    Purpose.EMERGENCY: noted("treatment in an emergency"),
    Purpose.OPERATIONS: noted("running the organization"),
    Purpose.PAYMENT: noted("payment"),
    Purpose.RESEARCH: noted("research"),
    Purpose.PUBLIC_HEALTH: noted("public health"),
    Purpose.PATIENT_REQUEST: noted("the patient's own request"),
}
_WAYS: Mapping[str, str] = {
    "rendered": noted("as pictures"),
    "portal": noted("the page of an object"),
    "portal study page": noted("the page of the study"),
    "portal quick look": noted("a quick look at the study"),
    "correction": noted("what a correction would change"),
    "corrections": noted("the page of corrections"),
    "WADO-RS": noted("as files (WADO-RS)"),
    "WADO-RS metadata": noted("all but the pictures (WADO-RS)"),
    "WADO-URI": noted("as files (WADO-URI)"),
    "C-GET": noted("as files (C-GET)"),
    "export as zip": noted("taken along as a ZIP file"),
    "export as iso": noted("taken along as a disc"),
    "export as pictures": noted("taken along as plain pictures"),
}
_SEXES = {"F": noted("female"), "M": noted("male"), "O": noted("other sex")}


@dataclass(frozen=True, slots=True)
class Name:
    """A person's name as staff read it: family name first, the local writing after it."""

    text: str
    local: str = ""


def values(attributes: DataSet, tag: str) -> list[Any]:
    """The values of an attribute; empty when it is absent or empty."""
    found = attributes.get(tag, {}).get("Value", [])
    return [value for value in found if value is not None] if isinstance(found, list) else []


def text(attributes: DataSet, tag: str) -> str:
    """The first value as text."""
    found = values(attributes, tag)
    return str(found[0]).strip() if found and not isinstance(found[0], dict) else ""


def number(attributes: DataSet, tag: str) -> int | None:
    found = values(attributes, tag)
    try:
        return int(found[0]) if found else None
    except (TypeError, ValueError):
        return None


def decimal(attributes: DataSet, tag: str) -> float | None:
    """The first value as a finite number; None when there is none."""
    found = values(attributes, tag)
    try:
        read = float(found[0]) if found else math.nan
    except (TypeError, ValueError):
        return None
    return read if math.isfinite(read) else None


def items(attributes: DataSet, tag: str) -> list[DataSet]:
    """The items of a sequence."""
    return [item for item in values(attributes, tag) if isinstance(item, dict)]


def name(attributes: DataSet, tag: str) -> Name:
    """A person's name; "No name" when there is none."""
    found = values(attributes, tag)
    groups = found[0] if found and isinstance(found[0], dict) else {}
    alphabetic = _name_parts(str(groups.get("Alphabetic", "")))
    local = str(groups.get("Ideographic", "")).replace("^", " ").strip()
    if not alphabetic and local:
        return Name(local)
    return Name(alphabetic or gettext("No name"), local)


def name_of(person: PersonName) -> Name:
    """The same of a name that was read already."""
    groups = {"Alphabetic": person.alphabetic, "Ideographic": person.ideographic}
    return name({"00100010": {"vr": "PN", "Value": [groups]}}, "00100010")


def _name_parts(group: str) -> str:
    # PS3.5 6.2.1.1: family, given, middle, prefix, suffix.
    family, given, middle, prefix, suffix = (part.strip() for part in (*group.split("^"), *[""] * 5)[:5])
    rest = " ".join(part for part in (prefix, given, middle, suffix) if part)
    return ", ".join(part for part in (family, rest) if part)


def age(born: str, on: str) -> str:
    """Age on a day, both DA values, in years, or in months below two years; empty when it is unknown or cannot be."""
    first, last = read_day(born), read_day(on)
    if first is None or last is None or first > last:
        return ""
    months = (last.year - first.year) * 12 + last.month - first.month - (last.day < first.day)
    if months // 12 > _OLDEST:
        return ""
    if months >= 24:
        return gettext("%(years)d y") % {"years": months // 12}
    return counted(months, "%(num)s month", "%(num)s months")


def sex(code: str) -> str:
    """A PatientSex (PS3.3 C.7.1.1) in words."""
    if not code:
        return ""
    return gettext(_SEXES[code]) if code in _SEXES else gettext("sex %(code)s") % {"code": code}


def minutes_left(now: datetime, end: datetime) -> str:
    """`59 minutes`; the last one begins below it."""
    return counted(max(1, round((end - now).total_seconds() / 60)), "%(num)s minute", "%(num)s minutes")


def purpose(one: Purpose | str) -> str:
    """Why somebody asks, in words; what is none stays as it is."""
    return gettext(_PURPOSES.get(one, one))


def way(one: str) -> str:
    """How something was read, in words; what has no better ones stays as it is."""
    return gettext(_WAYS.get(one, one))


def plain(one: Provision) -> str:
    """What a decision is about and for whom, in words."""
    to = [
        gettext("people of %(organization)s") % {"organization": one.organization} if one.organization else "",
        one.principal,
        gettext("every %(role)s") % {"role": one.role} if one.role else "",
    ]
    about = [
        gettext("study %(study)s") % {"study": one.study} if one.study else "",
        gettext("%(modality)s studies") % {"modality": one.modality} if one.modality else "",
        gettext("from %(day)s") % {"day": day(one.since)} if one.since else "",
        gettext("until %(day)s") % {"day": day(one.until)} if one.until else "",
    ]
    why = gettext(", for %(purpose)s") % {"purpose": purpose(one.purpose)} if one.purpose else ""
    people = listed(filter(None, to)) or gettext("everybody")
    return f"{people}: {' '.join(filter(None, about)) or gettext('all studies')}{why}"


_STATUSES = (
    noted("preliminary"),
    noted("not verified"),
    noted("final"),
    noted("corrected"),
    noted("partial"),
    noted("cancelled"),
)
"""What a report may be (`model.report.STATUSES`), for translators."""


def contributed(issuer: str) -> str:
    """How a study is marked whose patient's identifier has this issuer; empty for one of an organization."""
    return gettext(WORDS) if is_contributed(issuer) else ""
