"""Killed between any two steps of an upload, a journal loses nothing, and the bucket comes to have all of it once."""

import multiprocessing
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from contracts.blobs_contract import some_bytes
from crash.uploader import STEPS, Acknowledged, bucket_of, keep_and_upload, opened
from imagebank.errors import NotFound
from imagebank.storage.keys import FileKeys

SPAWN = multiprocessing.get_context("forkserver")
SPAWN.set_forkserver_preload(["crash.uploader"])


def killed(folder: Path, step: str, round_: int) -> list[Acknowledged]:
    receiving, sending = SPAWN.Pipe(duplex=False)
    child = SPAWN.Process(target=keep_and_upload, args=(folder, step, round_, sending))
    child.start()
    sending.close()
    acknowledged = []
    with suppress(EOFError):
        while True:
            acknowledged.append(receiving.recv())
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert len(acknowledged) == 4
    return acknowledged


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_of_an_upload_loses_nothing(tmp_path: Path, step: str) -> None:
    keys = FileKeys(tmp_path / "root.key")
    acknowledged = [each for round_ in range(2) for each in killed(tmp_path, step, round_)]
    living = {location: some_bytes(50_000, seed) for location, seed, lives in acknowledged if lives}
    journal = opened(tmp_path)
    bucket = bucket_of(tmp_path, keys)

    for is_uploaded in (False, True):
        if is_uploaded:
            journal.finish()
            journal.upload()
        assert [one.location for one in journal.records() if one.note is not None] == list(living)
        assert {location: journal.read(location) for location in living} == living
        for location, _, lives in acknowledged:
            if not lives:
                with pytest.raises(NotFound):
                    journal.read(location)
    assert journal.unuploaded().octets == 0
    assert {one.location for one in bucket.records() if one.note is not None} == set(living)
    assert {location: bucket.read(location) for location in living} == living
    journal.close()
