"""Records that are safe on the disk of one node first, and in the bucket soon after.

What is acknowledged is synced in a segment of this node. Segments that are full or five seconds old are uploaded under
their own names: a record's place is the same in both, and no row changes. What a disk loses before it was uploaded is
lost, so the disk has to be a replicated one.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, TypeVar

import obstore
from obstore.exceptions import BaseError

from imagebank.errors import BankError, Invalid, NotFound, Unavailable, Unreadable
from imagebank.model.imaging import Location
from imagebank.model.journal import Unuploaded
from imagebank.model.key import AccountKey
from imagebank.ports import Keys, Record
from imagebank.storage import record
from imagebank.storage.compressed import Store
from imagebank.storage.journal_files import JournalFiles
from imagebank.storage.journal_upload import Uploader
from imagebank.storage.record import Contents, Kind
from imagebank.storage.s3 import ObjectBlobs
from imagebank.storage.s3_reading import refusal

_OLD_S: Final = 5.0
"""After which a segment is written to no more, so that it can be uploaded."""
_TURN_S: Final = 1.0
_Answer = TypeVar("_Answer")
_log = logging.getLogger(__name__)


class JournalBlobs:
    """Blobs in a journal in `folder`, and in the bucket once they were uploaded (`upload`).

    All processes of one node share the folder. When more than `most` bytes wait, objects are refused; each process looks
    once a second. Copies of what was uploaded stay as far as `most` leaves room for them. `destroy` overwrites keys
    here and, of what was uploaded, puts a tombstone, for which the bucket has to answer.
    """

    def __init__(self, folder: Path, bucket: ObjectBlobs, keys: Keys, *, most: int) -> None:
        self._files, self._bucket, self._most = JournalFiles(folder, keys), bucket, most
        self._uploader = Uploader(self._files, bucket, keys)
        self._waiting, self._looked_s = 0, float("-inf")
        self._ended = threading.Event()
        self._turning = threading.Thread(target=self._turn, name="journal", daemon=True)
        self._turning.start()

    def write(
        self, content: IO[bytes], size: int, note: bytes, key: AccountKey | None = None, *, is_compressed: bool = False
    ) -> Location:
        if size:  # what is decided about objects has no content, and is not refused
            self._require_room()
        location = self._files.write(content, size, note, key, is_compressed=is_compressed)
        self._waiting += location.length
        return location

    def _require_room(self) -> None:
        now = time.monotonic()
        if now - self._looked_s > _TURN_S:
            self._waiting, self._looked_s = self._files.unuploaded()[0], now
        if self._waiting > self._most:
            raise Unavailable(
                "{waiting} MiB wait on this node for the object store, which is all that may; what was acknowledged is "
                "safe; see that the object store answers and a worker runs, or raise s3_journal_bytes; then send again",
                waiting=self._waiting >> 20,
            )

    def upload(self) -> int:
        try:
            return self._uploader.upload()
        finally:  # also while the bucket is away: what waits takes the room of copies
            self._files.trim(max(0, self._most - self._files.unuploaded()[0]))
            self._looked_s = float("-inf")

    def unuploaded(self) -> Unuploaded:
        octets, since = self._files.unuploaded()
        return Unuploaded(octets, since, self._most)

    def finish(self) -> None:
        """Let go of every segment now, so that all of it can be uploaded."""
        self._files.finish(0)

    def stored(self, location: Location) -> Location:
        return self._ask(location, lambda store: store.stored(location))

    def sync(self, locations: Sequence[Location]) -> None:
        self._files.sync(locations)

    def begin_sync(self, locations: Sequence[Location]) -> Callable[[], None]:
        return self._files.begin_sync(locations)

    def read(self, location: Location, start: int = 0, end: int | None = None) -> bytes:
        return self._ask(location, lambda store: store.read(location, start, end))

    def stream(self, location: Location, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        return self._ask(location, lambda store: store.stream(location, start, end))

    def from_store(self, location: Location, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        return self._ask(location, lambda store: store.from_store(location, start, end))

    def expect(self, locations: Sequence[Location]) -> None:
        self._bucket.expect(locations)

    def note(self, location: Location) -> bytes:
        return self._ask(location, lambda store: store.note(location))

    def wrapped_by(self, location: Location) -> bytes:
        return self._ask(location, lambda store: store.wrapped_by(location))

    def secret(self, location: Location, use: bytes) -> bytes:
        return self._ask(location, lambda store: store.secret(location, use))

    def destroy(self, locations: Sequence[Location]) -> None:
        with self._files.moving(alone=False):
            away = [at for at in locations if not self._files.is_waiting(at.segment)]
            self._files.destroy(self._here(locations))
        if away:
            self._bucket.destroy(away)

    def destroy_keys(self, names: Sequence[bytes], locations: Sequence[Location]) -> None:
        with self._files.moving(alone=False):
            away = [at for at in locations if not self._files.is_waiting(at.segment)]
            self._files.destroy_keys(names, self._here(locations))
        self._bucket.destroy_keys(names, away)

    def _here(self, locations: Sequence[Location]) -> list[Location]:
        return [at for at in locations if self._files.has(at.segment)]

    def renew_tombstones(self) -> None:
        with self._files.moving(alone=False):
            self._files.renew_tombstones()
        self._bucket.renew_tombstones()

    def destroyed_keys(self) -> set[bytes]:
        return self._files.destroyed_keys() | self._bucket.destroyed_keys()

    def keep_key(self, note: bytes) -> Location:
        return self._files.keep_key(note)

    def kept_keys(self) -> Iterator[Record]:
        return self._walk("keys", (Contents.KEYS,), Kind.KEY)

    def keep_checkpoint(self, note: bytes, key: AccountKey) -> None:
        self._files.keep_checkpoint(note, key)

    def kept_checkpoints(self) -> Iterator[Record]:
        waiting = list(self._files.kept_checkpoints())  # first: what is moved meanwhile is met twice, and not missed
        there = {one.location: one for one in [*self._bucket.kept_checkpoints(), *waiting]}
        return iter(sorted(there.values(), key=lambda one: (one.location.segment, one.location.offset)))

    def records(self) -> Iterator[Record]:
        return self._walk("segments", record.OBJECTS, Kind.OBJECT)

    def close(self) -> None:
        self._ended.set()
        self._turning.join()
        self._files.close()
        self._bucket.close()

    def _walk(self, folder: str, contents: Sequence[Contents], kind: Kind) -> Iterator[Record]:
        """The records of the bucket and of what waits, each once, in the order in which their segments were begun."""
        waiting = set(self._files.names(*contents))  # first: what is moved meanwhile is met in the bucket
        sizes = self._bucket.listed(folder)
        dead = self.destroyed_keys()
        for segment in sorted(waiting | sizes.keys()):
            if segment in waiting:
                with suppress(NotFound):  # uploaded meanwhile
                    yield from list(self._files.kept_in(segment, dead, kind))
                    continue
            size = sizes.get(segment) or self._size(segment)
            if size:
                yield from self._bucket.kept_in(segment, size, dead, kind)

    def _size(self, segment: str) -> int:
        """How large a segment's object is; 0 when there is none."""
        try:
            return int(obstore.head(self._bucket.store, self._bucket.key_of(segment))["size"])
        except FileNotFoundError:
            return 0
        except BaseError as error:
            raise refusal(error) from error

    def _ask(self, location: Location, ask: Callable[[Store], _Answer]) -> _Answer:
        """What the disk says, or the bucket where the disk has no such segment or only a copy that is damaged."""
        segment = location.segment
        if self._files.has(segment):
            try:
                return ask(self._files)
            except NotFound:
                if self._files.has(segment):
                    raise
            except (Invalid, Unreadable):
                if self._files.is_waiting(segment):
                    raise
                _log.warning("the copy of segment %s is damaged; the bucket is asked", segment)
        return ask(self._bucket)

    def _turn(self) -> None:
        """Every second, let go of what is old, and of what is open for reading."""
        while not self._ended.wait(_TURN_S):
            try:
                self._files.finish(_OLD_S)
                self._files.forget()
            except BankError:
                _log.warning("the journal could not be turned over; it is tried again", exc_info=True)
