"""Records in immutable objects of an object store."""

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
from imagebank.storage.record import BLOCK, Buffer, Contents, Draft, Kind, Opened, Prefix
from imagebank.storage.tombstone import Target

if TYPE_CHECKING:
    from obstore.store import S3Config  # it exists for type checkers only

PACK_BYTES = 32 << 20
PART_BYTES = 8 << 20
PARTS_AT_ONCE = 4
_NEAR_BYTES = 1 << 20
"""A range that begins this near to its record's prefix is fetched together with it."""
_HEADS = 4_096
"""Prefixes that are kept, of records whose parts are read one by one: some 1 MB."""
_WALK_BYTES = 64 << 10
"""What a walk reads ahead: a note, its trailer and the next prefix lie beside each other."""
_FOLDERS = {Contents.TOMBSTONES: "tombstones", Contents.KEYS: "keys", Contents.CHECKPOINTS: "checkpoints"}
_NEWEST = 64
"""Checkpoints that are read: each is a request, and the newest one vouches for all before it."""
_LEARN_ATTEMPTS = 5
_SMALL_TOMBSTONES = 64
_SMALL_TOMBSTONE_BYTES = 64 << 10


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


def refusal(error: BaseError | FileNotFoundError) -> Unavailable:
    """What an error of the object store means to whoever deposits or reads."""
    return Unavailable(f"the object store does not answer ({type(error).__name__}); try again")


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


