"""What the owner of an account asks an organization for: a study of theirs, or that it is erased."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from imagebank.model.person import PatientId
from imagebank.model.uid import Uid


class Kind(StrEnum):
    """What is asked for. ERASE comes with the end of an account."""

    STUDY = "study"
    ERASE = "erase"


class State(StrEnum):
    """How far a request is: SEEN once somebody of the organization works on it."""

    SENT = "sent"
    SEEN = "seen"
    ANSWERED = "answered"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


OPEN: Final = frozenset({State.SENT, State.SEEN})
"""The states of a request that waits for an answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks for, in their own words, and what became of it.

    `account` asks the organization `facility` about the images of `patient`. `by` is who works on it, or has answered,
    there; `study` is the answer, `reason` why there is none, or what was done.
    """

    id: str
    kind: Kind
    account: str
    patient: PatientId
    facility: str
    what: str
    where: str
    when: str
    made_at: datetime
    changed_at: datetime
    state: State = State.SENT
    by: str = ""
    study: Uid | None = None
    reason: str = ""
