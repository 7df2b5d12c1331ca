"""Equal times for what a caller may not see and for what is not there.

Of a study that is there the database looks up rules and decisions before it is left out, which takes microseconds that
many tries would show. So an answer of nothing ends on a beat, longer than either takes.
"""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final

LOOKUP_S: Final[Mapping[str, float]] = {"sqlite": 250e-6, "postgresql": 2e-3}
"""The beat of what is asked for by UID, by the kind of database: some five times what that takes there."""
SEARCH_S: Final[Mapping[str, float]] = {"sqlite": 2e-3, "postgresql": 5e-3}
"""That of a search. One that goes through much of the bank takes longer, and its own time."""
CHANGE_S: Final = 0.05
"""That of what writes something whatever the answer is: some ten times what those writes differ by."""

_PUT_OFF: Final[ContextVar[list[tuple[float, float]] | None]] = ContextVar("put_off", default=None)


def hold(began: float, beat: float) -> None:
    """Wait for the next beat since `began`, a reading of `time.perf_counter`; later, within `put_off`."""
    waits = _PUT_OFF.get()
    if waits is None:
        time.sleep(rest(time.perf_counter() - began, beat))
    else:
        waits.append((began, beat))


class put_off:  # noqa: N801 - read as a verb, as context managers are
    """Gather what `hold` is told, for whoever must not wait where they are: an event loop keeps all others waiting.

    They hold the first of it elsewhere before they answer: all else happened since.
    """

    __slots__ = ("_former",)

    def __enter__(self) -> list[tuple[float, float]]:
        waits: list[tuple[float, float]] = []
        self._former = _PUT_OFF.set(waits)
        return waits

    def __exit__(self, *_: object) -> None:
        _PUT_OFF.reset(self._former)


def rest(took: float, beat: float) -> float:
    """What is left until the next beat."""
    return -took % beat
