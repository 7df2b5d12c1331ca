"""What somebody sees first of a study: its thumbnails, the middle of each stack, and what lies ahead in the largest one."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from imagebank.actions import renditions
from imagebank.bank import Bank
from imagebank.dicom.layout import DECODABLE
from imagebank.dicom.render import Rendering, Viewport, thumbnail
from imagebank.errors import Invalid, NotFound, Unsupported
from imagebank.model.imaging import Instance

LIST_SIDE: Final = 128
"""Longer side of the thumbnail of a study in a list."""
SERIES_SIDE: Final = 256
"""Longer side of the thumbnails of its series on its own page."""
_AHEAD: Final = 8
"""So many images are fetched ahead by a quick look."""


def stacks(members: Sequence[Instance]) -> list[tuple[Instance, ...]]:
    """The pictures of one series as they are gone through: its stills together, and each film by itself."""
    stills = tuple(one for one in members if _frames(one) == 1)
    return ([stills] if stills else []) + [(one,) for one in members if _frames(one) > 1]


def make(bank: Bank, instances: Sequence[Instance], most: int) -> tuple[int, int]:
    """Have the first pictures of a study made and kept; how many there are now, and of how many bytes together.

    What cannot be painted is passed over. Raises Unavailable.
    """
    made = octets = 0
    for one, rendering in islice(wanted([one for one in instances if _is_shown(one)]), most):
        try:
            octets += len(renditions.picture(bank, one, rendering))
            made += 1
        except (Invalid, NotFound, Unsupported):
            continue
    return made, octets


def wanted(pictures: Sequence[Instance]) -> Iterator[tuple[Instance, Rendering]]:
    """The first pictures of a study, what is seen first of all before the rest."""
    if not pictures:
        return
    yield renditions.representative(pictures), thumbnail(Viewport(LIST_SIDE, LIST_SIDE))
    series: dict[str, list[Instance]] = {}
    for one in pictures:
        series.setdefault(one.series, []).append(one)
    every = [stack for members in series.values() for stack in stacks(members)]
    largest = max(every, key=lambda stack: sum(map(_frames, stack)))
    for stack in sorted(every, key=lambda stack: stack is not largest):
        yield _shown(stack, _middle(stack))
    for members in series.values():
        yield renditions.representative(members), thumbnail(Viewport(SERIES_SIDE, SERIES_SIDE))
    last = sum(map(_frames, largest)) - 1
    for place in range(_middle(largest) + 1, min(_middle(largest) + _AHEAD, last) + 1):
        yield _shown(largest, place)


def _is_shown(one: Instance) -> bool:
    return one.pixels is not None and one.transfer_syntax in DECODABLE


def _frames(one: Instance) -> int:
    return one.pixels.frames if one.pixels else 0


def _middle(stack: Sequence[Instance]) -> int:
    return (sum(map(_frames, stack)) - 1) // 2


def _shown(stack: Sequence[Instance], place: int) -> tuple[Instance, Rendering]:
    """How a quick look shows the image at a place, from 0, of a stack: one still of many, or one frame of a film."""
    one = stack[0] if len(stack) == 1 else stack[place]
    return one, renditions.look_at(one, place + 1 if len(stack) == 1 else 1)
