"""Reads catalogues of translated texts (`<language>.po` in a folder): of what is printed, and of the pages."""

import io
from collections.abc import Iterable
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Final

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

ENGLISH: Final = "en"
"""The language of every text that no catalogue has."""
_CONVENTIONS: Final = {ENGLISH: "en_GB"}
"""Whose way of writing days and numbers a language has here, where it is not its first one."""


def languages_in(folder: Path) -> frozenset[str]:
    """The languages that there is a catalogue of, and English."""
    return frozenset({ENGLISH, *(file.stem for file in folder.glob("*.po"))})


def names_of(languages: Iterable[str]) -> list[tuple[str, str]]:
    """Languages and how each calls itself."""
    return [(one, (Locale.parse(one).get_display_name() or one).capitalize()) for one in sorted(languages)]


@cache
def locale_of(language: str) -> Locale:
    """How a language writes days and numbers, and in which direction."""
    return Locale.parse(_CONVENTIONS.get(language, language))


@cache
def words_in(folder: Path, language: str) -> NullTranslations:
    """The texts of a language."""
    if language == ENGLISH:
        return NullTranslations()
    with (folder / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    packed = io.BytesIO()
    write_mo(packed, catalogue)
    packed.seek(0)
    return GNUTranslations(packed)
