"""Reading records from an object store: few requests, ahead where more is to follow, and copies first."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from typing import Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from imagebank.errors import BankError, Invalid, NotFound, Unavailable
from imagebank.model.imaging import Location
from imagebank.ports import Keys
from imagebank.storage import record
from imagebank.storage.copies import FileCopies
from imagebank.storage.record import Buffer, Opened

PART_BYTES: Final = 8 << 20
_NEAR_BYTES: Final = 1 << 20
"""A range that begins this near to its record's prefix is fetched together with it."""
_WHOLE_BYTES: Final = 1 << 20
_MUCH: Final = 4
"""Where records are copied, one of this length at most is read as a whole when this part of it is wanted."""
_HEADS = 4_096
"""Prefixes that are kept, of records whose parts are read one by one: some 1 MB."""
_AT_ONCE: Final = 4
"""Requests that read ahead at a time."""
_APART_BYTES: Final = 64 << 10
"""Records that lie no farther apart come by one request."""

Place = tuple[str, int]
Span = tuple[int, int]


def refusal(error: BaseError | FileNotFoundError) -> Unavailable:
    """What an error of the object store means to whoever deposits or reads."""
    return Unavailable(f"the object store does not answer ({type(error).__name__}); try again")


class Window:
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


class Ranges:
    """Parts of a bucket's objects, which `key_of` names."""

    def __init__(self, store: ObjectStore, key_of: Callable[[str], str]) -> None:
        self._store, self._key_of = store, key_of

    def __call__(self, segment: str, start: int, end: int) -> memoryview:
        return self.parts(segment, [(start, end)])[0]

    def parts(self, segment: str, spans: Sequence[Span]) -> list[memoryview]:
        """Parts of an object, at once. Raises NotFound, Unavailable, and Invalid when the object is too short."""
        if not spans:
            return []
        starts, ends = zip(*spans, strict=True)
        key = self._key_of(segment)
        try:
            parts = obstore.get_ranges(self._store, key, starts=starts, ends=ends, coalesce=0)
        except FileNotFoundError as error:
            raise NotFound(f"the segment {segment} is not in the object store") from error
        except BaseError as error:
            raise self._is_short(key, max(ends)) or refusal(error) from error
        return [memoryview(part) for part in parts]

    def window(self, segment: str, ahead: int, stop: int) -> Window:
        return Window(lambda start, end: self(segment, start, end), ahead, stop)

    def _is_short(self, key: str, end: int) -> Invalid | None:
        with suppress(BaseError, FileNotFoundError):
            if obstore.head(self._store, key)["size"] < end:
                return Invalid(f"{key} is damaged: it ends too early; restore it from a copy")
        return None


