"""The record format: bytes in, bytes out."""

from io import BytesIO
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebank.errors import Invalid, NotFound
from imagebank.model.imaging import Location
from imagebank.model.key import AccountKey
from imagebank.storage import record, tombstone, walk
from imagebank.storage.record import BLOCK, CHUNK, Contents, Kind

SEGMENT = record.segment_id(Contents.SHARED, 1_700_000_000_000_000_000)
SIZES = st.one_of(
    st.integers(0, 3 * CHUNK),
    st.sampled_from([CHUNK - 1, CHUNK, CHUNK + 1, 16 * CHUNK - 1, 16 * CHUNK, 16 * CHUNK + 1]),
)


class OneKey:
    """Wraps by a fixed mask: the format does not care how."""

    def wrap(self, data_key: bytes, key: AccountKey | None = None) -> bytes:
        assert key is None
        return b"name of this key" + bytes(byte ^ 0x5A for byte in data_key) + bytes(8)

    def unwrap(self, sealed: bytes) -> bytes:
        return bytes(byte ^ 0x5A for byte in sealed[16:48])


def a_record(content: bytes, note: bytes = b"note", offset: int = BLOCK, kind: Kind = Kind.OBJECT) -> bytes:
    opened, head = record.place(record.draft(kind, len(content), len(note), OneKey()), SEGMENT, offset)
    scratch = memoryview(bytearray(record.SCRATCH_BYTES))
    return b"".join(bytes(piece) for piece in record.pieces(opened, head, BytesIO(content), note, scratch))


def a_segment(*records: bytes) -> bytes:
    return record.segment_header(SEGMENT) + b"".join(records)


def reading(data: bytes) -> record.Fetch:
    return lambda offset, length: data[offset : offset + length]


def content_of(size: int) -> bytes:
    return bytes(range(256)) * (size // 256) + bytes(size % 256)


@given(size=SIZES, note=st.binary(max_size=70_000), start=st.integers(0, 4 * CHUNK), length=st.integers(0, 4 * CHUNK))
def test_a_sealed_record_opens_to_the_same(size: int, note: bytes, start: int, length: int) -> None:
    content = content_of(size)
    sealed = a_record(content, note)
    data = a_segment(sealed)
    opened = record.open_record(Location(SEGMENT, BLOCK, len(sealed), size), sealed, OneKey())
    low, high = record.bounds(size, start, start + length)
    tail = sealed[opened.prefix.tail_at :][: opened.prefix.tail_size]

    assert len(sealed) % BLOCK == 0
    assert len(sealed) == record.length_of(size, len(note))
    assert record.read_range(opened, reading(data), low, high) == content[start : start + length]
    assert record.open_note(opened, tail) == note
    assert record.is_ended(opened.prefix, tail)


@given(size=SIZES, start=st.integers(0, 20 * CHUNK), end=st.integers(0, 20 * CHUNK))
def test_groups_cover_a_range_without_overlap(size: int, start: int, end: int) -> None:
    low, high = record.bounds(size, start, end)
    groups = list(record.groups(size, low, high))
    covered = [n for first, last in groups for n in (first, last)]

    assert sum(last - first for first, last in groups) == high - low
    assert covered == sorted(covered)
    assert all(record.span(size, *group)[1] - record.span(size, *group)[0] <= 16 * (CHUNK + 16) for group in groups)


@given(at=st.integers(0, record.length_of(150_000, 100) - 1), mask=st.integers(1, 255))
def test_no_changed_byte_gives_other_content(at: int, mask: int) -> None:
    content, note = content_of(150_000), b"n" * 100
    sealed = bytearray(a_record(content, note))
    sealed[at] ^= mask
    location = Location(SEGMENT, BLOCK, len(sealed), len(content))
    try:
        opened = record.open_record(location, sealed, OneKey())
        read = record.read_range(opened, reading(a_segment(bytes(sealed))), 0, len(content))
        read_note = record.open_note(opened, sealed[opened.prefix.tail_at :])
    except Invalid:
        return

    assert (read, read_note) == (content, note)


@given(st.binary(max_size=300))
def test_noise_is_no_record(noise: bytes) -> None:
    with pytest.raises(Invalid):
        record.parse(noise)


def test_ids_sort_by_time_and_say_what_the_segment_holds() -> None:
    ids = [record.segment_id(Contents.SHARED, 1_700_000_000_000_000_000 + n) for n in range(0, 5_000_000, 999_983)]

    assert ids == sorted(ids)
    assert {record.contents_of(record.segment_id(each, 1)) for each in Contents} == set(Contents)
    assert [record.contents_of(text) for text in ("", "ab", "z" * 32, "0" * 32, "0" * 64)] == [None] * 5


def test_a_seal_holds_for_its_place_only() -> None:
    data = a_segment(a_record(b"content"))
    sealed = data + record.seal_of(SEGMENT, len(data))
    moved = data + bytes(BLOCK) + record.seal_of(SEGMENT, len(data))

    assert record.is_sealed(SEGMENT, len(sealed), reading(sealed))
    assert not record.is_sealed(SEGMENT, len(data), reading(data))
    assert not record.is_sealed(SEGMENT, len(moved), reading(moved))
    assert not record.is_sealed(SEGMENT, 0, reading(b""))


def test_a_header_states_the_number_of_records() -> None:
    header = bytearray(record.segment_header(SEGMENT, 12))

    assert record.record_count(header) == 12
    header[0] ^= 1
    assert record.record_count(header) == 0
    assert record.record_count(b"") == 0


def test_a_record_without_its_key_was_destroyed() -> None:
    sealed = bytearray(a_record(b"content"))
    sealed[record.KEY_AT : record.KEY_AT + len(record.NO_KEY)] = record.NO_KEY

    with pytest.raises(NotFound, match="destroyed"):
        record.open_record(Location(SEGMENT, BLOCK, len(sealed), 7), sealed, OneKey())


def test_a_record_of_a_later_version_asks_for_a_newer_program() -> None:
    sealed = bytearray(a_record(b"content"))
    sealed[9] = 2  # the version; its checksum is made right again
    sealed[80:84] = crc32(sealed[:80]).to_bytes(4, "big")

    with pytest.raises(Invalid, match="newer"):
        record.parse(sealed)


def test_negative_ranges_are_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="beginning"):
        record.bounds(10, -1, None)


