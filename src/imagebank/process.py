"""What a process of the bank asks of the kernel, of glibc and of Python before it begins its work."""

import _thread
import contextlib
import ctypes
import gc
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

_M_MMAP_THRESHOLD = -3
_M_TRIM_THRESHOLD = -1
_PR_SET_PDEATHSIG = 1
_BUSY_S: Final = 0.03
"""Processor time within a second from which on a process is busy."""
_COLLECTED_AFTER = 20_000, 20, 50
"""Objects after which the collector looks for garbage. One question makes thousands that are of use until its answer:
with Python's own 700 it was looked through several times meanwhile, and priors of 2,000 studies took 52 ms at p95 for 35.
"""

DECODING: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "LC_ALL": "C.UTF-8",
    # glibc alone heeds them: buffers of a frame's size stay in the heap, as by `keep_freed_memory`, within bounds.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
}
"""The environment of decoders, and of what they are forked off: no secret of ours, and no thread of a library's own."""


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Load a part of the program within: it stays, so the collector of garbage never looks through it.

    Otherwise it would do so several times meanwhile, and later stop all requests for a tenth of a second each time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*_COLLECTED_AFTER)
        gc.enable()


def keep_freed_memory() -> None:
    """Keep large buffers in the heap instead of mapping and unmapping each: a frame costs a quarter of the CPU time.

    glibc only; elsewhere nothing is changed.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_THRESHOLD, 256 << 20)
        libc.mallopt(_M_TRIM_THRESHOLD, 512 << 20)


def let_go() -> None:
    """Give what was freed back to the system. glibc only; elsewhere nothing is changed."""
    with contextlib.suppress(OSError, AttributeError):
        # Without a name: a decoder can open no library any more.
        ctypes.CDLL(None).malloc_trim(0)


class Rest:
    """Knows when a process that was busy has come to rest: then what it keeps for the next request is given back."""

    def __init__(self) -> None:
        self._cpu_s = time.process_time()
        self._was_busy = True

    def has_come(self) -> bool:
        """To be asked every second: whether the process did next to nothing in it, for the first time since it was busy."""
        before, self._cpu_s = self._cpu_s, time.process_time()
        is_busy = self._cpu_s - before > _BUSY_S
        has_come = self._was_busy and not is_busy
        self._was_busy = is_busy
        return has_come


def end_with_parent() -> None:
    """Have the kernel send SIGTERM when the parent dies, so that no part outlives the whole and keeps its address.

    Linux only; elsewhere nothing is changed.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def call(arguments: Sequence[str]) -> None:
    """Have lists of processes show another command line for this one, as far as there is room where its own stood."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        # proc(5): arg_start and arg_end are fields 48 and 49; the second ends at the last parenthesis.
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = int(fields[45]), int(fields[46])
        text = "\0".join(arguments).encode()[: end - start - 1]
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, text, len(text))


@contextlib.contextmanager
def until_signal() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set while the block runs."""
    stop = threading.Event()

    def set_beside(*_: object) -> None:
        # In a thread: a handler comes between any two steps of the main one, which may hold the event's lock, waiting
        # for it or at the signal before this. Then it would wait for itself.
        _thread.start_new_thread(stop.set, ())

    former = {number: signal.signal(number, set_beside) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
