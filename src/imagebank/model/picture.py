"""What a picture is known again by, and pictures that are held twice under other identities."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

NEAR: Final = 6
"""Bits in which the looks of one picture may differ after another coding, a window or a small change of size."""
BANDS: Final = 4
_BAND_BITS: Final = 16


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What the pixels of one instance are known again by.

    `digest` is of every frame after decoding, whatever the transfer syntax; empty where they cannot be decoded. `look`
    is a perceptual hash of 64 bits of the middle frame, None where there is none. `is_telling` is false for what many
    pictures look like: blank, black, a pattern.
    """

    digest: bytes = b""
    look: int | None = None
    is_telling: bool = False


def bands(look: int) -> tuple[int, ...]:
    """A look in four parts: of two looks that differ in six bits or fewer, one part differs in one bit at most."""
    return tuple(look >> _BAND_BITS * n & (1 << _BAND_BITS) - 1 for n in range(BANDS))


def near_band(band: int) -> list[int]:
    """All values that differ from a part in one bit at most."""
    return [band, *(band ^ 1 << bit for bit in range(_BAND_BITS))]


def distance(one: int, other: int) -> int:
    """In how many bits two looks differ."""
    return (one ^ other).bit_count()


class Ground(StrEnum):
    """Why two pictures count as one: every pixel is the same, or they look the same."""

    EXACT = "exact"
    ALIKE = "alike"


@dataclass(frozen=True, slots=True)
class Likely:
    """An instance of another study that may be the same picture. `distance` is of their looks; 0 where exact."""

    uid: Uid
    study: Uid
    ground: Ground
    distance: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """Two instances of two studies that are one picture."""

    first: Uid
    second: Uid
    first_study: Uid
    second_study: Uid
    ground: Ground
    distance: int = 0


class Answer(StrEnum):
    """What somebody says of a finding: that the same picture is rightly there twice, or that they are not the same.

    OPEN takes either back.
    """

    RIGHT = "same picture is right"
    DIFFERENT = "not the same"
    OPEN = "asked again"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody has said of the pictures that two studies have in common; also of those that are found later."""

    first_study: Uid
    second_study: Uid
    answer: Answer
    by: str
    at: datetime
    reason: str = ""


class Whose(StrEnum):
    """Whose two studies are. OTHER_PATIENT is the one that must not wait."""

    OTHER_PATIENT = "other patient"
    SAME_PERSON = "same person"
    SAME_PATIENT = "same patient"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two studies of a finding, with one of the pictures in it."""

    study: Uid
    instance: Uid
    series: Uid
    patient: PatientId
    organization: str
    date: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Two studies that have pictures in common. `pictures` is how many, the sides show one of them."""

    first: Side
    second: Side
    ground: Ground
    pictures: int
    found_at: datetime
    whose: Whose = Whose.OTHER_PATIENT
    verdict: Verdict | None = None


def ordered(one: Uid, other: Uid) -> tuple[Uid, Uid]:
    """The two in the order in which a pair has them."""
    return (one, other) if one < other else (other, one)
