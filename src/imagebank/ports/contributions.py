"""What the bank needs to keep of how much owners of accounts add."""

from collections.abc import Collection
from datetime import date
from typing import NamedTuple, Protocol

from imagebank.model.person import PatientId


class Amount(NamedTuple):
    """Some files, and their bytes together."""

    files: int
    bytes: int


class ContributionReader(Protocol):
    """Reads about what was added. Whose it is, whoever asks has to look at."""

    def kept(self, records: Collection[PatientId]) -> Amount:
        """What is here of these records of owners, also what was laid aside."""
        ...

    def spent(self, account: str, day: date) -> Amount:
        """What an account brought on a day, whatever became of it."""
        ...


class ContributionWriter(Protocol):
    """Changes within one transaction."""

    def spend(self, account: str, day: date, more: Amount, most: Amount) -> bool:
        """Count what an account brings; False, and nothing is counted, where that is more than it may on that day."""
        ...

    def sweep(self, before: date) -> None:
        """Forget the days before that one."""
        ...
