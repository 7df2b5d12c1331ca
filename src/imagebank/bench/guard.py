"""A run that leaves nothing behind, however it ends: the work is done in a child, and this one clears up after it."""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from imagebank.bench.footprint import tree
from imagebank.process import end_with_parent

_PR_SET_CHILD_SUBREAPER: Final = 36
_TRIES: Final = 100


def run(program: Sequence[str], within: Path | None) -> int:
    """Run a program with a new folder as its last argument; its exit status.

    SIGTERM and SIGINT are handed on to it. Whatever it has started and not ended is killed then, and the folder goes,
    also when the program was killed itself.
    """
    folder = Path(tempfile.mkdtemp(prefix="imagebank-bench-", dir=within))
    # Others may pass through: PostgreSQL does not run as root, and its folder is below.
    folder.chmod(0o711)
    before = set(tree([os.getpid()]))
    _adopt_orphans(adopt=True)
    stopped_by: list[int] = []
    former = {one: signal.signal(one, lambda number, _: stopped_by.append(number)) for one in _SIGNALS}
    child = None
    try:
        child = subprocess.Popen(  # noqa: S603 - our own program
            [*program, str(folder)],
            preexec_fn=end_with_parent,  # noqa: PLW1509 - one call of the kernel, and nobody holds a lock
        )
        status = _waited(child, stopped_by)
        return 128 - status if status < 0 else status
    finally:
        _kill_all(before)
        _adopt_orphans(adopt=False)
        shutil.rmtree(folder, ignore_errors=True)
        for number, handler in former.items():
            signal.signal(number, handler)


_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _waited(child: "subprocess.Popen[bytes]", stopped_by: list[int]) -> int:
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(0.2)
        while stopped_by:
            stopped_by.pop()
            child.terminate()


def _kill_all(spared: set[int]) -> None:
    for _ in range(_TRIES):
        left = [pid for pid in tree([os.getpid()]) if pid not in spared]
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.05)


def _adopt_orphans(*, adopt: bool) -> None:
    """Become the parent of processes below whose own parents have ended (prctl(2)), so that they can be found."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0)


def program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "imagebank.bench", *arguments]
