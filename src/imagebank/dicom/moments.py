"""Dates and times as people read them, in one form wherever they are shown."""

from datetime import date
from typing import Final

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def read_day(text: str) -> date | None:
    """A DA value; None when it is no date."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if len(text) == 8 else None
    except ValueError:
        return None


def day(text: str) -> str:
    """A DA value as `11 Oct 2026`; what is no date as it is written."""
    found = read_day(text)
    return f"{found.day} {_MONTHS[found.month - 1]} {found.year}" if found else text


def clock(text: str) -> str:
    """A TM value as `14:05`; empty when it is none."""
    return f"{text[:2]}:{text[2:4]}" if text[:4].isdigit() and len(text) >= 4 else ""
