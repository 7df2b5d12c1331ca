"""FHIR's dates as searches have them: which time one covers, and how it is compared (R4 3.1.1.4.7)."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from imagebank.errors import Invalid

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DATE: Final = re.compile(
    r"(eq|ge|gt|le|lt|sa|eb|)(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?)?)?"
)


def bounds_of(texts: Iterable[str]) -> tuple[int | None, int | None]:
    """The time in which all of these dates hold, as `span_of` has it; None where it is open. Raises Invalid."""
    since: int | None = None
    until: int | None = None
    for text in texts:
        prefix, start, end = span_of(text)
        low = {"eq": start, "ge": start, "gt": end, "sa": end}.get(prefix)
        high = {"eq": end, "le": end, "lt": start, "eb": start}.get(prefix)
        since = since if low is None else max(low, low if since is None else since)
        until = until if high is None else min(high, high if until is None else until)
    return since, until


def moments_of(texts: Iterable[str]) -> tuple[datetime | None, datetime | None]:
    """The same as moments. Raises Invalid."""
    low, high = (None if one is None else _EPOCH + timedelta(microseconds=one) for one in bounds_of(texts))
    return low, high


def days_of(texts: Iterable[str]) -> tuple[str, str]:
    """The same as days, YYYYMMDD; the end is exclusive, and empty what is open. Raises Invalid."""
    low, high = moments_of(texts)
    after = None if high is None else high + timedelta(days=1, microseconds=-1)
    return "" if low is None else f"{low:%Y%m%d}", "" if after is None else f"{after:%Y%m%d}"


def span_of(text: str) -> tuple[str, int, int]:
    """The prefix of a date, `eq` without one, and the time that it covers: microseconds since 1970, the end exclusive.

    Raises Invalid.
    """
    # A plus that a URL has lost is a space.
    match = _DATE.fullmatch(text.strip().replace(" ", "+"))
    if match is None:
        raise Invalid("a date is one of FHIR's, such as ge2026-01-31 or le2026-01-31T12:00:00Z")
    return (match[1] or "eq", *_span(match))


def _span(match: "re.Match[str]") -> tuple[int, int]:
    """The time that a date covers, in microseconds since 1970, the end exclusive."""
    year, month, day, hour, minute, second = (None if part is None else int(part) for part in match.groups()[1:7])
    try:
        start = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0, tzinfo=UTC)
        if month is None:
            end = start.replace(year=start.year + 1)
        elif day is None:
            end = (start + timedelta(days=31)).replace(day=1)
        else:
            end = start + (timedelta(days=1) if hour is None else timedelta(seconds=1 if second is not None else 60))
        if match[8]:
            start += timedelta(microseconds=int(match[8][1:].ljust(6, "0")))
            end = start + timedelta(microseconds=10 ** (7 - len(match[8])))
        zone = _zone(match[9])
        return _micros(start - zone), _micros(end - zone)
    except (ValueError, OverflowError):
        raise Invalid(f"there is no such moment as {match[0].lstrip('eqgltsab')}") from None


def _zone(text: str | None) -> timedelta:
    if text in (None, "Z"):
        return timedelta(0)
    assert text is not None
    away = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return -away if text[0] == "-" else away


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
