"""The `Objects` port: compressed records over segment files and over an object store."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from obstore.store import MemoryStore

from contracts.blobs_contract import keep, some_bytes
from contracts.test_blobs_journal import Prompt
from imagebank.errors import Invalid, NotFound
from imagebank.model.compression import Coding, Compressed, Part
from imagebank.model.imaging import Location
from imagebank.ports import Keys, Objects
from imagebank.storage.compressed import CompressedBlobs, Store
from imagebank.storage.files import FileBlobs
from imagebank.storage.keys import FileKeys
from imagebank.storage.s3 import ObjectBlobs

NOTE = b"how it came"


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return FileKeys(tmp_path / "root.key")


@pytest.fixture(params=["files", "objects", "journal"])
def opened(request: pytest.FixtureRequest, tmp_path: Path, keys: Keys) -> Callable[[], Objects]:
    """Opens the same store anew, as another process does."""
    bucket = MemoryStore()
    kinds: dict[str, Callable[[], Store]] = {
        "files": lambda: FileBlobs(tmp_path / "objects", keys),
        "objects": lambda: ObjectBlobs(bucket, keys, prefix="p"),
        "journal": lambda: Prompt(tmp_path / "journal", ObjectBlobs(bucket, keys), keys, most=1 << 30),
    }

    def open_again() -> Objects:
        return CompressedBlobs(kinds[request.param](), restored)

    return open_again


def restored(how: bytes, coding: Coding, coded: bytes, size: int) -> bytes:
    assert how == b"told"
    return zstandard.decompress(coded, size) if coding is Coding.ZSTD else coded[::-1]


def compressed(content: bytes, *cuts: int) -> Compressed:
    """Parts between the cuts, coded in two ways by turns."""
    parts = []
    for number, (start, end) in enumerate(zip((0, *cuts), (*cuts, len(content)), strict=True)):
        piece = content[start:end]
        is_frame = number % 2 == 1
        coded = piece[::-1] if is_frame else zstandard.compress(piece)
        parts.append(Part(start, Coding.HTJ2K if is_frame else Coding.ZSTD, coded))
    return Compressed(len(content), b"told", tuple(parts))


def write(objects: Objects, content: bytes, *cuts: int) -> Location:
    location = objects.write_compressed(compressed(content, *cuts), NOTE)
    objects.begin_sync([location])()
    return location


def test_every_range_is_the_objects(opened: Callable[[], Objects]) -> None:
    content, chance = some_bytes(3_000_000), random.Random(1)
    location = write(opened(), content, 1000, 1_500_000, 2_900_000)
    objects = opened()
    assert location.size == len(content)
    assert objects.is_compressed(location)
    assert objects.read(location) == content
    for _ in range(50):
        start, end = sorted(chance.sample(range(len(content) + 1), 2))
        assert objects.read(location, start, end) == content[start:end]
        assert b"".join(objects.stream(location, start, end)) == content[start:end]
    assert objects.read(location, 5, 5) == b""
    assert objects.read(location, 5, len(content) + 5) == content[5:]
    assert max(map(len, objects.stream(location))) <= 1 << 20


def test_a_part_is_had_as_it_is_kept(opened: Callable[[], Objects]) -> None:
    objects, content = opened(), some_bytes(10_000)
    location = write(objects, content, 1000, 9000)
    assert objects.coding(location, 1000, 9000) is Coding.HTJ2K
    assert objects.coding(location, 0, 1000) is Coding.ZSTD
    assert objects.coded(location, 1000, 9000) == content[1000:9000][::-1]
    for start, end in ((1000, 8999), (999, 9000), (0, 9000), (1000, 1000)):
        assert objects.coding(location, start, end) is None
        with pytest.raises(ValueError, match="no such part"):
            objects.coded(location, start, end)
    assert not objects.is_compressed(keep(objects, content))


def test_a_walk_meets_it_with_the_objects_size_and_its_note(opened: Callable[[], Objects]) -> None:
    objects, content = opened(), some_bytes(100_000)
    plain, packed = keep(objects, content), write(objects, content, 50_000)
    objects.close()
    met = {record.location: record.note for record in opened().records()}
    assert met == {plain: b"note", packed: NOTE}
    assert opened().note(packed) == NOTE
    assert opened().wrapped_by(packed) == opened().wrapped_by(plain)
    assert opened().secret(packed, b"use") == objects.secret(packed, b"use") != objects.secret(plain, b"use")


def test_what_is_destroyed_is_gone_in_every_way(opened: Callable[[], Objects]) -> None:
    objects, content = opened(), some_bytes(400_000)
    first, second = write(objects, content, 200_000), write(objects, content, 300_000)
    assert objects.read(first, 0, 10) == content[:10]
    objects.destroy([first, Location("0" * 32, 4096, 4096, 1)])
    for blobs in (objects, opened()):
        with pytest.raises(NotFound):
            blobs.read(first)
        with pytest.raises(NotFound):
            blobs.note(first)
        assert blobs.read(second) == content
    objects.close()
    assert [one.location for one in opened().records() if one.note is not None] == [second]


def test_a_location_that_is_another_records_is_refused(opened: Callable[[], Objects]) -> None:
    objects, content = opened(), some_bytes(50_000)
    location = write(objects, content, 20_000)
    for wrong in (
        Location(location.segment, location.offset, location.length, location.size + 1),
        Location(location.segment, location.offset, location.length + 4096, location.size),
        Location(location.segment, location.offset + 4096, location.length, location.size),
    ):
        with pytest.raises(Invalid):
            objects.read(wrong)


def test_an_object_that_fills_a_pack_by_itself_is_read_alike(opened: Callable[[], Objects]) -> None:
    content = some_bytes(20 << 20)
    location = write(opened(), content, 4096)
    assert opened().read(location, 4000, 5000) == content[4000:5000]
    assert [one.location for one in opened().records()] == [location]
