"""The `Blobs` port on local files."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest

from contracts.blobs_contract import LARGE, BlobsContract, Ground, keep, some_bytes
from imagebank.errors import NotFound, OutOfSpace, Unavailable, Unreadable
from imagebank.model.imaging import Location
from imagebank.ports import Keys
from imagebank.storage import record
from imagebank.storage.files import FileBlobs
from imagebank.storage.keys import FileKeys


def segment_files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in folder.glob("*/*.seg")}


class TestFileBlobs(BlobsContract):
    @pytest.fixture
    def ground(self, tmp_path: Path) -> Ground:
        folder = tmp_path / "objects"

        def replace(segment: str, data: bytes) -> None:
            segment_files(folder)[segment].write_bytes(data)

        return Ground(
            open=lambda keys: FileBlobs(folder, keys),
            segments=lambda: {name: path.read_bytes() for name, path in segment_files(folder).items()},
            replace=replace,
        )


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return FileKeys(tmp_path / "root.key")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """As on a full disk: no file of this process grows beyond `limit` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_one_damaged_or_missing_record_does_not_keep_the_others_from_being_destroyed(folder: Path, keys: Keys) -> None:
    blobs = FileBlobs(folder, keys)
    damaged, whole = keep(blobs, b"one"), keep(blobs, b"two")
    gone = Location("0" * 12 + "1" + "0" * 19, 4096, 4096, 3)
    file = segment_files(folder)[damaged.segment]
    data = bytearray(file.read_bytes())
    data[damaged.offset + 8] ^= 1
    file.write_bytes(data)
    blobs.destroy([damaged, gone, whole])

    with pytest.raises(NotFound):
        blobs.read(whole)
    assert [(entry.location, entry.note) for entry in blobs.records()] == [(whole, None)]


def test_a_tombstone_that_cannot_be_read_does_not_end_a_walk(folder: Path, keys: Keys) -> None:
    blobs = FileBlobs(folder, keys)
    dead, alive = keep(blobs, b"dead"), keep(blobs, b"alive")
    blobs.destroy([dead])
    (name,) = {name for name in segment_files(folder) if record.contents_of(name) is record.Contents.TOMBSTONES}
    file = segment_files(folder)[name]
    data = bytearray(file.read_bytes())
    data[4096 + record.PREFIX + 4] ^= 1
    file.write_bytes(data)

    assert {entry.location: entry.note is None for entry in blobs.records()} == {dead: True, alive: False}


def test_a_file_that_cannot_be_read_is_told_from_a_store_that_does_not_answer(folder: Path, keys: Keys) -> None:
    for target in (Path("/proc/self/mem"), folder):  # an error of input, and no file
        blobs = FileBlobs(folder, keys)
        location = keep(blobs, b"to be read")
        file = segment_files(folder)[location.segment]
        file.unlink()
        file.symlink_to(target)
        for read in (blobs.read, blobs.note, blobs.wrapped_by):
            with pytest.raises(Unreadable, match=r"Input/output|directory"):
                read(location)
        file.unlink()


def test_destroying_overwrites_the_key_on_the_disk(folder: Path, keys: Keys) -> None:
    blobs = FileBlobs(folder, keys)
    location = keep(blobs, b"to be forgotten")
    file = segment_files(folder)[location.segment]
    at = location.offset + record.KEY_AT
    before = file.read_bytes()[at : at + len(record.NO_KEY)]
    blobs.destroy([location])

    assert before != record.NO_KEY
    assert file.read_bytes()[at : at + len(record.NO_KEY)] == record.NO_KEY
    blobs.close()


def test_a_starting_process_continues_the_segment_of_one_that_ended(folder: Path, keys: Keys) -> None:
    for n in range(5):
        blobs = FileBlobs(folder, keys)
        keep(blobs, b"%d" % n)
        blobs.close()
    blobs = FileBlobs(folder, keys)

    assert len(segment_files(folder)) == 1
    assert [blobs.read(each.location) for each in blobs.records()] == [b"0", b"1", b"2", b"3", b"4"]


