"""`imagebank demo`: a first look in one command."""

import os
import re
import shlex
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from bank import bearer, free_port
from running import HOST, command_line, descendants, is_gone, kill_tree, start_program, wait_for, wait_until_ready


@dataclass
class Demo:
    """A demonstration that runs, and what it printed."""

    process: "subprocess.Popen[bytes]"
    text: str

    def line(self, name: str) -> str:
        found = re.search(rf"{name} +(\S.*)", self.text)
        assert found, self.text
        return found[1].strip()


def start(folder: Path) -> Demo:
    given = ("--data", folder / "demo", "--http", f"{HOST}:{free_port()}", "--dimse", f"{HOST}:{free_port()}")
    printed, log = folder / "printed", folder / "log"
    with printed.open("wb") as stream:
        process = start_program("demo", *given, log=log, stdout=stream)
    try:
        wait_until_ready(f"http://{given[3]}", process, log)
        wait_for(lambda: b"Ctrl-C" in printed.read_bytes(), "the demonstration says where to look", 90)
    except BaseException:
        kill_tree(process)
        raise
    return Demo(process, printed.read_text())


def end(demo: Demo) -> int:
    """Press Ctrl-C; the exit status, once nothing of it is left."""
    parts = descendants(demo.process.pid)
    demo.process.send_signal(signal.SIGINT)
    try:
        status = demo.process.wait(60)
        wait_for(lambda: all(map(is_gone, parts)), "every part is gone")
    finally:
        for pid in parts:
            with suppress(ProcessLookupError):
                if command_line(pid):
                    os.kill(pid, signal.SIGKILL)
    return status


def look(demo: Demo) -> set[str]:
    """SOP Instance UIDs that the printed token shows."""
    headers = bearer(demo.line("Bearer token"))
    found = httpx.get(demo.line("DICOMweb") + "/instances", params={"limit": "1000"}, headers=headers, timeout=60)
    assert found.status_code == 200
    return {item["00080018"]["Value"][0] for item in found.json()}


def test_a_demonstration_shows_a_sample_and_reuses_it(tmp_path: Path) -> None:
    first = start(tmp_path)
    seen = look(first)
    link = httpx.get(first.line("Sign in with"))
    page = httpx.get(first.line("Study list"), cookies=dict(link.cookies))
    dimse = first.line("DIMSE")
    another = subprocess.run(shlex.split(first.line("Another link")), capture_output=True, text=True, check=False)
    spent = httpx.get(first.line("Sign in with"))
    first_end = end(first)
    second = start(tmp_path)
    seen_again = look(second)
    second_end = end(second)

    assert len(seen) > 80
    assert seen_again == seen
    assert (link.status_code, page.status_code) == (303, 200)
    assert another.returncode == 0, another.stderr
    assert "/sign-in/" in another.stdout
    assert "imagebank sign-in-link" in spent.text
    assert "Phantom" in page.text
    assert re.fullmatch(rf"IMAGEBANK at {HOST}:\d+", dimse)
    assert (first_end, second_end) == (0, 0)
