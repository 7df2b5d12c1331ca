"""Memory, CPU time and bytes of a tree of processes."""

import subprocess
import sys
from pathlib import Path

from imagebank.bench import footprint
from running import wait_for

HOLDS = "import sys, time; held = bytearray(b'x') * (64 << 20); print('ready', flush=True); time.sleep(60)"


def test_what_a_process_below_holds_is_counted_and_the_most_is_remembered() -> None:
    command = ["sh", "-c", '"$0" -c "$1" & wait', sys.executable, HOLDS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        peak = footprint.Peak((process.pid,))
        with peak.watched():
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            below = footprint.tree([process.pid])[1:]
        held = footprint.pss_bytes([process.pid])
        used = footprint.cpu_seconds([process.pid])
        subprocess.run(["kill", *map(str, below)], check=True)
        wait_for(lambda: process.poll() is not None, "it has ended")

    assert 64 << 20 < held < 128 << 20
    assert peak.bytes > 64 << 20
    assert used >= 0
    assert footprint.tree([process.pid]) == []


def test_bytes_at_rest_are_those_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 10_000)
    with (tmp_path / "hole").open("wb") as stream:
        stream.truncate(1 << 30)

    assert 10_000 <= footprint.bytes_at_rest([tmp_path]) < 1 << 20
