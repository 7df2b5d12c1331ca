"""What the bank needs to keep of what owners of accounts ask for."""

from collections.abc import Collection, Sequence
from typing import Protocol

from imagebank.model.person import PatientId
from imagebank.model.request import Request, State


class RequestReader(Protocol):
    """Reads about requests. Whose a request is, whoever asks has to look at."""

    def request(self, identifier: str) -> Request | None: ...

    def of_patients(self, patients: Collection[PatientId], limit: int) -> list[Request]:
        """What was asked about these records, the newest first."""
        ...

    def of_facility(self, facility: str, states: Collection[State], limit: int) -> list[Request]:
        """What an organization was asked, the oldest first; all organizations where none is named."""
        ...


class RequestWriter(Protocol):
    """Changes within one transaction."""

    def put(self, one: Request) -> bool:
        """A new request; False where there is one of this name already."""
        ...

    def settle(self, changed: Request, before: Collection[State]) -> bool:
        """Say what became of a request that is in one of these states; False where it is in none of them any more."""
        ...

    def forget(self, patients: Sequence[PatientId]) -> None:
        """Forget what was asked about records."""
        ...
