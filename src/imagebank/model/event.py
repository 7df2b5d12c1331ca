"""What the ledger keeps of every movement."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from imagebank.model.uid import Uid


class Act(StrEnum):
    """The kinds of events."""

    DEPOSITED = "deposited"
    REFUSED = "refused"
    VIEWED = "viewed"
    SENT = "sent"
    REMOVED = "removed"
    SIGNED_IN = "signed in"
    CHANGED = "changed"
    UNBOUNDED = "saw everything"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the ledger: who did what, when, from where, to which study, and how many objects.

    `detail` holds identifiers and words of ours, never a patient's name.
    """

    at: datetime
    act: Act
    principal: str
    organization: str
    address: str = ""
    study: Uid | None = None
    count: int = 1
    detail: str = ""
