"""A run leaves nothing behind: not when it ends by itself, not when it is cut off, not when it is killed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from running import descendants, is_gone, wait_for

GUARDED = "import sys; from pathlib import Path; from imagebank.bench import guard; sys.exit(guard.run({}, Path({!r})))"
# Its child leaves the session, as servers do, and a grandchild loses its parent.
STARTS = """
import pathlib, subprocess, sys, time
subprocess.Popen(["sh", "-c", "sleep 600 & sleep 600"], start_new_session=True)
(pathlib.Path(sys.argv[1]) / "begun").touch()
"""


def guarded(within: Path, body: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", GUARDED.format([sys.executable, "-c", body], str(within))])


def test_a_program_that_ends_leaves_its_status_alone(tmp_path: Path) -> None:
    process = guarded(tmp_path, STARTS + "sys.exit(7)")

    assert process.wait(30) == 7
    assert not list(tmp_path.iterdir())
    assert not descendants(process.pid)


@pytest.mark.parametrize("who", ["the guard is asked to end", "the program is killed"])
def test_a_program_that_is_cut_off_leaves_no_process_and_no_folder(tmp_path: Path, who: str) -> None:
    process = guarded(tmp_path, STARTS + "time.sleep(600)")
    wait_for(lambda: list(tmp_path.glob("*/begun")) and len(descendants(process.pid)) >= 4, "all processes run")
    below = descendants(process.pid)
    if who == "the program is killed":
        subprocess.run(["kill", "-KILL", str(below[0])], check=True)
    else:
        process.send_signal(signal.SIGTERM)

    assert process.wait(30) != 0
    assert all(map(is_gone, below))
    assert not list(tmp_path.iterdir())
