"""What every adapter of the `Blobs` port promises. An adapter's test class gives a `ground` to stand on."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO, RawIOBase
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from imagebank.errors import BankError, Invalid, NotFound, Unavailable
from imagebank.model.imaging import Location
from imagebank.model.key import AccountKey
from imagebank.ports import Blobs, Keys
from imagebank.storage.keys import FileKeys, unwrapped

CHUNK = 65_536
LARGE = (16 << 20) + 12_345
SIZES = (0, 1, 4_095, CHUNK - 1, CHUNK, CHUNK + 1, 530_000, 16 * CHUNK, 16 * CHUNK + 1, 3_000_000, LARGE)


@dataclass(frozen=True, slots=True)
class Ground:
    """A store, and a way around the adapter: its segments' bytes by id, to look at and to change."""

    open: Callable[[Keys], Blobs]
    segments: Callable[[], dict[str, bytes]]
    replace: Callable[[str, bytes], None]


def some_bytes(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def keep(blobs: Blobs, content: bytes, note: bytes = b"note") -> Location:
    """Write and make durable."""
    location = blobs.write(BytesIO(content), len(content), note)
    blobs.sync([location])
    return location


def keep_together(blobs: Blobs, *contents: bytes) -> list[Location]:
    """Write several, each its own note, and make them durable at once: neighbours in one segment."""
    locations = [blobs.write(BytesIO(content), len(content), content[:100]) for content in contents]
    blobs.sync(locations)
    return locations


class KnownKeys:
    """A root key, and account keys that are known by their names."""

    def __init__(self, root: FileKeys, *known: AccountKey) -> None:
        self._root, self._known = root, {key.name: key for key in known}

    def wrap(self, data_key: bytes, key: AccountKey | None = None) -> bytes:
        return self._root.wrap(data_key, key)

    def unwrap(self, sealed: bytes) -> bytes:
        key = self._known.get(sealed[:16])
        return self._root.unwrap(sealed) if key is None else unwrapped(key.secret, sealed)


def an_account_key(letter: bytes) -> AccountKey:
    return AccountKey(letter * 16, letter * 32)


class Dripping(RawIOBase):
    """Content that comes in small pieces, as from a socket."""

    def __init__(self, content: bytes) -> None:
        self._source = BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self._source.read(min(size, 1_000))


class BlobsContract:
    @pytest.fixture
    def ground(self, tmp_path: Path) -> Ground:
        raise NotImplementedError

    @pytest.fixture
    def keys(self, tmp_path: Path) -> Keys:
        return FileKeys(tmp_path / "root.key")

    @pytest.fixture
    def blobs(self, ground: Ground, keys: Keys) -> Iterator[Blobs]:
        blobs = ground.open(keys)
        yield blobs
        blobs.close()

    @pytest.mark.parametrize("size", SIZES)
    def test_what_was_kept_is_read_back(self, blobs: Blobs, size: int) -> None:
        content = some_bytes(size)
        location = keep(blobs, content, b"a note")

        assert blobs.read(location) == content
        assert b"".join(blobs.stream(location)) == content
        assert blobs.note(location) == b"a note"
        assert location.size == size

    @pytest.mark.parametrize("size", [0, 1, CHUNK, 3 * CHUNK + 7, 2_500_000, LARGE])
    def test_a_range_is_the_slice_of_the_content(self, blobs: Blobs, size: int) -> None:
        content = some_bytes(size)
        location = keep(blobs, content)
        edges = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 16 * CHUNK - 1, 16 * CHUNK, size - 1, size, size + 10]
        chosen = random.Random(size)
        starts_and_ends = [(chosen.choice(edges), chosen.choice([*edges, None])) for _ in range(40)]

        for start, end in [(max(a, 0), b if b is None else max(b, 0)) for a, b in starts_and_ends]:
            assert blobs.read(location, start, end) == content[start:end], (start, end)
            assert b"".join(blobs.stream(location, start, end)) == content[start:end], (start, end)

    def test_a_stream_comes_in_pieces_of_at_most_a_mebibyte(self, blobs: Blobs) -> None:
        location = keep(blobs, some_bytes(3_000_000))

        assert max(map(len, blobs.stream(location))) <= 1 << 20

    def test_another_process_reads_what_was_kept(self, ground: Ground, blobs: Blobs, keys: Keys) -> None:
        content = some_bytes(100_000)
        location = keep(blobs, content)
        other = ground.open(keys)

        assert other.read(location) == content
        other.close()

    def test_content_may_come_in_small_pieces(self, blobs: Blobs) -> None:
        content = some_bytes(200_000)
        location = blobs.write(cast(BinaryIO, Dripping(content)), len(content), b"")
        blobs.sync([location])

        assert blobs.read(location) == content

    def test_the_store_holds_no_plain_bytes(self, ground: Ground, blobs: Blobs) -> None:
        keep(blobs, b"PATIENT^NAME" * 20_000, b"a note about PATIENT^NAME")

        assert all(b"PATIENT^NAME" not in data for data in ground.segments().values())

    def test_equal_contents_are_sealed_differently(self, ground: Ground, blobs: Blobs) -> None:
        first, second = keep(blobs, bytes(CHUNK)), keep(blobs, bytes(CHUNK))
        raw = ground.segments()
        sealed = [raw[at.segment][at.offset + 144 : at.offset + CHUNK] for at in (first, second)]

        assert sealed[0] != sealed[1]

    def test_several_writes_share_one_sync(self, blobs: Blobs) -> None:
        contents = [some_bytes(10_000, seed) for seed in range(20)]
        locations = keep_together(blobs, *contents)

        assert [blobs.read(location) for location in locations] == contents

    def test_a_sync_that_is_begun_is_waited_for(self, ground: Ground, blobs: Blobs, keys: Keys) -> None:
        until_durable = blobs.begin_sync([blobs.write(BytesIO(b"first"), 5, b"")])
        until_durable()
        until_durable()
        blobs.close()
        other = ground.open(keys)

        assert [other.read(each.location) for each in other.records()] == [b"first"]
        other.close()

    def test_threads_write_and_sync_at_once(self, blobs: Blobs) -> None:
        contents = [some_bytes(1 + seed * 7_000, seed) for seed in range(48)]
        with ThreadPoolExecutor(8) as pool:
            locations = list(pool.map(lambda content: keep(blobs, content), contents))

        assert [blobs.read(location) for location in locations] == contents
        assert len(list(blobs.records())) == len(contents)

    def test_a_walk_meets_every_record_with_its_note(self, blobs: Blobs) -> None:
        locations = [keep(blobs, some_bytes(n * 30_000, n), f"note {n}".encode()) for n in range(8)]
        locations.append(keep(blobs, some_bytes(LARGE), b"large"))
        records = list(blobs.records())

        assert {record.location for record in records} == set(locations)
        assert [r.note for r in records if r.note != b"large"] == [f"note {n}".encode() for n in range(8)]
        assert not any(record.fault for record in records)

    def test_a_walk_meets_the_same_after_the_end_of_the_process(self, ground: Ground, blobs: Blobs, keys: Keys) -> None:
        for n in range(5):
            keep(blobs, some_bytes(n * 30_000, n), b"%d" % n)
        before = list(blobs.records())
        blobs.close()
        other = ground.open(keys)

        assert list(other.records()) == before
        other.close()

    def test_a_sync_that_comes_after_closing_still_tells_the_truth(
        self, ground: Ground, blobs: Blobs, keys: Keys
    ) -> None:
        location = blobs.write(BytesIO(b"late"), 4, b"")
        blobs.close()
        blobs.sync([location])
        blobs.begin_sync([location])()
        other = ground.open(keys)

        assert other.read(location) == b"late"
        other.close()

    def test_a_new_store_is_empty(self, blobs: Blobs) -> None:
        assert list(blobs.records()) == []

    @pytest.mark.parametrize("size", [100_000, LARGE])
    def test_content_that_ends_too_early_leaves_nothing_behind(self, blobs: Blobs, size: int) -> None:
        before = keep(blobs, b"before")
        with pytest.raises(Invalid, match="ended before"):
            blobs.write(BytesIO(some_bytes(size - 1)), size, b"")
        after = keep(blobs, b"after")

        assert [record.location for record in blobs.records()] == [before, after]
        assert (blobs.read(before), blobs.read(after)) == (b"before", b"after")

    @pytest.mark.parametrize("size", [0, 100_000, LARGE])
    def test_a_destroyed_record_cannot_be_read(self, ground: Ground, blobs: Blobs, keys: Keys, size: int) -> None:
        neighbour, location = keep_together(blobs, b"neighbour", some_bytes(size))
        blobs.destroy([location])
        other = ground.open(keys)

        for each in (blobs, other):
            for reading in (each.read, each.note, lambda at, each=each: list(each.stream(at))):
                with pytest.raises(NotFound):
                    reading(location)
            assert each.read(neighbour) == b"neighbour"
        other.close()

    def test_a_walk_says_which_records_are_destroyed(self, blobs: Blobs) -> None:
        living, dead = keep_together(blobs, b"living", b"dead")
        blobs.destroy([dead])
        records = {record.location: record for record in blobs.records()}

        assert (records[living].note, records[living].fault) == (b"living", "")
        assert (records[dead].note, records[dead].fault) == (None, "destroyed")

    def test_destroying_again_changes_nothing(self, blobs: Blobs) -> None:
        living, dead = keep_together(blobs, b"living", b"dead")
        blobs.destroy([dead])
        blobs.destroy([dead])
        blobs.destroy([])

        assert blobs.read(living) == b"living"
        assert sorted(record.fault for record in blobs.records()) == ["", "destroyed"]

    def test_the_last_record_of_a_segment_may_be_destroyed_twice(self, blobs: Blobs) -> None:
        only = keep(blobs, b"only")
        blobs.destroy([only])
        blobs.destroy([only])

        assert all(record.note is None for record in blobs.records())

    def test_an_older_copy_of_a_segment_does_not_bring_a_record_back(
        self, ground: Ground, blobs: Blobs, keys: Keys
    ) -> None:
        location = keep(blobs, b"to be forgotten")
        older = ground.segments()[location.segment]
        blobs.destroy([location])
        blobs.close()
        ground.replace(location.segment, older)
        other = ground.open(keys)

        assert [(record.note, record.fault) for record in other.records()] == [(None, "destroyed")]
        other.close()

    def test_a_location_that_never_was_is_not_found(self, blobs: Blobs) -> None:
        keep(blobs, b"something")

        for segment in ("0" * 32, "../../../etc/passwd", "", "018f00000000" + "1" + "0" * 19):
            with pytest.raises(NotFound):
                blobs.read(Location(segment, 4096, 4096, 9))

    def test_destroying_what_is_gone_or_named_wrongly_changes_nothing(self, blobs: Blobs) -> None:
        first, second = keep_together(blobs, some_bytes(9_000), some_bytes(6_000))
        blobs.destroy(
            [
                Location("0" * 32, 4096, 4096, 9),
                Location("../../../etc/passwd", 4096, 4096, 9),
                Location("018f00000000" + "1" + "0" * 19, 4096, 4096, 9),
                Location(first.segment, first.offset + 4096, first.length, first.size),
                Location(second.segment, second.offset, second.length, second.size - 1),
            ]
        )

        assert blobs.read(first) == some_bytes(9_000)
        assert blobs.read(second) == some_bytes(6_000)

    def test_a_location_that_names_another_record_is_refused(self, blobs: Blobs) -> None:
        first, second = keep_together(blobs, some_bytes(5_000), some_bytes(6_000))

        for wrong in (
            Location(first.segment, second.offset, first.length, first.size),
            Location(second.segment, second.offset, second.length, second.size - 1),
            Location(first.segment, first.offset + 4096, first.length, first.size),
        ):
            with pytest.raises((Invalid, NotFound)):
                blobs.read(wrong)

    @pytest.mark.parametrize("at", [0, 9, 20, 30, 70, 82, 90, 100, 143, 144, 70_000, 140_000, 198_000])
    def test_one_changed_byte_fails_the_reading(self, ground: Ground, blobs: Blobs, keys: Keys, at: int) -> None:
        location = keep(blobs, some_bytes(200_000))
        blobs.close()
        data = bytearray(ground.segments()[location.segment])
        data[location.offset + at] ^= 1
        ground.replace(location.segment, bytes(data))
        other = ground.open(keys)

        with pytest.raises(Invalid, match="damaged"):
            other.read(location)
        other.close()

    def test_a_changed_note_fails_its_reading_and_shows_in_a_walk(
        self, ground: Ground, blobs: Blobs, keys: Keys
    ) -> None:
        location = keep(blobs, some_bytes(1_000), b"a note")
        blobs.close()
        data = bytearray(ground.segments()[location.segment])
        data[location.offset + 144 + 1_000 + 16] ^= 1
        ground.replace(location.segment, bytes(data))
        other = ground.open(keys)

        with pytest.raises(Invalid, match="damaged"):
            other.note(location)
        assert [(record.note, record.fault[:7]) for record in other.records()] == [(None, "damaged")]
        other.close()

    def test_moved_chunks_fail_the_reading(self, ground: Ground, blobs: Blobs, keys: Keys) -> None:
        first, second = keep_together(blobs, some_bytes(4 * CHUNK, 1), some_bytes(4 * CHUNK, 2))
        blobs.close()
        raw = ground.segments()

        def chunk(at: Location, number: int) -> slice:
            start = at.offset + 144 + number * (CHUNK + 16)
            return slice(start, start + CHUNK + 16)

        def changed(source: Location, number: int, into: int) -> bytes:
            data = bytearray(raw[first.segment])
            data[chunk(first, into)] = raw[source.segment][chunk(source, number)]
            return bytes(data)

        for tampered in (changed(first, 0, 1), changed(first, 2, 3), changed(second, 0, 0), changed(second, 3, 3)):
            ground.replace(first.segment, tampered)
            other = ground.open(keys)
            with pytest.raises(Invalid, match="damaged"):
                other.read(first)
            other.close()

    def test_another_records_prefix_fails_the_reading(self, ground: Ground, blobs: Blobs, keys: Keys) -> None:
        first, second = keep_together(blobs, some_bytes(9_000, 1), some_bytes(9_000, 2))
        blobs.close()
        raw = ground.segments()
        whole = raw[second.segment][second.offset : second.offset + second.length]
        for part in (whole[:144], whole):
            data = bytearray(raw[first.segment])
            data[first.offset : first.offset + len(part)] = part
            ground.replace(first.segment, bytes(data))
            other = ground.open(keys)

            with pytest.raises(Invalid, match="damaged"):
                other.read(first)
            assert first not in [record.location for record in other.records() if record.note is not None]
            other.close()

    @pytest.mark.parametrize("keeps", [0, 100, 4096, 4096 + 100, 60_000, 120_000])
    def test_a_segment_that_was_cut_fails_the_reading(
        self, ground: Ground, blobs: Blobs, keys: Keys, keeps: int
    ) -> None:
        location = keep(blobs, some_bytes(200_000))
        blobs.close()
        ground.replace(location.segment, ground.segments()[location.segment][:keeps])
        other = ground.open(keys)

        with pytest.raises(Invalid, match="damaged"):
            other.read(location)
        with pytest.raises(Invalid, match="damaged"):
            list(other.stream(location, 150_000))
        assert not any(record.note for record in other.records())
        other.close()

    def test_without_its_root_key_nothing_can_be_read(
        self, ground: Ground, blobs: Blobs, keys: Keys, tmp_path: Path
    ) -> None:
        location = keep(blobs, b"something")
        stranger = ground.open(FileKeys(tmp_path / "another.key"))

        with pytest.raises(Unavailable, match="root key"):
            stranger.read(location)
        stranger.close()

    def test_errors_name_no_driver(self, blobs: Blobs) -> None:
        with pytest.raises(BankError) as caught:
            blobs.read(Location("018f00000000" + "1" + "0" * 19, 4096, 4096, 9))

        assert "Errno" not in str(caught.value)
        assert "obstore" not in str(caught.value)

    @pytest.mark.parametrize("size", [1_000, LARGE])
    def test_an_account_key_wraps_what_it_is_given_for(self, ground: Ground, tmp_path: Path, size: int) -> None:
        root, ada = FileKeys(tmp_path / "root.key"), an_account_key(b"A")
        blobs, stranger = ground.open(KnownKeys(root, ada)), ground.open(root)
        theirs, other = blobs.write(BytesIO(some_bytes(size)), size, b"hers", ada), keep(blobs, b"other")
        blobs.sync([theirs])

        assert (blobs.read(theirs), blobs.note(theirs)) == (some_bytes(size), b"hers")
        assert (blobs.wrapped_by(theirs), blobs.wrapped_by(other)) == (ada.name, root.wrap(bytes(32))[:16])
        assert stranger.read(other) == b"other"
        with pytest.raises(Unavailable):
            stranger.read(theirs)
        blobs.close()
        stranger.close()

    def test_nothing_tells_who_wraps_a_record_that_is_destroyed(self, blobs: Blobs) -> None:
        living, dead = keep_together(blobs, b"living", b"dead")
        blobs.destroy([dead])

        assert len(blobs.wrapped_by(living)) == 16
        with pytest.raises(NotFound):
            blobs.wrapped_by(dead)

    def test_a_record_has_secrets_of_its_own_until_it_is_destroyed(
        self, ground: Ground, blobs: Blobs, keys: Keys
    ) -> None:
        one, dead = keep_together(blobs, b"one", b"dead")
        told = {blobs.secret(one, b"a"), blobs.secret(one, b"b"), blobs.secret(dead, b"a")}
        blobs.destroy([dead])
        other = ground.open(keys)

        assert other.secret(one, b"a") in told
        assert {len(each) for each in told} == {32}
        assert len(told) == 3
        for each in (blobs, other):
            with pytest.raises(NotFound):
                each.secret(dead, b"a")
        other.close()

    def test_keys_are_kept_apart_from_the_objects(self, ground: Ground, blobs: Blobs, keys: Keys) -> None:
        keep(blobs, b"an object")
        places = [blobs.keep_key(b"key %d" % n) for n in range(3)]
        other = ground.open(keys)

        assert [(each.location, each.note) for each in other.kept_keys()] == list(
            zip(places, [b"key 0", b"key 1", b"key 2"], strict=True)
        )
        assert [each.note for each in other.records()] == [b"note"]
        other.close()

    def test_checkpoints_are_kept_apart_and_none_can_be_put_in_place_of_another(
        self, ground: Ground, tmp_path: Path
    ) -> None:
        bank = an_account_key(b"B")
        keys = KnownKeys(FileKeys(tmp_path / "root.key"), bank)
        first = ground.open(keys)
        first.keep_checkpoint(b"1", bank)
        first.close()
        (before,) = ground.segments()
        second = ground.open(keys)
        second.keep_checkpoint(b"2", bank)
        keep(second, b"an object")
        other = ground.open(keys)

        assert [each.note for each in other.kept_checkpoints()] == [b"1", b"2"]
        assert [each.note for each in other.records()] == [b"note"]
        assert list(other.kept_keys()) == []
        for blobs in (second, other):
            blobs.close()
        damaged = bytearray(ground.segments()[before])
        damaged[4096 + 165] ^= 1  # in the sealed note
        ground.replace(before, bytes(damaged))
        assert [each.note for each in ground.open(keys).kept_checkpoints()] == [None, b"2"]

    def test_what_a_destroyed_key_has_wrapped_is_destroyed_in_every_walk(self, ground: Ground, tmp_path: Path) -> None:
        ada, bob = an_account_key(b"A"), an_account_key(b"B")
        keys = KnownKeys(FileKeys(tmp_path / "root.key"), ada, bob)
        blobs = ground.open(keys)
        for key in (ada, bob, ada):
            blobs.sync([blobs.write(BytesIO(b"content"), 7, key.name, key)])
        hers, his = blobs.keep_key(b"key of ada"), blobs.keep_key(b"key of bob")
        older = ground.segments()[hers.segment]
        blobs.destroy_keys([ada.name], [hers])
        blobs.destroy_keys([ada.name], [hers])
        told = [each.note for each in blobs.kept_keys()]
        blobs.close()
        ground.replace(hers.segment, older)
        other = ground.open(keys)

        assert sorted(note for note in told if note) == [b"key of bob"]
        for walk in (other.records(), ground.open(keys).records()):
            assert [(each.note, each.fault) for each in walk] == [
                (None, "destroyed"),
                (bob.name, ""),
                (None, "destroyed"),
            ]
        assert [each.note for each in other.kept_keys() if each.location == hers] == [None]
        assert [each.note for each in other.kept_keys() if each.location == his] == [b"key of bob"]
        assert ada.name in other.destroyed_keys()
        assert bob.name not in other.destroyed_keys()
        other.close()

    def test_tombstones_are_renewed_under_another_root_key(self, ground: Ground, tmp_path: Path) -> None:
        path = tmp_path / "root.key"
        ada = an_account_key(b"A")
        blobs = ground.open(KnownKeys(FileKeys(path), ada))
        blobs.renew_tombstones()
        living, dead = (blobs.write(BytesIO(b"content"), 7, b"note", ada) for _ in range(2))
        blobs.sync([living, dead])
        older = ground.segments()[dead.segment]
        blobs.destroy([dead])
        blobs.destroy_keys([b"B" * 16], [])
        path.write_text(path.read_text() + "42" * 32 + "\n")
        renewing = ground.open(KnownKeys(FileKeys(path), ada))
        renewing.renew_tombstones()
        renewing.renew_tombstones()
        renewing.close()
        blobs.close()
        ground.replace(dead.segment, older)
        path.write_text("42" * 32 + "\n")
        other = ground.open(KnownKeys(FileKeys(path), ada))

        assert {each.location: each.note for each in other.records()} == {living: b"note", dead: None}
        assert b"B" * 16 in other.destroyed_keys()
        other.close()
