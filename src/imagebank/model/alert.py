"""A warning that an ordered exam was made already: what was said, to whom, and what they did about it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from imagebank.model.exam import Exam
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

SHADOW: Final = "shadow"
"""The severity of a rule on trial: its word is kept and not shown."""


class Outcome(StrEnum):
    """What became of an alert. One of a rule on trial is UNSHOWN, and stays so."""

    UNSHOWN = "unshown"
    SHOWN = "shown"
    ACCEPTED = "accepted"
    OVERRIDDEN = "overridden"
    IGNORED = "ignored"


class Change(StrEnum):
    """What was accepted: the order was cancelled, or it was changed and stays."""

    CANCELLED = "cancelled"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody did about an alert.

    `reason` is the code of the reason for which it was overridden, or what was accepted (`Change`); empty where nobody
    says. `at` is when, as whoever tells of it has it.
    """

    outcome: Outcome
    at: datetime
    reason: str = ""
    comment: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """That an exam, which `organization` orders for one of its patients, need not be made: `study` answers it already.

    `user` and `department` are who orders as they are called there, `order` is the order's own number; each may be
    empty. `exam` is what is ordered, normalised, without its evidence, for `day`. `way` is how the check was asked for,
    `task` the task of the queue that tells of it, if there is one. It holds no name of a patient.
    """

    id: str
    at: datetime
    organization: str
    patient: PatientId
    study: Uid
    exam: Exam
    day: str
    days: int
    rule: str
    severity: str
    way: str
    user: str = ""
    department: str = ""
    order: str = ""
    task: str = ""
    answer: Answer | None = None

    @property
    def is_shown(self) -> bool:
        """Whether somebody is told of it."""
        return self.severity != SHADOW

    @property
    def outcome(self) -> Outcome:
        if not self.is_shown:
            return Outcome.UNSHOWN
        return Outcome.SHOWN if self.answer is None else self.answer.outcome