def notes(
    data: bytes, *, is_durable: bool = False, dead: frozenset[bytes] = frozenset()
) -> list[tuple[bytes | None, str]]:
    found = walk.records_of(SEGMENT, len(data), reading(data), OneKey(), dead, is_durable=is_durable)
    return [(each.note, each.fault.split(":")[0].split(",")[0]) for each in found]


def test_a_walk_steps_over_holes() -> None:
    first = a_record(b"first", b"1")
    second = a_record(b"second", b"2", BLOCK + len(first) + 5 * BLOCK)

    assert notes(a_segment(first, bytes(5 * BLOCK), second)) == [(b"1", ""), (b"2", "")]


def test_a_walk_reports_a_torn_record_and_goes_on() -> None:
    torn = a_record(content_of(200_000), b"torn")[:40_000].ljust(10 * BLOCK, b"\0")
    after = a_record(b"after", b"2", BLOCK + len(torn))

    assert notes(a_segment(torn, after)) == [(None, "torn"), (b"2", "")]
    assert notes(a_segment(torn)) == [(None, "torn")]


def test_a_lost_page_shows_where_durability_is_not_sure() -> None:
    whole = bytearray(a_segment(a_record(content_of(200_000), b"1")))
    whole[10 * BLOCK : 11 * BLOCK] = bytes(BLOCK)

    assert notes(bytes(whole)) == [(None, "damaged")]
    assert notes(bytes(whole), is_durable=True) == [(b"1", "")]


def test_a_record_from_elsewhere_is_reported() -> None:
    assert notes(a_segment(a_record(b"x", b"1", offset=10 * BLOCK))) == [(None, "damaged")]


def test_a_tombstone_names_its_records_and_is_none_itself() -> None:
    living, dead = a_record(b"living", b"1"), a_record(b"dead", b"2", 2 * BLOCK)
    target = record.parse(dead)
    stone = a_record(b"", tombstone.pack([target]), 3 * BLOCK, Kind.TOMBSTONE)
    data = a_segment(living, dead, stone)
    named = list(walk.targets_of(SEGMENT, len(data), reading(data), OneKey()))

    assert named == [tombstone.Target(target.id, SEGMENT, 2 * BLOCK)]
    assert notes(data, dead=frozenset({target.id})) == [(b"1", ""), (None, "destroyed")]
