"""Work to be done after a transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


class Jobs(Protocol):
    """Durable work to be done after a transaction. At least once: whoever does it must bear a repeat."""

    def claim(self, kinds: Sequence[str], now: datetime, lease_s: float) -> "Job | None":
        """Take the job that is due first, hidden from others until the lease ends."""
        ...

    def finish(self, job: "Job") -> None:
        """It is done; forget it."""
        ...

    def fail(self, job: "Job", reason: str, retry_at: datetime | None) -> None:
        """It did not work. Try again at `retry_at`, or lay it aside for good (None), kept with its reason."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of durable work. `payload` is JSON; `attempt` counts from 1."""

    id: int
    kind: str
    payload: dict[str, Any]
    attempt: int
