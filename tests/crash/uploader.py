"""A process that keeps records in a journal, says which are acknowledged, and dies at a given step of their upload."""

import os
import signal
from collections.abc import Callable
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from obstore.store import LocalStore

from contracts.blobs_contract import some_bytes
from imagebank.model.imaging import Location
from imagebank.storage.journal import JournalBlobs
from imagebank.storage.keys import FileKeys
from imagebank.storage.s3 import ObjectBlobs

STEPS = ("before look", "before put", "after put", "after proof", "before move", "in move", "after move", "in trim")


def opened(folder: Path) -> JournalBlobs:
    keys = FileKeys(folder / "root.key")
    return JournalBlobs(folder / "journal", bucket_of(folder, keys), keys, most=1 << 20)


def bucket_of(folder: Path, keys: FileKeys) -> ObjectBlobs:
    return ObjectBlobs(LocalStore(folder / "bucket", mkdir=True), keys)


def keep_and_upload(folder: Path, step: str, round_: int, acknowledged: Connection) -> None:
    """Keep some records, destroy one of them, and upload until the step comes."""
    journal = opened(folder)
    _doom(journal, step)
    for number in range(4):
        seed = 10 * round_ + number
        content = some_bytes(50_000, seed)
        location = journal.write(BytesIO(content), len(content), b"%d" % seed)
        journal.sync([location])
        if number == 3:
            journal.destroy([location])
        acknowledged.send((location, seed, number < 3))
    journal.finish()
    journal.upload()


def _doom(journal: JournalBlobs, step: str) -> None:
    uploader, files = journal._uploader, journal._files
    for owner, name, before, after in (
        (uploader, "_look", "before look", ""),
        (uploader, "_put", "before put", "after put"),
        (uploader, "_prove", "", "after proof"),
        (uploader, "_move", "before move", "after move"),
        (files, "settle", "in move", ""),
        (files, "trim", "in trim", ""),
    ):
        setattr(owner, name, _dying(getattr(owner, name), before == step, after == step))


def _dying(real: Callable[..., Any], dies_before: bool, dies_after: bool) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        if dies_before:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = real(*given, **named)
        if dies_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    return call


Acknowledged = tuple[Location, int, bool]
"""A record, what its content is made of, and whether it lives."""
