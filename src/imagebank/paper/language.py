"""The words of what is printed, by language: a catalogue of their own, `paper/locale/<language>.po`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from gettext import NullTranslations
from pathlib import Path
from typing import Final

from babel.dates import format_date

from imagebank.model.zone import name_at
from imagebank.paper import catalogue
from imagebank.paper.catalogue import languages_in, locale_of, names_of, words_in
from imagebank.paper.typeset import written

ENGLISH: Final = catalogue.ENGLISH
CATALOGUES: Final = Path(__file__).parent / "locale"
_LEFT_TO_RIGHT: Final = "\u2066{}\u2069"
_PLACE: Final = re.compile(r"%\((\w+)\)s")


class Kind(StrEnum):
    """How a part of a sentence is set."""

    TEXT = "text"
    NAME = "name"
    TYPED = "typed"
    """What is typed as it stands, such as an address: in letters that cannot be mistaken, from left to right."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a sentence that is set in one way."""

    text: str
    kind: Kind = Kind.TEXT


Sentence = tuple[Part, ...]


def known() -> frozenset[str]:
    """The languages that sheets can be had in."""
    return languages_in(CATALOGUES)


def names() -> list[tuple[str, str]]:
    """The languages and how each calls itself, to choose one."""
    return names_of(known())


def spoken(tag: str) -> str:
    """The known language of a tag such as `de-AT`; English where it is none."""
    language = re.split("[-_]", tag)[0].lower()
    return language if language in known() else ENGLISH


def direction(language: str) -> str:
    """`ltr`, or `rtl` where the language is written so."""
    return locale_of(language).text_direction


def said(language: str, message: str, **values: Part) -> Sentence:
    """A text in a language, with values where `%(name)s` stands. It is found by this name for translators."""
    return tuple(_parts(_words(language).gettext(message), values))


def _parts(text: str, values: dict[str, Part]) -> Iterator[Part]:
    for number, piece in enumerate(_PLACE.split(text)):
        if number % 2:
            yield values[piece]
        elif piece:
            yield Part(piece)


def plain(sentence: Sentence) -> str:
    """The same as mere text."""
    return "".join(part.text for part in sentence)


def name(text: str) -> Part:
    """What people are called, or what they call something."""
    return Part(written(text), Kind.NAME)


def typed(text: str) -> Part:
    """What is to be typed as it stands."""
    return Part(text.strip(), Kind.TYPED)


def moment(language: str, at: datetime) -> str:
    """`Friday, 11 December 2026, 14:05 CET`, in the way of the language and the zone in which it is given."""
    here = locale_of(language)
    pattern = str(here.datetime_formats["medium"])
    return pattern.format(_LEFT_TO_RIGHT.format(f"{at:%H:%M} {name_at(at)}"), format_date(at, "full", locale=here))


def _words(language: str) -> NullTranslations:
    return words_in(CATALOGUES, language)
