"""Memory that a process shares with one of its decoders, so that pixels reach it by one copy and not through a socket.

The process writes, the decoder reads: the process never reads what a decoder that was taken over could have written.
What an earlier request left there was that decoder's own request, too.
"""

import fcntl
import mmap
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Self

BYTES: Final = 32 << 20
"""Room for a frame of a mammogram; only pages that were written take memory. What is larger goes by the socket."""
_LEAST: Final = 64 << 10
"""Less goes by the socket: what it would hold at once anyway."""
# Linux: no further seals, no other size, and no mapping from now on that could write (since 5.1).
_ADD_SEALS, _FIXED, _READ_ONLY = 1033, 0x0001 | 0x0002 | 0x0004, 0x0010


class Arena:
    """The writing side. `descriptor` is for the decoder alone, and closed here once that has begun."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, BYTES)

    @classmethod
    def new(cls) -> Self | None:
        """None where there is no memory without a file's name to share."""
        if sys.platform != "linux":
            return None
        try:
            descriptor = os.memfd_create("imagebank-pixels", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        except OSError:
            return None
        try:
            os.ftruncate(descriptor, BYTES)
            made = cls(descriptor)
        except OSError:
            os.close(descriptor)
            return None
        for seals in (_READ_ONLY, _FIXED):
            with suppress(OSError):
                fcntl.fcntl(descriptor, _ADD_SEALS, seals)
        return made

    def put(self, pieces: Sequence[bytes | bytearray | memoryview]) -> bool:
        """Place pieces one behind the other; false, and nothing written, where they are too many or too few for it."""
        if not _LEAST <= sum(map(len, pieces)) <= BYTES:
            return False
        at = 0
        for piece in pieces:
            self._memory[at : at + len(piece)] = piece
            at += len(piece)
        return True

    def close_descriptor(self) -> None:
        """The decoder has its own by now."""
        os.close(self.descriptor)

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()


def opened(descriptor: int) -> memoryview:
    """The reading side."""
    memory = mmap.mmap(descriptor, BYTES, prot=mmap.PROT_READ)
    os.close(descriptor)
    return memoryview(memory)
