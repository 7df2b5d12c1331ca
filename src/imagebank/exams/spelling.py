"""How words are made comparable: letters folded, texts cut into words, and words that are nearly another one."""

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final
from unicodedata import combining, normalize

_LETTERS: Final = str.maketrans(
    {"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "\u0131": "i", "þ": "th"}
)
_HUMP: Final = re.compile(r"(?<=[a-zà-ÿ]{2})(?=[A-ZÀ-Þ])")
_MANGLED: Final = re.compile("[ÃÂ][\u0080-\u00bf\u2018-\u203a\u0160-\u0178]")
_EAST: Final = "\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af"
"""Letters of languages that put no gaps between words."""
_WORD: Final = re.compile(f"[a-z0-9\ufffd]+|[{_EAST}]+|(?:(?![{_EAST}])[^\\W_])+")
_LONG: Final = 9
"""From how many letters on a word may have two faults."""
_SHORT: Final = 6
"""Words of fewer letters have to be written as they are."""


def fold(text: str) -> str:
    """A text in small letters without marks on them."""
    text = text.lower()
    if text.isascii():
        return text
    return "".join(letter for letter in normalize("NFKD", text.translate(_LETTERS)) if not combining(letter))


def unmangled(text: str) -> str:
    """A text whose UTF-8 was read as Latin letters, as it was meant; any other as it is."""
    if not text.isascii() and _MANGLED.search(text):
        try:
            return text.encode("cp1252").decode("utf-8")
        except UnicodeError:
            return text
    return text


def parted(text: str) -> str:
    """A text with a gap before each capital inside a word, as protocols of vendors are named."""
    return _HUMP.sub(" ", text)


def words_in(text: str) -> list[str]:
    """The words of a folded text: letters and digits, whatever stands between them."""
    return _WORD.findall(text)


def parted_words_in(text: str) -> list[tuple[str, str]]:
    """The words of a folded text, each with the comma or slash before it, if there is one."""
    found, end = [], 0
    for word in _WORD.finditer(text):
        gap = text[end : word.start()]
        found.append(("," if "," in gap or ";" in gap else "/" if "/" in gap else "", word[0]))
        end = word.end()
    return found


def is_eastern(word: str) -> bool:
    """Whether a word is of a language that puts no gaps between words."""
    return "\u3040" <= word[0] <= "\ud7af"


def _shortened(word: str) -> set[str]:
    return {word, *(word[:at] + word[at + 1 :] for at in range(len(word)))}


def _faults(word: str) -> int:
    return 2 if len(word) >= _LONG else 1


class NearWords:
    """Long words by what is left of them when a letter is left out.

    There are tens of thousands of such leavings: they are kept by their hashes, in a tenth of the memory of a dictionary.
    Whoever asks compares what is found, so that two leavings of one hash do no harm.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words = tuple(word for word in words if len(word) >= _SHORT - 1 and word.isalpha())
        found = sorted((hash(short), at) for at, word in enumerate(self._words) for short in _shortened(word))
        self._hashes = array("q", (one for one, _ in found))
        self._places = array("l", (at for _, at in found))

    def leaving(self, short: str) -> Iterator[str]:
        """The words of which this is left, and perhaps others."""
        wanted = hash(short)
        at = bisect_left(self._hashes, wanted)
        while at < len(self._hashes) and self._hashes[at] == wanted:
            yield self._words[self._places[at]]
            at += 1


def nearest(word: str, near: NearWords) -> str | None:
    """The word that was meant, when one has the same first letter and is written with so few faults; else None."""
    if not _SHORT - 1 <= len(word) <= 30:
        return None
    candidates = {one for short in _shortened(word) for one in near.leaving(short) if one[0] == word[0]}
    if len(word) < _SHORT:
        # Of a short word two letters may be exchanged, and one may be missing of a longer one.
        candidates = {one for one in candidates if len(one) >= _SHORT or sorted(one) == sorted(word)}
    else:
        candidates = {one for one in candidates if len(one) >= _SHORT}
    found = min(((distance(word, one), one) for one in candidates), default=(9, ""))
    return found[1] if found[0] <= min(_faults(word), _faults(found[1])) else None


@lru_cache(maxsize=4096)
def distance(one: str, other: str) -> int:
    """How many letters are wrong, left out, put in, or exchanged with their neighbour."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]
