"""The bank: what every action needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from imagebank.model.attribute import Catalogue
from imagebank.model.imaging import Kept
from imagebank.ports import Blobs, Clock, Entered, Index, Jobs
from imagebank.settings import Settings


class Commits(Protocol):
    """Makes written records durable and enters their rows, together with whatever else waits. See `actions.commit`."""

    def commit(self, kept: Sequence[Kept]) -> list[Entered]: ...


@dataclass(frozen=True, slots=True)
class Bank:
    """Built once in `app.py`; tests build their own."""

    index: Index
    blobs: Blobs
    jobs: Jobs
    commits: Commits
    settings: Settings
    catalogue: Catalogue
    now: Clock
