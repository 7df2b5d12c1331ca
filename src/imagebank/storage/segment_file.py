"""One segment file that a process appends to, and what the operating system's refusals mean."""

import ctypes
import errno
import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import cast

from imagebank.errors import BankError, OutOfSpace, Unavailable, Unreadable
from imagebank.storage import record
from imagebank.storage.record import BLOCK, Buffer

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_OF_ONE_FILE = {
    errno.EIO, errno.EREMOTEIO, errno.EBADMSG, errno.EUCLEAN, errno.ENXIO,
    errno.EACCES, errno.EPERM, errno.EISDIR, errno.ELOOP,
}  # fmt: skip
"""What a disk, or its file system by its checksums, says of one file. A share that is away says something else."""
_log = logging.getLogger(__name__)


def refusal(error: OSError) -> BankError:
    """What an error of the operating system means to whoever deposits or reads."""
    if error.errno in _FULL:
        return OutOfSpace("the disk is full; what was acknowledged is safe; free some space and send again")
    return Unavailable(
        "the object folder does not work ({reason}); what was acknowledged is safe", reason=error.strerror
    )


def refusal_to_read(error: OSError) -> BankError:
    """What an error of the operating system means to whoever reads from a segment."""
    if error.errno in _OF_ONE_FILE:
        return Unreadable("the disk cannot read it ({reason})", reason=error.strerror)
    return refusal(error)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, where they are not there yet; their names are durable then. Raises OSError."""
    new = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in new:
        sync_folder(each.parent)


def pread(fd: int, offset: int, length: int) -> bytes:
    """Bytes from a place, fewer at the end of the file. Raises Unreadable, Unavailable."""
    try:
        return os.pread(fd, length, offset)
    except OSError as error:
        raise refusal_to_read(error) from error


def pwrite(fd: int, piece: Buffer, offset: int) -> None:
    """Write all of a piece at a place. Raises OutOfSpace, Unavailable."""
    view = memoryview(piece)
    try:
        while view:
            written = os.pwrite(fd, view, offset)
            view, offset = view[written:], offset + written
    except OSError as error:
        raise refusal(error) from error


_PUNCH_HOLE_AND_KEEP_SIZE = 3
"""FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE of Linux's fallocate(2), which Python does not offer."""
_BEGIN_ONLY = 2
"""SYNC_FILE_RANGE_WRITE of Linux's sync_file_range(2), which Python does not offer either."""


@cache
def _of_linux(name: str, *kinds: type) -> Callable[..., int] | None:
    try:
        found = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):  # another system
        return None
    found.argtypes = kinds
    return cast("Callable[..., int]", found)


def punch(fd: int, offset: int, length: int) -> bool:
    """Give the blocks of a range back to the disk, as a hole that reads as zeros; whether the file system could."""
    fallocate = _of_linux("fallocate", ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return length > 0 and fallocate is not None and fallocate(fd, _PUNCH_HOLE_AND_KEEP_SIZE, offset, length) == 0


def begin_writing(fd: int, offset: int, length: int) -> None:
    """Have the disk begin with a range, if the system can, and wait for nothing. What fails, the next sync says."""
    begin = _of_linux("sync_file_range", ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    if begin is not None:
        begin(fd, offset, length, _BEGIN_ONLY)


def _is_at(path: Path, fd: int) -> bool:
    """Whether the file that is open lies there still: between opening and locking it, another process may have it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False


class Segment:
    """A segment file that this process alone appends to: it holds the lock until the segment is closed.

    Continues after whatever is there, so that a torn tail stays behind as a hole. `pending` holds the offsets of
    records that are reserved and not yet durable, `writing` those that are not yet written. Callers take care that one
    thread at a time reserves or abandons.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self.path, self.fd, self.id = path, fd, path.stem
        self.pending: set[int] = set()
        self.writing: set[int] = set()
        self._began_s = time.monotonic()
        self.is_full = self.is_poisoned = self._is_closed = False
        self._syncing = threading.Lock()
        size = os.fstat(fd).st_size
        # What a dead process left unsealed may have lost pages in a power failure: no later seal may vouch for it.
        self._may_seal = size <= BLOCK or record.is_sealed(self.id, size, partial(pread, fd))
        self.end = self._began_at = max(BLOCK, -(-size // BLOCK) * BLOCK)
        self._begun = self.end
        if size < BLOCK:
            pwrite(fd, record.segment_header(self.id), 0)
        os.fsync(fd)
        for folder in list(path.parents)[:3]:  # each may hold a new name: xx, the objects' folder, and what holds that
            sync_folder(folder)

    @classmethod
    def take(cls, path: Path) -> "Segment | None":
        """The segment at a path, made when it is not there; None when somebody else holds it, or had it and moved it."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            segment = cls(path, fd) if _is_at(path, fd) else None
        except BlockingIOError:
            segment = None
        except BaseException:
            os.close(fd)
            raise
        if segment is None:
            os.close(fd)
        return segment

    def reserve(self, length: int) -> int:
        offset, self.end = self.end, self.end + length
        self.pending.add(offset)
        self.writing.add(offset)
        return offset

    def written(self, offset: int) -> None:
        """All of a record stands there now, not durable yet."""
        self.writing.discard(offset)

    def is_older(self, seconds: float) -> bool:
        """Whether it was begun so long ago in this process."""
        return time.monotonic() - self._began_s >= seconds

    def abandon(self, offset: int, length: int) -> None:
        """Give up a reservation whose writing failed. It is a hole when others have reserved behind it already."""
        self.pending.discard(offset)
        self.writing.discard(offset)
        if self.end == offset + length:
            with suppress(OSError):
                os.ftruncate(self.fd, offset)
                self.end = offset

    def begin(self, end: int) -> None:
        """Have the disk begin with all that stands before `end`."""
        begun, self._begun = self._begun, max(self._begun, end)
        if begun < end:
            begin_writing(self.fd, begun, end - begun)

    def write(self, piece: Buffer, offset: int) -> None:
        """Write a piece. What stands before it goes to the disk meanwhile, so that the sync of many waits for the last."""
        self.begin(offset)
        try:
            pwrite(self.fd, piece, offset)
        except Unavailable:
            self.is_poisoned = True
            raise

    def sync(self) -> None:
        """Make everything that is written durable.

        After a failure never again: the kernel may have dropped the pages, and reports it only once. What is in a file
        that has no name any more is gone when we end, however well it was written.
        """
        with self._syncing:
            if self.is_poisoned:
                raise Unavailable("the disk failed to keep what was written; send it again")
            if self._is_closed:  # only when all of it was durable
                return
            try:
                os.fdatasync(self.fd)
                self.is_poisoned = os.fstat(self.fd).st_nlink == 0
            except OSError as error:
                self.is_poisoned = True
                raise refusal(error) from error
            if self.is_poisoned:
                _log.error("segment %s was deleted while it was in use; restore it, then run imagebank verify", self.id)
                raise Unavailable(
                    "the file that it went to was deleted meanwhile; nothing of this was kept, send again"
                )

    def close(self) -> None:
        """Let go of it, sealed if it may be. Without a seal a walk checks more; nothing is lost."""
        try:
            if self._may_seal and self.end > self._began_at:
                self.sync()
                pwrite(self.fd, record.seal_of(self.id, self.end), self.end)
        except BankError:
            self.is_poisoned = True
        finally:
            with self._syncing:
                self._is_closed = True
                os.close(self.fd)
