"""The `Blobs` port on an object store with copies on the node's disk beside it."""

import os
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import MemoryStore, ObjectStore

from contracts.blobs_contract import BlobsContract, Ground, keep, keep_together, some_bytes
from contracts.test_blobs_s3 import ground_on
from imagebank.errors import Invalid, NotFound, Unavailable
from imagebank.model.imaging import Location
from imagebank.ports import Keys
from imagebank.storage import s3
from imagebank.storage.copies import FileCopies
from imagebank.storage.keys import FileKeys
from imagebank.storage.s3 import ObjectBlobs

ROOM = 64 << 20
SIZE = 300_000


class TestCopiedBlobs(BlobsContract):
    @pytest.fixture
    def ground(self, tmp_path: Path) -> Ground:
        store, folder = MemoryStore(), tmp_path / "copies"
        plain = ground_on(store, "")

        def replace(segment: str, data: bytes) -> None:
            plain.replace(segment, data)
            shutil.rmtree(folder, ignore_errors=True)  # what the bucket has is what is looked at

        return Ground(
            open=lambda keys: ObjectBlobs(store, keys, copies=FileCopies(folder, ROOM, min_free_bytes=0)),
            segments=plain.segments,
            replace=replace,
        )


class Counting:
    """Requests for parts of objects, counted while a store is as it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[int] = []
        get_ranges = obstore.get_ranges

        def counted(store: ObjectStore, path: str, **ranges: Any) -> Any:
            self.asked.append(len(ranges["starts"]))
            return get_ranges(store, path, **ranges)

        monkeypatch.setattr(obstore, "get_ranges", counted)

    def take(self) -> int:
        """How many there were since it was last asked."""
        count = len(self.asked)
        self.asked.clear()
        return count


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Counting:
    return Counting(monkeypatch)


class Node:
    """A bucket that two nodes have in common, each with a folder for its copies; processes of them, opened at will."""

    def __init__(self, folder: Path) -> None:
        self.store, self.folder = MemoryStore(), folder
        self.keys: Keys = FileKeys(folder / "root.key")
        self.opened: list[ObjectBlobs] = []

    def process(self, name: str = "one", room: int = ROOM) -> ObjectBlobs:
        copies = FileCopies(self.folder / name, room, min_free_bytes=0)
        self.opened.append(ObjectBlobs(self.store, self.keys, copies=copies))
        return self.opened[-1]

    def files(self, name: str = "one") -> list[Path]:
        return sorted((self.folder / name).glob("??/*"))


def copies_of(process: ObjectBlobs) -> FileCopies:
    assert process.copies is not None
    return process.copies


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    yield made
    for one in made.opened:
        one.close()


def test_what_came_is_read_from_the_disk(nodes: Node, requests: Counting) -> None:
    content = some_bytes(SIZE)
    location = keep(nodes.process(), content, b"how it came")
    process = nodes.process()
    assert process.read(location) == content
    assert b"".join(process.stream(location, 100, 200_000)) == content[100:200_000]
    assert process.note(location) == b"how it came"
    assert process.wrapped_by(location)
    assert requests.take() == 0
    told = copies_of(process).told()
    assert (told.hits, told.misses) == (2, 0)
    assert told.octets >= SIZE
    assert b"".join(process.from_store(location)) == content
    assert requests.take() == 1


def test_another_node_asks_the_bucket_once(nodes: Node, requests: Counting) -> None:
    small, large = some_bytes(SIZE), some_bytes(3_000_000)
    process, other = nodes.process(), nodes.process("two")
    first, second = keep(process, small), keep(process, large)
    requests.take()
    for _ in range(2):
        assert other.read(first, 0, 200_000) == small[:200_000]
        assert other.read(first) == small
        assert b"".join(other.stream(second)) == large
        assert other.read(second, 2_000_000, 2_500_000) == large[2_000_000:2_500_000]
    assert requests.take() == 2


def test_a_little_of_a_record_is_asked_for_alone(nodes: Node, requests: Counting) -> None:
    content = some_bytes(900_000)
    location = keep(nodes.process(), content)
    other = nodes.process("two")
    assert other.read(location, 0, 5_000) == content[:5_000]
    assert sum(path.stat().st_size for path in nodes.files("two")) < 100_000
    assert other.read(location) == content


def test_who_asks_for_notes_and_keys_alone_fills_no_copies(nodes: Node) -> None:
    location = keep(nodes.process(), some_bytes(SIZE))
    other = nodes.process("two")
    assert other.note(location) == b"note"
    assert other.wrapped_by(location)
    assert nodes.files("two") == []
    assert other.secret(location, b"a picture")
    assert len(nodes.files("two")) == 1


def test_what_is_expected_comes_by_few_requests(nodes: Node, requests: Counting) -> None:
    contents = [some_bytes(SIZE, seed) for seed in range(12)]
    together = keep_together(nodes.process(), *contents[:6])
    alone = [keep(nodes.process(), content) for content in contents[6:]]
    other = nodes.process("two")
    requests.take()
    for _ in range(2):
        other.expect([*together, *alone])
        assert [other.read(one) for one in (*together, *alone)] == contents
    assert requests.take() == 7


def test_what_is_expected_and_is_not_there_is_refused_when_it_is_read(nodes: Node) -> None:
    process = nodes.process()
    location = keep(process, some_bytes(SIZE))
    gone = Location("0" * 12 + "1" + "0" * 19, location.offset, location.length, location.size)
    other = nodes.process("two")
    other.expect([gone, location])
    with pytest.raises(NotFound):
        other.read(gone)
    other.close()
    other.expect([location, gone])
    assert len(other.read(location)) == SIZE


def test_what_is_destroyed_is_in_no_copy_of_the_node(nodes: Node) -> None:
    process, beside = nodes.process(), nodes.process()
    contents = [some_bytes(SIZE, seed) for seed in range(3)]
    locations = keep_together(process, *contents)
    sealed = nodes.files()[0].read_bytes()
    process.destroy(locations[:1])
    left = nodes.files()[0].read_bytes()
    place = slice(locations[0].offset, locations[0].offset + locations[0].length)
    assert any(sealed[place])
    assert not any(left[place][:4096])
    with pytest.raises(NotFound):
        process.read(locations[0])
    assert [beside.read(one) for one in locations[1:]] == contents[1:]
    process.destroy(locations)
    assert nodes.files() == []
    for one in locations:
        with pytest.raises(NotFound):
            beside.read(one)


def test_what_is_destroyed_while_it_is_read_is_not_copied(
    nodes: Node, monkeypatch: pytest.MonkeyPatch, requests: Counting
) -> None:
    process, other = nodes.process(), nodes.process("two")
    location, neighbour = keep_together(process, some_bytes(SIZE), some_bytes(SIZE, 1))
    get_ranges, beside = obstore.get_ranges, nodes.process("two")

    def slow(store: ObjectStore, path: str, **ranges: Any) -> Any:
        monkeypatch.setattr(obstore, "get_ranges", get_ranges)
        parts = get_ranges(store, path, **ranges)
        beside.destroy([location])
        return parts

    monkeypatch.setattr(obstore, "get_ranges", slow)
    other.read(location)
    assert not nodes.files("two")
    other.read(neighbour)
    assert len(nodes.files("two")) == 1


def test_other_nodes_wipe_what_was_destroyed(nodes: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    process, other = nodes.process(), nodes.process("two")
    location, neighbour = keep_together(process, some_bytes(SIZE), some_bytes(SIZE, 1))
    other.read(location)
    other.read(neighbour)
    process.destroy([location])
    wiped: dict[str, int] = {}
    with copies_of(other).keeping() as is_mine:
        assert is_mine
        nodes.process("two")._wipe_dead(wiped)
        assert wiped == {}
    other._wipe_dead(wiped)
    other._wipe_dead(wiped)
    assert wiped == {location.segment: 1}
    assert not any(nodes.files("two")[0].read_bytes()[location.offset : location.offset + 4096])
    with pytest.raises(NotFound):
        other.read(location)


def test_it_is_asked_for_by_itself(nodes: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "_TURN_S", 0.01)
    process, other = nodes.process(), nodes.process("two")
    location, _ = keep_together(process, some_bytes(SIZE), some_bytes(SIZE, 1))
    other.read(location)
    process.destroy([location])
    copy = nodes.files("two")[0]
    for _ in range(1_000):
        if not any(copy.read_bytes()[location.offset : location.offset + 4096]):
            return
        other._ended.wait(0.01)
    pytest.fail("it was not wiped")


def test_copies_that_were_damaged_or_cut_short_are_read_from_the_bucket(nodes: Node) -> None:
    process = nodes.process()
    contents = [some_bytes(2_500_000, seed) for seed in range(2)]
    locations = keep_together(process, *contents)
    path = nodes.files()[0]
    with path.open("r+b") as file:
        file.seek(locations[0].offset + 1_500_000)
        file.write(bytes(4096))
        file.truncate(locations[1].offset + 1_200_000)
    for _ in range(2):
        assert b"".join(process.stream(locations[0])) == contents[0]
        assert b"".join(process.stream(locations[1])) == contents[1]
        assert process.note(locations[1]) == contents[1][:100]
    assert copies_of(process).told().misses == 2


def test_the_longest_unread_go_first(nodes: Node) -> None:
    process = nodes.process(room=10 * SIZE)
    locations = [keep(process, some_bytes(SIZE, seed)) for seed in range(9)]
    for number, path in enumerate(sorted(nodes.files(), key=lambda path: path.name)):
        os.utime(path, (1_000_000 + number,) * 2)
    process.read(locations[0])
    keep(process, some_bytes(SIZE, 9))
    keep(process, some_bytes(SIZE, 10))
    names = {path.name for path in nodes.files()}
    assert copies_of(process).told().octets <= 10 * SIZE
    assert locations[0].segment in names
    assert locations[1].segment not in names
    assert len(process.read(locations[1])) == SIZE


def test_nothing_is_copied_where_there_is_no_room(nodes: Node, tmp_path: Path) -> None:
    copies = FileCopies(tmp_path / "none", ROOM, min_free_bytes=1 << 62)
    blobs = ObjectBlobs(nodes.store, nodes.keys, copies=copies)
    nodes.opened.append(blobs)
    location = keep(blobs, some_bytes(SIZE))
    small = nodes.process("small", room=SIZE)
    assert len(blobs.read(location)) == len(small.read(location)) == SIZE
    assert copies.told().octets == 0
    assert nodes.files("small") == []


def test_a_folder_that_cannot_be_used_keeps_nobody_from_reading(nodes: Node, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"a file where a folder is needed")
    process = nodes.process()
    location = keep(process, some_bytes(SIZE))
    assert len(process.read(location)) == SIZE
    with pytest.raises(Unavailable):
        process.destroy([location])
    with pytest.raises(Unavailable):
        FileCopies(tmp_path / "one", ROOM).drop(location.segment)
    with FileCopies(tmp_path / "one", ROOM).keeping() as is_mine:
        assert not is_mine
    (tmp_path / "one").unlink()
    process.destroy([location])
    with pytest.raises(NotFound):
        nodes.process("two").read(location)


def test_a_store_that_is_away_gives_what_was_copied(nodes: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    process = nodes.process()
    location = keep(process, some_bytes(SIZE))
    process.read(location)

    def away(*_: object, **__: object) -> None:
        raise obstore.exceptions.GenericError("away")

    monkeypatch.setattr(obstore, "get_ranges", away)
    assert len(process.read(location)) == SIZE
    with pytest.raises((Unavailable, Invalid)):
        list(process.from_store(location))


def test_compressed_objects_are_not_copied_when_they_are_written(nodes: Node) -> None:
    process = nodes.process()
    location = process.write(BytesIO(some_bytes(SIZE)), SIZE, b"", is_compressed=True)
    process.sync([location])
    assert nodes.files() == []
    assert process.stored(location) == location
    assert nodes.files() == []
    process.read(location)
    assert len(nodes.files()) == 1
    assert process.stored(location) == location
