"""Records in append-only segment files on local storage."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path
from typing import IO

from imagebank.errors import BankError, Invalid, NotFound, OutOfSpace, Unavailable
from imagebank.model.imaging import Location
from imagebank.model.key import AccountKey
from imagebank.ports import Keys, Record
from imagebank.storage import record, tombstone, walk
from imagebank.storage.beside import Beside
from imagebank.storage.record import BLOCK, Buffer, Contents, Fetch, Kind, Opened, Prefix
from imagebank.storage.segment_file import Segment, make_folder, pread, punch, pwrite, refusal, refusal_to_read

_OPEN_DESCRIPTORS = 128


class Descriptor:
    """A file open for reading. It is closed when its last reader lets go, so that no other file takes its number."""

    __slots__ = ("fd",)

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        with suppress(AttributeError):  # the file could not be opened
            os.close(self.fd)


def segments_below(folder: Path) -> list[Path]:
    """The segment files of a bank's object folder; none when it is not there yet."""
    return [path for path in folder.glob("??/*.seg") if record.contents_of(path.stem)]


class FileBlobs:
    """Blobs in segment files in a folder, `xx/<segment id>.seg`.

    Each process appends to a segment of its own of at most `segment_bytes`; a record of `alone_bytes` and more gets
    one to itself. A starting process continues an unfinished segment that no other holds. Writes are refused when
    less than `min_free_bytes` would stay free, so that a database on the same disk can still commit. `single` are the
    contents of which each record has a segment to itself; without `continues` nobody goes on with another's segment.
    Threads may share an instance, forked processes may not: build it after the fork.
    """

    def __init__(
        self,
        folder: Path,
        keys: Keys,
        *,
        min_free_bytes: int = 256 << 20,
        segment_bytes: int = 1 << 30,
        alone_bytes: int = 16 << 20,
        single: AbstractSet[Contents] = frozenset({Contents.ALONE}),
        continues: bool = True,
    ) -> None:
        self._folder, self._keys = folder, keys
        self._single, self._continues = single, continues
        self._min_free_bytes, self._segment_bytes, self._alone_bytes = min_free_bytes, segment_bytes, alone_bytes
        self._lock = threading.Lock()
        self._current: dict[Contents, Segment] = {}
        self._held: dict[str, Segment] = {}
        self._is_closed = False
        self._buffers = threading.local()
        self._beside = Beside("sync")
        self._descriptor = lru_cache(maxsize=_OPEN_DESCRIPTORS)(self._open)
        try:
            make_folder(folder)
        except OSError as error:
            raise refusal(error) from error

    def write(
        self, content: IO[bytes], size: int, note: bytes, key: AccountKey | None = None, *, is_compressed: bool = False
    ) -> Location:
        length = record.length_of(size, len(note))
        if self._free_bytes() < length + self._min_free_bytes:
            raise OutOfSpace("the disk is nearly full; what was acknowledged is safe; free some space and send again")
        shared = Contents.COMPRESSED if is_compressed else Contents.SHARED
        contents = Contents.ALONE if length >= self._alone_bytes and not is_compressed else shared
        return self._append(contents, Kind.OBJECT, content, size, note, key)

    def stored(self, location: Location) -> Location:
        """The record at a place, with the size of its own content. Raises NotFound, Invalid."""
        descriptor = self._descriptor(location.segment)
        return record.location_at(location, pread(descriptor.fd, location.offset, record.PREFIX))

    def sync(self, locations: Sequence[Location]) -> None:
        names = {location.segment for location in locations}
        with self._lock:
            segments = [self._held[name] for name in names if name in self._held]
        for segment in segments:
            try:
                segment.sync()
            except BankError:
                self._set_aside(segment)
                raise
        with self._lock:
            for segment in segments:
                segment.pending.difference_update(at.offset for at in locations if at.segment == segment.id)
        self._close_finished(segments)

    def begin_sync(self, locations: Sequence[Location]) -> Callable[[], None]:
        # The thread that waits for the disk may have to wait for this one first.
        for location in locations:
            if segment := self._held.get(location.segment):
                segment.begin(location.offset + location.length)
        try:
            return self._beside.begin(partial(self.sync, locations))
        except RuntimeError:  # we are closed: in the thread of whoever asks, then
            return partial(self.sync, locations)

    def read(self, location: Location, start: int = 0, end: int | None = None) -> bytes:
        low, high = record.bounds(location.size, start, end)
        descriptor = self._descriptor(location.segment)
        opened = self._opened(descriptor, location)
        return record.read_range(opened, partial(self._fetch, descriptor.fd), low, high)

    def stream(self, location: Location, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        low, high = record.bounds(location.size, start, end)
        descriptor = self._descriptor(location.segment)
        opened = self._opened(descriptor, location)

        def fetch(offset: int, length: int) -> Buffer:
            return self._fetch(descriptor.fd, offset, length)  # holds the descriptor as long as the stream lives

        return (record.read_range(opened, fetch, *group) for group in record.groups(location.size, low, high))

    def from_store(self, location: Location, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        return self.stream(location, start, end)

    def expect(self, locations: Sequence[Location]) -> None:
        """The system reads ahead by itself."""

    def note(self, location: Location) -> bytes:
        descriptor = self._descriptor(location.segment)
        opened = self._opened(descriptor, location)
        tail = pread(descriptor.fd, location.offset + opened.prefix.tail_at, opened.prefix.tail_size)
        return record.open_note(opened, tail)

    def destroy(self, locations: Sequence[Location]) -> None:
        """Note the destruction first, then overwrite the keys in place: whatever fails, a repeat finishes it.

        The room of the contents is free at once where the file system can have holes in a file (`punch`).
        A copy-on-write or flash layer may keep the old value of the key for a while.
        """
        prefixes = self._prefixes(locations)
        if prefixes:
            self._bury(prefixes, tombstone.pack(prefixes))

    def _bury(self, prefixes: Sequence[Prefix], note: bytes) -> None:
        self.sync([self._append(Contents.TOMBSTONES, Kind.TOMBSTONE, BytesIO(), 0, note)])
        for segment in sorted({prefix.segment for prefix in prefixes}):
            here = [each for each in prefixes if each.segment == segment]
            self._erase(self._path(segment), [each.offset for each in here], [each.spare for each in here])

    def _prefixes(self, locations: Sequence[Location]) -> list[Prefix]:
        prefixes = []
        for location in locations:
            # What is gone needs no more. What is damaged nobody can read, and nothing is overwritten where it only
            # may lie.
            with suppress(NotFound, Invalid):
                prefixes.append(self._prefix(self._descriptor(location.segment), location))
        return prefixes

    def wrapped_by(self, location: Location) -> bytes:
        prefix = self._prefix(self._descriptor(location.segment), location)
        if not prefix.wrapped:
            raise NotFound(
                "the record at {segment}+{offset} was destroyed", segment=location.segment, offset=location.offset
            )
        return prefix.wrapped_by

    def secret(self, location: Location, use: bytes) -> bytes:
        return record.secret_of(self._prefix(self._descriptor(location.segment), location), self._keys, use)

    def keep_key(self, note: bytes) -> Location:
        location = self._append(Contents.KEYS, Kind.KEY, BytesIO(), 0, note)
        self.sync([location])
        return location

    def kept_keys(self) -> Iterator[Record]:
        dead = self.destroyed_keys()
        for name in self.names(Contents.KEYS):
            yield from self.kept_in(name, dead, Kind.KEY)

    def keep_checkpoint(self, note: bytes, key: AccountKey) -> None:
        self.sync([self._append(Contents.CHECKPOINTS, Kind.CHECKPOINT, BytesIO(), 0, note, key)])

    def kept_checkpoints(self) -> Iterator[Record]:
        for name, size, fetch in self._segments(Contents.CHECKPOINTS):
            yield from walk.checkpoints_of(name, size, fetch, self._keys)

    def destroy_keys(self, names: Sequence[bytes], locations: Sequence[Location]) -> None:
        prefixes = self._prefixes(locations)
        self._bury(prefixes, tombstone.pack([*map(tombstone.of_key, names), *prefixes]))

    def renew_tombstones(self) -> None:
        before = [
            (name, offset)
            for name, size, fetch in self._segments(Contents.TOMBSTONES)
            for offset, prefix, tail in walk.walk(name, size, fetch)
            if tail is not None and prefix.wrapped
        ]
        segments = self._segments(Contents.TOMBSTONES)
        targets = {target for at in segments for target in walk.targets_of(*at, self._keys)}
        if targets:
            note = tombstone.pack(sorted(targets, key=lambda each: each.id))
            self.sync([self._append(Contents.TOMBSTONES, Kind.TOMBSTONE, BytesIO(), 0, note)])
        for segment in sorted({name for name, _ in before}):
            self._erase(self._path(segment), [offset for name, offset in before if name == segment])

    def destroyed_keys(self) -> set[bytes]:
        segments = self._segments(Contents.TOMBSTONES)
        return {target.id for at in segments for target in walk.targets_of(*at, self._keys)}

    def records(self) -> Iterator[Record]:
        dead = self.destroyed_keys()
        for name in self.names(*record.OBJECTS):
            with suppress(NotFound):  # a large record that was given up meanwhile
                yield from self.kept_in(name, dead)

    def names(self, *contents: Contents) -> list[str]:
        """The segments that hold this, in the order of creation."""
        names = sorted(path.stem for path in segments_below(self._folder))
        return [name for name in names if record.contents_of(name) in contents]

    def kept_in(self, segment: str, dead: AbstractSet[bytes], kind: Kind = Kind.OBJECT) -> Iterator[Record]:
        """The records of one segment, of which tombstones name the `dead`. Raises NotFound."""
        name, size, fetch = self._segment(segment)
        is_durable = kind is not Kind.OBJECT or record.is_sealed(name, size, fetch)
        yield from walk.records_of(name, size, fetch, self._keys, dead, is_durable=is_durable, kind=kind)

    def close(self) -> None:
        """Write no more. A segment in which a record still waits for its sync is let go after that."""
        with self._lock:
            self._is_closed = True
            self._current.clear()
            segments = list(self._held.values())
            for segment in segments:
                segment.is_full = True
        self._close_finished(segments)
        self._beside.close()
        self._descriptor.cache_clear()

    def _free_bytes(self) -> int:
        try:
            disk = os.statvfs(self._folder)
        except OSError as error:
            raise refusal(error) from error
        return disk.f_bavail * disk.f_frsize

    def _append(
        self,
        contents: Contents,
        kind: Kind,
        content: IO[bytes],
        size: int,
        note: bytes,
        key: AccountKey | None = None,
    ) -> Location:
        length = record.length_of(size, len(note))
        try:
            segment, offset = self._reserve(contents, length)
        except OSError as error:
            raise refusal(error) from error
        try:
            opened, head = record.place(record.draft(kind, size, len(note), self._keys, key), segment.id, offset)
            at = offset
            for piece in record.pieces(opened, head, content, note, self._buffer("write", record.SCRATCH_BYTES)):
                segment.write(piece, at)
                at += len(piece)
            segment.written(offset)
        except BaseException:
            with self._lock:
                segment.abandon(offset, length)
            if segment.is_poisoned:
                self._set_aside(segment)
            self._close_finished([segment])
            raise
        return opened.prefix.location

    def _reserve(self, contents: Contents, length: int) -> tuple[Segment, int]:
        if self._is_closed:
            raise Unavailable("the bank is shutting down; send it again")
        if contents in self._single:
            segment = self._take(contents)
            segment.is_full = True
            with self._lock:
                self._held[segment.id] = segment
                return segment, segment.reserve(length)
        with self._lock:
            current = self._current.get(contents)
            if current is None or current.end + length > self._segment_bytes:
                if current is not None:
                    current.is_full = True
                current = self._current[contents] = self._take(contents)
                self._held[current.id] = current
            return current, current.reserve(length)

    def _take(self, contents: Contents) -> Segment:
        """A segment to append to: an unfinished one that nobody holds, or a new one."""
        room = self._segment_bytes - self._alone_bytes
        is_new = contents in self._single or not self._continues
        for path in [] if is_new else sorted(segments_below(self._folder)):
            if record.contents_of(path.stem) is contents and path.stat().st_size <= room:
                segment = Segment.take(path)
                if segment is not None and segment.end <= room:
                    return segment
                if segment is not None:  # its last holder went on meanwhile
                    segment.close()
        while True:
            # The clock gives an order among ids, not a time that anybody is told.
            path = self._path(record.segment_id(contents, time.time_ns()))
            path.parent.mkdir(mode=0o700, exist_ok=True)
            if segment := Segment.take(path):
                return segment

    def finish(self, older_than_s: float) -> None:
        """Write no more to segments that were begun so long ago, make them durable, and let go of those.

        One into which somebody still writes is let go of later. A process that wrote a record and never had it synced
        keeps nobody from it.
        """
        with self._lock:
            old = [each for each in self._held.values() if each.is_older(older_than_s) and not each.is_poisoned]
            self._current = {kind: each for kind, each in self._current.items() if each not in old}
            for segment in old:
                segment.is_full = True
            idle = [(each, set(each.pending)) for each in old if not each.writing]
        for segment, pending in idle:
            try:
                segment.sync()
            except BankError:
                self._set_aside(segment)
            else:
                with self._lock:
                    segment.pending -= pending
        self._close_finished(old)

    def _set_aside(self, segment: Segment) -> None:
        """Write no more to a poisoned segment. It stays held, so that nobody continues it or takes it for durable."""
        with self._lock:
            self._current = {kind: each for kind, each in self._current.items() if each is not segment}

    def _close_finished(self, segments: Sequence[Segment]) -> None:
        with self._lock:
            finished = [each for each in segments if each.is_full and not each.pending and not each.is_poisoned]
            finished = [each for each in finished if self._held.pop(each.id, None)]
        for segment in finished:
            if segment.end == BLOCK and record.contents_of(segment.id) in self._single:
                segment.path.unlink(missing_ok=True)  # nobody else ever takes such a file, and we hold it still
            segment.close()

    def _segments(self, *contents: Contents) -> Iterator[tuple[str, int, Fetch]]:
        """Id, size and a way to read, of each segment that holds this, in the order of creation."""
        for name in self.names(*contents):
            with suppress(NotFound):  # gone meanwhile
                yield self._segment(name)

    def _segment(self, name: str) -> tuple[str, int, Fetch]:
        descriptor = self._descriptor(name)

        def fetch(offset: int, length: int) -> Buffer:
            return pread(descriptor.fd, offset, length)  # holds the descriptor as long as somebody walks

        return name, os.fstat(descriptor.fd).st_size, fetch

    def _erase(self, path: Path, offsets: Sequence[int], spare: Sequence[tuple[int, int]] = ()) -> None:
        """Overwrite the keys of records, durably, and give the room of what they held back to the disk."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                for offset in offsets:
                    pwrite(fd, record.NO_KEY, offset + record.KEY_AT)
                if record.contents_of(path.stem) is Contents.ALONE:
                    os.ftruncate(fd, 2 * BLOCK)
                    spare = ()
                os.fdatasync(fd)
                for offset, length in spare:
                    punch(fd, offset, length)
            finally:
                os.close(fd)
        except OSError as error:
            raise refusal(error) from error

    def _path(self, segment: str) -> Path:
        return self._folder / segment[-2:] / f"{segment}.seg"

    def _open(self, segment: str) -> Descriptor:
        if record.contents_of(segment) is None:
            raise NotFound("there is no such segment")
        try:
            return Descriptor(self._path(segment))
        except FileNotFoundError as error:
            raise NotFound("the segment {segment} is not here", segment=segment) from error
        except OSError as error:
            raise refusal_to_read(error) from error

    def _prefix(self, descriptor: Descriptor, location: Location) -> Prefix:
        return record.prefix_at(location, pread(descriptor.fd, location.offset, record.PREFIX))

    def _opened(self, descriptor: Descriptor, location: Location) -> Opened:
        return record.open_prefix(self._prefix(descriptor, location), self._keys)

    def _fetch(self, fd: int, offset: int, length: int) -> Buffer:
        """Into this thread's own buffer: mapping a new one for every read would cost more than decrypting."""
        buffer = self._buffer("read", record.GROUP * record.SEALED_CHUNK)[:length]
        try:
            return buffer[: os.preadv(fd, [buffer], offset)]
        except OSError as error:
            raise refusal_to_read(error) from error

    def _buffer(self, use: str, size: int) -> memoryview:
        buffer: memoryview | None = getattr(self._buffers, use, None)
        if buffer is None:
            buffer = memoryview(bytearray(size))
            setattr(self._buffers, use, buffer)
        return buffer
