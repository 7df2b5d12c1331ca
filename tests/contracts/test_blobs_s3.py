"""The `Blobs` port on object stores: in memory, in a folder, and on a real S3 server."""

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import obstore
import pytest
from obstore.store import LocalStore, MemoryStore, ObjectStore

from contracts.blobs_contract import LARGE, BlobsContract, Ground, keep, some_bytes
from contracts.seaweed import Seaweed
from imagebank.errors import Invalid, NotFound, Unavailable
from imagebank.model.imaging import Location
from imagebank.ports import Keys
from imagebank.storage import s3, s3_reading
from imagebank.storage.keys import FileKeys
from imagebank.storage.record import Contents, contents_of
from imagebank.storage.s3 import ObjectBlobs, open_s3


def paths(store: ObjectStore, prefix: str = "") -> list[str]:
    return sorted(meta["path"] for batch in obstore.list(store, prefix) for meta in batch)


def ground_on(store: ObjectStore, prefix: str) -> Ground:
    def named(segment: str) -> str:
        folders = {Contents.KEYS: "keys", Contents.CHECKPOINTS: "checkpoints"}
        folder = folders.get(contents_of(segment) or Contents.SHARED, "segments")
        return f"{prefix}/{folder}/{segment}".lstrip("/")

    def segments() -> dict[str, bytes]:
        names = [path.rsplit("/", 1)[-1] for path in paths(store, prefix)]
        kept = [name for name in names if contents_of(name) is not Contents.TOMBSTONES]
        return {name: bytes(obstore.get(store, named(name)).bytes()) for name in kept}

    return Ground(
        open=lambda keys: ObjectBlobs(store, keys, prefix=prefix),
        segments=segments,
        replace=lambda segment, data: _replace(store, named(segment), data),
    )


def _replace(store: ObjectStore, path: str, data: bytes) -> None:
    obstore.put(store, path, data)


def store_of(server: Seaweed, prefix: str = "") -> tuple[ObjectStore, str]:
    return open_s3(
        f"s3://{server.bucket}/{prefix}",
        endpoint=server.endpoint,
        region=server.region,
        access_key=server.access_key,
        secret_key=server.secret_key,
    )


class TestObjectBlobsInMemory(BlobsContract):
    @pytest.fixture
    def ground(self, tmp_path: Path) -> Ground:
        return ground_on(MemoryStore(), "")


class TestObjectBlobsInAFolder(BlobsContract):
    @pytest.fixture
    def ground(self, tmp_path: Path) -> Ground:
        return ground_on(LocalStore(tmp_path / "bucket", mkdir=True), "some/where")


class TestObjectBlobsOnS3(BlobsContract):
    @pytest.fixture
    def ground(self, tmp_path: Path, seaweed: Seaweed) -> Ground:
        return ground_on(*store_of(seaweed, uuid4().hex))


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return FileKeys(tmp_path / "root.key")


def write(blobs: ObjectBlobs, content: bytes) -> Location:
    return blobs.write(BytesIO(content), len(content), b"")


def test_what_is_not_synced_is_not_in_the_store(keys: Keys) -> None:
    store = MemoryStore()
    blobs = ObjectBlobs(store, keys)
    location = write(blobs, b"something")

    assert paths(store) == []
    with pytest.raises(NotFound):
        blobs.read(location)


def test_arrivals_that_wait_together_share_one_object(keys: Keys) -> None:
    store = MemoryStore()
    blobs = ObjectBlobs(store, keys)
    locations = [write(blobs, some_bytes(100_000, seed)) for seed in range(10)]
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda location: blobs.sync([location]), locations))

    assert len(paths(store)) == 1


def test_a_full_pack_goes_to_the_store_while_the_next_is_filled(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "PACK_BYTES", 500_000)
    store = MemoryStore()
    blobs = ObjectBlobs(store, keys)
    contents = [some_bytes(90_000, seed) for seed in range(20)]
    locations = [write(blobs, content) for content in contents]
    put_before_sync = len(paths(store))
    blobs.sync(locations)

    assert put_before_sync == 3
    assert len(paths(store)) == 4
    assert [blobs.read(location) for location in locations] == contents


