"""Processes that are forked off one that has loaded the program."""

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from imagebank import stem

pytestmark = pytest.mark.skipif(not stem.is_possible(), reason="this system has no handles of processes")

_PROGRAM = """
import json, os, signal, socket, subprocess, sys, time
from imagebank import stem

def noting(given, files):
    values = stem.read(files[0])
    os.write(files[1], json.dumps([given["word"], values, os.getppid()]).encode())
    return 0

def sleeping(given, files):
    time.sleep(60)
    return 0

def bare(given, files):
    stem.leave(files)
    kept = sorted(int(name) for name in os.listdir("/proc/self/fd"))
    there = [number for number in kept if os.path.exists(f"/proc/self/fd/{number}")]
    os.write(files[0], json.dumps([len(there), stem.ours() is None]).encode())
    return 0

def ask(work, given, *files):
    reading, writing = os.pipe()
    process = stem.ours().fork(work, given, *files, writing)
    os.close(writing)
    with open(reading) as answer:
        return process, json.loads(answer.read() or "null")

def leading(given, files):
    sys.stdout.write(json.dumps(first()))
    sys.stdout.flush()
    return 3

if __name__ == "__main__":
    works = {"first": leading, "noting": noting, "sleeping": sleeping, "bare": bare}
    sys.exit(stem.stay(works, "first")())
"""


def led(body: str, before: str = "") -> tuple[int, Any, str]:
    """The stem's exit status, what its first work returned, and what was logged. The body is that work's.

    `before` is done in the stem, before it forks.
    """
    work = f"{textwrap.dedent(before)}\ndef first():\n{textwrap.indent(textwrap.dedent(body), '    ')}\n"
    program = _PROGRAM.replace("def leading", work + "\ndef leading")
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    return said.returncode, json.loads(said.stdout or "null"), said.stderr


def test_what_is_forked_reads_what_was_noted_and_is_a_child_of_the_stem() -> None:
    status, (answer, stem_pid), _ = led(
        """
        file = stem.noted({"key": "value"})
        return ask("noting", {"word": "w"}, file)[1], os.getppid()
        """
    )

    assert answer == ["w", {"key": "value"}, stem_pid]
    assert status == 3


def test_a_forked_process_is_waited_for_and_ended_by_its_handle() -> None:
    _, said, _ = led(
        """
        process = stem.ours().fork("sleeping", {})
        running = process.poll()
        try:
            process.wait(0.01)
        except subprocess.TimeoutExpired:
            waited = "in vain"
        process.kill()
        return running, waited, process.wait(30), process.poll(), process.terminate()
        """
    )

    assert said == [None, "in vain", 0, 0, None]


def test_what_leaves_holds_nothing_but_its_channel() -> None:
    _, said, _ = led("return ask('bare', {})[1]")

    assert said == [4, True]


def test_who_asks_for_what_cannot_be_forked_is_told_and_the_stem_goes_on() -> None:
    status, said, logged = led(
        """
        try:
            stem.ours().fork("nothing", {})
        except OSError as error:
            return str(error), stem.ours().fork("sleeping", {}).pid > 0
        """
    )

    assert said == ["the stem did not fork", True]
    assert "no process could be forked" in logged
    assert status == 3


@pytest.mark.parametrize(("number", "status"), [("SIGTERM", 0), ("SIGKILL", 9)])
def test_the_stem_ends_with_its_first_process(number: str, status: int) -> None:
    ended, _, _ = led(f"stem.ours().fork('sleeping', {{}}); os.kill(os.getpid(), signal.{number}); time.sleep(60)")

    assert ended == status


def test_a_signal_that_comes_before_a_forked_process_can_hear_it_ends_it_all_the_same() -> None:
    ended, said, _ = led(
        "return 'went on'",
        """
        fork = os.fork
        def signalled():
            pid = fork()
            if not pid:
                signal.raise_signal(signal.SIGTERM)
            return pid
        os.fork = signalled
        """,
    )

    assert (ended, said) == (0, None)


def test_a_process_without_a_stem_knows_of_none() -> None:
    assert stem.ours() is None
