"""Awaiting what is mostly done at once, without the timer that a wait would need.

A timer costs as much as a third of all layers around a route, and nearly every piece of an answer leaves at its first
step: the socket has room, or the server's own thread takes it. So the first step is taken here, and whoever has to wait
for the rest sets the timer then.
"""

from collections.abc import Awaitable, Generator
from typing import Any


def begun(work: Awaitable[object]) -> "Rest | None":
    """Take the first step of some work. None when it is done; else what is left of it, to be awaited. Raises what it does."""
    steps = work.__await__()
    try:
        return Rest(steps, next(steps))
    except StopIteration:
        return None


class Rest:
    """The rest of some work, which waits for something. To be awaited once, in the task that began it."""

    __slots__ = ("_steps", "_waits")

    def __init__(self, steps: Generator[Any, Any, object], waits: object) -> None:
        self._steps = steps
        self._waits = waits

    def __await__(self) -> Generator[Any, Any, None]:
        waits = self._waits
        try:
            while True:
                try:
                    given = yield waits
                except BaseException as error:  # noqa: BLE001 - the work decides what becomes of it
                    waits = self._steps.throw(error)
                else:
                    waits = self._steps.send(given)
        except StopIteration:
            return
