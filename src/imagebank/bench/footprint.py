"""What a server costs: memory and CPU time of all its processes, and its bytes on disk. Linux only: /proc tells it."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_EVERY_S: Final = 0.2
_GROWN: Final = 1.005


def tree(roots: Iterable[int]) -> list[int]:
    """The living processes among some and all below them, parents first."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                below.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
    found: list[int] = []
    queue = list(roots)
    while queue:
        pid = queue.pop(0)
        if pid not in found and Path(f"/proc/{pid}").exists():
            found.append(pid)
        queue += below.pop(pid, [])
    return found


def _stat(pid: int) -> list[str]:
    """State, parent and what follows in /proc/PID/stat (proc(5)). Raises OSError for a process that is gone."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()


def cpu_seconds(roots: Iterable[int]) -> float:
    """CPU time of the tree since it began, with that of its children who have ended and were waited for."""
    ticks = 0
    for pid in tree(roots):
        with contextlib.suppress(OSError):
            ticks += sum(int(field) for field in _stat(pid)[11:15])
    return ticks / _TICKS


def pss_bytes(roots: Iterable[int]) -> int:
    """Memory of the tree; what several processes share is counted once."""
    total = 0
    for pid in tree(roots):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def resident_pages(pids: Iterable[int]) -> int:
    """Memory of some processes, with what they share counted for each: a hundredth of the work of the other."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return total


def bytes_at_rest(folders: Iterable[Path]) -> int:
    """What the files in some folders take on disk."""
    total = 0
    for folder in folders:
        for path in folder.rglob("*"):
            with contextlib.suppress(OSError):
                if path.is_file() and not path.is_symlink():
                    total += path.stat().st_blocks * 512
    return total


def send_signal(roots: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to the whole tree, parents first."""
    for pid in tree(roots):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Peak:
    """The most memory that a tree took while it was watched.

    To look closely takes the kernel milliseconds for each process: it is done when they hold more than ever before.
    """

    def __init__(self, roots: tuple[int, ...]) -> None:
        self.bytes = 0
        self._roots = roots
        self._pages = 0

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Look five times a second while the block runs, and once at its end."""
        over = threading.Event()

        def look() -> None:
            while not over.wait(_EVERY_S):
                self._look()

        looking = threading.Thread(target=look, daemon=True)
        looking.start()
        try:
            yield
        finally:
            over.set()
            looking.join()
            self._look()

    def _look(self) -> None:
        pages = resident_pages(tree(self._roots))
        if pages > self._pages * _GROWN:
            self._pages = pages
            self.bytes = max(self.bytes, pss_bytes(self._roots))
