"""Tasks of the reconciliation queue as Unified Procedure Steps (PS3.3 C.30, PS3.4 annex CC)."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from imagebank.errors import Conflict
from imagebank.model.imaging import DataSet, Instance
from imagebank.model.task import Kind, Task
from imagebank.model.uid import Uid

SHOWN: Final = (Kind.UNIDENTIFIED, Kind.MEDIA, Kind.SAME_PIXELS)
"""Tasks about studies; two records of persons are no work on images."""


class Status(StrEnum):
    """Procedure Step State (0074,1000)."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    CANCELED = "CANCELED"
    COMPLETED = "COMPLETED"


class Refusal(StrEnum):
    """Why a step does not change (PS3.4 table CC.2.1-2 and CC.2.5-1)."""

    ENDED = "the step has ended and is changed no more"
    WRONG_TRANSACTION = "this is not the Transaction UID of whoever has begun the step"
    BEGUN = "the step is in progress already"
    NEVER_SCHEDULED = "a step becomes scheduled when it is made, and never again"
    NOT_MET = "it is not said yet whose the study is; say it in the queue, then complete the step"
    NOT_BEGUN = "the step is not in progress yet"
    CANCELED = "the step is canceled already"
    COMPLETED = "the step is completed already"


class StepRefused(Conflict):
    """A change that the state of a step forbids; `why` is one of the standard's reasons."""

    def __init__(self, why: Refusal) -> None:
        super().__init__(str(why))
        self.why = why


@dataclass(frozen=True, slots=True)
class Claim:
    """What is kept of a step beside its task: its UID, who works on it by Transaction UID, and what was said of it."""

    uid: Uid
    task: str
    transaction: str = ""
    said: DataSet = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Workitem:
    """A step: its task, how far it is, the objects that it is about, and a header of them, where they are there."""

    claim: Claim
    task: Task
    status: Status
    instances: tuple[Instance, ...] = ()
    header: DataSet = field(default_factory=dict)


def uid_of(task: str) -> Uid:
    """The SOP Instance UID of a task's step: the same for every process, and after a rebuild."""
    return Uid.derived("workitem", task)
