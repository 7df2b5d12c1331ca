"""What the ledger keeps of every movement."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from imagebank.model.access import Purpose
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid


class Act(StrEnum):
    """The kinds of events."""

    DEPOSITED = "deposited"
    REFUSED = "refused"
    SEARCHED = "searched"
    VIEWED = "viewed"
    SENT = "sent"
    REMOVED = "removed"
    SIGNED_IN = "signed in"
    NOT_SIGNED_IN = "failed to sign in"
    SIGNED_OUT = "signed out"
    CHANGED = "changed"
    CORRECTED = "corrected"
    UNBOUNDED = "saw everything"
    DECIDED = "decided"
    EMERGENCY = "opened in an emergency"
    EMERGENCY_ENDED = "ended an emergency"
    REVIEWED = "reviewed"
    ENROLLED = "enrolled"
    CARD = "changed a card"
    REDEEMED = "redeemed a card"
    NOT_REDEEMED = "failed to redeem a card"
    REQUESTED = "asked for images"
    NOTIFIED = "notified"
    STARTED = "started"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the ledger: who did what, when, from where, to which study of whom, how many objects, and why.

    `detail` holds identifiers and words of ours, never a patient's name. Of `patient` the ledger keeps a pseudonym
    only, by which a person's lines are found; it comes back as None.
    """

    at: datetime
    act: Act
    principal: str
    organization: str
    address: str = ""
    study: Uid | None = None
    count: int = 1
    detail: str = ""
    patient: PatientId | None = None
    purpose: Purpose | None = None
