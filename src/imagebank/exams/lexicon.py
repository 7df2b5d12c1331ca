"""Reading a text by a table of phrases: longest first, words run together parted, words misspelt put right."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from imagebank.exams.spelling import NearWords, fold, is_eastern, nearest, parted, parted_words_in, unmangled, words_in
from imagebank.model.exam import Contrast, Group, Side

_MISSPELT: Final = 0.8
_TOGETHER: Final = 0.9
_LINKS: Final = ("", "s", "n", "en", "es", "e", "er", "o")
"""Letters between the words of a compound, as German has them."""
_TINY: Final = frozenset({"ct", "mr", "xr", "us", "rx", "tc", "rm", "wo", "lt", "rt"})
"""Words of two letters that others are written together with."""
_MEANS: Final = frozenset({"ct", "cta", "mr", "mri", "mra", "xr", "us"})
"""Techniques that codes of orders begin with."""
_PART: Final = 5
"""From how many letters on a word that stands in phrases only may be a part of a compound."""
_FAR: Final = 5
"""How many phrases away from its region a letter may stand, if all between are known."""
_END: Final = ""
_Piece = tuple[str, float, str]
"""A word of the table, how surely it is meant, and the comma or slash before it."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a phrase says. What is None or empty it does not say.

    It counts in exams of `groups` only, when there are any; its group takes the place of those that it `corrects`.
    A weak one counts where nothing else is said; one that is alone where its text says no other region; a last one at
    the end of a text; a near one beside a region. What is sided there are two of, though its region has none.
    """

    regions: tuple[str, ...] = ()
    side: Side | None = None
    contrast: Contrast | None = None
    group: Group | None = None
    kind: str = ""
    purpose: str = ""
    role: str = ""
    is_weak: bool = False
    is_alone: bool = False
    is_last: bool = False
    is_near: bool = False
    is_sided: bool = False
    groups: frozenset[str] = frozenset()
    corrects: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase that was found: its words from `first` to `last`, how surely it is meant, and whether it is a reason.

    `gap` is the comma or slash before it, if there is one.
    """

    first: int
    last: int
    text: str
    meanings: tuple[Meaning, ...]
    share: float
    gap: str = ""
    is_reason: bool = False

    @property
    def is_region(self) -> bool:
        return any(one.regions for one in self.meanings)

    @property
    def is_shown(self) -> bool:
        return self.is_region and not self.is_reason

    def has_role(self, *roles: str) -> bool:
        return any(one.role in roles for one in self.meanings)


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
    parts: frozenset[str]
    near: NearWords


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
    _inherit(tree, words)
    once: dict[object, Any] = {}
    for phrase in words:
        node = tree
        for part in words_in(phrase):
            node = node[part]
        if _END in node:
            node[_END] = _merged(node[_END], once)
    parts_of = single | {word for word in every if len(word) >= _PART}
    known = _Known(tree, frozenset(single), frozenset(every), frozenset(parts_of), NearWords(every))
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


def _inherit(tree: dict[str, Any], words: Mapping[str, Iterable[Meaning]]) -> None:
    """Let phrases say what words in them say of contrast, kind and group, where they themselves say nothing of it."""
    for phrase in words:
        parts = words_in(phrase)
        node: Any = tree
        for part in parts:
            node = node[part]
        own = node.get(_END, ())
        if len(parts) < 2 or any(one.role for one in own):
            continue
        pieces = [(part, 1.0, "") for part in parts]
        inner = [one for some in (pieces[:-1], pieces[1:]) for hit in _hits(some, tree) for one in hit.meanings]
        told = [one for one in inner if not (one.is_last or one.is_near or one.role)]
        for field in ("regions", "contrast", "group", "kind", "side"):
            for one in dict.fromkeys(told):
                if getattr(one, field) and _may_inherit(field, one, own):
                    node[_END] += (_only(one, field),)


def _may_inherit(field: str, inner: Meaning, own: tuple[Meaning, ...]) -> bool:
    """Whether a phrase says nothing of a field itself. Of sides only the plural of a part is taken over."""
    said = (one for one in own if getattr(one, field))
    is_said = any(not one.groups or not inner.groups or one.groups & inner.groups for one in said)
    # "Avec injection" is said of an agent, and is no procedure.
    is_agent = field == "kind" and inner.kind == "intervention" and any(one.contrast for one in own)
    return not is_said and not is_agent and (field != "side" or (inner.is_weak and inner.side is Side.BOTH))


