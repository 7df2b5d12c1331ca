"""Nothing that was acknowledged is lost: not when a process is killed, not when a disk forgets what was not synced."""

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pytest

from crash.segment_writer import content_of, open_blobs
from imagebank.errors import NotFound
from imagebank.model.imaging import Location
from imagebank.ports import Record
from imagebank.storage.files import FileBlobs

ROUNDS = max(4, int(os.environ.get("IMAGEBANK_TEST_KILLS", "40")))
WRITER = Path(__file__).with_name("segment_writer.py")


@dataclass
class Told:
    """What the writers acknowledged before they were killed. Of `dying` records nobody knows."""

    kept: dict[Location, int] = field(default_factory=dict)
    dying: set[Location] = field(default_factory=set)
    destroyed: set[Location] = field(default_factory=set)

    def hear(self, output: bytes) -> None:
        for line in output.split(b"\n")[:-1]:  # the last is empty, or cut off
            said = json.loads(line)
            if "kept" in said:
                self.kept[Location(*said["kept"])] = said["seed"]
            elif "dying" in said:
                self.dying.add(Location(*said["dying"]))
            else:
                self.destroyed.add(Location(*said["destroyed"]))

    @property
    def living(self) -> dict[Location, int]:
        return {at: seed for at, seed in self.kept.items() if at not in self.dying}


def start_writer(folder: Path, seed: int, *count: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(WRITER), str(folder), str(seed), *count], stdout=subprocess.PIPE)


def kill_after(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """SIGKILL so long after its first word; all that it said."""
    assert process.stdout
    first = process.stdout.readline()
    time.sleep(seconds)
    process.kill()
    rest = process.stdout.read()
    process.wait()
    process.stdout.close()
    return first + rest


def assert_all_there(blobs: FileBlobs, told: Told) -> None:
    """Each acknowledged record is met by a walk and byte-equal; each destroyed one is gone; no other is wrong."""
    records = {record.location: record for record in blobs.records()}
    for location, seed in told.living.items():
        assert records[location] == Record(location, b"%d" % seed)
        assert blobs.read(location) == content_of(seed)
    for location in told.destroyed:
        assert records[location].fault == "destroyed"
        with pytest.raises(NotFound):
            blobs.read(location)
    for location, record in records.items():
        if record.note is not None and location not in told.kept:
            assert blobs.read(location) == content_of(int(record.note))


@pytest.mark.timeout(60 + 4 * ROUNDS)
def test_what_a_killed_process_acknowledged_is_there(tmp_path: Path) -> None:
    told = Told()
    chosen = random.Random(1)
    for round_number in range(ROUNDS):
        told.hear(kill_after(start_writer(tmp_path, round_number), chosen.random() ** 2 * 0.3))
        if round_number % (ROUNDS // 4) == 0:
            assert_all_there(open_blobs(tmp_path), told)

    blobs = open_blobs(tmp_path)
    assert_all_there(blobs, told)
    assert len(told.kept) > ROUNDS
    blobs.close()


def test_a_killed_process_leaves_its_segment_to_the_next(tmp_path: Path) -> None:
    told = Told()
    for seed in range(5):
        told.hear(kill_after(start_writer(tmp_path, seed), 0.02))
    shared = {path.stem for path in tmp_path.glob("objects/*/*.seg") if path.stem[12] == "1"}

    assert len(shared) <= 1 + sum(each.length for each in told.kept) // (16 << 20)
    assert_all_there(open_blobs(tmp_path), told)


def test_processes_that_start_at_once_on_an_empty_folder_do_not_meet(tmp_path: Path) -> None:
    told = Told()
    writers = [start_writer(tmp_path, seed, "8") for seed in range(4)]
    for writer in writers:
        output, _ = writer.communicate(timeout=60)
        told.hear(output)

    assert [writer.returncode for writer in writers] == [0] * 4
    assert len(told.kept) >= 4 * 3 * 8
    assert_all_there(open_blobs(tmp_path), told)


def test_killing_one_of_two_leaves_the_other_at_work(tmp_path: Path) -> None:
    told = Told()
    long_lived = start_writer(tmp_path, 99, "40")
    for seed in range(5):
        told.hear(kill_after(start_writer(tmp_path, seed), 0.05))
    output, _ = long_lived.communicate(timeout=60)
    told.hear(output)

    assert long_lived.returncode == 0
    assert_all_there(open_blobs(tmp_path), told)


def die(blobs: FileBlobs) -> None:
    """End as a killed process does: locks are gone, nothing is closed in order."""
    for segment in blobs._held.values():
        os.close(segment.fd)


def power_loss(file: Path, durable: int, chosen: random.Random) -> None:
    """The disk forgets some of what was written behind its last sync: pages are zero or noise, the end is cut."""
    data = bytearray(file.read_bytes())
    for page in range(durable, len(data), 4096):
        fate = chosen.random()
        if fate < 0.2:
            data[page : page + 4096] = bytes(len(data[page : page + 4096]))
        elif fate < 0.3:
            data[page : page + 4096] = chosen.randbytes(len(data[page : page + 4096]))
    file.write_bytes(data[: chosen.randrange(durable, len(data) + 1)])


@pytest.mark.parametrize("seed", range(25))
def test_what_was_synced_outlives_a_power_loss(tmp_path: Path, seed: int) -> None:
    chosen = random.Random(seed)
    blobs = open_blobs(tmp_path)
    acknowledged, unsure = Told(), []
    for n in range(12):
        content = content_of(40 * n + 1)
        location = blobs.write(BytesIO(content), len(content), b"%d" % (40 * n + 1))
        if n < 6:
            blobs.sync([location])
            acknowledged.kept[location] = 40 * n + 1
        else:
            unsure.append(location)
    file = next(tmp_path.glob(f"objects/*/{unsure[0].segment}.seg"))
    die(blobs)
    power_loss(file, unsure[0].offset, chosen)
    revived = open_blobs(tmp_path)
    after = revived.write(BytesIO(b"after"), 5, b"after")
    revived.sync([after])

    assert after.segment == file.stem
    assert revived.read(after) == b"after"
    faults = {record.location: record.fault for record in revived.records()}
    assert faults[after] == ""
    met = [record for record in revived.records() if record.location != after]
    assert {record.location for record in met} <= {*acknowledged.kept, *unsure}
    for record in met:
        if record.note is not None:
            assert revived.read(record.location) == content_of(int(record.note))
    assert_all_there_but(revived, acknowledged)


def assert_all_there_but(blobs: FileBlobs, told: Told) -> None:
    """Every acknowledged record is met whole, twice the same; others may be torn."""
    first, second = list(blobs.records()), list(blobs.records())
    whole = {record.location for record in first if record.note is not None}

    assert first == second
    assert told.kept.keys() <= whole
    assert all(blobs.read(location) == content_of(seed) for location, seed in told.kept.items())


@pytest.mark.parametrize("durable", [False, True])
def test_a_record_destroyed_before_a_power_loss_stays_destroyed(tmp_path: Path, *, durable: bool) -> None:
    blobs = open_blobs(tmp_path)
    location = blobs.write(BytesIO(b"to be forgotten"), 15, b"note")
    blobs.sync([location])
    file = next(tmp_path.glob(f"objects/*/{location.segment}.seg"))
    before = file.read_bytes()
    blobs.destroy([location])
    die(blobs)
    if not durable:
        file.write_bytes(before)  # the key's page is back: only the tombstone tells

    assert [record.fault for record in open_blobs(tmp_path).records()] == ["destroyed"]
