"""How an object's bytes are kept smaller than they are, and the same bytes again."""

from dataclasses import dataclass
from enum import IntEnum


class Coding(IntEnum):
    """What turns a part of an object's bytes into fewer."""

    ZSTD = 1
    """RFC 8878."""
    HTJ2K = 2
    """One frame of native pixels, reversibly (ISO/IEC 15444-15)."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an object's bytes, coded. It begins at byte `start` and goes on to where the next part begins."""

    start: int
    coding: Coding
    coded: bytes


@dataclass(frozen=True, slots=True)
class Compressed:
    """All of an object's `size` bytes in parts. `how` tells whoever decodes frames how their pixels are laid out."""

    size: int
    how: bytes
    parts: tuple[Part, ...]

    @property
    def coded_bytes(self) -> int:
        return sum(len(part.coded) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Saved:
    """How many objects are kept compressed, their bytes as they came, and the bytes that they take."""

    objects: int
    came: int
    takes: int
