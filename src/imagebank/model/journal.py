"""What a node keeps that the object store does not have yet."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

_LATE: Final = timedelta(minutes=5)
_MUCH: Final = 0.5
"""Of what may wait; beyond, somebody should look."""


@dataclass(frozen=True, slots=True)
class Unuploaded:
    """What waits for the object store: bytes, since when the oldest of it, and how many bytes may wait."""

    octets: int
    since: datetime | None
    most: int

    def age(self, now: datetime) -> timedelta:
        """How long the oldest has waited."""
        return timedelta() if self.since is None else max(now - self.since, timedelta())

    def complaint(self, now: datetime) -> str:
        """What is wrong with it, in words; empty while the object store keeps up."""
        age = self.age(now)
        if age < _LATE and self.octets < _MUCH * self.most:
            return ""
        return (
            f"{self.octets / 2**20:.0f} MiB of {self.most / 2**20:.0f} that may wait were not uploaded to the object "
            f"store yet, the oldest for {age.total_seconds() / 60:.0f} minutes"
        )
