"""Records that are kept compressed, and are read as if they were not.

Such records lie in segments of their own, whose ids tell them apart: a location alone says how it is to be read, and
its size is that of the object. The content of one is

    magic · bytes of the table · what decoders are told · codings · starts · the coded parts

with numbers of 64 bits, little endian. Before its note stands the size of the object.
"""

import struct
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from io import BytesIO
from itertools import accumulate
from typing import IO, Final, Protocol

from imagebank.errors import Invalid, NotFound
from imagebank.model.compression import Coding, Compressed
from imagebank.model.imaging import Location
from imagebank.model.key import AccountKey
from imagebank.ports import Blobs, Record
from imagebank.storage import record
from imagebank.storage.record import Contents

_MAGIC: Final = b"IMGBCMP\1"
_HEAD: Final = struct.Struct("<8sQQQ")  # magic, parts, bytes of what decoders are told, size of the object
_SIZE: Final = struct.Struct("<Q")
_NUMBER: Final = 8
_PIECE: Final = 1 << 20
_TABLES: Final = 64
"""Tables that are remembered: whoever reads frames reads many of one object."""

Restore = Callable[[bytes, Coding, bytes, int], bytes]
"""The bytes of a part: from what decoders are told, its coding, its coded bytes, and how many bytes come of it."""

_Read = Callable[[Location, int, int], bytes]
"""Reads a range of a record as the store keeps it."""


class Store(Blobs, Protocol):
    """Where the records are kept."""

    def write(
        self, content: IO[bytes], size: int, note: bytes, key: AccountKey | None = None, *, is_compressed: bool = False
    ) -> Location:
        """As `Blobs.write`; `is_compressed` lays the record among those of compressed objects."""
        ...

    def stored(self, location: Location) -> Location:
        """The record at a place, with the size of its own content. Raises NotFound, Invalid."""
        ...


@dataclass(frozen=True, slots=True)
class _Table:
    """Where the parts of an object are: in its own bytes, and in the record's content. Both end with an end."""

    stored: Location
    how: bytes
    codings: bytes
    starts: Sequence[int]
    places: Sequence[int]

    def within(self, start: int, end: int) -> range:
        """The numbers of the parts that a range of the object touches."""
        if start >= end:
            return range(0)
        return range(bisect_right(self.starts, start) - 1, bisect_right(self.starts, end - 1))

    def number_of(self, start: int, end: int) -> int | None:
        """The number of the part that is exactly this range."""
        found = self.within(start, end)
        return (
            found[0] if len(found) == 1 and (self.starts[found[0]], self.starts[found[0] + 1]) == (start, end) else None
        )


