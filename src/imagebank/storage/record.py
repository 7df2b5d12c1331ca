"""The format of segments and records. Bytes in, bytes out: no files, no network.

A segment is a header of one block and then records, each of which starts on a block. A record is

    prefix · chunks of 64 KiB, sealed · note, sealed · trailer · zeros up to the block

The prefix says what the record is and where it belongs, and carries the wrapped data key; destroying a record zeroes
that key. A data key seals one record once: a nonce is the number of a chunk, which is safe only for that reason.
Every chunk is bound to the record's identity and sizes, and the prefix to its place by a MAC under the data key. So
a record could be moved by a new prefix without sealing it again, while a chunk or record that somebody else moved is
found out. The trailer is written last: without it a record is torn. The chunks' own tags, not a checksum, tell
whether they are whole.
"""

import hmac
import secrets
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import IntEnum
from io import BytesIO
from itertools import pairwise
from typing import IO
from zlib import crc32

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from imagebank.errors import Invalid, NotFound
from imagebank.model.imaging import Location
from imagebank.model.key import AccountKey
from imagebank.ports import Keys
from imagebank.storage.taking import plain

BLOCK = 4096
CHUNK = 65_536
TAG = 16
SEALED_CHUNK = CHUNK + TAG
GROUP = 16
"""Chunks that are read or written at a time: 1 MiB of content."""
SCRATCH_BYTES = GROUP * SEALED_CHUNK + 8 * BLOCK
"""Size of a buffer for `pieces`: a group, a prefix, and room for the usual tail."""

_VERSION = 1
_MAGIC, _SEGMENT_MAGIC, _END_MAGIC, _SEAL_MAGIC = b"IMGBREC\n", b"IMGBSEG\n", b"IMGBEND\n", b"IMGBSEAL"
_FIELDS = struct.Struct(">8sHBBIQ16s16sQ")  # magic, version, kind, log2 chunk, note, content, id, segment, offset
_IDENTITY = struct.Struct(">16sHBBIQ")
_END = struct.Struct(">8s16sQI")  # magic, record id, record length, CRC
_SEGMENT = struct.Struct(">8sHBx16sII")  # magic, version, kind, segment id, number of records or 0, CRC
_SEAL = struct.Struct(">8s16sQI")  # magic, segment id, offset, CRC
_CRC = struct.Struct(">I")
_NONCE = struct.Struct(">BBxxQ")  # content or note, is final, chunk number
_CHUNK_BITS = 16
_WRAPPED = 56
KEY_NAME = 16
"""Bytes of a wrapped key that name the key which wrapped it."""
_TAG_AT = _FIELDS.size
_CRC_AT = _TAG_AT + TAG

KEY_AT = _CRC_AT + _CRC.size
"""Where in a record the wrapped key stands, with its checksum."""
NO_KEY = bytes(_WRAPPED + _CRC.size)
"""What stands there when the record is destroyed."""
PREFIX = KEY_AT + len(NO_KEY)

Buffer = bytes | bytearray | memoryview
Fetch = Callable[[int, int], Buffer]
"""Reads bytes of one segment: offset, length. Fewer come back at its end."""


class Kind(IntEnum):
    """What a record is."""

    OBJECT = 1
    TOMBSTONE = 2
    KEY = 3
    CHECKPOINT = 4


_KINDS = frozenset(Kind)


class Contents(IntEnum):
    """What a segment holds. The digit stands in its id, so that a listing tells them apart."""

    SHARED = 1
    ALONE = 2
    TOMBSTONES = 3
    KEYS = 4
    CHECKPOINTS = 5
    COMPRESSED = 6


OBJECTS = (Contents.SHARED, Contents.ALONE, Contents.COMPRESSED)
"""What a walk over the objects goes through."""

CONTENTS_AT = 12
"""The digit of a segment's id that tells what it holds, from 0."""


def segment_id(contents: Contents, nanoseconds: int) -> str:
    """A new id of 32 hex digits that sorts by time of creation."""
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    return f"{milliseconds:012x}{contents:x}{rest:05x}{secrets.token_hex(7)}"


def contents_of(segment: str) -> Contents | None:
    """What a segment of this id holds; None when it is no id of ours."""
    try:
        return Contents(int(segment[CONTENTS_AT], 16)) if len(bytes.fromhex(segment)) == 16 else None
    except (ValueError, IndexError):
        return None


