"""The note of a tombstone: which records are destroyed and where they lay, and which account keys."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from imagebank.storage.record import Prefix

_TARGET = struct.Struct(">16s16sQ")  # record id, segment id, offset


@dataclass(frozen=True, slots=True)
class Target:
    """A record that a tombstone names; or an account key by its name, which lies nowhere."""

    id: bytes
    segment: str
    offset: int


def of_key(name: bytes) -> Target:
    return Target(name, "0" * 32, 0)


def pack(targets: Iterable[Target | Prefix]) -> bytes:
    return b"".join(_TARGET.pack(each.id, bytes.fromhex(each.segment), each.offset) for each in targets)


def unpack(note: bytes) -> Iterator[Target]:
    return (Target(identity, segment.hex(), offset) for identity, segment, offset in _TARGET.iter_unpack(note))