def _merged(meanings: tuple[Meaning, ...], once: dict[object, Any]) -> tuple[Meaning, ...]:
    """Meanings of which each stands there once, with all its languages. Letters of sides keep theirs apart.

    What is the same for many phrases is made `once`: there are 17,000 of them.
    """
    found: dict[Meaning, frozenset[str]] = {}
    for one in meanings:
        same = one if one.is_near else replace(one, languages=frozenset())
        found[same] = found.get(same, frozenset()) | one.languages
    merged = (replace(one, languages=once.setdefault(told, told)) for one, told in found.items())
    kept = tuple(once.setdefault(one, one) for one in merged)
    return once.setdefault(kept, kept)  # type: ignore[no-any-return]


def _only(meaning: Meaning, field: str) -> Meaning:
    """No more than one field of a meaning."""
    rest = {"regions": (), "side": None, "contrast": None, "group": None, "kind": "", "purpose": "", "role": ""}
    return replace(meaning, **{**rest, field: getattr(meaning, field)})


def _signs(written: Mapping[str, str]) -> Callable[[str], str]:
    """What puts words in place of signs. Signs are sought by their first letter, as there are many."""
    by_first: dict[str, list[str]] = {}
    for sign in sorted(written, key=len, reverse=True):
        by_first.setdefault(_before(sign) + re.escape(sign[0]), []).append(re.escape(sign[1:]) + _after(sign))
    groups = sorted(by_first.items(), key=lambda one: one[0].startswith("\\"))
    pattern = re.compile("|".join(f"{first}(?:{'|'.join(rest)})" for first, rest in groups) or "(?!)")
    return lambda text: pattern.sub(lambda found: f" {written[found[0]]} ", text)


def _before(sign: str) -> str:
    """What begins with a letter is no part of a longer word."""
    return "(?<![a-z0-9])" if sign[0].isalnum() or (sign[0] in "+-" and len(sign) > 1) else ""


def _after(sign: str) -> str:
    return "(?![a-z0-9])" if sign[-1].isalnum() or (sign[-1] in "+-" and len(sign) > 1) else ""


def _resolved(word: str, known: _Known) -> tuple[tuple[str, float], ...]:
    """A word as words of the table, each with how sure that is; none when nobody knows it."""
    if word in known.every:
        return ((word, 1.0),)
    if is_eastern(word):
        return tuple((part, 1.0) for part in _cut(word, known.every))
    if not word.isalpha():
        letters = re.findall("[a-z\ufffd]+", word)
        if letters != [word]:
            return tuple(one for part in letters for one in _resolved(part, known))
    elif parts := _compound(word, known.parts) or _with_side(word, known.single) or _with_tail(word, known.parts):
        return tuple((part, _TOGETHER) for part in parts)
    meant = nearest(word, known.near)
    return ((meant, _MISSPELT),) if meant else ()


def _compound(word: str, known: frozenset[str]) -> list[str] | None:
    """The words that a long one is made of, longest first; None when something is left over."""
    if not 5 <= len(word) <= 60:
        return None
    rest: dict[int, list[str]] = {len(word): []}
    for start in range(len(word) - 2, -1, -1):
        for end in range(len(word), start + 1, -1):
            part = word[start:end]
            is_tiny = part in _TINY and 0 in (start, len(word) - end)
            if part in known and (len(part) > 2 or is_tiny):
                after = _after_link(word, end, rest)
                if after is not None:
                    rest[start] = [part, *after]
                    break
    return rest.get(0)


def _with_side(word: str, single: frozenset[str]) -> list[str] | None:
    """A word with the letter of its side before or behind it: LKNEE, HANDR."""
    if len(word) > 3 and word[0] in "lr" and word[1:] in single:
        return [word[0], word[1:]]
    if len(word) > 4 and word[-1] in "lr" and word[:-1] in single:
        return [word[:-1], word[-1]]
    return None


def _with_tail(word: str, known: frozenset[str]) -> list[str] | None:
    """The words of an order's code with the letter of a side or of contrast behind them: MRIKNEER, CTHEADW."""
    parts = _compound(word[:-1], known) if word[-1] in "lrw" else None
    return [*parts, word[-1]] if parts and parts[0] in _MEANS else None


def _after_link(word: str, end: int, rest: Mapping[int, list[str]]) -> list[str] | None:
    """How a word goes on after a part of it, and perhaps after letters that only join."""
    links = (link for link in _LINKS if word.startswith(link, end) and end + len(link) in rest)
    return next((rest[end + len(link)] for link in links if not link or end + len(link) < len(word)), None)


