"""Work to be done after a transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


class Jobs(Protocol):
    """Durable work to be done after a transaction. At least once: whoever does it must bear a repeat."""

    def claim(self, kinds: Sequence[str], now: datetime, lease_s: float) -> "Job | None":
        """Take the job that is due first, hidden from others until the lease ends."""
        ...

    def take(
        self, kinds: Sequence[str], now: datetime, lease_s: float, together: Collection[str] = (), most: int = 1
    ) -> "list[Job]":
        """Take the job that is due first, as `claim` does; of a kind in `together`, up to `most` that are due."""
        ...

    def finish(self, *jobs: "Job") -> None:
        """They are done; forget them."""
        ...

    def give_back(self, now: datetime, *jobs: "Job") -> None:
        """Nobody has begun with them: let others have them at once, as if they had not been taken."""
        ...

    def fail(self, job: "Job", reason: str, retry_at: datetime | None) -> None:
        """It did not work. Try again at `retry_at`, or lay it aside for good (None), kept with its reason."""
        ...

    def last_arrival(self) -> datetime | None:
        """When the newest object of all was taken in, to which jobs may leave the machine; of whom it is, nobody learns."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of durable work. `payload` is JSON; `attempt` counts from 1."""

    id: int
    kind: str
    payload: dict[str, Any]
    attempt: int
