"""Threads that share out one picture with a decoder's own: a large one takes one processor longer than all else around it.

They begin before the decoder gives up its rights, as none can begin afterwards, and give up theirs with it (`confine`).
Where none have begun, all is done by the thread that asks.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Barrier
from typing import Final, TypeVar

Part = TypeVar("Part")

_MOST: Final = 4
"""Threads at work on one picture: more would take processors from other pictures for little."""

_others: ThreadPoolExecutor | None = None
_size = 1


def begin(size: int = 0) -> None:
    """Have `size` threads with the one that asks; without a size as many as there are processors for this process."""
    global _others, _size  # noqa: PLW0603 - a process has one team for as long as it lives
    _size = size or min(_MOST, _processors())
    if _size == 1:
        return
    _others = ThreadPoolExecutor(_size - 1, "team")
    # One begins with each work that no idle one takes, so that these have to meet.
    met = Barrier(_size)
    for _ in range(_size - 1):
        _others.submit(met.wait)
    met.wait()


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def shared_out(work: Callable[[int], Part], count: int) -> list[Part]:
    """What `work` makes of each number below `count`, in order. What it raises is raised once no thread is at work."""
    numbers = iter(range(count))
    if _others is None:
        return [work(number) for number in numbers]
    helping = [_others.submit(_some, work, numbers) for _ in range(min(_size, count) - 1)]
    try:
        done = _some(work, numbers)
    finally:
        wait(helping)
    for one in helping:
        done |= one.result()
    return [done[number] for number in range(count)]


def _some(work: Callable[[int], Part], numbers: Iterator[int]) -> dict[int, Part]:
    """Those that nobody else takes."""
    return {number: work(number) for number in numbers}
