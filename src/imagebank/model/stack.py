"""Images that are looked at one after another, and what of them tells which stand well beside one another."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from imagebank.model.uid import Uid


class Plane(StrEnum):
    """How slices cut the body (PS3.3 C.7.6.2.1.1), by the axis that they are most square to."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


@dataclass(frozen=True, slots=True)
class Stack:
    """A series, or one `instance` of it where each image or film is looked at by itself; what is not known is empty.

    `side` is L, R, B for both, or U for what has none, `view` as View Position has it (PS3.3 C.8.7.1.1.8). `weighting` is what an MR series brings out ("t1", "diffusion"), `words` what else its description says.
    `is_scout` says that it only plans others, or sums them up. `frames` counts the images, `thickness_mm` is of one.
    """

    study: Uid
    series: Uid
    frames: int
    modality: str = ""
    number: int = 0
    instance: Uid | None = None
    plane: Plane | None = None
    weighting: str = ""
    contrast: bool | None = None
    side: str = ""
    view: str = ""
    thickness_mm: float | None = None
    words: frozenset[str] = frozenset()
    is_scout: bool = False


Point = tuple[float, float, float]
_MOST_APART: Final = math.cos(math.radians(25))
"""Slices that are turned farther from each other show no place in common."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the images of a stack lie in the patient, in mm: the middle of each, and what they are stacked along."""

    frame_of_reference: str
    normal: Point
    middles: tuple[Point, ...]


class Link(StrEnum):
    """How images of two stacks belong together: by place in the patient, with their middles as one, by what each shows
    of which side, or in proportion.
    """

    PLACE = "place"
    MIDDLES = "middles"
    VIEW = "view"
    SHARE = "share"


def link_of(these: Places | None, those: Places | None, many: int, others: int) -> Link:
    """By place where both stacks are placed and cut alike; without a frame of reference in common by their middles."""
    if these is None or those is None or (len(these.middles), len(those.middles)) != (many, others):
        return Link.SHARE
    if abs(_along(these.normal, those.normal)) < _MOST_APART:
        return Link.SHARE
    return Link.PLACE if these.frame_of_reference == those.frame_of_reference else Link.MIDDLES


def in_proportion(at: int, many: int, others: int) -> int:
    """The one of `others` that lies where image `at` of `many` does between first and last; halves go up."""
    return math.floor(at * (others - 1) / max(many - 1, 1) + 0.5)


def linked(these: Places | None, those: Places | None, many: int, others: int) -> tuple[int, ...]:
    """For each of `many` images the one of the `others` to show beside it, both counted from 0."""
    link = link_of(these, those, many, others)
    if these is None or those is None or link is Link.SHARE:
        return tuple(in_proportion(at, many, others) for at in range(many))
    ours = [_along(these.normal, middle) for middle in these.middles]
    theirs = [_along(these.normal, middle) for middle in those.middles]
    if link is Link.MIDDLES:
        shift = ours[(len(ours) - 1) // 2] - theirs[(len(theirs) - 1) // 2]
        theirs = [place + shift for place in theirs]
    return tuple(min(range(len(theirs)), key=lambda other: abs(theirs[other] - place)) for place in ours)


def _along(normal: Point, point: Point) -> float:
    return sum(a * b for a, b in zip(normal, point, strict=True))
