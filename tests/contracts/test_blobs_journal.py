"""The `Blobs` port on a journal: as it waits on its node, and as it was uploaded to a real S3 server."""

import fcntl
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import obstore
import pytest
from obstore.store import LocalStore, MemoryStore, ObjectStore

from contracts.blobs_contract import LARGE, BlobsContract, Ground, keep, keep_together, some_bytes
from contracts.seaweed import Seaweed
from contracts.test_blobs_s3 import ground_on, paths, store_of
from imagebank.errors import NotFound, Unavailable, Unreadable
from imagebank.model.imaging import Location
from imagebank.ports import Keys
from imagebank.storage import files, journal_node, journal_upload, segment_file
from imagebank.storage.files import segments_below
from imagebank.storage.journal import JournalBlobs
from imagebank.storage.keys import FileKeys
from imagebank.storage.record import Contents, contents_of
from imagebank.storage.s3 import ObjectBlobs

MOST = 1 << 30


def journal_on(folder: Path, store: ObjectStore, keys: Keys, prefix: str = "", most: int = MOST) -> JournalBlobs:
    return JournalBlobs(folder, ObjectBlobs(store, keys, prefix=prefix), keys, most=most)


def files_in(folder: Path) -> dict[str, Path]:
    found = [*segments_below(folder / "waiting"), *segments_below(folder / "copies")]
    return {path.stem: path for path in found if contents_of(path.stem) is not Contents.TOMBSTONES}


class TestWaiting(BlobsContract):
    """Nothing was uploaded yet: a bucket that is away would not be missed by a deposit."""

    @pytest.fixture
    def ground(self, tmp_path: Path) -> Ground:
        folder, store = tmp_path / "journal", MemoryStore()
        return Ground(
            open=lambda keys: journal_on(folder, store, keys),
            segments=lambda: {name: path.read_bytes() for name, path in files_in(folder).items()},
            replace=lambda segment, data: _write(folder, segment, data),
        )


def _write(folder: Path, segment: str, data: bytes) -> None:
    path = files_in(folder).get(segment, folder / "waiting" / segment[-2:] / f"{segment}.seg")
    path.write_bytes(data)


class Prompt(JournalBlobs):
    """Uploads what is synced at once, and keeps no copy of it."""

    def sync(self, locations: Sequence[Location]) -> None:
        super().sync(locations)
        everything(self)

    def begin_sync(self, locations: Sequence[Location]) -> Callable[[], None]:
        self.sync(locations)
        return lambda: None

    def keep_key(self, note: bytes) -> Location:
        location = super().keep_key(note)
        everything(self)
        return location

    def close(self) -> None:
        with suppress(Unavailable):
            everything(self)
        super().close()


def everything(journal: JournalBlobs) -> int:
    """Upload all of it, and let copies go."""
    count = everything_but_copies(journal)
    journal._files.trim(0)
    return count


def everything_but_copies(journal: JournalBlobs) -> int:
    """Upload all of it."""
    journal.finish()
    return journal.upload()


def uploaded_to(folder: Path, store: ObjectStore, prefix: str) -> Ground:
    bucket = ground_on(store, prefix)

    def replace(segment: str, data: bytes) -> None:
        bucket.replace(segment, data)
        for path in segments_below(folder / "copies"):
            path.unlink()

    return Ground(
        open=lambda keys: Prompt(folder, ObjectBlobs(store, keys, prefix=prefix), keys, most=MOST),
        segments=bucket.segments,
        replace=replace,
    )


class TestUploaded(BlobsContract):
    test_a_range_is_the_slice_of_the_content = None  # type: ignore[assignment] # as in a bucket: test_blobs_s3

    @pytest.fixture
    def ground(self, tmp_path: Path) -> Ground:
        return uploaded_to(tmp_path / "journal", MemoryStore(), "")


class TestUploadedToS3:
    """What S3 may see otherwise than a store in memory: the rest of the contract is about our own bytes."""

    keys, blobs = BlobsContract.keys, BlobsContract.blobs
    test_another_process_reads_what_was_kept = BlobsContract.test_another_process_reads_what_was_kept
    test_a_walk_meets_the_same_after_the_end = BlobsContract.test_a_walk_meets_the_same_after_the_end_of_the_process
    test_several_writes_share_one_sync = BlobsContract.test_several_writes_share_one_sync
    test_keys_are_kept_apart_from_the_objects = BlobsContract.test_keys_are_kept_apart_from_the_objects
    test_what_a_destroyed_key_has_wrapped = (
        BlobsContract.test_what_a_destroyed_key_has_wrapped_is_destroyed_in_every_walk
    )
    test_tombstones_are_renewed = BlobsContract.test_tombstones_are_renewed_under_another_root_key

    @pytest.fixture
    def ground(self, tmp_path: Path, seaweed: Seaweed) -> Ground:
        return uploaded_to(tmp_path / "journal", *store_of(seaweed, uuid4().hex))


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return FileKeys(tmp_path / "root.key")


