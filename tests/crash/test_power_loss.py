"""What a bank answered for is there after the power went, whatever a disk forgets of what was not synced.

One bank is recorded while it deposits, compresses and deletes. Then the power goes at many moments, and a bank is opened
on what may be left of its disk.
"""

import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from bank import keep, open_test_bank
from crash.disk import Cut, Disk, Made, Operation, Synced, Told, Wrote
from hl7 import adt, code, pid
from imagebank import worker
from imagebank.actions import compress, ledger, letters, reindex, remove, retrieve, scrub
from imagebank.app import opened
from imagebank.bank import Bank
from imagebank.errors import BankError
from imagebank.hl7 import messages, service
from imagebank.hl7.framing import Frame
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.imaging import Selection
from imagebank.model.message import Peer
from imagebank.model.uid import Uid
from imagebank.settings import load
from imagebank.storage.files import FileBlobs
from make import a_dataset, as_file, read

ALL = Scope(organizations=None)
KEEPER = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)
AT_ONCE = timedelta()
KEPT, GOING, GONE, DONE = "kept", "going", "gone", "done"
HERE = "127.0.0.1"
POLICY: dict[str, Any] = {"compress_after_days": 0, "compress_min_bytes": 4096}


@dataclass
class Played:
    """A recorded bank: what was sent to it, and what it had its disk do."""

    disk: Disk
    sent: dict[str, bytes] = field(default_factory=dict)
    messages: dict[str, bytes] = field(default_factory=dict)

    def deposit(self, bank: Bank, *files: bytes) -> None:
        uids = [str(read(file).SOPInstanceUID) for file in files]
        self.sent |= dict(zip(uids, files, strict=True))
        for uid, receipt in zip(uids, keep(bank, *files), strict=True):
            assert receipt.is_kept, receipt
            self.disk.tell(KEPT, uid)

    def hear(self, bank: Bank, number: int) -> None:
        message = adt("A01", f"PV1|1|I|WARD^1^2||||||||||||||||V{number}", patient=pid(f"POWER {number}"))
        control = messages.read(message).header.get(10)
        self.messages[control] = message
        answer = service.answer(bank, Frame(message), service.Sender([Peer("", "", HERE, "local")], HERE))
        assert answer is not None
        assert code(messages.read(answer)) == "AA"
        self.disk.tell(DONE, control)

    def delete(self, bank: Bank, uid: str) -> None:
        self.disk.tell(GOING, uid)
        remove.remove(bank, Selection(instance=Uid(uid)), KEEPER)
        self.disk.tell(GONE, uid)