def test_a_new_segment_is_synced_with_its_folders(folder: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []

    def sync(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").readlink())

    monkeypatch.setattr(os, "fsync", sync)
    blobs = FileBlobs(folder, keys)
    location = keep(blobs, b"first")
    file = segment_files(folder)[location.segment]

    assert {file, file.parent, folder, folder.parent} <= set(synced)
    blobs.close()


def test_two_at_once_write_to_segments_of_their_own(folder: Path, keys: Keys) -> None:
    first, second = FileBlobs(folder, keys), FileBlobs(folder, keys)
    segments = {keep(each, some_bytes(5_000)).segment for each in (first, second, first, second)}

    assert len(segments) == 2
    assert len(list(first.records())) == 4
    first.close()
    second.close()


def test_a_full_segment_is_followed_by_a_new_one(folder: Path, keys: Keys) -> None:
    blobs = FileBlobs(folder, keys, segment_bytes=300_000, alone_bytes=150_000)
    contents = [some_bytes(70_000, seed) for seed in range(12)]
    locations = [keep(blobs, content) for content in contents]

    assert len({location.segment for location in locations}) > 2
    assert all(path.stat().st_size <= 300_000 + 4096 for path in segment_files(folder).values())
    assert [blobs.read(location) for location in locations] == contents
    assert [each.location for each in blobs.records()] == locations
    blobs.close()


def test_a_sync_may_span_segments(folder: Path, keys: Keys) -> None:
    blobs = FileBlobs(folder, keys, segment_bytes=300_000, alone_bytes=150_000)
    contents = [some_bytes(70_000, seed) for seed in range(12)]
    locations = [blobs.write(BytesIO(content), len(content), b"") for content in contents]
    blobs.sync(locations)

    assert [blobs.read(location) for location in locations] == contents
    blobs.close()


def test_a_large_record_has_a_file_of_its_own(folder: Path, keys: Keys) -> None:
    blobs = FileBlobs(folder, keys)
    small, large, other = keep(blobs, b"small"), keep(blobs, some_bytes(LARGE)), keep(blobs, b"small too")

    assert small.segment == other.segment != large.segment
    blobs.close()


def test_destroying_a_large_record_frees_its_room(folder: Path, keys: Keys) -> None:
    blobs = FileBlobs(folder, keys)
    location = keep(blobs, some_bytes(LARGE))
    blobs.destroy([location])
    blobs.destroy([location])

    assert segment_files(folder)[location.segment].stat().st_size < 10_000
    assert [each.fault for each in blobs.records()] == ["destroyed"]
    blobs.close()


def test_no_more_descriptors_are_held_than_needed(folder: Path, keys: Keys) -> None:
    others = len(list(Path("/proc/self/fd").iterdir()))
    blobs = FileBlobs(folder, keys, alone_bytes=8_000)
    locations = [keep(blobs, some_bytes(10_000, seed)) for seed in range(300)]

    assert all(blobs.read(location) for location in locations)
    assert len(list(Path("/proc/self/fd").iterdir())) - others < 150
    blobs.close()


def test_a_nearly_full_disk_refuses_before_it_is_full(folder: Path, keys: Keys) -> None:
    kept = keep(FileBlobs(folder, keys), b"kept")
    blobs = FileBlobs(folder, keys, min_free_bytes=1 << 60)

    with pytest.raises(OutOfSpace):
        blobs.write(BytesIO(b"more"), 4, b"")
    blobs.destroy([kept])
    blobs.close()


@pytest.mark.parametrize("size", [50_000, 3_000_000])
def test_a_full_disk_refuses_the_record_and_keeps_the_others(folder: Path, keys: Keys, size: int) -> None:
    blobs = FileBlobs(folder, keys)
    kept: list[Location] = []

    def keep_next() -> None:
        kept.append(keep(blobs, some_bytes(size, len(kept)), b"%d" % len(kept)))

    def fill() -> None:
        while True:
            keep_next()

    with file_size_limit(5_000_000), pytest.raises(OutOfSpace):
        fill()
    keep_next()

    assert len(kept) > 1
    assert [blobs.read(location) for location in kept] == [some_bytes(size, n) for n in range(len(kept))]
    assert [each.note for each in blobs.records() if not each.fault] == [b"%d" % n for n in range(len(kept))]
    blobs.close()


def test_a_large_record_that_finds_no_room_leaves_no_file(folder: Path, keys: Keys) -> None:
    blobs = FileBlobs(folder, keys)
    with file_size_limit(5_000_000), pytest.raises(OutOfSpace):
        blobs.write(BytesIO(some_bytes(LARGE)), LARGE, b"")

    assert segment_files(folder) == {}
    blobs.close()


def test_a_failed_write_leaves_the_segment(folder: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = FileBlobs(folder, keys)
    before = keep(blobs, b"before")

    def fails(fd: int, data: bytes, offset: int) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fails)
        with pytest.raises(Unavailable):
            keep(blobs, b"lost")
    after = keep(blobs, b"after")

    assert before.segment != after.segment
    assert [blobs.read(each.location) for each in blobs.records()] == [b"before", b"after"]
    blobs.close()


@pytest.mark.parametrize(("number", "refusal"), [(errno.EIO, Unavailable), (errno.ENOSPC, OutOfSpace)])
def test_a_failed_sync_refuses_the_batch_and_leaves_the_segment(
    folder: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch, number: int, refusal: type[Exception]
) -> None:
    blobs = FileBlobs(folder, keys)
    before = keep(blobs, b"before")
    batch = [blobs.write(BytesIO(b"lost"), 4, b"") for _ in range(3)]

    def fails(fd: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fails)
        until_durable = blobs.begin_sync(batch[:2])
        with pytest.raises(refusal):
            until_durable()
    with pytest.raises(Unavailable):  # although the kernel would say yes now
        blobs.sync(batch[2:])
    after = keep(blobs, b"after")
    beside = FileBlobs(folder, keys)
    other = keep(beside, b"other")

    assert len({before.segment, after.segment, other.segment}) == 3
    assert (blobs.read(before), blobs.read(after)) == (b"before", b"after")
    blobs.close()
    beside.close()


@pytest.mark.parametrize("size", [4, LARGE])
def test_what_was_written_to_a_segment_that_somebody_deleted_is_not_called_durable(
    folder: Path, keys: Keys, size: int
) -> None:
    blobs = FileBlobs(folder, keys)
    lost = blobs.write(BytesIO(some_bytes(size)), size, b"")
    segment_files(folder)[lost.segment].unlink()

    with pytest.raises(Unavailable):
        blobs.sync([lost])
    with pytest.raises(Unavailable):
        blobs.sync([lost])
    after = keep(blobs, b"after")
    assert after.segment != lost.segment
    assert blobs.read(after) == b"after"
    blobs.close()


def test_a_segment_that_somebody_deletes_between_two_deposits_is_left(folder: Path, keys: Keys) -> None:
    blobs = FileBlobs(folder, keys)
    before = keep(blobs, b"before")
    segment_files(folder)[before.segment].unlink()
    with pytest.raises(Unavailable):
        keep(blobs, b"refused")
    after = keep(blobs, b"after")
    blobs.close()

    assert [each.location for each in FileBlobs(folder, keys).records()] == [after]
