"""Which series of two studies hang side by side: those that show the same in the same way."""

from collections.abc import Iterator, Sequence

from imagebank.actions import retrieve
from imagebank.bank import Bank
from imagebank.errors import BankError
from imagebank.exams.hanging import best_beside, best_pair, is_alone, stacks_of
from imagebank.model.imaging import DataSet, Instance
from imagebank.model.stack import Stack
from imagebank.model.uid import Uid

_MOST_SERIES = 40
"""Of so many series of a study headers are read, of those that have the most images."""
_MOST_ALONE = 16
"""A series of more images is looked at as a whole, whatever its kind."""


def side_by_side(bank: Bank, studies: Sequence[Sequence[Instance]]) -> list[Stack]:
    """Of each study, whose pictures are given, the stack that is shown; the first is the current one.

    Empty where one of them has none. The choice is made of headers; nothing of them leaves.
    """
    current, *others = [list(stacks(bank, pictures)) for pictures in studies]
    pair = best_pair(current, others[0])
    found = [] if pair is None else [pair[0], *(best_beside(pair[0], other) for other in others)]
    return [one for one in found if one is not None] if all(found) else []


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
