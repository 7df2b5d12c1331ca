"""What the bank needs to keep of what is sent elsewhere."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from imagebank.model.transfer import Destination, Sent, State, Transfer
from imagebank.model.uid import Uid


class TransferReader(Protocol):
    """Reads about transfers and where they may go. Whose a transfer is, whoever asks has to look at."""

    def destinations(self) -> list[Destination]:
        """By name."""
        ...

    def destination(self, name: str) -> Destination | None: ...

    def transfer(self, identifier: str) -> Transfer | None: ...

    def transfers(self, by: str, limit: int) -> list[Transfer]:
        """What somebody has sent, or wanted to, the newest first; with an empty name, anybody."""
        ...

    def objects(self, identifier: str) -> list[Sent]:
        """The objects of a transfer by study and UID."""
        ...


class TransferWriter(Protocol):
    """Changes within one transaction."""

    def put_destination(self, one: Destination) -> None: ...

    def remove_destination(self, name: str) -> bool: ...

    def put(self, one: Transfer, objects: Iterable[Sent]) -> None:
        """A new transfer with all its objects."""
        ...

    def sent(self, identifier: str, instances: Iterable[Uid], at: datetime) -> None:
        """Note what the destination has taken."""
        ...

    def settle(self, identifier: str, state: State, reason: str, at: datetime | None) -> bool:
        """Say how far a transfer is; False for one that has ended already."""
        ...
