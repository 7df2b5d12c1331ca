"""Which of the stacks of two studies stand side by side, and which of their images belong together."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Final

from imagebank.exams.views import kind_of_view, shows_part
from imagebank.model.stack import Stack, in_proportion

_SAME_MEANS: Final[Mapping[str, str]] = {"CR": "XR", "DX": "XR", "RG": "XR", "RF": "XA"}
_MOST_PAIRS: Final = 4
"""The two views of both breasts."""
_KIND_OF_VIEW: Final[Mapping[str, int]] = {"frontal": 0, "cranio-caudal": 0, "lateral": 2}
"""Where views of a kind hang; those of others between them."""


def best_pair(current: Iterable[Stack], prior: Iterable[Stack]) -> tuple[Stack, Stack] | None:
    """The two that stand best side by side; None when one study has none."""
    pairs = product(_worth_it(current), _worth_it(prior))
    return max(pairs, key=lambda pair: _likeness(*pair), default=None)


def best_beside(chosen: Stack, others: Iterable[Stack]) -> Stack | None:
    """What stands best beside one that is chosen already."""
    return max(_worth_it(others), key=lambda other: _likeness(chosen, other), default=None)


def best_pairs(current: Sequence[Stack], prior: Sequence[Stack]) -> list[tuple[Stack, Stack]]:
    """The pair that stands best side by side, and of single images those of further sides and views, as they hang."""
    first = best_pair(current, prior)
    if first is None or not _are_alike_singles(*first):
        return [] if first is None else [first]
    pairs = [pair for pair in product(_worth_it(current), _worth_it(prior)) if _are_alike_singles(*pair)]
    pairs.sort(key=lambda pair: -_likeness(*pair))
    found: dict[tuple[str, str], tuple[Stack, Stack]] = {}
    for pair in [first, *pairs]:
        if not any(one in other for other in found.values() for one in pair):
            found.setdefault(_shown(pair[0]), pair)
    return sorted([*found.values()][:_MOST_PAIRS], key=lambda pair: _order(pair[0]))


def linked_by_view(these: Sequence[Stack], those: Sequence[Stack]) -> tuple[int, ...] | None:
    """For each image the one of the other stack with the same side and view; None where some say neither.

    Where several of one stack are of a view, they are passed in proportion; what the other has no view of leads to
    the images in proportion to both stacks.
    """
    if not these or not those or any(_shown(one) == ("", "") for one in (*these, *those)):
        return None
    return tuple(_beside(at, these, those) for at in range(len(these)))


def _beside(at: int, these: Sequence[Stack], those: Sequence[Stack]) -> int:
    ours, theirs = [[n for n, one in enumerate(some) if _shown(one) == _shown(these[at])] for some in (these, those)]
    if not theirs:
        return in_proportion(at, len(these), len(those))
    return theirs[in_proportion(ours.index(at), len(ours), len(theirs))]


def _shown(stack: Stack) -> tuple[str, str]:
    return stack.side, kind_of_view(stack.view)


def _are_alike_singles(one: Stack, other: Stack) -> bool:
    """Single images that both say the same side and kind of view, or the one of both that they say."""
    is_single = all(each.instance is not None and each.frames == 1 for each in (one, other))
    return is_single and _shown(one) == _shown(other) != ("", "") and _means(one) == _means(other)


def _order(stack: Stack) -> tuple[int, bool, int]:
    """Views from the front and above come first, of each the right side first, as whoever looks faces the person."""
    return _KIND_OF_VIEW.get(kind_of_view(stack.view), 1), stack.side != "R", stack.number


def _worth_it(stacks: Iterable[Stack]) -> list[Stack]:
    """Scouts only where there is nothing else; what is equal in all is in the order of its number."""
    found = sorted(stacks, key=lambda one: (one.number, one.series))
    return [one for one in found if not one.is_scout] or found


def _likeness(one: Stack, other: Stack) -> float:
    """How well two stacks stand side by side: what both say counts for or against, and then the most images."""
    points = sum(_said_by_both(one, other))
    if one.words and other.words:
        points += 4 * len(one.words & other.words) / len(one.words | other.words)
    if one.thickness_mm and other.thickness_mm:
        points += min(one.thickness_mm, other.thickness_mm) / max(one.thickness_mm, other.thickness_mm)
    return points + math.log2(1 + one.frames) / 4 + math.log2(1 + other.frames) / 4


def _said_by_both(one: Stack, other: Stack) -> Iterator[float]:
    yield _agreed(_means(one), _means(other), 8)
    yield _agreed(one.plane, other.plane, 6)
    yield _agreed(one.side, other.side, 6)
    yield _agreed(kind_of_view(one.view), kind_of_view(other.view), 6)
    yield _agreed(one.weighting, other.weighting, 5)
    yield _agreed(one.contrast, other.contrast, 3)
    if one.view and other.view:
        yield -2 if shows_part(one.view) != shows_part(other.view) else -1 if one.view != other.view else 0
    if one.instance and other.instance:
        yield 2 if (one.frames > 1) == (other.frames > 1) else -2


def _agreed(this: object, that: object, weight: float) -> float:
    if this in ("", None) or that in ("", None):
        return 0
    return weight if this == that else -weight


def _means(stack: Stack) -> str:
    return _SAME_MEANS.get(stack.modality, stack.modality)