def segment_header(segment: str, count: int = 0) -> bytes:
    """The first block of a segment. `count` is the number of its records, 0 when more may be appended."""
    fields = _SEGMENT.pack(_SEGMENT_MAGIC, _VERSION, int(segment[CONTENTS_AT], 16), bytes.fromhex(segment), count, 0)[
        :-4
    ]
    return (fields + _CRC.pack(crc32(fields))).ljust(BLOCK, b"\0")


def record_count(header: Buffer) -> int:
    """The number of records that a segment's header states; 0 when it states none or is damaged."""
    fields = bytes(header[: _SEGMENT.size])
    if len(fields) < _SEGMENT.size or crc32(fields[:-4]) != _CRC.unpack(fields[-4:])[0]:
        return 0
    return int(_SEGMENT.unpack(fields)[4])


def seal_of(segment: str, offset: int) -> bytes:
    """The block that states, at this offset, that all before it in the segment is durable."""
    fields = _SEAL.pack(_SEAL_MAGIC, bytes.fromhex(segment), offset, 0)[:-4]
    return (fields + _CRC.pack(crc32(fields))).ljust(BLOCK, b"\0")


def is_sealed(segment: str, size: int, fetch: Fetch) -> bool:
    """Whether a segment of `size` bytes ends in its seal."""
    end = size - BLOCK
    return end > 0 and size % BLOCK == 0 and bytes(fetch(end, BLOCK)) == seal_of(segment, end)


@dataclass(frozen=True, slots=True)
class Prefix:
    """The head of a record. `wrapped` is empty when the record was destroyed."""

    kind: Kind
    id: bytes
    segment: str
    offset: int
    size: int
    note_size: int
    wrapped: bytes
    tag: bytes = b""

    @property
    def wrapped_by(self) -> bytes:
        """The name of the key that wraps the data key."""
        return self.wrapped[:KEY_NAME]

    @property
    def tail_at(self) -> int:
        """Where in the record the sealed note begins."""
        return tail_at(self.size)

    @property
    def tail_size(self) -> int:
        return self.note_size + TAG + _END.size

    @property
    def length(self) -> int:
        return length_of(self.size, self.note_size)

    @property
    def location(self) -> Location:
        return Location(self.segment, self.offset, self.length, self.size)

    @property
    def spare(self) -> tuple[int, int]:
        """Offset and length of the blocks that nobody needs once the key is destroyed: all but those of both ends."""
        last = self.tail_at // BLOCK * BLOCK
        return self.offset + BLOCK, max(last - BLOCK, 0)

    @property
    def identity(self) -> bytes:
        """What every chunk is bound to."""
        return _IDENTITY.pack(self.id, _VERSION, self.kind, _CHUNK_BITS, self.note_size, self.size)

    def fields(self) -> bytes:
        return self.fields_at(self.segment, self.offset)

    def fields_at(self, segment: str, offset: int) -> bytes:
        """The fields of the same record at a place."""
        sizes = (self.note_size, self.size)
        return _FIELDS.pack(_MAGIC, _VERSION, self.kind, _CHUNK_BITS, *sizes, self.id, bytes.fromhex(segment), offset)


