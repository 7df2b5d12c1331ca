"""Records in immutable objects of an object store."""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import timedelta
from io import BytesIO
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, S3Store

from imagebank.errors import BankError, Invalid, NotFound, Unavailable
from imagebank.model.imaging import Location
from imagebank.model.key import AccountKey
from imagebank.ports import Keys, Record
from imagebank.storage import record, tombstone, walk
from imagebank.storage.copies import FileCopies
from imagebank.storage.record import BLOCK, Buffer, Contents, Draft, Kind, Prefix
from imagebank.storage.s3_reading import PART_BYTES, Ranges, Reading, refusal
from imagebank.storage.tombstone import Target

if TYPE_CHECKING:
    from obstore.store import S3Config  # it exists for type checkers only

PACK_BYTES = 32 << 20
PARTS_AT_ONCE = 4
_TURN_S = 60.0
"""How often a node that copies asks what others have destroyed."""
_WALK_BYTES = 64 << 10
"""What a walk reads ahead: a note, its trailer and the next prefix lie beside each other."""
_FOLDERS = {Contents.TOMBSTONES: "tombstones", Contents.KEYS: "keys", Contents.CHECKPOINTS: "checkpoints"}
_NEWEST = 64
"""Checkpoints that are read: each is a request, and the newest one vouches for all before it."""
_LEARN_ATTEMPTS = 5
_SMALL_TOMBSTONES = 64
_SMALL_TOMBSTONE_BYTES = 64 << 10
_log = logging.getLogger(__name__)


def open_s3(
    url: str, *, endpoint: str = "", region: str = "us-east-1", access_key: str = "", secret_key: str = ""
) -> tuple[S3Store, str]:
    """The bucket of an `s3://bucket/prefix`, and the prefix.

    `endpoint` is empty for AWS. Without keys the machine's own credentials are used. A request is tried four times
    within half a minute. Raises Invalid when the address is of another kind.
    """
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc:
        raise Invalid(f"{url} is not an address of the form s3://bucket/prefix")
    config: S3Config = {"region": region}
    if endpoint:
        config["endpoint"] = endpoint
    if access_key:
        config["access_key_id"], config["secret_access_key"] = access_key, secret_key
    store = S3Store(
        parts.netloc,
        config=config,
        client_options={"allow_http": endpoint.startswith("http://"), "connect_timeout": "5s", "timeout": "60s"},
        retry_config={
            "max_retries": 3,
            "retry_timeout": timedelta(seconds=30),
            "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
        },
    )
    return store, parts.path.strip("/")


def is_empty(store: ObjectStore, prefix: str) -> bool:
    """Whether nothing lies under the prefix. Raises Unavailable."""
    try:
        return not next(iter(obstore.list(store, prefix or None, chunk_size=1)), [])
    except (BaseError, FileNotFoundError) as error:
        raise refusal(error) from error


def _whole(location: Location, head: Buffer) -> Prefix | None:
    """The prefix at a location; none of a damaged one, whose content nobody can read any more."""
    try:
        return record.prefix_at(location, head)
    except Invalid:
        return None


def _new_id(contents: Contents) -> str:
    # The clock gives an order among ids, not a time that anybody is told.
    return record.segment_id(contents, time.time_ns())


class _Pack:
    """Records that wait for one PUT. `lock` is held by whoever puts it; the others wait for the outcome."""

    def __init__(self, contents: Contents) -> None:
        self.id = _new_id(contents)
        self.parts: list[Buffer] = []
        self.end = BLOCK
        self.lock = threading.Lock()
        self.is_tried = False
        # In words: an error holds on to the frames in which it was raised, and with them to all that was to be put.
        self.refusal = ""

    def add(self, new: Draft, sealed: bytearray) -> Location:
        """Place a record that was sealed elsewhere."""
        opened, head = record.place(new, self.id, self.end)
        sealed[: len(head)] = head
        self.parts.append(sealed)
        self.end += len(sealed)
        return opened.prefix.location


