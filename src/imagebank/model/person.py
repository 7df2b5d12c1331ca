"""Who an image is of: issuer-qualified identifiers and names in up to three scripts."""

import unicodedata
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class PatientId:
    """A patient identifier together with the assigning authority that gave it.

    Nothing in the bank ever matches on a bare identifier across organizations.
    """

    issuer: str
    identifier: str


@dataclass(frozen=True, slots=True)
class PersonName:
    """The three component groups of a PN value (PS3.5 6.2.1): one name in up to three writings."""

    alphabetic: str = ""
    ideographic: str = ""
    phonetic: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split `alphabetic=ideographic=phonetic`; further groups are dropped."""
        groups = [group.strip() for group in text.split("=")[:3]]
        return cls(*groups)

    def groups(self) -> tuple[str, str, str]:
        return self.alphabetic, self.ideographic, self.phonetic


# Voicing marks make another syllable of a kana; every other mark is an accent.
_KEPT_MARKS = frozenset("\u3099\u309a")


def fold(text: str) -> str:
    """The form in which text is compared: no case, no accents, no width variants.

    It is applied to what is stored and to what is asked, and nowhere else is text compared loosely.
    Wildcards (`*`, `?`) and name delimiters (`^`, `=`) pass through.
    """
    if text.isascii():
        return text.casefold()
    apart = unicodedata.normalize("NFKD", text)
    bare = "".join(c for c in apart if unicodedata.category(c) != "Mn" or c in _KEPT_MARKS)
    return unicodedata.normalize("NFKC", bare).casefold()
