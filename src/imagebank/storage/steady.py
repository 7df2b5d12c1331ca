"""Equal times for what a caller may not see and for what is not there.

Of a study that is there the database looks up rules and decisions before it is left out, which takes microseconds that
many tries would show. So an answer of nothing ends on a beat, longer than either takes.
"""

import time
from collections.abc import Mapping
from typing import Final

BEAT_S: Final[Mapping[str, float]] = {"sqlite": 250e-6, "postgresql": 2e-3}
"""By the kind of database: some five times what a statement with its round trip takes there."""


def hold(began: float, dialect: str) -> None:
    """Wait for the next beat since `began`, a reading of `time.perf_counter`."""
    time.sleep(rest(time.perf_counter() - began, BEAT_S[dialect]))


def rest(took: float, beat: float) -> float:
    """What is left until the next beat."""
    return -took % beat
