"""A process that deposits instances one after the other, says which are acknowledged, and dies at a given step."""

import hashlib
import os
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pydicom.uid import generate_uid

from bank import keep, open_test_bank
from imagebank.actions.commit import GroupCommit
from imagebank.storage.account_keys import SQLAccountKeys
from make import a_file

STEPS = ("before key", "after key", "before write", "in write", "after write", "before sync", "in sync", "after sync", "after begin",
         "after enter", "after commit", "never")  # fmt: skip


class Doomed:
    """Passes every call on, and kills the process when the step comes whose turn it is."""

    def __init__(self, real: Any, step: str, chance: float) -> None:
        self._real = real
        self._step = step
        self._chance = chance

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def die_at(self, step: str) -> None:
        if step == self._step and random.random() < self._chance:
            os.kill(os.getpid(), signal.SIGKILL)


class DoomedBlobs(Doomed):
    def write(self, content: Any, size: int, note: bytes, key: Any = None) -> Any:
        self.die_at("before write")
        location = self._real.write(_Dying(content, self), size, note, key)
        self.die_at("after write")
        return location

    def keep_key(self, note: bytes) -> Any:
        self.die_at("before key")
        location = self._real.keep_key(note)
        self.die_at("after key")
        return location

    def begin_sync(self, locations: Sequence[Any]) -> Callable[[], None]:
        self.die_at("before sync")
        until_durable = self._real.begin_sync(locations)

        def wait() -> None:
            self.die_at("in sync")
            until_durable()
            self.die_at("after sync")

        return wait


class _Dying:
    """Content whose reading may be the last thing that happens."""

    def __init__(self, content: Any, doomed: Doomed) -> None:
        self._content = content
        self._doomed = doomed

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._content, name)
        if name.startswith("read"):
            self._doomed.die_at("in write")
        return value


class DoomedIndex(Doomed):
    @contextmanager
    def begin(self) -> Iterator[Any]:
        with self._real.begin() as tx:
            self.die_at("after begin")
            yield tx
            self.die_at("after enter")
        self.die_at("after commit")


def deposit(folder: Path, step: str, seed: int, count: int, acknowledged: Connection) -> None:
    """Deposit `count` instances; send `(uid, sha256 of the file)` for each that the bank acknowledged."""
    random.seed(seed)
    series = {"StudyInstanceUID": "1.2.3.4", "SeriesInstanceUID": "1.2.3.4.5"}
    with open_test_bank(folder) as whole:
        blobs, index = DoomedBlobs(whole.blobs, step, 0.3), DoomedIndex(whole.index, step, 0.3)
        commits = GroupCommit(blobs, index, whole.now)
        bank = replace(whole, blobs=blobs, index=index, commits=commits)
        assert isinstance(whole.keys, SQLAccountKeys)
        whole.keys.keep_in(blobs)
        for number in range(count):
            uid = generate_uid()
            rows = random.choice((8, 64, 256))
            patient = f"CRASH {random.randrange(2 * count)}"
            file = a_file(
                **series, PatientID=patient, SOPInstanceUID=uid, InstanceNumber=number, rows=rows, columns=rows
            )
            (receipt,) = keep(bank, file)
            assert receipt.is_kept, receipt
            acknowledged.send((uid, hashlib.sha256(file).hexdigest()))
