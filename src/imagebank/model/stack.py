"""Images that are looked at one after another, and what of them tells which stand well beside one another."""

from dataclasses import dataclass
from enum import StrEnum

from imagebank.model.uid import Uid


class Plane(StrEnum):
    """How slices cut the body (PS3.3 C.7.6.2.1.1), by the axis that they are most square to."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


@dataclass(frozen=True, slots=True)
class Stack:
    """A series, or one `instance` of it where each image is looked at by itself; what is not known is empty or None.

    `weighting` is what an MR series brings out ("t1", "diffusion"), `words` what else its description says.
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
