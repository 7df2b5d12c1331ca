"""Words of any script, as the search over everything compares them: folded, and cut from text in one way for both sides.

What is written and what is asked pass through here, and the databases are given nothing but the words that come out. So
both find the same.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from imagebank.model.person import fold

LONGEST: Final = 64
"""Words are cut here."""

# Scripts that put no blanks between words, or none between a word and what is joined to it: Thai, Lao, Burmese, Khmer,
# Hangul, kana, Han.
_WIDE: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005\u3007\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u3100-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc"
    "\U00020000-\U0003ffff"
)
# Letters, digits and marks of the others; what else these blocks hold goes when a word is folded.
_NARROW: Final = (
    "0-9A-Za-z\u00aa\u00b2\u00b3\u00b5\u00b9\u00ba\u00bc-\u00be\u00c0-\u0dff\u0f00-\u0fff\u10a0-\u10ff\u1200-\u177f"
    "\u1800-\u1fff\u2070-\u209c\u2100-\u218f\u2460-\u249b\u2c00-\u2dff\u3300-\u33ff\ua000-\ua95f\ua980-\uabff"
    "\ufb00-\ufdcf\ufdf0-\ufdff\ufe20-\ufe2f\ufe70-\ufefc\uff10-\uff19\uff21-\uff3a\uff41-\uff5a"
    "\U00010000-\U0001ffff"
)
_NUMBERS: Final = (
    r"(?P<iso>(?<![\d.-])\d{4}-\d\d(?:-\d\d)?(?![\d-]))"
    r"|(?P<day>(?<![\d.])\d{1,2}(?P<mark>[./])\d{1,2}(?P=mark)\d{4}(?![\d.]))"
    r"|(?P<uid>(?<![\d.])\d+(?:\.\d+){2,})"
)
_PLAIN: Final = re.compile(rf"{_NUMBERS}|[0-9A-Za-z]+", re.ASCII)
_ANY: Final = re.compile(rf"{_NUMBERS}|(?P<wide>[{_WIDE}]+)|[{_NARROW}]+", re.ASCII)
_HIRAGANA: Final = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}
_IS_WIDE: Final = re.compile(f"[{_WIDE}]")


@dataclass(frozen=True, slots=True)
class Word:
    """A folded word and where in the text it stands. `other` is what it says when it is a date read the other way."""

    text: str
    start: int
    end: int
    other: str = ""


def words(text: str, *, ends: bool = False) -> Iterator[Word]:
    """The words of a text in their order.

    Of scripts without blanks they are pairs of neighbours, so that every part of a run can be found; with `ends`, as
    text is written down, also the last sign alone. Dates are read in the ways that people write them, and come out as
    DICOM has them; UIDs come out without their dots.
    """
    is_plain = text.isascii()
    for found in (_PLAIN if is_plain else _ANY).finditer(text):
        kind, run = found.lastgroup, found.group()
        if kind is None:
            # To fold plain letters is to make them small.
            if folded := run.lower() if is_plain else _folded(run):
                yield Word(folded[:LONGEST], found.start(), found.end())
        elif kind == "wide":
            yield from _pairs(_folded(run), found.start(), found.end(), ends=ends)
        else:
            yield _number(kind, run, found.start(), found.end())


def joined(text: str) -> Iterator[Word]:
    """What is written with marks in it, without them: `ADA-4711` as `ada4711`."""
    for chunk in re.finditer(r"\S+", text):
        parts = list(words(chunk.group()))
        if len(parts) > 1 and not _IS_WIDE.search(chunk.group()):
            yield Word("".join(part.text for part in parts)[:LONGEST], chunk.start(), chunk.end())


def is_short(word: str) -> bool:
    """Whether a word is taken whole in a question: the beginning of two letters would be that of too many."""
    return len(word) < 3 and not _IS_WIDE.match(word)


def _number(kind: str, run: str, start: int, end: int) -> Word:
    if kind == "day":
        first, second, year = re.split(r"[./]", run)
        day, month = first.zfill(2), second.zfill(2)
        # With dots the day comes first; with strokes that depends on where it was written.
        return Word(year + month + day, start, end, year + day + month if "/" in run else "")
    return Word(re.sub(r"\D", "", run)[:LONGEST], start, end)


def _folded(run: str) -> str:
    folded = fold(run)
    if folded.isascii() and folded.isalnum():
        return folded
    kept = (c for c in folded if c.isalnum() or unicodedata.category(c).startswith("M"))
    return "".join(kept).translate(_HIRAGANA)


def _pairs(run: str, start: int, end: int, *, ends: bool) -> Iterator[Word]:
    # Where folding has changed how many signs there are, all of the run is marked.
    is_even = len(run) == end - start
    for at in range(len(run)):
        pair = run[at : at + 2]
        if len(pair) == 2 or ends or len(run) == 1:
            place = (start + at, start + at + len(pair)) if is_even else (start, end)
            yield Word(pair, *place)
