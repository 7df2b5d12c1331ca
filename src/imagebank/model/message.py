"""Messages of other systems (HL7 v2), and the systems that may send them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from imagebank.model.imaging import Digest, Location
from imagebank.model.person import PatientId


@dataclass(frozen=True, slots=True)
class Peer:
    """A system that may send messages: how it calls itself, from where, and with which certificate if with any.

    `organization` is the assigning authority of identifiers that name none, and owner of what it sends.
    """

    application: str
    facility: str
    host: str
    organization: str
    certificate: str = ""

    @property
    def name(self) -> str:
        return f"{self.application}|{self.facility}" if self.facility else self.application


class Fate(StrEnum):
    """What became of a message."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Told:
    """How a message was answered: its fate, and for one that was not done the code of HL7 table 0357, where, and why.

    `reason` has words of ours and no content of the message. `place` is segment, sequence and field, as far as known.
    """

    fate: Fate
    code: int = 0
    reason: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as it is kept: who sent it, its number there, and where it lies. Its content is sealed."""

    sender: str
    control: str
    kind: str
    organization: str
    address: str
    digest: Digest
    received_at: datetime
    location: Location
    told: Told = Told(Fate.WAITING)
    owner: PatientId | None = None
    id: int = 0