def test_what_is_large_is_uploaded_in_parts(
    keys: Keys, tmp_path: Path, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_upload, "_WHOLE_BYTES", 1 << 20)
    store, prefix = store_of(seaweed, uuid4().hex)
    content = some_bytes(9 << 20)
    journal = journal_on(tmp_path / "journal", store, keys, prefix)
    location = keep(journal, content)

    assert everything(journal) == 1
    assert journal.unuploaded().octets == 0
    assert not journal._files.has(location.segment)
    assert journal.read(location) == content
    journal.close()


def test_a_copy_stays_while_there_is_room_and_the_oldest_goes_first(keys: Keys, tmp_path: Path) -> None:
    store, folder = MemoryStore(), tmp_path / "journal"
    journal = journal_on(folder, store, keys, most=300_000)
    places = []
    for number in range(4):
        places.append(keep(journal, some_bytes(120_000, number)))
        journal.finish()
        journal.upload()

    assert sorted(files_in(folder)) == [at.segment for at in places[-2:]]
    assert [journal.read(at) for at in places] == [some_bytes(120_000, number) for number in range(4)]
    journal.close()


def test_the_bucket_is_asked_where_a_copy_is_damaged(keys: Keys, tmp_path: Path) -> None:
    store, folder = MemoryStore(), tmp_path / "journal"
    journal = journal_on(folder, store, keys)
    location = keep(journal, b"something")
    journal.finish()
    journal.upload()
    files_in(folder)[location.segment].write_bytes(bytes(5000))

    assert journal.read(location) == b"something"
    journal.close()


