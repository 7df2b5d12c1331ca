"""What the bank says in a refusal, in the language of the page. Programs get the same in English."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from imagebank.errors import BankError
from imagebank.portal import language

_PLACE: Final = re.compile(r"\{(\w+)[^{}]*\}")
_LEAST_LETTERS: Final = 12
"""A sentence with fewer of its own would be found in too many others."""
_ENDS: Final = (".", "?", "!", "。", "؟", "…")
_FULL_STOPS: Final = {"ja": "。", "zh": "。"}


@dataclass(frozen=True, slots=True)
class _Told:
    """A translated sentence with places, and what an English one that was kept looks like."""

    looks: re.Pattern[str]
    letters: int
    words: str


def worded(said: BankError | str) -> str:
    """A refusal in the language of the page; also one that was kept, as its English words. What is unknown stays."""
    if isinstance(said, BankError) and said.values:
        template = language.gettext(said.template)
        values = {name: worded(one) if isinstance(one, BankError) else one for name, one in said.values.items()}
        return template.format(**values)
    words = str(said)
    found = language.gettext(words)
    return _from_kept(words) if found == words and language.spoken() != language.ENGLISH else found


def sentence(said: BankError | str) -> str:
    """The same with a capital letter and a full stop."""
    words = worded(said)
    stop = "" if words.endswith(_ENDS) else _FULL_STOPS.get(language.spoken().partition("_")[0], ".")
    return f"{words[:1].upper()}{words[1:]}{stop}" if words else ""


def _from_kept(words: str) -> str:
    for one in _sentences(language.spoken()):
        if match := one.looks.fullmatch(words):
            # What stood in a place is text by now, and is not formatted again.
            return _PLACE.sub(lambda place, found=match: found[place[1]], one.words)  # type: ignore[misc]
    return words


@cache
def _sentences(spoken: str) -> tuple[_Told, ...]:
    """What is translated of sentences with places, the most particular first."""
    found = []
    for template, words in language.translated(spoken):
        places = _PLACE.split(template)
        letters = sum(map(len, places[::2]))
        if len(places) == 1 or letters < _LEAST_LETTERS:
            continue
        seen: set[str] = set()
        looks = ""
        for number, part in enumerate(places):
            if number % 2 == 0:
                looks += re.escape(part.replace("{{", "{").replace("}}", "}"))
            else:
                looks += f"(?P={part})" if part in seen else f"(?P<{part}>.+?)"
                seen.add(part)
        found.append(_Told(re.compile(looks, re.DOTALL), letters, words))
    return tuple(sorted(found, key=lambda one: -one.letters))
