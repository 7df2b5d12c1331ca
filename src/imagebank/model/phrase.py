"""What is said in words, apart from any language: a pattern with named values, translated where it is told."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from gettext import NullTranslations
from typing import Final

ENGLISH: Final = NullTranslations()


@dataclass(frozen=True, slots=True)
class Phrase:
    """A pattern such as `region: %(regions)s`, and what stands for its names: texts, or phrases of the same language.

    With `many`, `pattern` is the form for one, and `count` chooses between them, which stands in both as `%(num)s`.
    Translators find a pattern by the name of this class.
    """

    pattern: str
    values: "Mapping[str, str | Phrase]" = field(default_factory=dict)
    many: str = ""
    count: int = 0

    def __str__(self) -> str:
        return in_words(self, ENGLISH)


def for_number(one: str, many: str, count: int, **values: str | Phrase) -> Phrase:
    """A phrase for a number. Translators find its forms by this name."""
    return Phrase(one, values, many, count)


def listed(parts: Iterable[str | Phrase]) -> str | Phrase:
    """`a, b, c`, as the language parts them; an empty text for none."""
    each = list(parts)
    return reduce(_and, each) if each else ""


def _and(first: str | Phrase, other: str | Phrase) -> str | Phrase:
    return Phrase("%(first)s, %(next)s", {"first": first, "next": other})


def in_words(phrase: str | Phrase, words: NullTranslations) -> str:
    """A phrase in the language of these texts. A plain text is one that somebody wrote, and stays as it is."""
    if isinstance(phrase, str):
        return phrase
    values = {name: in_words(one, words) for name, one in phrase.values.items()}
    if phrase.many:
        return words.ngettext(phrase.pattern, phrase.many, phrase.count) % {**values, "num": str(phrase.count)}
    found = words.gettext(phrase.pattern) if phrase.pattern else ""
    return found % values if values else found
