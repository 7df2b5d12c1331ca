"""Studies that go to another place because their owner, or whoever may take them along, wants it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from imagebank.model.access import Purpose, Role
from imagebank.model.uid import Uid


@dataclass(frozen=True, slots=True)
class Destination:
    """A place that an admin offers for sending: a registered device, or another archive by STOW-RS.

    `name` is how people choose it. `device` is an AE title; `url` the root of its DICOMweb, such as
    `https://b.example/dicom-web`, with `secret`, the sealed bearer token for it, empty for none. `for_recipients` is
    whether who has redeemed a card, and has no account here, is told of it and may send there.
    """

    name: str
    device: str = ""
    url: str = ""
    secret: bytes = b""
    organization: str = ""
    for_recipients: bool = False


class State(StrEnum):
    """How far a transfer is. What has stopped goes no further by itself."""

    WAITING = "waiting"
    DONE = "done"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One wish to send: who wants it and for what, where it goes, and how far it is.

    `by`, `role` and `organization` are the caller's, by which is asked again what they may see while it goes on.
    `total` and `sent` are numbers of objects; `reason` says why it stopped, or what the last try came to.
    """

    id: str
    by: str
    role: Role
    organization: str
    purpose: Purpose
    address: str
    destination: str
    studies: tuple[Uid, ...]
    made_at: datetime
    total: int
    sent: int = 0
    state: State = State.WAITING
    reason: str = ""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """An object of a transfer: the digest of its data set, and when the destination has taken it; None as long as not."""

    study: Uid
    instance: Uid
    digest: str = ""
    sent_at: datetime | None = None
