"""What the bank needs to keep of links by which a forgotten password is replaced."""

from datetime import datetime
from typing import Protocol

from imagebank.model.recovery import Fate, Recovery


class RecoveryReader(Protocol):
    """Reads about them."""

    def recovery(self, digest: bytes) -> Recovery | None:
        """The link of this digest, one that opens nothing any more, too."""
        ...

    def waiting(self, account: str, now: datetime) -> Recovery | None:
        """The link that is open for an account."""
        ...


class RecoveryWriter(Protocol):
    """Changes within one transaction."""

    def put(self, digest: bytes, one: Recovery) -> None:
        """A new link; one that was open for the same account is replaced by it."""
        ...

    def settle(self, digest: bytes, fate: Fate) -> bool:
        """Say what became of an open link: one conditional statement, so that it is used once. False when it is not open."""
        ...

    def end(self, account: str, fate: Fate) -> int:
        """Say so of whatever is open for an account; how many were."""
        ...

    def sweep(self, before: datetime) -> None:
        """Forget links that ended before."""
        ...
