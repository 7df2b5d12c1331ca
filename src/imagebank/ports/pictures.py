"""What the bank needs to keep of what pictures are known again by, and of those that are held twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from imagebank.model.access import Scope
from imagebank.model.picture import Finding, Fingerprint, Likely, Pair, Verdict
from imagebank.model.uid import Uid


@dataclass(frozen=True, slots=True)
class Undone:
    """An instance with pixels of which nothing is known yet, and its place among all instances."""

    uid: Uid
    place: int


class PictureReader(Protocol):
    """Looks pictures up. A finding is shown where both of its studies are in scope."""

    def undone(self, limit: int, scope: Scope, series: Uid | None = None, after: int = -1) -> list[Undone]:
        """Instances with pixels that have no fingerprint, by place; of one series, and behind a place."""
        ...

    def count(self, scope: Scope) -> tuple[int, int]:
        """How many instances with pixels have a fingerprint, and how many there are."""
        ...

    def alike(self, fingerprint: Fingerprint, study: Uid, scope: Scope, most: int) -> list[Likely]:
        """Telling pictures of other studies that are exactly the same, or look so; the nearest first, `most` of them.

        Not all rows are read for that.
        """
        ...

    def findings(self, scope: Scope, limit: int, *, is_open: bool = True, offset: int = 0) -> list[Finding]:
        """Pairs of studies that have pictures in common, the newest first; those that somebody has settled, too."""
        ...

    def finding(self, first: Uid, second: Uid, scope: Scope) -> Finding | None:
        """What two studies have in common."""
        ...


class PictureWriter(Protocol):
    """Changes within one transaction. What goes out of the archive takes its fingerprint and findings along."""

    def put(self, found: Sequence[tuple[Uid, Fingerprint]]) -> None:
        """Write down fingerprints of instances; those of instances that went meanwhile are dropped."""
        ...

    def file(self, pairs: Sequence[Pair], at: datetime) -> list[tuple[Uid, Uid]]:
        """Note pairs of instances; the pairs of studies that had nothing in common before, and about which nobody has
        said anything.
        """
        ...

    def settle(self, verdict: Verdict) -> None:
        """Note what somebody says of two studies, in the place of what was said before."""
        ...