class ObjectBlobs:
    """Blobs in an object store, below `prefix`: `segments/<id>`, `tombstones/<id>`, `keys/<id>` and `checkpoints/<id>`.

    What is acknowledged is in the store: `sync` returns when the PUT was answered. Records that wait together go
    into one object of up to 32 MiB; while it is being put, others fill the next. A record of 16 MiB and more is
    uploaded in parts while it is written, and is an object of its own.

    Objects cannot be changed. So `destroy` puts a tombstone, which ends reading here and hides the record from every
    walk; the record's wrapped key stays in the object until each record in it is destroyed, and then the object is
    deleted. Until compaction exists, someone who has both the bucket and the root key can still read a destroyed
    record whose neighbours live. Other processes learn of a tombstone when they start, walk or destroy; its row is
    gone before. Old versions in a versioned bucket, and parts of uploads that were cut off, are for the bucket's own
    lifecycle rules.
    """

    def __init__(self, store: ObjectStore, keys: Keys, *, prefix: str = "", copies: FileCopies | None = None) -> None:
        self.store, self._keys, self.copies = store, keys, copies
        self._folder = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._ranges = Ranges(store, self.key_of)
        self._reading = Reading(self._ranges, keys, copies)
        self._lock = threading.Lock()
        self._current: dict[Contents, _Pack] = {}
        self._packs: dict[str, _Pack] = {}
        self._tombstones: set[str] | None = None
        self._dead_ids: set[bytes] = set()
        self._dead: dict[str, set[int]] = defaultdict(set)
        self._ended = threading.Event()
        self._turning = threading.Thread(target=self._turn, name="copies", daemon=True) if copies else None
        if self._turning is not None:
            self._turning.start()

    def write(
        self, content: IO[bytes], size: int, note: bytes, key: AccountKey | None = None, *, is_compressed: bool = False
    ) -> Location:
        new = record.draft(Kind.OBJECT, size, len(note), self._keys, key)
        shared, alone = (Contents.COMPRESSED,) * 2 if is_compressed else (Contents.SHARED, Contents.ALONE)
        if new.prefix.length >= PACK_BYTES // 2:
            return self._put_alone(alone, new, content, note)
        sealed = self._sealed(new, content, note)
        full = None
        with self._lock:
            pack = self._current.get(shared)
            if pack is None or pack.end + len(sealed) > PACK_BYTES:
                full, pack = pack, _Pack(shared)
                self._current[shared] = self._packs[pack.id] = pack
            location = pack.add(new, sealed)
        if full is not None:
            with suppress(BankError):  # told to those whose records it holds, by their own sync
                self._put(full)
        return location

    def stored(self, location: Location) -> Location:
        """The record at a place, with the size of its own content. Raises NotFound, Invalid."""
        return self._reading.stored(location)

    def sync(self, locations: Sequence[Location]) -> None:
        for segment in sorted({location.segment for location in locations}):
            with self._lock:
                pack = self._packs.get(segment)
            if pack is not None:
                self._put(pack)

    def begin_sync(self, locations: Sequence[Location]) -> Callable[[], None]:
        self.sync(locations)  # at once: nobody holds the database while an object is on its way
        return lambda: None

    def read(self, location: Location, start: int = 0, end: int | None = None) -> bytes:
        self._require_alive(location)
        return self._reading.read(location, *record.bounds(location.size, start, end))

    def stream(self, location: Location, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        self._require_alive(location)
        return self._reading.stream(location, *record.bounds(location.size, start, end))

    def from_store(self, location: Location, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        self._require_alive(location)
        return self._reading.from_store(location, *record.bounds(location.size, start, end))

    def expect(self, locations: Sequence[Location]) -> None:
        self._reading.expect(locations)

    def note(self, location: Location) -> bytes:
        self._require_alive(location)
        return self._reading.note(location)

    def destroy(self, locations: Sequence[Location]) -> None:
        """Put a tombstone, and delete the objects of which no record is left. See the class for what stays."""
        self._learn()
        prefixes = self._prefixes(locations)
        if prefixes:
            self._bury(tombstone.pack(prefixes))
            self._merge_tombstones()
        self._clear_away(locations)

    def _clear_away(self, locations: Sequence[Location]) -> None:
        """What was destroyed leaves the copies, and objects of which no record is left leave the bucket."""
        places: dict[str, set[int]] = defaultdict(set)
        for location in locations:
            places[location.segment].add(location.offset)
        if self.copies is not None and places:
            self.copies.wipe(places)
        for segment in places:
            self._delete_if_dead(segment)

    def _prefixes(self, locations: Sequence[Location]) -> list[Prefix]:
        prefixes: list[Prefix] = []
        for segment in sorted({location.segment for location in locations}):
            living = [at for at in locations if at.segment == segment and at.offset not in self._dead[segment]]
            with suppress(NotFound):  # an object that is gone needs no more
                heads = self._ranges.parts(segment, [(at.offset, at.offset + record.PREFIX) for at in living])
                prefixes += [prefix for at, head in zip(living, heads, strict=True) if (prefix := _whole(at, head))]
        return prefixes

    def wrapped_by(self, location: Location) -> bytes:
        self._require_alive(location)
        return self._reading.opened(location, is_copied=False).prefix.wrapped_by

    def secret(self, location: Location, use: bytes) -> bytes:
        self._require_alive(location)
        return record.secret_of(self._reading.opened(location, is_copied=True).prefix, self._keys, use)

    def keep_key(self, note: bytes) -> Location:
        """Each is an object of its own, so that it can be deleted."""
        return self._put_small(Contents.KEYS, Kind.KEY, note)

    def kept_keys(self) -> Iterator[Record]:
        self._learn()
        for segment, size in sorted(self.listed("keys").items()):
            yield from self.kept_in(segment, size, self._dead_ids, Kind.KEY)

    def keep_checkpoint(self, note: bytes, key: AccountKey) -> None:
        self._put_small(Contents.CHECKPOINTS, Kind.CHECKPOINT, note, key)

    def kept_checkpoints(self) -> Iterator[Record]:
        for segment, size in sorted(self.listed("checkpoints").items())[-_NEWEST:]:
            window = self._ranges.window(segment, size, size)
            with suppress(NotFound):
                yield from walk.checkpoints_of(segment, size, window, self._keys)

    def destroy_keys(self, names: Sequence[bytes], locations: Sequence[Location]) -> None:
        self._learn()
        self._bury(tombstone.pack([*map(tombstone.of_key, names), *self._prefixes(locations)]))
        self._clear_away(locations)

    def settle(self, segment: str, size: int) -> None:
        """What follows from a segment that a journal has put: its tombstones are known, and what is dead goes."""
        segments = {segment}
        if record.contents_of(segment) is Contents.TOMBSTONES:
            targets = self._targets(segment, size)
            self._note_dead(segment, targets)
            self._merge_tombstones()
            segments = {target.segment for target in targets}
        for each in segments & self._dead.keys():
            self._delete_if_dead(each)

    def discard(self, segment: str) -> None:
        """Delete an object of which a journal knows that no record is left."""
        self._delete([self.key_of(segment)])

    def renew_tombstones(self) -> None:
        self._merge(self.listed("tombstones"))

    def destroyed_keys(self) -> set[bytes]:
        self._learn()
        return set(self._dead_ids)

    def records(self) -> Iterator[Record]:
        self._learn()
        for segment, size in sorted(self.listed("segments").items()):
            yield from self.kept_in(segment, size, self._dead_ids)

    def kept_in(self, segment: str, size: int, dead: AbstractSet[bytes], kind: Kind = Kind.OBJECT) -> Iterator[Record]:
        """The records of one object, of which tombstones name the `dead`; none of one that is gone.

        One that states no number of its records came from a journal whose process died: its contents are checked.
        """
        window = self._ranges.window(segment, _WALK_BYTES if kind is Kind.OBJECT else size, size)
        with suppress(NotFound):  # deleted since it was listed
            is_durable = kind is not Kind.OBJECT or record.record_count(window(0, BLOCK)) > 0
            yield from walk.records_of(segment, size, window, self._keys, dead, is_durable=is_durable, kind=kind)

    def close(self) -> None:
        """Look after copies no more. Nothing else is held open, and what waits for its sync can still be put."""
        self._ended.set()
        if self._turning is not None:
            self._turning.join()
        self._reading.close()

    def _sealed(self, new: Draft, content: IO[bytes], note: bytes) -> bytearray:
        """The record's bytes, with room for the prefix, which its place decides."""
        opened, _ = record.place(new, "0" * 32, 0)
        sealed = bytearray()
        for piece in record.pieces(opened, bytes(record.PREFIX), content, note, _scratch()):
            sealed += piece
        return sealed

    def _put(self, pack: _Pack) -> None:
        body: Buffer = b""
        number = self.copies.number() if self.copies is not None else 0
        with pack.lock:
            if not pack.is_tried:
                pack.is_tried = True
                pack.refusal = "the upload was interrupted; send it again"
                with self._lock:
                    self._current = {kind: each for kind, each in self._current.items() if each is not pack}
                parts, pack.parts = pack.parts, []
                try:
                    body = self._put_whole(pack.id, len(parts), parts)
                    pack.refusal = ""
                except BankError as error:
                    pack.refusal = str(error)
        if pack.refusal:
            raise Unavailable(pack.refusal)
        with self._lock:
            self._packs.pop(pack.id, None)
        # What came is read soon, by the jobs that follow if by nobody else. What was compressed is old.
        if body and self.copies is not None and record.contents_of(pack.id) is Contents.SHARED:
            self.copies.keep(pack.id, 0, body, number)

    def _put_whole(self, segment: str, count: int, parts: Sequence[Buffer]) -> bytes:
        body = b"".join([record.segment_header(segment, count), *parts])
        try:
            obstore.put(self.store, self.key_of(segment), body, use_multipart=False)
        except (BaseError, FileNotFoundError) as error:  # the latter when there is no such bucket
            raise refusal(error) from error
        return body

    def _put_alone(self, contents: Contents, new: Draft, content: IO[bytes], note: bytes) -> Location:
        segment = _new_id(contents)
        opened, head = record.place(new, segment, BLOCK)

        def body() -> Iterator[bytes]:
            yield record.segment_header(segment, 1)
            for piece in record.pieces(opened, head, content, note, _scratch()):
                yield bytes(piece)

        try:
            obstore.put(self.store, self.key_of(segment), body(), chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
        except (BaseError, FileNotFoundError) as error:
            raise refusal(error) from error
        return opened.prefix.location

    def _bury(self, targets: bytes) -> None:
        location = self._put_small(Contents.TOMBSTONES, Kind.TOMBSTONE, targets)
        self._note_dead(location.segment, tombstone.unpack(targets))

    def _put_small(self, contents: Contents, kind: Kind, note: bytes, key: AccountKey | None = None) -> Location:
        """A record without content in an object of its own."""
        segment = _new_id(contents)
        opened, head = record.place(record.draft(kind, 0, len(note), self._keys, key), segment, BLOCK)
        pieces = record.pieces(opened, head, BytesIO(), note, _scratch())
        self._put_whole(segment, 1, [bytes(piece) for piece in pieces])
        return opened.prefix.location

    def _merge_tombstones(self) -> None:
        """Make one of many small tombstones, so that a starting process has few to read. The new one comes first."""
        small = {name: size for name, size in self.listed("tombstones").items() if size < _SMALL_TOMBSTONE_BYTES}
        if len(small) >= _SMALL_TOMBSTONES:
            self._merge(small)

    def _merge(self, tombstones: dict[str, int]) -> None:
        with suppress(NotFound):  # another process merges them
            targets = tombstone.pack(each for name, size in tombstones.items() for each in self._targets(name, size))
            if targets:
                self._bury(targets)
            self._delete([self.key_of(name) for name in tombstones])

    def _targets(self, name: str, size: int) -> list[Target]:
        return list(walk.targets_of(name, size, self._ranges.window(name, size, size), self._keys))

    def _note_dead(self, name: str, targets: Iterable[Target]) -> None:
        with self._lock:
            for target in targets:
                self._dead_ids.add(target.id)
                self._dead[target.segment].add(target.offset)
            self._tombstones = (self._tombstones or set()) | {name}

    def _learn(self) -> None:
        """Read the tombstones that are new to this process."""
        for _ in range(_LEARN_ATTEMPTS):
            sizes = self.listed("tombstones")
            try:
                for name in sorted(sizes.keys() - (self._tombstones or set())):
                    self._note_dead(name, self._targets(name, sizes[name]))
            except NotFound:  # merged since they were listed: the list has the new one now
                continue
            self._tombstones = self._tombstones or set()
            return
        raise Unavailable("the object store lists tombstones that it does not give; try again")

    def _delete_if_dead(self, segment: str) -> None:
        try:
            count = record.record_count(self._ranges(segment, 0, BLOCK))
            if not count or len(self._dead[segment]) < count:
                return
            self._delete([self.key_of(segment)])
        except NotFound:  # it is gone already
            pass
        if self.copies is not None:
            self.copies.drop(segment)

    def _require_alive(self, location: Location) -> None:
        if self._tombstones is None:
            self._learn()
        if location.offset in self._dead.get(location.segment, ()):
            raise NotFound(f"the record at {location.segment}+{location.offset} was destroyed")

    def _turn(self) -> None:
        """Wipe from the copies of this node what was destroyed by others: one of its processes does, every minute."""
        wiped: dict[str, int] = {}
        while not self._ended.wait(_TURN_S):
            try:
                self._wipe_dead(wiped)
            except BankError:
                _log.warning("it is not known what others destroyed; it is asked again", exc_info=True)

    def _wipe_dead(self, wiped: dict[str, int]) -> None:
        """`wiped` are how many records of a segment were dead when it was looked at."""
        assert self.copies is not None
        with self.copies.keeping() as is_mine:
            if not is_mine:
                return
            self._learn()
            for segment in self.copies.names():
                dead = self._dead.get(segment, set())
                if len(dead) > wiped.get(segment, 0):
                    self.copies.wipe({segment: sorted(dead)})
                    wiped[segment] = len(dead)

    def _delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            try:
                obstore.delete(self.store, key)
            except FileNotFoundError:
                continue
            except BaseError as error:
                raise refusal(error) from error

    def listed(self, folder: str) -> dict[str, int]:
        """Segment ids and sizes in bytes: of `segments`, `tombstones`, `keys` or `checkpoints`. Raises Unavailable."""
        try:
            found = [meta for batch in obstore.list(self.store, f"{self._folder}{folder}") for meta in batch]
        except (BaseError, FileNotFoundError) as error:
            raise refusal(error) from error
        sizes = {meta["path"].rsplit("/", 1)[-1]: meta["size"] for meta in found}
        return {name: size for name, size in sizes.items() if record.contents_of(name)}

    def key_of(self, segment: str) -> str:
        """Where a segment lies in the bucket. Raises NotFound for what is no segment's id."""
        contents = record.contents_of(segment)
        if contents is None:
            raise NotFound("there is no such segment")
        return f"{self._folder}{_FOLDERS.get(contents, 'segments')}/{segment}"


def _scratch() -> memoryview:
    return memoryview(bytearray(record.SCRATCH_BYTES))