def _chunks(size: int) -> int:
    return max(1, -(-size // CHUNK))


def tail_at(size: int) -> int:
    """Where in a record of this content size the sealed note begins, in bytes."""
    return PREFIX + size + TAG * _chunks(size)


def length_of(size: int, note_size: int) -> int:
    """The length of a record with its padding."""
    return -(-(tail_at(size) + note_size + TAG + _END.size) // BLOCK) * BLOCK


def parse(head: Buffer) -> Prefix:
    """The prefix at the beginning of `head`. Raises Invalid when there is none, or it is damaged or too new."""
    data = bytes(head[:PREFIX])
    if len(data) < PREFIX or data[:8] != _MAGIC or crc32(data[:_CRC_AT]) != _CRC.unpack_from(data, _CRC_AT)[0]:
        raise Invalid("there is no intact record")
    _, version, kind, chunk_bits, note_size, size, identity, segment, offset = _FIELDS.unpack_from(data)
    if version != _VERSION or chunk_bits != _CHUNK_BITS or kind not in _KINDS:
        raise Invalid(f"a record of version {version} needs a newer program")
    tag, sealed_key = data[_TAG_AT:_CRC_AT], data[KEY_AT:]
    wrapped = b"" if sealed_key == NO_KEY else sealed_key[:_WRAPPED]
    if wrapped and crc32(wrapped) != _CRC.unpack_from(sealed_key, _WRAPPED)[0]:
        raise Invalid("the record's key is damaged")
    return Prefix(Kind(kind), identity, segment.hex(), offset, size, note_size, wrapped, tag)


@dataclass(frozen=True, slots=True)
class Opened:
    """A record whose data key is at hand."""

    prefix: Prefix
    cipher: AESGCM
    identity: bytes

    def damaged(self) -> Invalid:
        return damaged(self.prefix.location)


def damaged(location: Location) -> Invalid:
    return Invalid(f"the record at {location.segment}+{location.offset} is damaged; restore it from a copy")


def _place_tag(key: bytes, fields: bytes) -> bytes:
    return hmac.digest(key, b"imagebank place" + fields, "sha256")[:TAG]


@dataclass(frozen=True, slots=True)
class Draft:
    """A record that has its data key and no place yet."""

    prefix: Prefix
    key: bytes = field(repr=False)


def draft(kind: Kind, size: int, note_size: int, keys: Keys, key: AccountKey | None = None) -> Draft:
    """A new record under a new data key, which an account's key wraps or, without one, the root key."""
    data_key = AESGCM.generate_key(256)
    return Draft(Prefix(kind, secrets.token_bytes(16), "", 0, size, note_size, keys.wrap(data_key, key)), data_key)


def place(new: Draft, segment: str, offset: int) -> tuple[Opened, bytes]:
    """The record at its place, and its encoded prefix. What is sealed does not depend on the place."""
    fields = new.prefix.fields_at(segment, offset)
    prefix = replace(new.prefix, segment=segment, offset=offset, tag=_place_tag(new.key, fields))
    head = fields + prefix.tag
    head += _CRC.pack(crc32(head)) + prefix.wrapped + _CRC.pack(crc32(prefix.wrapped))
    return Opened(prefix, AESGCM(new.key), prefix.identity), head


def open_prefix(prefix: Prefix, keys: Keys) -> Opened:
    """A record ready for reading. Raises NotFound when destroyed, Invalid when it is not where it belongs."""
    return Opened(prefix, AESGCM(_key_of(prefix, keys)), prefix.identity)


def _key_of(prefix: Prefix, keys: Keys) -> bytes:
    if not prefix.wrapped:
        raise NotFound(f"the record at {prefix.segment}+{prefix.offset} was destroyed")
    key = keys.unwrap(prefix.wrapped)
    if not hmac.compare_digest(_place_tag(key, prefix.fields()), prefix.tag):
        raise damaged(prefix.location)
    return key


def secret_of(prefix: Prefix, keys: Keys, use: bytes) -> bytes:
    """What only the record's key tells, for a use. Raises as `open_prefix` does."""
    return hmac.digest(_key_of(prefix, keys), b"imagebank secret" + use, "sha256")


def prefix_at(location: Location, head: Buffer) -> Prefix:
    """The prefix that must begin `head`. Raises Invalid when it is damaged or belongs to another record."""
    try:
        prefix = parse(head)
    except Invalid as error:
        raise damaged(location) from error
    if prefix.location != location:
        raise damaged(location)
    return prefix


def location_at(location: Location, head: Buffer) -> Location:
    """The place of the record whose prefix begins `head`, with the size that the record itself tells. Raises Invalid."""
    try:
        found = parse(head).location
    except Invalid as error:
        raise damaged(location) from error
    if replace(found, size=location.size) != location:
        raise damaged(location)
    return found


def open_record(location: Location, head: Buffer, keys: Keys) -> Opened:
    """The record at a location, ready for reading. Raises NotFound when destroyed, Invalid when damaged."""
    return open_prefix(prefix_at(location, head), keys)


def _nonce(index: int, size: int) -> bytes:
    return _NONCE.pack(0, (index + 1) * CHUNK >= size, index)


_NOTE_NONCE = _NONCE.pack(1, 1, 0)


def pieces(opened: Opened, head: bytes, content: IO[bytes], note: bytes, scratch: memoryview) -> Iterator[Buffer]:
    """The bytes of a record in order, a group at a time. Each piece is gone when the next is asked for.

    `scratch` has SCRATCH_BYTES. Raises Invalid when the content ends before its size.
    """
    size, at = opened.prefix.size, len(head)
    scratch[:at] = head
    with plain(content) as take:
        for index in range(_chunks(size)):
            if index and index % GROUP == 0:
                yield scratch[:at]
                at = 0
            part = take(min(CHUNK, size - index * CHUNK))
            end = at + len(part) + TAG
            opened.cipher.encrypt_into(_nonce(index, size), part, opened.identity, scratch[at:end])
            at = end
    tail = _tail(opened, note)
    if at + len(tail) <= len(scratch):
        scratch[at : at + len(tail)] = tail
        yield scratch[: at + len(tail)]
    else:
        yield scratch[:at]
        yield tail


def _tail(opened: Opened, note: bytes) -> bytes:
    prefix = opened.prefix
    end = _END.pack(_END_MAGIC, prefix.id, prefix.length, 0)[:-4]
    tail = opened.cipher.encrypt(_NOTE_NONCE, note, opened.identity) + end + _CRC.pack(crc32(end))
    return tail.ljust(prefix.length - prefix.tail_at, b"\0")


def bounds(size: int, start: int, end: int | None) -> tuple[int, int]:
    """A range cut to the content, as slices are."""
    if start < 0 or (end is not None and end < 0):
        raise ValueError("ranges count from the beginning")
    stop = size if end is None else min(end, size)
    return min(start, stop), stop


def groups(size: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a range where groups end: ranges of at most a group. An empty range of empty content is one."""
    cuts = [start, *range((start // (GROUP * CHUNK) + 1) * GROUP * CHUNK, end, GROUP * CHUNK), end]
    return iter([(0, 0)] if size == 0 else [pair for pair in pairwise(cuts) if pair[0] < pair[1]])


def span(size: int, start: int, end: int) -> tuple[int, int]:
    """Where in the record the sealed chunks of a range begin and end."""
    if start == end and size:
        return PREFIX, PREFIX
    first, last = start // CHUNK, max(start, end - 1) // CHUNK
    return PREFIX + first * SEALED_CHUNK, min(PREFIX + (last + 1) * SEALED_CHUNK, tail_at(size))


def open_span(opened: Opened, sealed: memoryview, start: int, end: int, out: memoryview) -> None:
    """Write the content from `start` to `end` into `out`, from the sealed chunks of that span. Raises Invalid."""
    size, at = opened.prefix.size, 0
    for index in range(start // CHUNK, max(start, end - 1) // CHUNK + 1):
        low, high = index * CHUNK, min((index + 1) * CHUNK, size)
        chunk = sealed[at : at + high - low + TAG]
        at += high - low + TAG
        if len(chunk) < high - low + TAG:
            raise opened.damaged()
        try:
            if start <= low and high <= end:
                into = out[low - start : high - start]
                opened.cipher.decrypt_into(_nonce(index, size), chunk, opened.identity, into)
            else:
                plain = opened.cipher.decrypt(_nonce(index, size), chunk, opened.identity)
                out[max(low, start) - start : min(high, end) - start] = plain[max(start - low, 0) : end - low]
        except InvalidTag as error:
            raise opened.damaged() from error


def open_note(opened: Opened, tail: Buffer) -> bytes:
    """The note, from the record's tail. Raises Invalid."""
    sealed = tail[: opened.prefix.note_size + TAG]
    try:
        return opened.cipher.decrypt(_NOTE_NONCE, sealed, opened.identity)
    except InvalidTag as error:
        raise opened.damaged() from error


def is_ended(prefix: Prefix, tail: Buffer) -> bool:
    """Whether the record's trailer is there."""
    end = bytes(tail[prefix.note_size + TAG : prefix.tail_size])
    fields = _END.pack(_END_MAGIC, prefix.id, prefix.length, 0)[:-4]
    return end == fields + _CRC.pack(crc32(fields))


def read_range(opened: Opened, fetch: Fetch, start: int, end: int) -> bytes:
    """Content from `start` to `end`, whose parts `fetch` brings from the record's segment. Raises Invalid.

    The chunks are decrypted into the buffer that becomes the answer: BytesIO hands it out without a copy.
    """
    size, offset = opened.prefix.size, opened.prefix.offset
    out = BytesIO(bytes(end - start))
    with out.getbuffer() as whole:
        for low, high in groups(size, start, end):
            first, stop = span(size, low, high)
            sealed = memoryview(fetch(offset + first, stop - first))
            open_span(opened, sealed, low, high, whole[low - start : high - start])
    return out.getvalue()