def test_a_slow_sender_does_not_hold_up_the_others(keys: Keys) -> None:
    blobs = ObjectBlobs(MemoryStore(), keys)
    gate = threading.Event()

    class Slow(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            gate.wait(20)
            return super().read(size)

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(lambda: blobs.write(Slow(b"slow"), 4, b""))
        quick = keep(blobs, b"quick")
        gate.set()
        location = slow.result()
    blobs.sync([location])

    assert (blobs.read(quick), blobs.read(location)) == (b"quick", b"slow")


def test_what_could_not_be_put_is_told_to_all_and_takes_no_memory(keys: Keys, tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    blobs = ObjectBlobs(LocalStore(bucket, mkdir=True), keys)
    bucket.rmdir()
    bucket.write_bytes(b"a file where a folder is needed")
    locations = [write(blobs, bytes(10))]
    tracemalloc.start()
    for _ in range(4):
        locations.append(write(blobs, bytes(1 << 20)))
        with pytest.raises(Unavailable):
            blobs.sync(locations[-1:])
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    for location in locations:
        with pytest.raises(Unavailable):
            blobs.sync([location])

    assert taken < 1 << 20


def test_an_object_is_deleted_when_its_last_record_is_destroyed(keys: Keys) -> None:
    store = MemoryStore()
    blobs = ObjectBlobs(store, keys)
    locations = [write(blobs, some_bytes(5_000, seed)) for seed in range(3)]
    blobs.sync(locations)
    large = keep(blobs, some_bytes(LARGE))
    blobs.destroy([*locations[:2], large])
    left = paths(store, "segments")
    blobs.destroy(locations)

    assert [path.rsplit("/", 1)[-1] for path in left] == [locations[0].segment]
    assert paths(store, "segments") == []
    assert list(blobs.records()) == []


def test_many_tombstones_become_one(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "_SMALL_TOMBSTONES", 5)
    store = MemoryStore()
    blobs, beside = ObjectBlobs(store, keys), ObjectBlobs(store, keys)
    locations = [write(blobs, some_bytes(1_000, seed)) for seed in range(12)]
    blobs.sync(locations)
    for n, location in enumerate(locations[:10]):
        (blobs if n % 2 else beside).destroy([location])
    other = ObjectBlobs(store, keys)

    assert len(paths(store, "tombstones")) < 5
    assert [each.fault for each in other.records()] == ["destroyed"] * 10 + [""] * 2
    for location in locations[:10]:
        with pytest.raises(NotFound):
            other.read(location)


def test_a_store_that_does_not_answer_is_unavailable(keys: Keys) -> None:
    store, _ = open_s3("s3://bucket", endpoint="http://127.0.0.1:9", access_key="a", secret_key="b")
    blobs = ObjectBlobs(store, keys)
    location = write(blobs, b"something")

    for _ in range(2):
        with pytest.raises(Unavailable):
            blobs.sync([location])
    with pytest.raises(Unavailable):
        write(blobs, some_bytes(LARGE))
    with pytest.raises(Unavailable):
        list(blobs.records())


def test_a_wrong_secret_is_unavailable(keys: Keys, seaweed: Seaweed) -> None:
    store, _ = open_s3(f"s3://{seaweed.bucket}", endpoint=seaweed.endpoint, access_key="imagebank", secret_key="x")
    blobs = ObjectBlobs(store, keys)
    location = write(blobs, b"something")

    with pytest.raises(Unavailable) as caught:
        blobs.sync([location])
    assert "secret" not in str(caught.value).lower()


def test_after_a_failed_put_the_next_pack_is_kept(keys: Keys, tmp_path: Path) -> None:
    folder = tmp_path / "bucket"
    blobs = ObjectBlobs(LocalStore(folder, mkdir=True), keys)
    location = write(blobs, b"lost")
    (folder / "segments").write_bytes(b"a file where a folder is needed")
    with pytest.raises(Unavailable):
        blobs.sync([location])
    (folder / "segments").unlink()
    with pytest.raises(Unavailable):
        blobs.sync([location])

    assert blobs.read(keep(blobs, b"kept")) == b"kept"


@pytest.mark.parametrize("url", ["", "bucket", "s3://", "https://example.org/bucket", "s3:///prefix"])
def test_an_address_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(Invalid), suppress(NotFound):
        open_s3(url)


def test_the_next_part_of_a_large_record_is_one_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = ObjectBlobs(MemoryStore(), FileKeys(tmp_path / "root.key"))
    content = some_bytes(3 << 20)
    location = keep(blobs, content)
    asked: list[int] = []
    get_ranges = obstore.get_ranges

    def counted(store: ObjectStore, path: str, **ranges: Any) -> Any:
        asked.append(len(ranges["starts"]))
        return get_ranges(store, path, **ranges)

    monkeypatch.setattr(s3_reading, "_HEADS", 1)
    monkeypatch.setattr(obstore, "get_ranges", counted)
    for start in (2 << 20, (2 << 20) + 100_000):
        assert blobs.read(location, start, start + 500) == content[start : start + 500]
    assert asked == [2, 1]
    blobs.destroy([location])
    with pytest.raises(NotFound):
        blobs.read(location, 2 << 20)