def _cut(word: str, every: frozenset[str]) -> list[str]:
    """The longest words of the table, one behind the other; letters between them are passed over."""
    found, start = [], 0
    while start < len(word):
        ends = (end for end in range(min(len(word), start + 12), start, -1) if word[start:end] in every)
        end = next(ends, start)
        found += [word[start:end]] if end > start else []
        start = max(end, start + 1)
    return found


def _read(text: str, known: _Known, resolve: Callable[[str], tuple[tuple[str, float], ...]]) -> Reading:
    words: list[_Piece] = []
    unknown: list[str] = []
    for gap, word in parted_words_in(text):
        found = resolve(word)
        words += [(part, share, "" if number else gap) for number, (part, share) in enumerate(found)]
        if not found and len(word) > 2 and not word.isdigit():
            unknown.append(word)
            words.append((_END, 1.0, gap))
    return Reading(_near(_without_symptoms(_hits(words, known.tree))), tuple(unknown))


def _hits(words: list[_Piece], tree: Mapping[str, Any]) -> list[Hit]:
    hits: list[Hit] = []
    start, is_reason, is_shown, count = 0, False, False, len(words)
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
            share = min(one[1] for one in taken)
            # R/O FRACTURE XR WRIST: a technique ends a reason that stands before all that is shown.
            if is_reason and not is_shown and any(one.group for one in meanings):
                is_reason = False
            hit = Hit(start, end, " ".join(one[0] for one in taken), meanings, share, words[start][2], is_reason)
            hits.append(hit)
            is_shown = is_shown or hit.is_shown
            is_reason = is_reason or hit.has_role("reason") or (is_shown and hit.has_role("context"))
        start = end + 1
    # WRIST FOR PAIN LT: a side at the very end is that of what is shown, when the reason is of no part.
    last = hits[-1] if hits else None
    is_at_end = last is not None and last.is_reason and last.last == count - 1 and _is_side(last)
    if last is not None and is_at_end and not any(one.is_reason and one.is_region for one in hits):
        hits[-1] = replace(last, is_reason=False)
    return hits


def _without_symptoms(hits: list[Hit]) -> list[Hit]:
    """Hits of which the region that a symptom is of is a reason, when another region stands before it.

    C-SPINE RT ARM NUMBNESS is of the spine; so is LSPINE, LEG MASS, as a comma parts what is found from what is shown.
    """
    first = next((at for at, hit in enumerate(hits) if hit.is_region), len(hits))
    for at, hit in enumerate(hits):
        if hit.has_role("symptom", "finding"):
            begin = max(at - 1, 0)
            while begin and not hits[begin].is_region:
                begin -= 1
            begin -= 1 if begin and _is_side(hits[begin - 1]) else 0
            is_apart = hit.has_role("symptom") or any(one.gap == "," for one in hits[begin : at + 1])
            if begin > first and is_apart:
                hits[begin:at] = [replace(one, is_reason=True) for one in hits[begin:at]]
    return hits


def _is_side(hit: Hit) -> bool:
    return any(one.side for one in hit.meanings)


def _near(hits: list[Hit]) -> tuple[Hit, ...]:
    """Hits without the letters that could be a side and have no region beside them.

    A letter of one language stands behind its region, and not before another: there it is a word such as "and".
    """
    kept: list[Hit] = []
    for at, hit in enumerate(hits):
        if any(one.is_near for one in hit.meanings):
            before, after = _beside(hits, at, -1), _beside(hits, at, 1)
            following = hits[at + 1].meanings if at + 1 < len(hits) else ()
            here = {term for one in before for term in one.regions}
            is_before = any(here.isdisjoint(one.regions) for one in following if one.regions and not one.is_weak)
            spoken = frozenset() if is_before else frozenset().union(*(one.languages for one in before if one.regions))
            meanings = tuple(
                one
                for one in hit.meanings
                if not one.is_near or (one.languages & spoken if one.languages else before or after)
            )
            if meanings:
                kept.append(replace(hit, meanings=meanings))
        else:
            kept.append(hit)
    return tuple(kept)


def _beside(hits: list[Hit], at: int, step: int) -> tuple[Meaning, ...]:
    """What the next phrase means that is of a region, when only known words stand between."""
    edge, at, last = hits[at], at + step, at + step * _FAR
    while 0 <= at < len(hits) and at != last and (hits[at].first == edge.last + 1 or hits[at].last == edge.first - 1):
        if any(one.regions for one in hits[at].meanings):
            return hits[at].meanings
        edge, at = hits[at], at + step
    return ()
