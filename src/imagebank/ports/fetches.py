"""What the bank needs to keep of what it brings in from other banks."""

from datetime import datetime
from typing import Protocol

from imagebank.model.fetch import Fetch
from imagebank.model.transfer import State


class FetchReader(Protocol):
    """Reads about them. Whose one is, whoever asks has to look at."""

    def fetch(self, identifier: str) -> Fetch | None: ...

    def fetches(self, by: str, limit: int) -> list[Fetch]:
        """What somebody has brought in, or wanted to, the newest first; with an empty name, anybody."""
        ...


class FetchWriter(Protocol):
    """Changes within one transaction."""

    def put(self, one: Fetch) -> None:
        """A new one."""
        ...

    def progress(self, identifier: str, total: int, kept: int, reason: str) -> bool:
        """Say how far it is; False for one that has ended."""
        ...

    def settle(self, identifier: str, state: State, reason: str, at: datetime) -> bool:
        """Say how it ended, and forget its token; False for one that has ended already."""
        ...