class _Window:
    """Bytes of one object, read ahead as far as `stop`, so that a walk or a stream needs few requests."""

    def __init__(self, get: Callable[[int, int], memoryview], ahead: int, stop: int) -> None:
        self._get, self._ahead, self._stop = get, ahead, stop
        self._at, self._data = 0, memoryview(b"")

    def hold(self, at: int, data: memoryview) -> None:
        self._at, self._data = at, data

    def __call__(self, offset: int, length: int) -> memoryview:
        if not self._at <= offset <= offset + length <= self._at + len(self._data):
            end = min(self._stop, offset + max(length, self._ahead))
            self.hold(offset, self._get(offset, end) if offset < end else memoryview(b""))
        return self._data[offset - self._at :][:length]


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

    def __init__(self, store: ObjectStore, keys: Keys, *, prefix: str = "") -> None:
        self.store, self._keys = store, keys
        self._folder = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._lock = threading.Lock()
        self._current: dict[Contents, _Pack] = {}
        self._packs: dict[str, _Pack] = {}
        self._tombstones: set[str] | None = None
        self._dead_ids: set[bytes] = set()
        self._heads: dict[tuple[str, int], bytes] = {}
        self._dead: dict[str, set[int]] = defaultdict(set)

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
        head = self._get(location.segment, location.offset, location.offset + record.PREFIX)
        return record.location_at(location, head)

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
        low, high = record.bounds(location.size, start, end)
        opened, window = self._opened(location, *record.span(location.size, low, high))
        return record.read_range(opened, window, low, high)

    def stream(self, location: Location, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        low, high = record.bounds(location.size, start, end)
        opened, window = self._opened(location, *record.span(location.size, low, high))
        return (record.read_range(opened, window, *group) for group in record.groups(location.size, low, high))

    def note(self, location: Location) -> bytes:
        opened, window = self._opened(location, record.tail_at(location.size), location.length)
        return record.open_note(opened, window(location.offset + opened.prefix.tail_at, opened.prefix.tail_size))

    def destroy(self, locations: Sequence[Location]) -> None:
        """Put a tombstone, and delete the objects of which no record is left. See the class for what stays."""
        self._learn()
        prefixes = self._prefixes(locations)
        if prefixes:
            self._bury(tombstone.pack(prefixes))
            self._merge_tombstones()
        self._delete_dead(locations)

    def _prefixes(self, locations: Sequence[Location]) -> list[Prefix]:
        prefixes: list[Prefix] = []
        for segment in sorted({location.segment for location in locations}):
            living = [at for at in locations if at.segment == segment and at.offset not in self._dead[segment]]
            with suppress(NotFound):  # an object that is gone needs no more
                heads = self._get_ranges(segment, [(at.offset, at.offset + record.PREFIX) for at in living])
                prefixes += [prefix for at, head in zip(living, heads, strict=True) if (prefix := _whole(at, head))]
        return prefixes

    def _delete_dead(self, locations: Sequence[Location]) -> None:
        for segment in {location.segment for location in locations}:
            self._delete_if_dead(segment)

    def wrapped_by(self, location: Location) -> bytes:
        opened, _ = self._opened(location, 0, record.PREFIX)
        return opened.prefix.wrapped_by

    def secret(self, location: Location, use: bytes) -> bytes:
        opened, _ = self._opened(location, 0, record.PREFIX)
        return record.secret_of(opened.prefix, self._keys, use)

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
            window = self._window(segment, size, size)
            with suppress(NotFound):
                yield from walk.checkpoints_of(segment, size, window, self._keys)

    def destroy_keys(self, names: Sequence[bytes], locations: Sequence[Location]) -> None:
        self._learn()
        self._bury(tombstone.pack([*map(tombstone.of_key, names), *self._prefixes(locations)]))
        self._delete_dead(locations)

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
        window = self._window(segment, _WALK_BYTES if kind is Kind.OBJECT else size, size)
        with suppress(NotFound):  # deleted since it was listed
            is_durable = kind is not Kind.OBJECT or record.record_count(window(0, BLOCK)) > 0
            yield from walk.records_of(segment, size, window, self._keys, dead, is_durable=is_durable, kind=kind)

    def close(self) -> None:
        """Nothing is held open. What waits for its sync can still be put."""

    def _sealed(self, new: Draft, content: IO[bytes], note: bytes) -> bytearray:
        """The record's bytes, with room for the prefix, which its place decides."""
        opened, _ = record.place(new, "0" * 32, 0)
        sealed = bytearray()
        for piece in record.pieces(opened, bytes(record.PREFIX), content, note, _scratch()):
            sealed += piece
        return sealed

    def _put(self, pack: _Pack) -> None:
        with pack.lock:
            if not pack.is_tried:
                pack.is_tried = True
                pack.refusal = "the upload was interrupted; send it again"
                with self._lock:
                    self._current = {kind: each for kind, each in self._current.items() if each is not pack}
                parts, pack.parts = pack.parts, []
                try:
                    self._put_whole(pack.id, len(parts), parts)
                    pack.refusal = ""
                except BankError as error:
                    pack.refusal = str(error)
        if pack.refusal:
            raise Unavailable(pack.refusal)
        with self._lock:
            self._packs.pop(pack.id, None)

    def _put_whole(self, segment: str, count: int, parts: Sequence[Buffer]) -> None:
        body = b"".join([record.segment_header(segment, count), *parts])
        try:
            obstore.put(self.store, self.key_of(segment), body, use_multipart=False)
        except (BaseError, FileNotFoundError) as error:  # the latter when there is no such bucket
            raise refusal(error) from error

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
        return list(walk.targets_of(name, size, self._window(name, size, size), self._keys))

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
        with suppress(NotFound):
            count = record.record_count(self._get(segment, 0, BLOCK))
            if count and len(self._dead[segment]) >= count:
                self._delete([self.key_of(segment)])

    def _delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            try:
                obstore.delete(self.store, key)
            except FileNotFoundError:
                continue
            except BaseError as error:
                raise refusal(error) from error

    def _opened(self, location: Location, first: int, stop: int) -> tuple[Opened, _Window]:
        """The record, and a window that holds its bytes from `first` on already, up to `stop` or a part's size."""
        if self._tombstones is None:
            self._learn()
        if location.offset in self._dead.get(location.segment, ()):
            raise NotFound(f"the record at {location.segment}+{location.offset} was destroyed")
        window = self._window(location.segment, PART_BYTES, location.offset + location.length)
        end = location.offset + min(stop, first + PART_BYTES)
        if first <= _NEAR_BYTES:
            data = self._get(location.segment, location.offset, end)
            window.hold(location.offset, data)
            return record.open_record(location, data, self._keys), window
        place, part = (location.segment, location.offset), (location.offset + first, end)
        head: Buffer | None = self._heads.get(place)
        if head is None:
            prefix = location.offset, location.offset + record.PREFIX
            head, data = self._get_ranges(location.segment, [prefix, part])
        else:
            data = self._get(location.segment, *part)
        window.hold(part[0], data)
        opened = record.open_record(location, head, self._keys)
        self._keep_head(place, head)
        return opened, window

    def _keep_head(self, place: tuple[str, int], head: Buffer) -> None:
        """Keep a prefix that is whole: whoever reads one frame of a record reads the next one, too."""
        if place not in self._heads:
            if len(self._heads) >= _HEADS:
                self._heads.clear()
            self._heads[place] = bytes(head)

    def _window(self, segment: str, ahead: int, stop: int) -> _Window:
        return _Window(lambda start, end: self._get(segment, start, end), ahead, stop)

    def _get(self, segment: str, start: int, end: int) -> memoryview:
        return self._get_ranges(segment, [(start, end)])[0]

    def _get_ranges(self, segment: str, ranges: Sequence[tuple[int, int]]) -> list[memoryview]:
        """Parts of an object, at once. Raises NotFound, Unavailable, and Invalid when the object is too short."""
        if not ranges:
            return []
        starts, ends = zip(*ranges, strict=True)
        key = self.key_of(segment)
        try:
            parts = obstore.get_ranges(self.store, key, starts=starts, ends=ends, coalesce=0)
        except FileNotFoundError as error:
            raise NotFound(f"the segment {segment} is not in the object store") from error
        except BaseError as error:
            raise self._is_short(key, max(ends)) or refusal(error) from error
        return [memoryview(part) for part in parts]

    def _is_short(self, key: str, end: int) -> Invalid | None:
        with suppress(BaseError, FileNotFoundError):
            if obstore.head(self.store, key)["size"] < end:
                return Invalid(f"{key} is damaged: it ends too early; restore it from a copy")
        return None

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
