"""Reading a text by a table of phrases: longest first, words run together parted, words misspelt put right."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from imagebank.exams.spelling import fold, near_words, nearest, parted, unmangled, words_in
from imagebank.model.exam import Contrast, Group, Side

_MISSPELT: Final = 0.8
_TOGETHER: Final = 0.9
_LINKS: Final = ("", "s", "n", "en", "es", "e", "er", "o")
"""Letters between the words of a compound, as German has them."""
_TINY: Final = frozenset({"ct", "mr", "xr", "us", "rx", "tc", "rm", "wo", "lt", "rt"})
"""Words of two letters that others are written together with."""
_END: Final = ""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a phrase says. What is None or empty it does not say.

    It counts in exams of `groups` only, when there are any; its group takes the place of those that it `corrects`.
    A weak one counts where nothing else is said; a last one at the end of a text; a near one beside a paired region.
    """

    regions: tuple[str, ...] = ()
    side: Side | None = None
    contrast: Contrast | None = None
    group: Group | None = None
    kind: str = ""
    purpose: str = ""
    role: str = ""
    is_weak: bool = False
    is_last: bool = False
    is_near: bool = False
    groups: frozenset[str] = frozenset()
    corrects: frozenset[str] = frozenset()
    language: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase that was found: its words from `first` to `last`, how surely it is meant, and whether it is a reason."""

    first: int
    last: int
    text: str
    meanings: tuple[Meaning, ...]
    share: float
    is_reason: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found in a text, in its order, and words that no table has."""

    hits: tuple[Hit, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Lexicon:
    """A table of phrases, ready: `read` tells what a text says. It never raises."""

    read: Callable[[str], Reading]


@dataclass(frozen=True, eq=False, slots=True)
class _Known:
    tree: Mapping[str, Any]
    single: frozenset[str]
    every: frozenset[str]
    near: Mapping[str, tuple[str, ...]]


def compiled(words: Mapping[str, Iterable[Meaning]], written: Mapping[str, str]) -> Lexicon:
    """A lexicon of phrases with their meanings; `written` are signs such as w/o with the words that they stand for."""
    tree: dict[str, Any] = {}
    every: set[str] = set()
    single: set[str] = set()
    for phrase, meanings in words.items():
        node, parts = tree, words_in(phrase)
        every.update(parts)
        single.update(parts if len(parts) == 1 else ())
        for part in parts:
            node = node.setdefault(part, {})
        if parts:
            node[_END] = (*node.get(_END, ()), *meanings)
    known = _Known(tree, frozenset(single), frozenset(every), near_words(every))
    resolve = lru_cache(maxsize=1 << 16)(lambda word: _resolved(word, known))
    signs = _signs(written)

    @lru_cache(maxsize=1 << 16)
    def read(text: str) -> Reading:
        before, hat, after = text.partition("^")
        if hat:
            # Siemens writes the folder of a protocol before it: Head^SinusRoutine.
            fine = read(after)
            if any(meaning.regions for hit in fine.hits for meaning in hit.meanings):
                return fine
            text = f"{before} {after}"
        return _read(signs(fold(parted(unmangled(text[:1024])))), known, resolve)

    return Lexicon(read)


def _signs(written: Mapping[str, str]) -> Callable[[str], str]:
    longest = sorted(written, key=len, reverse=True)
    pattern = re.compile("|".join(rf"(?<![a-z0-9]){re.escape(sign)}(?![a-z0-9])" for sign in longest) or "(?!)")
    return lambda text: pattern.sub(lambda found: f" {written[found[0]]} ", text)


def _resolved(word: str, known: _Known) -> tuple[tuple[str, float], ...]:
    """A word as words of the table, each with how sure that is; none when nobody knows it."""
    if word in known.every:
        return ((word, 1.0),)
    if not word.isalpha():
        letters = re.findall("[a-z\ufffd]+", word)
        if letters != [word]:
            return tuple(one for part in letters for one in _resolved(part, known))
    elif parts := _compound(word, known.single):
        return tuple((part, _TOGETHER) for part in parts)
    meant = nearest(word, known.near)
    return ((meant, _MISSPELT),) if meant else ()


def _compound(word: str, single: frozenset[str]) -> list[str] | None:
    """The words that a long one is made of, longest first; None when something is left over."""
    if not 5 <= len(word) <= 60:
        return None
    rest: dict[int, list[str]] = {len(word): []}
    for start in range(len(word) - 2, -1, -1):
        for end in range(len(word), start + 1, -1):
            part = word[start:end]
            if part in single and (len(part) > 2 or part in _TINY):
                after = _after_link(word, end, rest)
                if after is not None:
                    rest[start] = [part, *after]
                    break
    return rest.get(0)


def _after_link(word: str, end: int, rest: Mapping[int, list[str]]) -> list[str] | None:
    """How a word goes on after a part of it, and perhaps after letters that only join."""
    links = (link for link in _LINKS if word.startswith(link, end) and end + len(link) in rest)
    return next((rest[end + len(link)] for link in links if not link or end + len(link) < len(word)), None)


def _read(text: str, known: _Known, resolve: Callable[[str], tuple[tuple[str, float], ...]]) -> Reading:
    words: list[tuple[str, float]] = []
    unknown: list[str] = []
    for word in words_in(text):
        found = resolve(word)
        words += found
        if not found and len(word) > 2 and not word.isdigit():
            unknown.append(word)
            words.append((_END, 1.0))
    return Reading(_near(_hits(words, known.tree)), tuple(unknown))


def _hits(words: list[tuple[str, float]], tree: Mapping[str, Any]) -> list[Hit]:
    hits: list[Hit] = []
    start, is_reason, count = 0, False, len(words)
    while start < count:
        node, best, end = tree, None, start
        for at in range(start, count):
            word = words[at][0]
            if word == _END or word not in node:
                break
            node = node[word]
            if _END in node:
                best, end = node[_END], at
        if best is not None:
            meanings = best if end == count - 1 else tuple(one for one in best if not one.is_last)
            taken = words[start : end + 1]
            share = min(share for _, share in taken)
            hits.append(Hit(start, end, " ".join(word for word, _ in taken), meanings, share, is_reason))
            is_reason = is_reason or any(one.role == "reason" for one in meanings)
        start = end + 1
    return hits


def _near(hits: list[Hit]) -> tuple[Hit, ...]:
    """Hits without the letters that could be a side and have no region beside them.

    A letter of one language stands behind its region, and not before another: there it is a word such as "and".
    """
    kept: list[Hit] = []
    for at, hit in enumerate(hits):
        if any(one.is_near for one in hit.meanings):
            before, after = _beside(hits, at, -1), _beside(hits, at, 1)
            spoken = frozenset() if after else frozenset(one.language for one in before if one.regions)
            meanings = tuple(
                one
                for one in hit.meanings
                if not one.is_near or (one.language in spoken if one.language else before or after)
            )
            if meanings:
                kept.append(Hit(hit.first, hit.last, hit.text, meanings, hit.share, hit.is_reason))
        else:
            kept.append(hit)
    return tuple(kept)


def _beside(hits: list[Hit], at: int, step: int) -> tuple[Meaning, ...]:
    """What the next phrase means that is more than a filling, or another letter of a side."""
    edge, at = hits[at], at + step
    while 0 <= at < len(hits) and (hits[at].first == edge.last + 1 or hits[at].last == edge.first - 1):
        if any(one.regions for one in hits[at].meanings):
            return hits[at].meanings
        if not any(one.role or one.is_near or one.side for one in hits[at].meanings):
            return ()
        edge, at = hits[at], at + step
    return ()
