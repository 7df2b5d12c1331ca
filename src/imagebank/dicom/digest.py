"""Digests of what arrives. BLAKE3 on the hot path: 116 µs for a CT slice where SHA-256 takes 294."""

from collections.abc import Iterable
from mmap import mmap

from blake3 import blake3

from imagebank.model.imaging import Digest

ALGORITHM = "blake3"

Buffer = bytes | bytearray | memoryview | mmap


def digest_of(*parts: Buffer) -> Digest:
    """The BLAKE3 digest (32 bytes) of the parts, one after the other."""
    return digest_of_stream(parts)


def digest_of_stream(parts: Iterable[Buffer]) -> Digest:
    hasher = Hasher()
    for part in parts:
        hasher.add(part)
    return hasher.digest()


class Hasher:
    """The digest of what comes piece by piece."""

    def __init__(self) -> None:
        self._hasher = blake3()

    def add(self, piece: Buffer) -> None:
        self._hasher.update(piece)

    def digest(self) -> Digest:
        return Digest(ALGORITHM, self._hasher.digest())
