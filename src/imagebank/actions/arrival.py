"""One object as it came, and looking into it without a copy."""

import io
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from imagebank.dicom.digest import digest_of, digest_of_stream
from imagebank.model.imaging import Digest

if TYPE_CHECKING:
    from imagebank.actions.ahead import Ahead

_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Arrival:
    """One object as it came: a DICOM file, positioned at its start.

    `content` is a BytesIO or a real file, `size` its length in bytes. `has_own_header` is false where the edge had to
    put the file header before a data set that came without one (DIMSE); the digest is then of the data set.
    `name` is what the sender called it, for the receipt. `came` is the digest of the data set that came, where this one
    was made of it on the way here: by that the same is known again. `ahead` is what was found out
    while it came.
    """

    content: IO[bytes]
    size: int
    name: str = ""
    has_own_header: bool = True
    came: Digest | None = None
    ahead: "Ahead | None" = None


Stamp = tuple[int, int] | None
"""Length and time of change of a file; None for content that nobody else can write to."""


def stamp_of(content: IO[bytes]) -> Stamp:
    if isinstance(content, io.BytesIO):
        return None
    status = os.fstat(content.fileno())
    return status.st_size, status.st_mtime_ns


def digest(arrival: Arrival, start: int) -> Digest:
    """The digest of an arrival from byte `start` on."""
    known = None if arrival.ahead is None else arrival.ahead.digest(start)
    if known is not None:
        return known
    if isinstance(arrival.content, io.BytesIO):
        with arrival.content.getbuffer() as found:
            return digest_of(found[start:])
    # Read and not mapped: every page of a map that was touched counts as memory of this process.
    arrival.content.seek(start)
    return digest_of_stream(iter(lambda: arrival.content.read(_BLOCK), b""))


@contextmanager
def view(arrival: Arrival) -> Iterator[memoryview]:
    """The bytes of an arrival without a copy: the buffer of a BytesIO, or a map of the file."""
    content = arrival.content
    if isinstance(content, io.BytesIO):
        with content.getbuffer() as found:
            yield found
    elif arrival.size == 0:
        yield memoryview(b"")
    else:
        with mmap.mmap(content.fileno(), arrival.size, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as found:
            yield found