def test_deposits_go_on_while_the_bucket_is_away_up_to_a_limit_and_then_recover(keys: Keys, tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    journal = journal_on(tmp_path / "journal", LocalStore(bucket, mkdir=True), keys, most=400_000)
    bucket.rmdir()
    bucket.write_bytes(b"a file where a folder is needed")
    kept = [keep(journal, some_bytes(100_000, number)) for number in range(4)]
    journal._looked_s = float("-inf")
    with pytest.raises(Unavailable, match="wait on this node for the object store"):
        keep(journal, b"one too many")
    decided = keep(journal, b"", b"what was decided")
    journal.finish()
    with pytest.raises(Unavailable):
        journal.upload()
    waited = journal.unuploaded()
    spare = kept.pop()
    journal.destroy([spare])
    bucket.unlink()
    bucket.mkdir()
    everything(journal)

    assert len(kept) == 3
    assert journal.note(decided) == b"what was decided"
    assert waited.octets > 400_000
    assert waited.since is not None
    assert journal.unuploaded() == type(waited)(0, None, 400_000)
    assert [journal.read(at) for at in kept] == [some_bytes(100_000, number) for number in range(3)]
    assert journal.read(keep(journal, b"again")) == b"again"
    with pytest.raises(NotFound):
        journal.read(spare)
    journal.close()


def test_copies_give_way_to_what_waits_while_the_bucket_is_away(keys: Keys, tmp_path: Path) -> None:
    bucket, folder = tmp_path / "bucket", tmp_path / "journal"
    journal = journal_on(folder, LocalStore(bucket, mkdir=True), keys, most=300_000)
    copy = keep(journal, some_bytes(200_000))
    everything_but_copies(journal)
    was_there = list(files_in(folder))
    bucket.rename(tmp_path / "away")
    bucket.write_bytes(b"a file where a folder is needed")
    waits = keep(journal, some_bytes(200_000))
    with pytest.raises(Unavailable):
        everything_but_copies(journal)

    assert was_there == [copy.segment]
    assert list(files_in(folder)) == [waits.segment]
    journal.close()


def test_a_segment_that_cannot_be_uploaded_keeps_no_other_waiting(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = journal_on(tmp_path / "journal", MemoryStore(), keys)
    places = []
    for number in range(8):
        places.append(keep(journal, some_bytes(100, number)))
        journal.finish()
    key = journal.keep_key(b"a key")
    real = segment_file.pread

    def damaged(fd: int, offset: int, length: int) -> bytes:
        if places[0].segment in Path(f"/proc/self/fd/{fd}").readlink().name:
            raise Unreadable("the disk cannot read it")
        return real(fd, offset, length)

    monkeypatch.setattr(journal_upload, "pread", damaged)
    for _ in range(2):
        with pytest.raises(Unreadable):
            journal.upload()

    assert [journal._files.is_waiting(at.segment) for at in (*places, key)] == [True, *[False] * 8]
    journal.close()


def test_what_is_destroyed_while_its_segment_is_uploaded_is_uploaded_without_its_key(
    keys: Keys, tmp_path: Path
) -> None:
    store, folder = MemoryStore(), tmp_path / "journal"
    journal = journal_on(folder, store, keys)
    living, dead = keep_together(journal, b"living", b"dead")
    large = keep(journal, some_bytes(LARGE))
    journal.finish()
    settle, destroyed = journal._bucket.settle, []

    def destroy_first(segment: str, size: int) -> None:
        if segment in {dead.segment, large.segment} and segment not in destroyed:
            destroyed.append(segment)
            journal.destroy([at for at in (dead, large) if at.segment == segment])
        settle(segment, size)

    journal._bucket.settle = destroy_first  # type: ignore[method-assign]
    journal.upload()
    has_key = [
        bytes(obstore.get_range(store, f"segments/{dead.segment}", start=dead.offset + 84, length=60)) != bytes(60)
    ]
    everything(journal)
    has_key.append(
        bytes(obstore.get_range(store, f"segments/{dead.segment}", start=dead.offset + 84, length=60)) != bytes(60)
    )
    beside = ObjectBlobs(store, keys)

    assert has_key == [True, False]
    assert [one.location for one in beside.records() if one.note is not None] == [living]
    assert paths(store, "segments") == [f"segments/{living.segment}"]
    assert beside.read(living) == b"living"
    journal.close()


def test_a_new_segment_that_an_uploader_took_before_its_writer_is_not_written_to(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, folder = MemoryStore(), tmp_path / "journal"
    writer, uploader = journal_on(folder, store, keys), journal_on(folder, store, keys)
    flock, taken = fcntl.flock, list[int]()

    def late(fd: int, operation: int) -> None:
        if not taken:
            taken.append(0)
            taken.append(uploader.upload())
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    location = keep(writer, b"acknowledged")
    everything(writer)

    assert taken == [0, 1]
    assert writer.read(location) == b"acknowledged"
    for journal in (writer, uploader):
        journal.close()


def test_what_is_moved_while_it_is_opened_is_read_all_the_same(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, folder = MemoryStore(), tmp_path / "journal"
    reader, uploader = journal_on(folder, store, keys), journal_on(folder, store, keys)
    location = keep(reader, b"something")
    reader.finish()
    opened, moved = files.Descriptor, list[int]()

    def late(path: Path) -> files.Descriptor:
        if path.stem == location.segment and not moved:
            moved.append(0)
            moved.append(uploader.upload())
        return opened(path)

    monkeypatch.setattr(files, "Descriptor", late)

    assert reader.read(location) == b"something"
    assert moved == [0, 1]
    for journal in (reader, uploader):
        journal.close()


def test_an_object_goes_with_the_last_record_of_a_segment(keys: Keys, tmp_path: Path) -> None:
    store = MemoryStore()
    journal = journal_on(tmp_path / "journal", store, keys)
    first, second = keep_together(journal, b"first", b"second")
    journal.destroy([first])
    everything(journal)
    journal.destroy([second])

    assert paths(store, "segments") == []
    assert [one for one in journal.records() if one.note is not None] == []
    journal.close()


def test_a_bucket_alone_tells_what_was_destroyed_before_it_was_uploaded(keys: Keys, tmp_path: Path) -> None:
    store = MemoryStore()
    journal = journal_on(tmp_path / "journal", store, keys)
    living, dead = keep_together(journal, b"living", b"dead")
    journal.destroy_keys([b"K" * 16], [])
    journal.destroy([dead])
    everything(journal)
    beside = ObjectBlobs(store, keys)

    assert {one.location: one.note for one in beside.records()} == {living: b"living", dead: None}
    assert b"K" * 16 in beside.destroyed_keys()
    journal.close()


def test_what_a_dead_process_left_is_uploaded_and_its_torn_end_is_nobodys(keys: Keys, tmp_path: Path) -> None:
    store, folder = MemoryStore(), tmp_path / "journal"
    dead = journal_on(folder, store, keys)
    whole = keep(dead, some_bytes(100_000))
    hurt = keep(dead, some_bytes(200_000))
    dead._ended.set()
    for segment in list(dead._files._held.values()):
        copy = segment.path.read_bytes()
        segment.path.unlink()
        segment.path.write_bytes(copy[: hurt.offset + 90_000] + bytes(4096) + copy[hurt.offset + 94_096 :] + b"torn")
    journal = journal_on(folder, store, keys)

    assert everything(journal) == 1
    assert journal.read(whole) == some_bytes(100_000)
    assert [one.location for one in journal.records() if one.note is not None] == [whole]
    journal.close()


def test_a_segment_is_let_go_of_when_it_is_old_whoever_forgot_to_sync(keys: Keys, tmp_path: Path) -> None:
    journal = journal_on(tmp_path / "journal", MemoryStore(), keys)
    forgotten = journal.write(BytesIO(b"forgotten"), 9, b"")
    kept = keep(journal, b"kept")
    journal._files.finish(3600)
    before = journal.upload()

    assert before == 0
    assert everything(journal) == 1
    assert (journal.read(forgotten), journal.read(kept)) == (b"forgotten", b"kept")
    journal.sync([forgotten])
    journal.close()


def test_the_number_of_a_node_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, link, done = os.fsync, os.link, list[tuple[str, str]]()

    def synced(fd: int) -> None:
        fsync(fd)
        done.append(("synced", Path(f"/proc/self/fd/{fd}").readlink().name))

    def named(draft: Path, path: Path) -> None:
        done.append(("named", draft.name))
        link(draft, path)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "link", named)
    number = journal_node._own(tmp_path / "journal")
    ((_, draft),) = (each for each in done if each[0] == "named")

    assert ("synced", draft) in done[: done.index(("named", draft))]
    assert journal_node._own(tmp_path / "journal") == number
    assert [path.name for path in (tmp_path / "journal").iterdir()] == ["node"]
