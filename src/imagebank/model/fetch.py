"""Studies that are brought in from another bank, whose card somebody showed here."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from imagebank.model.access import Role
from imagebank.model.transfer import State
from imagebank.model.uid import Uid


@dataclass(frozen=True, slots=True)
class Fetch:
    """One card of another bank that was redeemed to bring its studies in: who did, from where, and how far it is.

    `by`, `role` and `organization` are the caller's, `address` where they called from. `url` is the other bank's
    address, `secret` the sealed bearer token that the card came to, empty once it has ended; it is good until
    `ends_at`. `total` and `kept` are numbers of objects: what the other bank names, and what of it is here. `reason`
    says why it stopped, what was not taken, or what the last try came to.
    """

    id: str
    by: str
    role: Role
    organization: str
    address: str
    url: str
    secret: bytes
    studies: tuple[Uid, ...]
    made_at: datetime
    ends_at: datetime
    total: int = 0
    kept: int = 0
    state: State = State.WAITING
    reason: str = ""
    ended_at: datetime | None = None

    @property
    def host(self) -> str:
        """The other bank by name, and by port where it has one of its own."""
        return urlsplit(self.url).netloc