class Reading:
    """Content and notes of records, from `copies` where they are there whole; what is not there is copied.

    Whether a record was destroyed is to be asked before.
    """

    def __init__(self, ranges: Ranges, keys: Keys, copies: FileCopies | None) -> None:
        self._ranges, self._keys, self._copies = ranges, keys, copies
        self._heads: dict[Place, bytes] = {}
        self._coming: dict[Place, Future[None]] = {}
        self._ahead: ThreadPoolExecutor | None = None

    def read(self, location: Location, low: int, high: int) -> bytes:
        found = self._copied(location, low, high)
        if found is None:
            opened, window = self._fetched(location, *record.span(location.size, low, high))
            found = record.read_range(opened, window, low, high)
        return found

    def stream(self, location: Location, low: int, high: int) -> Iterator[bytes]:
        """The same in pieces. What is not there or damaged at its beginning is refused at once."""
        groups = record.groups(location.size, low, high)
        first = next(groups, None)
        if first is None:
            return iter(())
        found = self._copied(location, *first)
        if found is None:
            source = self._fetched(location, *record.span(location.size, low, high))
            return (record.read_range(*source, *group) for group in chain((first,), groups))
        return chain((found,), self._rest(location, groups, high))

    def from_store(self, location: Location, low: int, high: int) -> Iterator[bytes]:
        """The same of what is in the bucket, whatever the copies have."""
        source = self._opened(location, *record.span(location.size, low, high), self._ranges.parts)
        return (record.read_range(*source, *group) for group in record.groups(location.size, low, high))

    def note(self, location: Location) -> bytes:
        """Nothing is copied for it: jobs and checks that go through all objects ask for notes alone."""
        if (copied := self._copy_of(location)) is not None:
            opened, copy = copied
            with suppress(Invalid):
                return record.open_note(opened, copy(location.offset + opened.prefix.tail_at, opened.prefix.tail_size))
        tail = record.tail_at(location.size)
        opened, window = self._opened(location, tail, location.length, self._ranges.parts)
        return record.open_note(opened, window(location.offset + opened.prefix.tail_at, opened.prefix.tail_size))

    def opened(self, location: Location, *, is_copied: bool) -> Opened:
        """The record with its key; whether what is read for that is copied. Raises NotFound, Invalid."""
        if (copied := self._copy_of(location)) is not None:
            return copied[0]
        parts = self._bring if is_copied else self._ranges.parts
        return self._opened(location, 0, record.PREFIX, parts)[0]

    def stored(self, location: Location) -> Location:
        """The record at a place, with the size of its own content; nothing is copied. Raises NotFound, Invalid."""
        if self._copies is not None and (copy := self._copies.open(location.segment)) is not None:
            with suppress(Invalid):
                return record.location_at(location, copy(location.offset, record.PREFIX))
        head = self._ranges(location.segment, location.offset, location.offset + record.PREFIX)
        return record.location_at(location, head)

    def expect(self, locations: Sequence[Location]) -> None:
        """Begin to copy records that are read soon. What fails is read, and refused, when it is its turn."""
        if self._copies is None:
            return
        wanted = [one for one in locations if one.length <= PART_BYTES and not self._is_here(one)]
        for run in _runs(wanted):
            if self._ahead is None:
                self._ahead = ThreadPoolExecutor(_AT_ONCE, "ahead")
            with suppress(RuntimeError):  # we are closed
                coming = self._ahead.submit(self._bring_run, run)
                self._coming |= dict.fromkeys(map(_place, run), coming)
                if coming.done():
                    self._arrived(run)

    def close(self) -> None:
        if self._ahead is not None:
            self._ahead.shutdown(cancel_futures=True)

    def _bring_run(self, run: Sequence[Location]) -> None:
        try:
            with suppress(BankError):
                self._bring(run[0].segment, [(run[0].offset, run[-1].offset + run[-1].length)])
        finally:
            self._arrived(run)

    def _arrived(self, run: Sequence[Location]) -> None:
        for place in map(_place, run):
            self._coming.pop(place, None)

    def _rest(self, location: Location, groups: Iterator[Span], high: int) -> Iterator[bytes]:
        """What follows a group that was copied: from the bucket from the first one on that is not."""
        source = None
        for group in groups:
            found = self._copied(location, *group) if source is None else None
            if found is None:
                source = source or self._fetched(location, *record.span(location.size, group[0], high))
                found = record.read_range(*source, *group)
            yield found

    def _copied(self, location: Location, low: int, high: int) -> bytes | None:
        """A range as the copies have it, also while it is on its way there; None where they have not all of it."""
        if self._copies is None:
            return None
        found = self._look(location, low, high)
        if found is None and (coming := self._coming.get(_place(location))) is not None:
            with suppress(BaseException):  # cancelled, as we are closed
                coming.result()
            found = self._look(location, low, high)
        self._copies.count(is_hit=found is not None)
        return found

    def _look(self, location: Location, low: int, high: int) -> bytes | None:
        if (copied := self._copy_of(location)) is None:
            return None
        try:
            return record.read_range(*copied, low, high)
        except Invalid:
            return None

    def _copy_of(self, location: Location) -> tuple[Opened, Callable[[int, int], Buffer]] | None:
        copy = None if self._copies is None else self._copies.open(location.segment)
        if copy is None:
            return None
        try:
            return record.open_record(location, copy(location.offset, record.PREFIX), self._keys), copy
        except Invalid:
            return None

    def _is_here(self, location: Location) -> bool:
        """Whether a record is among the copies, by what its prefix says, or on its way there."""
        if _place(location) in self._coming:
            return True
        copy = None if self._copies is None else self._copies.open(location.segment)
        if copy is not None:
            with suppress(Invalid):
                return bool(record.parse(copy(location.offset, record.PREFIX)).length == location.length)
        return False

    def _bring(self, segment: str, spans: Sequence[Span]) -> list[memoryview]:
        """Parts of an object, which are copied."""
        if self._copies is None:
            return self._ranges.parts(segment, spans)
        number = self._copies.number()
        parts = self._ranges.parts(segment, spans)
        for (start, _), part in zip(spans, parts, strict=True):
            self._copies.keep(segment, start, part, number)
        return parts

    def _fetched(self, location: Location, first: int, stop: int) -> tuple[Opened, Window]:
        """The record, and a window on it from `first` to `stop`, from the bucket; what is read is copied."""
        is_small = self._copies is not None and location.length <= _WHOLE_BYTES
        if is_small and (stop - first) * _MUCH >= location.length:
            first, stop = 0, location.length
        return self._opened(location, first, stop, self._bring)

    def _opened(
        self,
        location: Location,
        first: int,
        stop: int,
        parts: Callable[[str, Sequence[Span]], list[memoryview]],
    ) -> tuple[Opened, Window]:
        """The record, and a window that holds its bytes from `first` on already, up to `stop` or a part's size."""
        segment, place = location.segment, _place(location)
        window = Window(
            lambda start, end: parts(segment, [(start, end)])[0], PART_BYTES, location.offset + location.length
        )
        end = location.offset + min(stop, first + PART_BYTES)
        if first <= _NEAR_BYTES:
            (data,) = parts(segment, [(location.offset, end)])
            window.hold(location.offset, data)
            return record.open_record(location, data, self._keys), window
        part = (location.offset + first, end)
        head: Buffer | None = self._heads.get(place)
        if head is None:
            head, data = parts(segment, [(location.offset, location.offset + record.PREFIX), part])
        else:
            (data,) = parts(segment, [part])
        window.hold(part[0], data)
        opened = record.open_record(location, head, self._keys)
        self._keep_head(place, head)
        return opened, window

    def _keep_head(self, place: Place, head: Buffer) -> None:
        """Keep a prefix that is whole: whoever reads one frame of a record reads the next one, too."""
        if place not in self._heads:
            if len(self._heads) >= _HEADS:
                self._heads.clear()
            self._heads[place] = bytes(head)


def _place(location: Location) -> Place:
    return location.segment, location.offset


def _runs(locations: Sequence[Location]) -> Iterator[list[Location]]:
    """Records that come by one request each: neighbours of one object, some 8 MiB of them, in the order of asking."""
    run: list[Location] = []
    for one in locations:
        if run and not _continues(run, one):
            yield run
            run = []
        run.append(one)
    if run:
        yield run


def _continues(run: Sequence[Location], one: Location) -> bool:
    first, last = run[0], run[-1]
    gap = one.offset - last.offset - last.length
    return (
        one.segment == last.segment
        and 0 <= gap <= _APART_BYTES
        and one.offset + one.length - first.offset <= PART_BYTES
    )
