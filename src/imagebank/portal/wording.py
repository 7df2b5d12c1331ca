"""How values of the DICOM JSON model read on a page."""

import math
from dataclasses import dataclass
from datetime import date
from typing import Any

from imagebank.model.imaging import DataSet

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


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
    return Name(alphabetic or "No name", local)


def _name_parts(group: str) -> str:
    # PS3.5 6.2.1.1: family, given, middle, prefix, suffix.
    family, given, middle, prefix, suffix = (part.strip() for part in (*group.split("^"), *[""] * 5)[:5])
    rest = " ".join(part for part in (prefix, given, middle, suffix) if part)
    return ", ".join(part for part in (family, rest) if part)


def day(text: str) -> str:
    """A DA value as `11 Oct 2026`; what is no date as it is written."""
    found = _date(text)
    return f"{found.day} {_MONTHS[found.month - 1]} {found.year}" if found else text


def clock(text: str) -> str:
    """A TM value as `14:05`."""
    return f"{text[:2]}:{text[2:4]}" if text[:4].isdigit() and len(text) >= 4 else ""


def age(born: str, today: date) -> str:
    """Age in years, or in months below two years; empty when the birth date is unknown."""
    found = _date(born)
    if found is None or found > today:
        return ""
    months = (today.year - found.year) * 12 + today.month - found.month - (today.day < found.day)
    return f"{months // 12} y" if months >= 24 else f"{months} months"


def _date(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if len(text) == 8 else None
    except ValueError:
        return None


def counted(count: int, one: str, many: str) -> str:
    """`1 image`, `39 images`."""
    return f"{count:,} {one if count == 1 else many}"
