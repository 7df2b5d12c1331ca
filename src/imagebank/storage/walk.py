"""Walking through a segment without an index: what a reindex, a verification and a starting process see."""

import logging
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from imagebank.errors import Invalid, NotFound
from imagebank.model.imaging import Location
from imagebank.ports import Keys, Record
from imagebank.storage import tombstone
from imagebank.storage.record import (
    BLOCK,
    PREFIX,
    Buffer,
    Fetch,
    Kind,
    Prefix,
    groups,
    is_ended,
    open_note,
    open_prefix,
    parse,
    read_range,
)

_log = logging.getLogger(__name__)


def walk(segment: str, size: int, fetch: Fetch) -> Iterator[tuple[int, Prefix, Buffer | None]]:
    """Offset, prefix and tail of every record of a segment of `size` bytes. A torn record has no tail.

    Where no prefix is intact it goes on at the next block: writers that died leave holes.
    """
    offset = BLOCK
    while offset + PREFIX <= size:
        try:
            prefix = parse(fetch(offset, PREFIX))
        except Invalid:
            offset += BLOCK
            continue
        tail = fetch(offset + prefix.tail_at, prefix.tail_size) if offset + prefix.length <= size else b""
        is_whole = (prefix.segment, prefix.offset) == (segment, offset) and is_ended(prefix, tail)
        yield offset, prefix, tail if is_whole else None
        offset += prefix.length if is_whole else BLOCK


def records_of(
    segment: str,
    size: int,
    fetch: Fetch,
    keys: Keys,
    dead: AbstractSet[bytes],
    *,
    is_durable: bool,
    kind: Kind = Kind.OBJECT,
) -> Iterator[Record]:
    """The records of one segment in order. `dead` holds what tombstones name: ids of records, and names of keys.

    A segment that is not surely durable may have lost any page in a power failure: its chunks are read and checked.
    """
    for offset, prefix, tail in walk(segment, size, fetch):
        if prefix.kind is not kind:
            continue
        location = Location(segment, offset, prefix.length, prefix.size)
        if (prefix.segment, prefix.offset) != (segment, offset):
            yield Record(location, None, f"damaged: it belongs to {prefix.segment}+{prefix.offset}")
        elif not prefix.wrapped or prefix.id in dead or prefix.wrapped_by in dead:
            yield Record(location, None, "destroyed", is_gone=True)
        elif tail is None:
            yield Record(location, None, "torn: its writing was not finished", is_gone=True)
        else:
            yield _met(location, prefix, tail, keys, None if is_durable else fetch)


def _met(location: Location, prefix: Prefix, tail: Buffer, keys: Keys, fetch: Fetch | None) -> Record:
    """The record with its note; with `fetch`, only when every chunk of it is whole."""
    try:
        opened = open_prefix(prefix, keys)
        note = open_note(opened, tail)
        if fetch is not None:
            for start, end in groups(prefix.size, 0, prefix.size):
                read_range(opened, fetch, start, end)
    except NotFound:
        return Record(location, None, "destroyed", is_gone=True)
    except Invalid:
        return Record(location, None, "damaged, or torn by a power failure before it was acknowledged")
    return Record(location, note, wrapped_by=prefix.wrapped_by)


def checkpoints_of(segment: str, size: int, fetch: Fetch, keys: Keys) -> Iterator[Record]:
    """The checkpoints of a segment; none whose writing was not finished, which was acknowledged to nobody."""
    for offset, prefix, tail in walk(segment, size, fetch):
        if prefix.kind is Kind.CHECKPOINT and tail is not None:
            location = Location(segment, offset, prefix.length, prefix.size)
            yield _met(location, prefix, tail, keys, None)


def targets_of(segment: str, size: int, fetch: Fetch, keys: Keys) -> Iterator[tombstone.Target]:
    """What the tombstones of a segment name.

    One that cannot be read is passed over: a power failure before its sync leaves such, and then no key has been
    destroyed on its word; of a later damage, the keys in place are gone already.
    """
    for offset, prefix, tail in walk(segment, size, fetch):
        if prefix.kind is not Kind.TOMBSTONE or tail is None or not prefix.wrapped:
            continue
        try:
            yield from tombstone.unpack(open_note(open_prefix(prefix, keys), tail))
        except (Invalid, NotFound):
            _log.warning("the tombstone in segment %s at %d cannot be read", segment, offset)
