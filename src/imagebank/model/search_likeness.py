"""Words that are nearly the same: by how they sound, by the triples of letters that they share, by one slip of a finger."""

import re
from functools import lru_cache
from math import ceil
from typing import Final

_LATIN: Final = re.compile("[a-z]+")
_SHORTEST: Final = 3
_LIKE: Final = 0.5
_OF_A_SLIP: Final = 4
"""Two letters in the wrong order stand in four triples; any other slip in three."""
_KNOWN: Final = 4_096
"""A question compares each of its words with many, and those with each other; so many are worked out once."""

# What sounds alike in most languages of Europe becomes one sign; earlier rules go first.
_SOUNDS: Final = (
    (re.compile("tsch|tch|sch|sh|sz|cz|ch|zh"), "s"),
    (re.compile("ph|pf|v|w"), "f"),
    (re.compile("th|dt|d"), "t"),
    (re.compile("ck|qu|q|g|c(?=[aouklrt]|$)"), "k"),
    (re.compile("x"), "ks"),
    (re.compile("tz|ts|c|z"), "s"),
    (re.compile("b"), "p"),
    (re.compile("m|n"), "n"),
    (re.compile("^y"), "j"),
    (re.compile("(?<=.)[aeiouyhj]"), ""),
    (re.compile("^[aeiou]"), "a"),
    (re.compile(r"(.)\1+"), r"\1"),
)


@lru_cache(maxsize=_KNOWN)
def sound(word: str) -> str:
    """How a folded name sounds, roughly: `meyer`, `maier` and `mayr` are one. Empty for what is too short or not Latin."""
    if len(word) < _SHORTEST or not _LATIN.fullmatch(word):
        return ""
    for pattern, sign in _SOUNDS:
        word = pattern.sub(sign, word)
    return word


def is_spelled(word: str) -> bool:
    """Whether a word can be misspelled: letters without digits, and enough of them."""
    return len(word) > _SHORTEST and word.isalpha()


@lru_cache(maxsize=_KNOWN)
def triples(word: str) -> frozenset[str]:
    """The runs of three letters of a word that has two blanks before it and one behind, as pg_trgm counts them."""
    padded = f"  {word} "
    return frozenset(padded[at : at + 3] for at in range(len(padded) - 2))


def fewest(word: str) -> int:
    """How many triples a word has to share with this one to be like it at all: half of them, or all that a slip leaves."""
    number = len(triples(word))
    return max(2, min(ceil(number / 2), number - _OF_A_SLIP))


def is_near(one: str, other: str) -> bool:
    """Whether two words are the same but for a slip: half of their triples are, or all letters but one."""
    return likeness(one, other) >= _LIKE or is_one_slip(one, other)


def likeness(one: str, other: str) -> float:
    """Which part of the triples of two words they share."""
    mine, theirs = triples(one), triples(other)
    return len(mine & theirs) / len(mine | theirs)


def is_one_slip(one: str, other: str) -> bool:
    """Whether one letter too many, too few, another, or two in the wrong order make one word the other."""
    if len(one) > len(other):
        one, other = other, one
    if len(other) - len(one) > 1:
        return False
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if len(one) < len(other):
        return one[at:] == other[at + 1 :]
    turned = one[at : at + 2][::-1] + one[at + 2 :]
    return one[at + 1 :] == other[at + 1 :] or turned == other[at:]