def a_picture(chosen: random.Random, *, is_large: bool = False) -> bytes:
    """One that compresses well, of 20 KB, or one of 130 KB that gets a segment to itself."""
    side = 256 if is_large else 100
    pixels = bytes(byte for n in range(side * side) for byte in (n // side // 2 + chosen.getrandbits(1), 0))
    return as_file(a_dataset(
        rows=side, columns=side, PixelData=pixels, BitsAllocated=16, BitsStored=16, HighBit=15, PixelRepresentation=0,
        SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", PatientID=f"POWER {chosen.randrange(4)}",
    ))  # fmt: skip


def play(folder: Path, seed: int) -> Played:
    """A recorded bank. It is closed when the recording is over: whoever loses power closes nothing."""
    with open_test_bank(folder, **POLICY):
        pass
    played = Played(Disk(folder))
    with ExitStack() as afterwards, played.disk.recording():
        bank = afterwards.enter_context(open_test_bank(folder, **POLICY))
        work(played, bank, random.Random(seed))
    assert len(alive(played)) == 9
    return played


def work(played: Played, bank: Bank, chosen: random.Random) -> None:
    """Take in by two senders at once, compress, delete, do what is left to be done, and take in again."""
    played.deposit(bank, a_picture(chosen))
    batches = [[a_picture(chosen, is_large=n == 2), a_picture(chosen)] for n in range(4)]
    senders = [Thread(target=send, args=(played, bank, batches[n::2])) for n in range(2)]
    for sender in senders:
        sender.start()
    played.hear(bank, 1)
    for sender in senders:
        sender.join()
    ledger.checkpoint(bank, keeps=True)
    played.delete(bank, chosen.choice(sorted(played.sent)))
    assert compress.step(bank, 0, older_than=AT_ONCE, grace=AT_ONCE).done > 4
    played.delete(bank, chosen.choice(alive(played)))
    while worker.step(bank):
        pass
    played.hear(bank, 2)
    ledger.checkpoint(bank, keeps=True)
    move_log(played.disk.folder / "bank" / "index.db")
    played.deposit(bank, a_picture(chosen), a_picture(chosen))


def move_log(database: Path) -> None:
    """What SQLite does now and then: the pages of its log go into the file, and the log begins anew."""
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[0] == 0


def send(played: Played, bank: Bank, batches: list[list[bytes]]) -> None:
    for batch in batches:
        played.deposit(bank, *batch)


def alive(played: Played) -> list[str]:
    told = played.disk.told(len(played.disk.done))
    return sorted(told[KEPT] - told.get(GOING, set()))


def contents(bank: Bank) -> dict[str, bytes]:
    return {str(one.uid): retrieve.file(bank, one) for one in bank.index.instances(Selection(), ALL)}


def heard(bank: Bank) -> dict[str, bytes]:
    return {one.control: letters.content(bank, one.id)[1] for one in bank.index.orders.letters()}


def lose_power(played: Played, until: int, seed: int, into: Path) -> None:
    """The power goes after the first operations; what a bank then makes of the disk."""
    played.disk.after_power_loss(until, random.Random(f"{until} {seed}"), into)
    told = played.disk.told(until)
    kept, going, gone, done = (told.get(word, set()) for word in (KEPT, GOING, GONE, DONE))

    def check(found: dict[str, bytes]) -> None:
        assert kept - going <= found.keys(), "an acknowledged object is lost"
        assert not gone & found.keys(), "a destroyed object is back"
        assert all(played.sent.get(uid) == content for uid, content in found.items())

    (into / "bank").mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(sqlite3.connect(into / "bank" / "index.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with open_test_bank(into, **POLICY) as bank:
        found = contents(bank)
        check(found)
        assert done <= heard(bank).keys(), "an acknowledged message is lost"
        assert ledger.verify(bank).is_whole, ledger.verify(bank)
        findings = scrub.verify(bank)
        assert findings.is_clean, findings
        reindex.reindex(bank)
        rebuilt = contents(bank)
        check(rebuilt)
        assert done <= heard(bank).keys() <= played.messages.keys()
        assert all(played.messages[control] == message for control, message in heard(bank).items())
        assert found.keys() - going <= rebuilt.keys()
        assert scrub.verify(bank).is_clean
        reindex.reindex(bank)
        assert contents(bank) == rebuilt


@pytest.fixture(scope="module")
def small_segments() -> Iterator[None]:
    """Segments are short, so that some are full, sealed and followed by others."""
    with pytest.MonkeyPatch.context() as patch:
        sizes = {"min_free_bytes": 0, "alone_bytes": 120 << 10, "segment_bytes": 600 << 10}
        patch.setattr(FileBlobs.__init__, "__kwdefaults__", (FileBlobs.__init__.__kwdefaults__ or {}) | sizes)
        yield


@pytest.fixture(scope="module")
def played(small_segments: None, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(tmp_path_factory.mktemp("power"), 1)


def moments(played: Played, count: int, seed: int) -> list[int]:
    """When the power goes: mostly just before or after something was answered or synced, else at any time."""
    done, chosen = played.disk.done, random.Random(seed)
    marks = [n + 1 for n, one in enumerate(done) if isinstance(one, Told | Synced)]
    near = [chosen.choice(marks) - chosen.choice((0, 0, 1, 2)) for _ in range(count)]
    return [one if n % 3 else chosen.randrange(len(done)) for n, one in enumerate(near)]


@pytest.mark.parametrize("part", range(6))
def test_what_was_acknowledged_outlives_a_power_loss(played: Played, tmp_path: Path, part: int) -> None:
    for number, until in enumerate(moments(played, 2, part)):
        lose_power(played, until, number, tmp_path / str(number))


def begin(folder: Path, seed: int) -> Played:
    """The first start of a bank in a folder that is not there yet, and its first two deposits."""
    played = Played(Disk(folder))
    with ExitStack() as afterwards, played.disk.recording():
        bank = afterwards.enter_context(opened(load(environ={}, data=folder / "bank")))
        for _ in range(2):
            played.deposit(bank, a_picture(random.Random(seed)))
    return played


def test_the_first_deposits_of_a_new_bank_outlive_a_power_loss(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    played = begin(tmp_path / "new", 1)
    answered = [n + 1 for n, one in enumerate(played.disk.done) if isinstance(one, Told)]

    for number, until in enumerate([*answered, *answered, *moments(played, 2, 1)]):
        into = tmp_path / str(number)
        lose_power(played, until, number, into)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_what_was_acknowledged_outlives_a_power_loss_at_any_moment(small_segments: None, tmp_path: Path) -> None:
    for seed in range(20):
        played = play(tmp_path / f"bank-{seed}", seed)
        for number, until in enumerate(moments(played, 60, seed)):
            into = tmp_path / f"after-{seed}-{number}"
            lose_power(played, until, number, into)
            shutil.rmtree(into)


def test_a_disk_that_says_synced_and_is_not_loses_what_was_acknowledged(played: Played, tmp_path: Path) -> None:
    """What the operator has to provide; and the simulated disk would show it if a sync were forgotten."""
    done = [Told("", "") if isinstance(one, Synced) and one.path.endswith(".seg") else one for one in played.disk.done]
    lying = Played(replace(played.disk, done=done), played.sent)

    def loses(seed: int) -> bool:
        try:
            lose_power(lying, len(done), seed, tmp_path / str(seed))
        except (AssertionError, BankError):
            return True
        return False

    assert any(loses(seed) for seed in range(5))


def left_of(disk: Disk, folder: Path, seed: int) -> bytes | None:
    disk.after_power_loss(len(disk.done), random.Random(seed), folder / str(seed))
    file = folder / str(seed) / "xx" / "file"
    return file.read_bytes() if file.exists() else None


def test_the_simulated_disk_keeps_what_was_synced_and_may_keep_the_rest(tmp_path: Path) -> None:
    old, new = b"o" * 6000, b"n" * 12000
    path = str(tmp_path / "xx" / "file")
    disk = Disk(tmp_path, {path: b""}, [Wrote(path, old, 0), Synced(path, 1), Wrote(path, new, 4096)])
    left = [left_of(disk, tmp_path / "left", seed) or b"" for seed in range(60)]

    assert all(each[:4096] == old[:4096] for each in left)
    assert {len(each) for each in left} == {6000, 16096}
    assert {each[4096:4608] for each in left} == {b"o" * 512, b"n" * 512}
    assert any(each[8192:8704] == bytes(512) for each in left)
    assert any(len({*each[4096:6000]}) == 2 for each in left), "none is torn"


def test_the_simulated_disk_may_lose_a_name_whose_folder_was_not_synced(tmp_path: Path) -> None:
    folder = str(tmp_path / "xx")
    path, made = f"{folder}/file", Made(folder)
    durable: list[Operation] = [
        made,
        Synced(str(tmp_path), 1),
        Wrote(path, b"1", 0),
        Synced(path, 3),
        Synced(folder, 3),
    ]
    for number, (forgotten, may_be_lost) in enumerate([(None, False), (1, True), (4, True)]):
        disk = Disk(tmp_path, {}, [one for n, one in enumerate(durable) if n != forgotten])
        left = {left_of(disk, tmp_path / str(number), seed) for seed in range(30)}

        assert left == ({b"1", None} if may_be_lost else {b"1"})


def test_the_simulated_disk_knows_of_files_that_were_cut(tmp_path: Path) -> None:
    path = str(tmp_path / "xx" / "file")
    disk = Disk(tmp_path, {path: b"1" * 5000}, [Cut(path, 100), Wrote(path, b"2", 99)])
    left = {left_of(disk, tmp_path / "left", seed) for seed in range(60)}

    assert {b"1" * 5000, b"1" * 99 + b"2"} <= left
    assert all(each and each[:99] == b"1" * 99 for each in left)