class CompressedBlobs:
    """`Objects` over a store: what was written compressed is read as it was, the rest goes through."""

    def __init__(self, store: Store, restore: Restore) -> None:
        self._store, self._restore = store, restore
        self._table = lru_cache(maxsize=_TABLES)(partial(self._read_table, read=store.read))

    def is_compressed(self, location: Location) -> bool:
        return record.contents_of(location.segment) is Contents.COMPRESSED

    def write_compressed(self, content: Compressed, note: bytes, key: AccountKey | None = None) -> Location:
        packed = BytesIO()
        for piece in _packed(content):
            packed.write(piece)
        size = packed.tell()
        packed.seek(0)
        written = self._store.write(packed, size, _SIZE.pack(content.size) + note, key, is_compressed=True)
        return replace(written, size=content.size)

    def coding(self, location: Location, start: int, end: int) -> Coding | None:
        table = self._table(location)
        number = table.number_of(start, end)
        return None if number is None else Coding(table.codings[number])

    def coded(self, location: Location, start: int, end: int) -> bytes:
        table = self._table(location)
        number = table.number_of(start, end)
        if number is None:
            raise ValueError("there is no such part")
        return self._coded(table, number, self._store.read)

    def read(self, location: Location, start: int = 0, end: int | None = None) -> bytes:
        if not self.is_compressed(location):
            return self._store.read(location, start, end)
        within = record.bounds(location.size, start, end)
        return b"".join(self._pieces(location, *within, self._table(location), self._store.read))

    def stream(self, location: Location, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        if not self.is_compressed(location):
            return self._store.stream(location, start, end)
        return self._stream(location, start, end, self._table(location), self._store.read)

    def from_store(self, location: Location, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        if not self.is_compressed(location):
            return self._store.from_store(location, start, end)
        return self._stream(location, start, end, self._read_table(location, self._joined), self._joined)

    def _joined(self, location: Location, start: int, end: int) -> bytes:
        return b"".join(self._store.from_store(location, start, end))

    def _stream(self, location: Location, start: int, end: int | None, table: _Table, read: _Read) -> Iterator[bytes]:
        low, high = record.bounds(location.size, start, end)
        return (
            piece[at : at + _PIECE]
            for piece in self._pieces(location, low, high, table, read)
            for at in range(0, max(len(piece), 1), _PIECE)
        )

    def expect(self, locations: Sequence[Location]) -> None:
        self._store.expect(locations)

    def note(self, location: Location) -> bytes:
        return self._store.note(self._own(location))[_SIZE.size if self.is_compressed(location) else 0 :]

    def wrapped_by(self, location: Location) -> bytes:
        return self._store.wrapped_by(self._own(location))

    def secret(self, location: Location, use: bytes) -> bytes:
        return self._store.secret(self._own(location), use)

    def destroy(self, locations: Sequence[Location]) -> None:
        there = []
        for location in locations:
            with suppress(NotFound, Invalid):
                there.append(self._own(location))
        self._store.destroy(there)

    def records(self) -> Iterator[Record]:
        for one in self._store.records():
            if one.note is None or not self.is_compressed(one.location):
                yield one
            else:
                location = replace(one.location, size=_SIZE.unpack_from(one.note)[0])
                yield replace(one, location=location, note=one.note[_SIZE.size :])

    def write(self, content: IO[bytes], size: int, note: bytes, key: AccountKey | None = None) -> Location:
        return self._store.write(content, size, note, key)

    def sync(self, locations: Sequence[Location]) -> None:
        self._store.sync(locations)

    def begin_sync(self, locations: Sequence[Location]) -> Callable[[], None]:
        return self._store.begin_sync(locations)

    def keep_key(self, note: bytes) -> Location:
        return self._store.keep_key(note)

    def kept_keys(self) -> Iterator[Record]:
        return self._store.kept_keys()

    def keep_checkpoint(self, note: bytes, key: AccountKey) -> None:
        self._store.keep_checkpoint(note, key)

    def kept_checkpoints(self) -> Iterator[Record]:
        return self._store.kept_checkpoints()

    def destroy_keys(self, names: Sequence[bytes], locations: Sequence[Location]) -> None:
        self._store.destroy_keys(names, locations)

    def destroyed_keys(self) -> set[bytes]:
        return self._store.destroyed_keys()

    def renew_tombstones(self) -> None:
        self._store.renew_tombstones()

    def close(self) -> None:
        self._store.close()

    def _own(self, location: Location) -> Location:
        """The place of a record as the store knows it. Raises NotFound, Invalid."""
        return self._store.stored(location) if self.is_compressed(location) else location

    def _pieces(self, location: Location, start: int, end: int, table: _Table, read: _Read) -> Iterator[bytes]:
        """The parts that a range touches, restored one after the other and cut to it."""
        for number in table.within(start, end):
            low, high = table.starts[number], table.starts[number + 1]
            coding, coded = Coding(table.codings[number]), self._coded(table, number, read)
            try:
                plain = self._restore(table.how, coding, coded, high - low)
            except Invalid as error:
                raise record.damaged(location) from error
            yield plain[max(start - low, 0) : end - low]

    def _coded(self, table: _Table, number: int, read: _Read) -> bytes:
        return read(table.stored, table.places[number], table.places[number + 1])

    def _read_table(self, location: Location, read: _Read) -> _Table:
        """Raises NotFound when the record was destroyed, Invalid when it is damaged or of another object."""
        stored = self._store.stored(location)
        head = read(stored, 0, _HEAD.size)
        if len(head) < _HEAD.size or head[:8] != _MAGIC:
            raise record.damaged(location)
        _, count, told, size = _HEAD.unpack(head)
        if size != location.size:
            raise record.damaged(location)
        at = _HEAD.size + told
        told_bytes = read(stored, _HEAD.size, at + count + 2 * _NUMBER * (count + 1))
        numbers = array("Q", struct.unpack(f"<{2 * (count + 1)}Q", told_bytes[told + count :]))
        return _Table(
            stored, told_bytes[:told], told_bytes[told : told + count], numbers[: count + 1], numbers[count + 1 :]
        )


def _packed(content: Compressed) -> Iterator[bytes]:
    parts = content.parts
    yield _HEAD.pack(_MAGIC, len(parts), len(content.how), content.size)
    yield content.how
    yield bytes(part.coding for part in parts)
    first = _HEAD.size + len(content.how) + len(parts) + 2 * _NUMBER * (len(parts) + 1)
    places = accumulate((len(part.coded) for part in parts), initial=first)
    yield struct.pack(f"<{2 * (len(parts) + 1)}Q", *(part.start for part in parts), content.size, *places)
    for part in parts:
        yield part.coded
