"""The segments of a journal on the disk of its node.

    waiting/   what the object store may not have yet, and what is written to
    copies/    what it has, for as long as there is room
    moving     the lock of whoever moves, drops or destroys
    open       the lock that all have in common who have the journal open

A segment has the same name and the same bytes here and there, so that a record's place never changes. Where its file
lies is all that tells whether it was uploaded.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from imagebank.errors import NotFound
from imagebank.ports import Keys
from imagebank.storage import record
from imagebank.storage.files import Descriptor, FileBlobs, segments_below
from imagebank.storage.record import Contents
from imagebank.storage.segment_file import make_folder, refusal

WAITING: Final = "waiting"
COPIES: Final = "copies"
_OPEN: Final = "open"
SEGMENT_BYTES: Final = 32 << 20
_FREE_BYTES: Final = 1 << 30
"""Copies go when less than this is free on the disk."""
_MILLISECONDS: Final = 12
"""Digits of a segment's id that tell when it was made."""
_FIRST: Final = (Contents.KEYS, Contents.TOMBSTONES)


class JournalFiles(FileBlobs):
    """Segment files of at most 32 MiB, which nobody goes on with once their process has let go of them.

    The record of an account's key is alone in its segment, so that it can be deleted from the object store.
    """

    def __init__(self, folder: Path, keys: Keys) -> None:
        self._home, self._copies = folder, folder / COPIES
        single = frozenset({Contents.ALONE, Contents.KEYS})
        super().__init__(folder / WAITING, keys, segment_bytes=SEGMENT_BYTES, single=single, continues=False)
        self._open_lock = _lock_file(folder / _OPEN)
        fcntl.flock(self._open_lock, fcntl.LOCK_SH)

    def close(self) -> None:
        super().close()
        if self._open_lock >= 0:
            os.close(self._open_lock)
            self._open_lock = -1

    def is_waiting(self, segment: str) -> bool:
        """Whether the object store may not have it yet."""
        return super()._path(segment).exists()

    def has(self, segment: str) -> bool:
        """Whether it is on this disk."""
        return self._path(segment).exists()

    def forget(self) -> None:
        """Close what is open for reading: a file that went keeps its room until then."""
        self._descriptor.cache_clear()

    def waiting(self) -> list[list[Path]]:
        """What waits, the oldest first: keys before tombstones before objects, so that what is there can be read."""
        paths = sorted(segments_below(self._folder), key=lambda path: path.stem)
        kinds = {path: record.contents_of(path.stem) for path in paths}
        early = [[path for path in paths if kinds[path] is first] for first in _FIRST]
        return [*early, [path for path in paths if kinds[path] not in _FIRST]]

    def unuploaded(self) -> tuple[int, datetime | None]:
        """Bytes that wait, and since when the oldest of them."""
        paths = segments_below(self._folder)
        return sum(map(_size, paths)), min((_made(path) for path in paths), default=None)

    @contextmanager
    def moving(self, *, alone: bool) -> Iterator[None]:
        """Hold files where they are: several may who destroy, and whoever moves or drops is `alone`."""
        fd = _lock_file(self._home / "moving")
        try:
            fcntl.flock(fd, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            yield
        finally:
            os.close(fd)

    def settle(self, path: Path) -> None:
        """It was uploaded: an object stays as a copy, the rest goes. Only while `moving` alone."""
        try:
            if record.contents_of(path.stem) in record.OBJECTS:
                copy = self._copy(path.stem)
                make_folder(copy.parent)
                path.rename(copy)
            else:
                path.unlink()
        except OSError as error:
            raise refusal(error) from error

    def trim(self, room: int) -> None:
        """Let the oldest copies go until they take `room` bytes at the most, and the disk has some left."""
        copies = sorted(segments_below(self._copies), key=lambda path: path.stem)
        taken = sum(map(_size, copies))
        for path in copies:
            if taken <= room and self._free_bytes() >= _FREE_BYTES:
                return
            taken -= _size(path)
            with self.moving(alone=True):
                path.unlink(missing_ok=True)

    def _open(self, segment: str) -> Descriptor:
        try:
            return super()._open(segment)
        except NotFound:  # or it was moved to the copies since we looked where it lies
            return super()._open(segment)

    def _path(self, segment: str) -> Path:
        path, copy = super()._path(segment), self._copy(segment)
        return copy if not path.exists() and copy.exists() else path

    def _copy(self, segment: str) -> Path:
        return self._copies / segment[-2:] / f"{segment}.seg"


def is_unused(folder: Path) -> bool:
    """Whether no segment lies in a journal."""
    return not segments_below(folder / WAITING) and not segments_below(folder / COPIES)


@contextmanager
def unopened(folder: Path) -> Iterator[bool]:
    """Whether nobody has the journal open; nobody opens it then while the block runs."""
    fd = _lock_file(folder / _OPEN)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(fd)


def _lock_file(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise refusal(error) from error


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _made(path: Path) -> datetime:
    return datetime.fromtimestamp(int(path.stem[:_MILLISECONDS], 16) / 1000, UTC)
