"""Dates with times (VR DT), as values and as keys, in the form in which they are compared (PS3.5 6.2, PS3.4 C.2.2.2.5).

A value has two forms: what clocks showed, and universal time, which begins with `U`. A key that names an offset is
compared with the second, one without with the first. Without an offset both are the same but for the letter;
an object that names its time zone gives it to its values first.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from imagebank.errors import Invalid

# Four digits after a hyphen are an offset where they can be one, and else the year at the end of a range.
_OFFSET: Final = r"\+(?:0\d|1[0-4])[0-5]\d|-(?:0\d|1[0-2])[0-5]\d(?![^-])"
_MOMENT: Final = rf"\d{{4,14}}(?:\.\d{{1,6}})?(?:{_OFFSET})?"
_ONE: Final = re.compile(rf"(\d{{4,14}})(?:\.(\d{{1,6}}))?({_OFFSET})?", re.ASCII)
_RANGE: Final = re.compile(rf"({_MOMENT})?\s*-\s*({_MOMENT})?", re.ASCII)
# A plus that was not percent-encoded comes out of a URL as a space.
_LOST_PLUS: Final = re.compile(r"(?<=\d) (?=(?:0\d|1[0-4])[0-5]\d(?:-|$))", re.ASCII)
_FIRST: Final = "00000101000000"
_LAST: Final = "00001231235959"
_SECONDS: Final = len(_LAST)
_MONTHS: Final = 6
# Before and after every moment of each form.
_BOUNDS: Final = {False: ("", ":"), True: ("U", "V")}


@dataclass(frozen=True, slots=True)
class _Moment:
    """By the clock and in universal time."""

    local: str
    universal: str
    has_offset: bool


def moment_forms(text: str) -> tuple[str, str]:
    """Both forms of a value; what is left out becomes its first moment. Raises Invalid."""
    moment = _read(text.strip())
    return moment.local, moment.universal


def moment_span(text: str) -> tuple[str, str]:
    """The first and the last moment that a key means, as one moment or as a range. Raises Invalid.

    What stops at the day stands for the whole day. A range is in universal time when one of its ends has an offset.
    """
    text = _LOST_PLUS.sub("+", text)
    if _ONE.fullmatch(text):
        low = high = text
    elif found := _RANGE.fullmatch(text):
        low, high = found[1] or "", found[2] or ""
    else:
        raise _no_moment()
    first, last = _read(low) if low else None, _read(high, up=True) if high else None
    is_universal = any(end is not None and end.has_offset for end in (first, last))
    before, after = _BOUNDS[is_universal]
    return _form(first, is_universal=is_universal) or before, _form(last, is_universal=is_universal) or after


def _form(moment: _Moment | None, *, is_universal: bool) -> str:
    if moment is None:
        return ""
    return moment.universal if is_universal else moment.local


def _no_moment() -> Invalid:
    return Invalid("a date and time has the form YYYYMMDDHHMMSS.FFFFFF&ZZXX; parts may be left out from the right")


def _read(text: str, *, up: bool = False) -> _Moment:
    found = _ONE.fullmatch(text)
    if found is None or len(found[1]) % 2 or (found[2] and len(found[1]) < _SECONDS):
        raise _no_moment()
    digits, fraction, offset = found[1], found[2] or "", found[3]
    try:
        if up and len(digits) == _MONTHS:
            digits += str(calendar.monthrange(int(digits[:4]), int(digits[4:6]))[1])
        whole = digits + (_LAST if up else _FIRST)[len(digits) :]
        micros = fraction.ljust(6, "9" if up else "0")
        # A minute may have a 61st second (PS3.5 6.2), for which Python has no name.
        bare = whole[:-2] + "59" if whole.endswith("60") else whole
        at = datetime.strptime(bare + micros, "%Y%m%d%H%M%S%f") - _shift(offset)  # noqa: DTZ007 - shifted to UTC
    except (ValueError, calendar.IllegalMonthError, OverflowError):
        raise Invalid("there is no such date and time") from None
    return _Moment(f"{whole}.{micros}", f"U{at.year:04}{at:%m%d%H%M%S}.{at.microsecond:06}", offset is not None)


def _shift(offset: str | None) -> timedelta:
    if offset is None:
        return timedelta(0)
    size = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:5]))
    return -size if offset[0] == "-" else size
