"""The language of a page: chosen by what the browser asks for, with its words, numbers and dates.

What is not in a catalogue stays English. A language is added by a catalogue: `portal/locale/<language>.po`.
"""

from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from datetime import datetime
from functools import cache, reduce
from gettext import NullTranslations
from pathlib import Path
from typing import Final

from babel.dates import format_skeleton
from babel.numbers import format_decimal

from imagebank import errors
from imagebank.dicom.moments import read_day
from imagebank.model.phrase import Phrase, in_words
from imagebank.model.zone import name_at
from imagebank.paper import catalogue
from imagebank.paper.catalogue import languages_in, names_of, words_in
from imagebank.paper.catalogue import locale_of as _locale
from imagebank.portal import here

ENGLISH: Final = catalogue.ENGLISH
_CATALOGUES: Final = Path(__file__).parent / "locale"
_LONGEST: Final = 200
"""Of what a browser asks for; the rest is not read."""

_spoken: ContextVar[str] = ContextVar("language", default=ENGLISH)


@cache
def known() -> frozenset[str]:
    """The languages that pages can be had in."""
    return languages_in(_CATALOGUES)


def names() -> list[tuple[str, str]]:
    """The languages and how each calls itself."""
    return names_of(known())


def chosen(asked: str, *otherwise: str) -> str:
    """The best known language of an Accept-Language field (RFC 9110 12.5.4), else the first known of `otherwise`; or English."""
    ranked: list[tuple[float, str]] = []
    for part in asked[:_LONGEST].split(","):
        tag, _, rest = part.partition(";")
        try:
            weight = float(rest.partition("=")[2]) if rest else 1.0
        except ValueError:
            continue
        ranked.append((weight, tag.strip().partition("-")[0].lower()))
    wanted = sorted((one for one in ranked if one[0] > 0), key=lambda one: -one[0])
    return next((tag for tag in (*(tag for _, tag in wanted), *otherwise) if tag in known()), ENGLISH)


def words_for(asked: str, otherwise: Sequence[str]) -> tuple[str, NullTranslations]:
    """The language that `chosen` says, with its texts, for edges that have no pages."""
    language = chosen(asked, *otherwise)
    return language, _words(language)


def speak(language: str) -> None:
    """Let what is written from now on, for this request, be in a language."""
    _spoken.set(language)


def spoken() -> str:
    """The language of the page that is being made."""
    return _spoken.get()


def direction() -> str:
    """`ltr`, or `rtl` where the language is written so."""
    return _locale(spoken()).text_direction


def _words(language: str) -> NullTranslations:
    return words_in(_CATALOGUES, language)


noted: Final = errors.noted
"""Marks a text that is translated later, by `gettext`, where it is shown."""


def translated(language: str) -> list[tuple[str, str]]:
    """The texts of one form that there is a translation of, each with it."""
    texts = getattr(_words(language), "_catalog", {})
    return [(text, words) for text, words in texts.items() if isinstance(text, str) and text]


def gettext(message: str) -> str:
    """A text in the language of the page."""
    return _words(spoken()).gettext(message) if message else ""


def say(phrase: str | Phrase) -> str:
    """A phrase in the language of the page; what somebody wrote as it is."""
    return in_words(phrase, _words(spoken()))


def ngettext(one: str, many: str, count: int) -> str:
    """A text for a number, in the form that the language has for it."""
    return _words(spoken()).ngettext(one, many, count)


Forms = tuple[str, str]
"""A text for one and for many, with `%(num)s` where the number stands."""

_SAMPLES: Final = (*range(200), 1_000_000)


def plural(one: str, many: str) -> Forms:
    """Marks a text for a number that is translated later, by `forms`."""
    return one, many


def forms(one: str, many: str) -> dict[str, str]:
    """A text for a number in each form of the language, by the name that CLDR has for it, for scripts."""
    name = _locale(spoken()).plural_form
    return {name(number): ngettext(one, many, number) for number in reversed(_SAMPLES)}


def whole(count: int) -> str:
    """`1,842`, as the language groups digits."""
    return format_decimal(count, locale=_locale(spoken()))


def counted(count: int, one: str, many: str) -> str:
    """`1 image`, `39 images`: texts with `%(num)s` where the number stands."""
    return ngettext(one, many, count) % {"num": whole(count)}


def day(text: str) -> str:
    """A DA value as `11 Oct 2026`, in the way of the language, never in digits alone; what is no date as it is written."""
    found = read_day(text)
    return format_skeleton("yMMMd", found, locale=_locale(spoken()), fuzzy=True) if found else text


def day_of_year(text: str) -> str:
    """The same without the year: `11 Oct`."""
    found = read_day(text)
    return format_skeleton("MMMd", found, locale=_locale(spoken()), fuzzy=True) if found else text


def moment(at: datetime) -> str:
    """`11 Oct 2026, 14:05 CEST`, where the site is."""
    at = here.local(at)
    pattern = str(_locale(spoken()).datetime_formats["medium"])
    return pattern.format(f"{at:%H:%M} {name_at(at)}", day(f"{at:%Y%m%d}"))


def day_at(at: datetime) -> str:
    """The day of a moment, where the site is: `11 Oct 2026`."""
    return day(f"{here.local(at):%Y%m%d}")


def listed(texts: Iterable[str]) -> str:
    """`a, b, c`, as the language parts them."""
    joined, each = gettext("%(first)s, %(next)s"), list(texts)
    return reduce(lambda first, text: joined % {"first": first, "next": text}, each) if each else ""
