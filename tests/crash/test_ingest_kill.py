"""Killed between any two steps of a deposit, the bank keeps what it acknowledged."""

import hashlib
import multiprocessing
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from bank import open_test_bank
from crash.depositor import STEPS, deposit
from imagebank.actions import retrieve, scrub
from imagebank.model.access import Scope
from imagebank.model.imaging import Selection
from imagebank.model.uid import Uid

# A server that has imported everything forks each depositor: thousands of rounds, not dozens.
SPAWN = multiprocessing.get_context("forkserver")
SPAWN.set_forkserver_preload(["crash.depositor"])
SEES_ALL = Scope(organizations=None)


def deposit_until_killed(folder: Path, step: str, seed: int, count: int = 6) -> dict[str, str]:
    """Run the depositor once; the acknowledged instances with the digests of their files."""
    receiving, sending = SPAWN.Pipe(duplex=False)
    child = SPAWN.Process(target=deposit, args=(folder, step, seed, count, sending))
    child.start()
    sending.close()
    acknowledged: dict[str, str] = {}
    with suppress(EOFError):
        while True:
            uid, digest = receiving.recv()
            acknowledged[uid] = digest
    child.join(60)
    assert child.exitcode in (0, -signal.SIGKILL)
    return acknowledged


def check(folder: Path, acknowledged: dict[str, str]) -> None:
    """Every acknowledged instance is there and byte-equal; every row has its bytes; the index can be rebuilt equal."""
    with open_test_bank(folder) as bank:
        for uid, digest in acknowledged.items():
            (instance,) = retrieve.select(bank, Selection(instance=Uid(uid)), SEES_ALL)
            assert hashlib.sha256(retrieve.file(bank, instance)).hexdigest() == digest
        findings = scrub.verify(bank)
        assert findings.is_clean, findings


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_loses_nothing_acknowledged(tmp_path: Path, step: str) -> None:
    acknowledged: dict[str, str] = {}
    for seed in range(3):
        acknowledged |= deposit_until_killed(tmp_path, step, seed)

    check(tmp_path, acknowledged)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_hundreds_of_kills_at_random_steps_lose_nothing(tmp_path: Path) -> None:
    acknowledged: dict[str, str] = {}
    for seed in range(300):
        acknowledged |= deposit_until_killed(tmp_path, STEPS[seed % len(STEPS)], seed)

    check(tmp_path, acknowledged)
