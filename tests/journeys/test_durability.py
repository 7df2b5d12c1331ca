"""What was acknowledged is kept: the whole server killed in mid-transfer, and a disk without room."""

import os
import random
import resource
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pydicom.uid import generate_uid

from journeys.senders import as_files, c_store, dataset_of, stored, stow, uid_of
from make import a_file
from running import HOST, Running, descendants, running_bank, wait_for

OUT_OF_RESOURCES = 0xA700


def a_stream(count: int) -> list[bytes]:
    """Images of one series and of several sizes."""
    series = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    return [a_file(**series, rows=rows, columns=rows) for rows in random.choices((16, 128, 400), k=count)]


class Acknowledged:
    """What the senders were told is kept, by SOP Instance UID; `is_over` once they have stopped."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.data_sets: dict[str, bytes] = {}
        self.is_over = threading.Event()

    def __len__(self) -> int:
        return len(self.files) + len(self.data_sets)

    def check(self, running: Running) -> None:
        """All of it is there, byte by byte."""
        with running.http() as http:
            for uid, file in self.files.items():
                assert stored(http, uid) == file, f"{uid} was acknowledged over HTTP"
            for uid, data_set in self.data_sets.items():
                kept = stored(http, uid)
                assert kept is not None, f"{uid} was acknowledged over DIMSE"
                assert dataset_of(kept) == data_set


def send_by_stow(running: Running, token: str, acknowledged: Acknowledged) -> None:
    """STOW one instance after the other until the server is gone."""
    with running.http(token) as http:
        for file in a_stream(400):
            try:
                answer = stow(http, file)
            except httpx.TransportError:
                return
            if answer.status_code == 200:
                acknowledged.files[uid_of(file)] = file


def send_by_storescu(running: Running, folder: Path, acknowledged: Acknowledged) -> None:
    """dcmtk's storescu with many files on one association, and what it was told of each."""
    files = a_stream(400)
    paths = as_files(folder, *files)
    command = ["storescu", "-v", "-aec", "IMAGEBANK", "-aet", "CT1", HOST, str(running.dimse_port), *map(str, paths)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    by_path = {str(path): file for path, file in zip(paths, files, strict=True)}
    sending = ""
    for line in (said.stdout + said.stderr).splitlines():
        if "Sending file: " in line:
            sending = line.rpartition("Sending file: ")[2].strip()
        elif "Received Store Response (Success)" in line:
            acknowledged.data_sets[uid_of(by_path[sending])] = dataset_of(by_path[sending])


def kill_in_mid_stream(running: Running, folder: Path, token: str) -> Acknowledged:
    """Kill everything at a random moment while two senders store; what they were told."""
    acknowledged = Acknowledged()
    senders = [
        threading.Thread(target=send_by_stow, args=(running, token, acknowledged)),
        threading.Thread(target=send_by_storescu, args=(running, folder, acknowledged)),
    ]
    for sender in senders:
        sender.start()
    wait_for(lambda: len(acknowledged.files) >= 3, "the first instances are acknowledged", 60)
    threading.Event().wait(random.uniform(0.05, 1.5))
    running.kill()
    for sender in senders:
        sender.join(120)
        assert not sender.is_alive()
    return acknowledged


def rounds_of_killing(folder: Path, rounds: int) -> None:
    everything = Acknowledged()
    with running_bank(folder) as running:
        token = running.token()
        for number in range(rounds):
            told = kill_in_mid_stream(running, folder / f"sent-{number}", token)
            everything.files |= told.files
            everything.data_sets |= told.data_sets
            running.start()
            told.check(running)
        everything.check(running)
        verified = running.run("verify", "--json")

    assert len(everything.files) >= 3 * rounds
    assert everything.data_sets
    assert verified.status == 0, verified.out


@pytest.mark.timeout(300)
def test_nothing_acknowledged_is_lost_when_everything_is_killed(tmp_path: Path) -> None:
    rounds_of_killing(tmp_path, 5)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nothing_acknowledged_is_lost_however_often_everything_is_killed(tmp_path: Path) -> None:
    rounds_of_killing(tmp_path, 60)


def limit_files(running: Running, size: int) -> None:
    """Let no process of the bank make a file longer than `size` bytes: for it, the disk is full."""
    for pid in (running.pid, *descendants(running.pid)):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def fill_by_length(running: Running) -> Callable[[], None]:
    """No room in the segments that objects are written to. Those of keys, and the database's files, are shorter."""
    sizes = [path.stat().st_size for path in running.data.rglob("*.seg")]
    smallest = min(size for size in sizes if size > 5 << 20)
    limit_files(running, smallest + 4096)
    return lambda: limit_files(running, resource.RLIM_INFINITY)


def fill_up(folder: Path) -> Callable[[], None]:
    """Take what a disk still has, but for less than the bank's reserve."""
    filler = folder / "filler"
    with filler.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, shutil.disk_usage(folder).free - (16 << 20))
    return filler.unlink


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of 320 MB."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=320m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def refuse_and_lose_nothing(running: Running, fill: Callable[[], Callable[[], None]]) -> None:
    acknowledged = Acknowledged()
    by_http, by_dimse = ([a_file(rows=512, columns=512) for _ in range(11)] for _ in range(2))
    refused = [a_file(rows=512, columns=512) for _ in range(3)]
    with running.http() as http:
        assert stow(http, *by_http).status_code == 200
        assert set(c_store(running, *by_dimse)) == {0}
        acknowledged.files |= {uid_of(file): file for file in by_http}
        acknowledged.data_sets |= {uid_of(file): dataset_of(file) for file in by_dimse}
        free = fill()
        try:
            statuses = stow(http, refused[0]).status_code, c_store(running, refused[1])
            deposited = http.post("/api/v1/deposits", files={"file": refused[2]}).status_code
            still_ready = http.get("/readyz").status_code
            acknowledged.check(running)
        finally:
            free()
        after = stow(http, refused[0]).status_code, c_store(running, refused[1])
        held = [stored(http, uid_of(file)) is not None for file in refused]

    assert statuses == (507, [OUT_OF_RESOURCES])
    assert deposited == 507
    assert still_ready == 200
    assert after == (200, [0])
    assert held == [True, True, False]
    acknowledged.check(running)
    assert running.run("verify").status == 0


def test_a_full_disk_refuses_and_loses_nothing(tmp_path: Path) -> None:
    with running_bank(tmp_path) as running:
        refuse_and_lose_nothing(running, lambda: fill_by_length(running))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk of its own; the test above needs none")
def test_a_disk_without_reserve_refuses_and_loses_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, running_bank(disk) as running:
        refuse_and_lose_nothing(running, lambda: fill_up(disk))
        files = as_files(tmp_path / "in", *(a_file() for _ in range(3)))
        free = fill_up(disk)
        refused = running.import_paths(files)
        free()
        taken = running.import_paths(files)

    assert refused.status == 1
    assert "full" in refused.err
    assert taken.status == 0
