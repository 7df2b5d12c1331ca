"""What the bank needs to keep of health links."""

from datetime import datetime
from typing import Protocol

from imagebank.model.access import Scope
from imagebank.model.health_link import Kept, Waiting


class HealthLinkReader(Protocol):
    """Reads about health links. They are their cards': under a scope that has bounds there are none."""

    def link(self, digest: bytes, scope: Scope) -> Kept | None:
        """The link whose address has this keyed hash, whatever has become of it."""
        ...

    def link_of(self, card: str, scope: Scope) -> Kept | None:
        """The link of a card that no other has taken the place of."""
        ...


class HealthLinkWriter(Protocol):
    """Changes about health links, within one transaction."""

    def put_link(self, link: Kept) -> None:
        """A new link of a card; it takes the place of the one before."""
        ...

    def leave(self, file: Waiting) -> None:
        """Leave a sealed file to be got."""
        ...

    def take(self, digest: bytes, now: datetime) -> Waiting | None:
        """The file that waits under this hash, which is there no more then. Of two at once only one gets it."""
        ...

    def sweep_links(self, now: datetime) -> None:
        """Forget files that nobody has got in time, and links of cards that are forgotten."""
        ...
