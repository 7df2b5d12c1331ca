"""Copies on the disk of a node, of what was put into a bucket or read from it.

    xx/<segment>   the bytes of a segment at their own places; what was never copied is a hole
    lock           whoever writes or wipes has it; the number in it grows with each wipe

Bytes are sealed here as they are in the bucket, and nothing says which of them are there: the tags of prefixes, chunks
and notes do. What does not open is asked of the bucket. So nothing is synced, several processes write what they like,
and what a power failure or a full disk has left half done does no harm.

What is destroyed is wiped after the bucket knows of it. Who read it from the bucket before that and comes here later
sees by the number that something was wiped meanwhile, and copies nothing.
"""

import fcntl
import logging
import os
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from imagebank.errors import Invalid
from imagebank.model.copies import Copied
from imagebank.storage import record, room
from imagebank.storage.record import PREFIX, Buffer
from imagebank.storage.segment_file import punch, pwrite, refusal

_LARGEST: Final = 8
"""What is copied at a time may take this part of the room at most."""
_STEP: Final = 32
"""Each process looks through the folder whenever it has copied this part of the room itself."""
_MIN_FREE: Final = 1 << 30
"""What stays free of the disk in any case: what arrives needs it more."""
_TOUCH_S: Final = 60
"""How exactly it is known when something was read last."""
_SECTOR: Final = 512
_NUMBER: Final = struct.Struct("<Q")
_log = logging.getLogger(__name__)


class Copy:
    """A copied segment that is open for reading: called with offset and length, it gives what is there of that.

    The bytes are gone when the same thread asks for the next.
    """

    __slots__ = ("_buffer", "_fd")

    def __init__(self, fd: int, buffer: Callable[[], memoryview]) -> None:
        self._fd, self._buffer = fd, buffer

    def __call__(self, offset: int, length: int) -> Buffer:
        try:
            if length > record.GROUP * record.SEALED_CHUNK:
                return os.pread(self._fd, length, offset)
            buffer = self._buffer()[:length]
            return buffer[: os.preadv(self._fd, [buffer], offset)]
        except OSError:  # as if it was not there
            return b""

    def __del__(self) -> None:
        os.close(self._fd)


