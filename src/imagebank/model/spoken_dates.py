"""Dates and moments as people and programs write them, in English, German, Spanish and French."""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_MONTHS: Final = (
    ("january", "jan", "januar", "jänner", "enero", "ene", "janvier", "janv"),
    ("february", "feb", "februar", "febrero", "février", "févr", "fév"),
    ("march", "mar", "märz", "mrz", "marzo", "mars"),
    ("april", "apr", "abril", "abr", "avril", "avr"),
    ("may", "mai", "mayo"),
    ("june", "jun", "juni", "junio", "juin"),
    ("july", "jul", "juli", "julio", "juillet", "juil"),
    ("august", "aug", "agosto", "ago", "août"),
    ("september", "sept", "sep", "septiembre", "septembre"),
    ("october", "oct", "oktober", "okt", "octubre", "octobre"),
    ("november", "nov", "noviembre", "novembre"),
    ("december", "dec", "dezember", "dez", "diciembre", "dic", "décembre", "déc"),
)
_MONTH_OF: Final = {word: number for number, words in enumerate(_MONTHS, 1) for word in words}
_MONTH: Final = "|".join(sorted(_MONTH_OF, key=len, reverse=True))
_DATE: Final = re.compile(
    r"(?<!\d)(?:"
    r"(?P<y1>[12]\d{3})(?P<s1>[-/.])(?P<m1>\d{1,2})(?P=s1)(?P<d1>\d{1,2})"
    r"|(?P<a2>\d{1,2})(?P<s2>[-/.]) ?(?P<b2>\d{1,2})(?P=s2) ?(?P<y2>[12]\d{3})"
    rf"|(?P<d3>\d{{1,2}})(?:st|nd|rd|th|er|\.)?[ -](?:de )?(?P<m3>{_MONTH})\.?,?[ -](?:de )?(?P<y3>[12]\d{{3}})"
    rf"|(?P<m4>{_MONTH})\.? (?P<d4>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y4>[12]\d{{3}})"
    r"|(?P<y5>19\d{2}|20\d{2})(?P<m5>[01]\d)(?P<d5>[0-3]\d)"
    r")(?!\d)",
    re.IGNORECASE,
)
# ISO 8601 puts a T between the two; people put blanks, a comma, or a word.
_TIME: Final = re.compile(
    r"[T_ ,-]{1,3}(?:at |um |a las |à )?(?P<h>[01]?\d|2[0-3])[:h](?P<m>[0-5]\d)(?::(?P<s>[0-5]\d))?", re.IGNORECASE
)
# As cameras name files: 20260301_101500.
_DIGITS: Final = re.compile(r"[T_ -](?P<h>[01]\d|2[0-3])[-]?(?P<m>[0-5]\d)[-]?(?P<s>[0-5]\d)?(?!\d)")


@dataclass(frozen=True, slots=True)
class Spoken:
    """A date that stands somewhere, and the time behind it. `others` are readings with day and month the other way round."""

    text: str
    date: dt.date
    time: dt.time | None = None
    others: tuple[dt.date, ...] = ()


def dates_in(text: str) -> Iterator[Spoken]:
    """Every date in a text, in its order; what cannot be a date is passed over."""
    for match in _DATE.finditer(text):
        readings = _readings(match)
        if readings:
            clock = _TIME.match(text, match.end()) or _DIGITS.match(text, match.end())
            at = dt.time(int(clock["h"]), int(clock["m"]), int(clock["s"] or 0)) if clock else None
            yield Spoken(match[0] + (clock[0] if clock else ""), readings[0], at, tuple(readings[1:]))


def _readings(match: re.Match[str]) -> list[dt.date]:
    """The days that it may mean, the usual one first."""
    if match["y1"]:
        orders = [(match["y1"], match["m1"], match["d1"])]
    elif match["y2"]:
        first, second = match["a2"], match["b2"]
        orders = [(match["y2"], second, first)]
        # Nobody who writes dots puts the month first.
        if match["s2"] != "." and first != second:
            orders.append((match["y2"], first, second))
    elif match["y3"]:
        orders = [(match["y3"], str(_MONTH_OF[match["m3"].lower()]), match["d3"])]
    elif match["y4"]:
        orders = [(match["y4"], str(_MONTH_OF[match["m4"].lower()]), match["d4"])]
    else:
        orders = [(match["y5"], match["m5"], match["d5"])]
    return [day for day in map(_day, orders) if day is not None]


def _day(parts: tuple[str, str, str]) -> dt.date | None:
    try:
        return dt.date(*map(int, parts))
    except ValueError:
        return None
