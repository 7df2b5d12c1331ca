"""What the bank needs to keep of studies that are made ready before somebody reads."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from imagebank.model.prefetch import Link, Prefetch
from imagebank.model.uid import Uid


class PrefetchReader(Protocol):
    """Reads for the bank's operator and its jobs: nothing here is of a patient but a study's UID."""

    def one(self, device: str, study: Uid) -> Prefetch | None: ...

    def done_since(self, device: str, since: datetime) -> tuple[int, int]:
        """How many studies were made ready for a device since then, and of how many bytes."""
        ...

    def links(self, since: datetime) -> Sequence[Link]:
        """Every device with studies, by its title: what stands, and what was done since then."""
        ...

    def newest(self, limit: int) -> Sequence[Prefetch]: ...


class PrefetchWriter(Protocol):
    """Changes within one transaction."""

    def put(self, one: Prefetch) -> None:
        """Note how far a study is on its way to a device."""
        ...

    def forget(self, before: datetime, device: str | None = None, study: Uid | None = None) -> None:
        """Forget what is older than that; only of one device and study, where they are given."""
        ...