class FileCopies:
    """Copies in a folder, which may take `most_bytes`. All processes of a node share them."""

    def __init__(self, folder: Path, most_bytes: int, *, min_free_bytes: int = _MIN_FREE) -> None:
        self._folder, self._most, self._min_free = folder, most_bytes, min_free_bytes
        self._buffers = threading.local()
        self._written = most_bytes  # what others left here is looked through first
        self._hits = self._misses = 0
        self._is_complained = False

    def told(self) -> Copied:
        return Copied(sum(size for _, size, _ in self._files()), self._most, self._hits, self._misses)

    def count(self, *, is_hit: bool) -> None:
        """Whether what was asked for was here."""
        if is_hit:
            self._hits += 1
        else:
            self._misses += 1

    def open(self, segment: str) -> Copy | None:
        """What there is of a segment, which counts as read now."""
        path = self._path(segment)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        copy = Copy(fd, self._buffer)
        with suppress(OSError):
            # The clock gives an order in which segments go, not a time that anybody is told.
            if os.fstat(fd).st_mtime < time.time() - _TOUCH_S:
                os.utime(path)
        return copy

    def number(self) -> int:
        """What `keep` has to be told of bytes that are read from the bucket after this."""
        try:
            with self._lock(fcntl.LOCK_SH) as lock:
                return _number(lock)
        except OSError as error:
            self._complain(error)
            return -1

    def keep(self, segment: str, offset: int, data: Buffer, number: int) -> None:
        """Copy bytes of a segment, unless something was wiped since `number`. What fails is not copied."""
        try:
            if len(data) * _LARGEST > self._most or room.free(self._folder) < self._min_free:
                return
            with self._lock(fcntl.LOCK_SH) as lock:
                if _number(lock) != number:
                    return
                self._write(self._path(segment), data, offset)
        except OSError as error:
            self._complain(error)
            return
        self._written += len(data)
        if self._written * _STEP >= self._most:
            self._written = 0
            self.clear()

    def wipe(self, places: Mapping[str, Iterable[int]]) -> None:
        """Overwrite what there is of the records at some offsets of segments. Raises OutOfSpace, Unavailable."""
        try:
            with self._lock(fcntl.LOCK_EX) as lock:
                os.pwrite(lock, _NUMBER.pack(_number(lock) + 1), 0)
                for segment, offsets in places.items():
                    with suppress(FileNotFoundError):
                        _wipe(self._path(segment), offsets)
        except OSError as error:
            raise refusal(error) from error

    def drop(self, segment: str) -> None:
        """Forget a segment, which the bucket has no more. Raises OutOfSpace, Unavailable."""
        try:
            with self._lock(fcntl.LOCK_EX) as lock:
                os.pwrite(lock, _NUMBER.pack(_number(lock) + 1), 0)
                Path(self._path(segment)).unlink(missing_ok=True)
        except OSError as error:
            raise refusal(error) from error

    def names(self) -> list[str]:
        """The segments of which something is here."""
        return [Path(path).name for _, _, path in self._files()]

    def clear(self) -> None:
        """Let the longest unread go, until three quarters of the room are left in use; nothing while there is room."""
        room.clear(self._files(), self._most)

    @contextmanager
    def keeping(self) -> Iterator[bool]:
        """Whether no other process of this node does within such a block what one is enough for."""
        try:
            fd = self._open_lock("keeper")
        except OSError:
            yield False
            return
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
        finally:
            os.close(fd)

    def _write(self, path: str, data: Buffer, offset: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        try:
            fd = os.open(path, flags, 0o600)
        except FileNotFoundError:
            Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(path, flags, 0o600)
        try:
            os.pwrite(fd, data, offset)
        finally:
            os.close(fd)

    @contextmanager
    def _lock(self, kind: int) -> Iterator[int]:
        fd = self._open_lock("lock")
        try:
            fcntl.flock(fd, kind)
            yield fd
        finally:
            os.close(fd)

    def _open_lock(self, name: str) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            return os.open(self._folder / name, flags, 0o600)
        except FileNotFoundError:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._folder / name, flags, 0o600)

    def _path(self, segment: str) -> str:
        """As text: to make a path of it takes as long as to open it."""
        return f"{self._folder}/{segment[-2:]}/{segment}"

    def _files(self) -> Iterator[tuple[int, int, str]]:
        """When each segment was last read or written, what it takes, and where it is."""
        for path in self._folder.glob("??/*"):
            with suppress(FileNotFoundError):
                told = path.stat()
                yield told.st_mtime_ns, told.st_blocks * _SECTOR, str(path)

    def _buffer(self) -> memoryview:
        """This thread's own: mapping a new one for every read would cost more than decrypting."""
        buffer: memoryview | None = getattr(self._buffers, "read", None)
        if buffer is None:
            buffer = self._buffers.read = memoryview(bytearray(record.GROUP * record.SEALED_CHUNK))
        return buffer

    def _complain(self, error: OSError) -> None:
        if not self._is_complained:
            _log.warning("nothing can be copied for reading it again: %s", error.strerror)
            self._is_complained = True


def _number(lock: int) -> int:
    data = os.pread(lock, _NUMBER.size, 0)
    return int(_NUMBER.unpack(data)[0]) if len(data) == _NUMBER.size else 0


def _wipe(path: str, offsets: Iterable[int]) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        for offset in offsets:
            head = os.pread(fd, PREFIX, offset)
            if not any(head):  # it was never here, or is wiped already
                continue
            pwrite(fd, bytes(PREFIX), offset)
            with suppress(Invalid):
                punch(fd, offset, record.parse(head).length)
        os.fdatasync(fd)
    finally:
        os.close(fd)
