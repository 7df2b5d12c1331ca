"""How the segments of a journal come into the bucket.

A segment is put whole under its own name, ciphertext as it is; only its header states how many records it has. What
was put is proven, and then its file is moved. Whatever ends this in between, the segment waits as before, and putting
it again puts the same. Who destroys a record meanwhile overwrites its key in the file: then it was not this that was
put, and it is put again.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import md5
from pathlib import Path
from typing import Final

import obstore
from obstore.exceptions import BaseError

from imagebank.errors import BankError, Unavailable
from imagebank.ports import Keys
from imagebank.storage import record, walk
from imagebank.storage.journal_files import JournalFiles
from imagebank.storage.record import BLOCK
from imagebank.storage.s3 import PARTS_AT_ONCE, ObjectBlobs
from imagebank.storage.s3_reading import PART_BYTES, refusal
from imagebank.storage.segment_file import pread
from imagebank.storage.segment_file import refusal as disk_refusal

_AT_ONCE: Final = 2
_WHOLE_BYTES: Final = 48 << 20
"""What is larger is put in parts, and never in memory as a whole."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """A segment that nobody else has. `alive` names its records by offset, and tells which are not destroyed.

    `count` is their number, or 0 where some of it may not be whole.
    """

    path: Path
    fd: int
    size: int
    alive: tuple[tuple[int, bool], ...]
    count: int

    @property
    def id(self) -> str:
        return self.path.stem

    def pieces(self) -> Iterator[bytes]:
        """What belongs in the bucket, in pieces of 8 MiB."""
        yield record.segment_header(self.id, self.count)
        for at in range(BLOCK, self.size, PART_BYTES):
            yield pread(self.fd, at, min(PART_BYTES, self.size - at))

    def whole(self) -> bytearray:
        """The same at once."""
        body = bytearray(self.size)
        with memoryview(body) as view:
            at = 0
            for piece in self.pieces():
                view[at : at + len(piece)] = piece
                at += len(piece)
        return body


class Uploader:
    """Puts what waits in a journal into the bucket. Several processes may: one takes each segment."""

    def __init__(self, files: JournalFiles, bucket: ObjectBlobs, keys: Keys) -> None:
        self._files, self._bucket, self._keys = files, bucket, keys
        self._failed: set[str] = set()

    def upload(self) -> int:
        """Put all that waits and nobody writes to; how many segments. Raises Unavailable when one could not be put.

        With the first that cannot, of its kind, this ends: mostly the object store is away. That one is the last to be
        tried the next time, so that one which the disk cannot read keeps no other waiting.
        """
        count, refused = 0, list[BankError]()
        with ThreadPoolExecutor(_AT_ONCE, "upload") as pool:
            for paths in self._files.waiting():
                try:
                    for is_moved in pool.map(self._try, sorted(paths, key=lambda path: path.stem in self._failed)):
                        count += is_moved
                except BankError as error:
                    refused.append(error)
        if refused:
            raise refused[0]
        return count

    def _try(self, path: Path) -> bool:
        self._failed.add(path.stem)
        is_moved = self._take(path)
        self._failed.discard(path.stem)
        return is_moved

    def _take(self, path: Path) -> bool:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:  # somebody else was quicker
            return False
        except OSError as error:
            raise disk_refusal(error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return path.exists() and self._bring(self._look(path, fd))
        except BlockingIOError:  # somebody writes to it
            return False
        finally:
            os.close(fd)

    def _bring(self, held: Held) -> bool:
        """Whether it is in the bucket now, and moved."""
        if any(is_alive for _, is_alive in held.alive):
            self._prove(held, self._put(held))
            self._bucket.settle(held.id, held.size)
        else:
            self._bucket.discard(held.id)  # it may have been put before all of it was destroyed
        return self._move(held)

    def _look(self, path: Path, fd: int) -> Held:
        size = os.fstat(fd).st_size
        alive = _alive(path.stem, size, fd)
        return Held(path, fd, size, alive, len(alive) if self._is_sound(path.stem, size, fd) else 0)

    def _is_sound(self, segment: str, size: int, fd: int) -> bool:
        """Whether nothing of it was lost with the power: it is sealed, or each chunk of its objects is whole."""
        fetch = partial(pread, fd)
        if record.contents_of(segment) not in record.OBJECTS or record.is_sealed(segment, size, fetch):
            return True
        try:
            found = list(walk.records_of(segment, size, fetch, self._keys, frozenset(), is_durable=False))
        except BankError:  # its keys are not here now
            return False
        return all(one.note is not None or one.is_gone for one in found)

    def _put(self, held: Held) -> str:
        """Put it; what its ETag is where a store says the digest of what it took, or nothing."""
        key = self._bucket.key_of(held.id)
        try:
            if held.size > _WHOLE_BYTES:
                obstore.put(
                    self._bucket.store, key, held.pieces(), chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
                )
                return ""
            body = held.whole()
            obstore.put(self._bucket.store, key, body, use_multipart=False)
            return md5(body, usedforsecurity=False).hexdigest()
        except (BaseError, FileNotFoundError) as error:
            raise refusal(error) from error

    def _prove(self, held: Held, digest: str) -> None:
        """See that the bucket has it: by length and digest as the store tells them, or else by reading it back."""
        store, key, at = self._bucket.store, self._bucket.key_of(held.id), 0
        try:
            told = obstore.head(store, key)
            is_there = told["size"] == held.size
            if is_there and digest and (told["e_tag"] or "").strip('"') == digest:
                return
            for piece in held.pieces() if is_there else ():
                is_there = is_there and bytes(obstore.get_range(store, key, start=at, end=at + len(piece))) == piece
                at += len(piece)
        except (BaseError, FileNotFoundError) as error:
            raise refusal(error) from error
        if not is_there:
            raise Unavailable("the object store gives back other bytes than were put; they are put again")

    def _move(self, held: Held) -> bool:
        with self._files.moving(alone=True):
            if _alive(held.id, held.size, held.fd) != held.alive:
                _log.info("a record was destroyed while its segment was uploaded; it is uploaded again")
                return False
            with suppress(FileNotFoundError):
                self._files.settle(held.path)
            return True


def _alive(segment: str, size: int, fd: int) -> tuple[tuple[int, bool], ...]:
    met = walk.walk(segment, size, partial(pread, fd))
    return tuple((offset, bool(prefix.wrapped)) for offset, prefix, tail in met if tail is not None)
