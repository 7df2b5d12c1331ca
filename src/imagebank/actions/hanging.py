"""Which series of two studies hang side by side, those that show the same in the same way, and where their images lie."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from imagebank.actions import retrieve
from imagebank.bank import Bank
from imagebank.errors import BankError
from imagebank.exams.hanging import is_alone, placed, stacks_of
from imagebank.exams.pairing import best_beside, best_pairs
from imagebank.model.imaging import DataSet, Instance
from imagebank.model.stack import Places, Point, Stack
from imagebank.model.uid import Uid

_MOST_SERIES = 40
"""Of so many series of a study headers are read, of those that have the most images."""
_MOST_ALONE = 16
"""A series of more images is looked at as a whole, whatever its kind."""

_MOST_PLACED = 400
"""The headers of so many images are read where their places are not in a line."""
_OFF_LINE_MM = 0.5


def side_by_side(bank: Bank, studies: Sequence[Sequence[Instance]]) -> list[tuple[Stack, ...]]:
    """Of each study, whose pictures are given, the stacks that are shown; the first study is the current one.

    One of each; several only of two studies of single images, of which as many sides and views hang as both have. Empty
    where one of them has none. The choice is made of headers; nothing of them leaves.
    """
    current, *others = [list(stacks(bank, pictures)) for pictures in studies]
    pairs = best_pairs(current, others[0])
    if not pairs:
        return []
    if len(others) == 1:
        return [tuple(side) for side in zip(*pairs, strict=True)]
    first = pairs[0][0]
    found = [one for other in others if (one := best_beside(first, other)) is not None]
    return [(one,) for one in (first, *found)] if len(found) == len(others) else []


def singles(bank: Bank, pictures: Sequence[Instance]) -> list[Stack]:
    """What each picture of a series shows, where each is looked at by itself; else none."""
    found = list(stacks(bank, pictures))
    return found if [one.instance for one in found] == [one.uid for one in pictures] else []


def stacks(bank: Bank, pictures: Sequence[Instance]) -> Iterator[Stack]:
    """What of a study can be looked at, by the headers of its pictures; what cannot be read is left out."""
    by_series: dict[Uid, list[Instance]] = {}
    for picture in pictures:
        by_series.setdefault(picture.series, []).append(picture)
    for members in sorted(by_series.values(), key=len, reverse=True)[:_MOST_SERIES]:
        try:
            yield from stacks_of(members, _headers(bank, members))
        except BankError:
            continue


def _headers(bank: Bank, members: Sequence[Instance]) -> list[DataSet]:
    """The header of the middle one, or of each where each image is looked at by itself."""
    middle = retrieve.attributes(bank, members[(len(members) - 1) // 2])
    if not is_alone(middle) or len(members) > _MOST_ALONE:
        return [middle]
    return [retrieve.attributes(bank, one) for one in members]


def places(bank: Bank, pictures: Sequence[Instance]) -> Places | None:
    """Where the images of a stack lie in the patient, in their order; None where they do not all say, or not alike.

    Where the middle one lies in the middle of a line, so do the others: their headers are not read.
    """
    many = len(pictures)
    if many == 1:
        return _place(bank, pictures[0])
    if any(one.pixels is not None and one.pixels.frames > 1 for one in pictures):
        return None
    first, middle, last = (_place(bank, pictures[at]) for at in (0, many // 2, many - 1))
    if first is None or middle is None or last is None:
        return None
    (start,), (end,) = first.middles, last.middles
    line = tuple(_between(start, end, at / (many - 1)) for at in range(many))
    if math.dist(line[many // 2], middle.middles[0]) <= _OFF_LINE_MM:
        return replace(first, middles=line)
    several = [_place(bank, one) for one in pictures[:_MOST_PLACED]]
    each = [one.middles[0] for one in several if one is not None]
    return replace(first, middles=tuple(each)) if len(each) == many else None


def _place(bank: Bank, picture: Instance) -> Places | None:
    try:
        return placed(retrieve.attributes(bank, picture))
    except BankError:
        return None


def _between(start: Point, end: Point, share: float) -> Point:
    x, y, z = (a + (b - a) * share for a, b in zip(start, end, strict=True))
    return x, y, z
