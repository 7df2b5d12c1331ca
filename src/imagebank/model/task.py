"""The reconciliation queue: what waits for somebody to say whose it is, or whether two are one.

What follows from the objects themselves (a study that names nobody, two records that are alike) is no row that could
become untrue: it is there as long as it is so. Only what somebody did about it is kept.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final

from imagebank.model.access import LONG_AGO
from imagebank.model.identity import Likeness
from imagebank.model.uid import Uid


class Kind(StrEnum):
    """What is asked: whose a study is, whether two records are one person's, and what others file.

    CONTRIBUTED is a study that a patient added and that names somebody else: whether it is theirs is theirs to say.
    REPEAT is an exam that was ordered and that another one may answer already; it is known to whoever ordered it alone.
    """

    UNIDENTIFIED = "unidentified"
    SAME_PERSON = "same-person"
    SAME_PIXELS = "same-pixels"
    MEDIA = "media"
    CONTRIBUTED = "contributed"
    REPEAT = "repeat"


WHOSE: Final = (Kind.UNIDENTIFIED, Kind.MEDIA)
"""Kinds that ask whose a study is: it names nobody, or a patient by another hospital's identifier."""
FILED: Final = (Kind.SAME_PIXELS, Kind.MEDIA, Kind.CONTRIBUTED, Kind.REPEAT)
"""Kinds that somebody has to file; the others follow from what is held."""


class State(StrEnum):
    """Where a task stands. OPEN are also those that somebody has taken for some minutes."""

    OPEN = "open"
    POSTPONED = "postponed"
    ASIDE = "aside"
    SETTLED = "settled"


class Priority(IntEnum):
    """What comes first has the lowest number; within one, what has waited longest."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


@dataclass(frozen=True, slots=True)
class Mark:
    """What somebody did about a task. `taken_by` has it for itself until `taken_until`.

    `postponed_until` keeps it out of the queue until then. `how` says in a word of ours how it was settled, or that it
    was laid aside (`ASIDE`); empty while it waits.
    """

    task: str
    taken_by: str = ""
    taken_until: datetime = LONG_AGO
    postponed_until: datetime = LONG_AGO
    how: str = ""
    by: str = ""
    at: datetime = LONG_AGO
    reason: str = ""

    def is_taken(self, now: datetime) -> bool:
        return bool(self.taken_by) and self.taken_until > now


ASIDE: Final = "aside"
"""`Mark.how` of a task that somebody laid aside: it is not asked again until somebody takes it up."""


@dataclass(frozen=True, slots=True)
class Task:
    """One item of the queue, with what was done about it.

    `opened_at` is when the first object came, or when it was filed. `note` says why in words of ours, without a
    patient's data. `likeness` is what a pair of records has in common.
    """

    id: str
    kind: Kind
    organization: str
    studies: tuple[Uid, ...]
    opened_at: datetime
    department: str = ""
    priority: Priority = Priority.NORMAL
    note: str = ""
    likeness: Likeness | None = None
    mark: Mark = Mark("")

    def state(self, now: datetime) -> State:
        if self.mark.how:
            return State.ASIDE if self.mark.how == ASIDE else State.SETTLED
        return State.POSTPONED if self.mark.postponed_until > now else State.OPEN


def filed(kind: Kind, key: str) -> str:
    """The identifier of a task that is filed under a key: the same key is the same task."""
    return f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def unidentified(study: str) -> str:
    """The identifier of the task about a study that names nobody."""
    return f"{Kind.UNIDENTIFIED}-{study}"


def same_person(first: int, second: int) -> str:
    """The identifier of the task about two records, by their numbers, the lower first."""
    return f"{Kind.SAME_PERSON}-{first}-{second}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks are looked for; what is empty does not narrow. `after` is where the page before ended.

    Of those that are settled there is one page, the newest first.
    """

    state: State = State.OPEN
    kind: Kind | None = None
    department: str = ""
    limit: int = 50
    after: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Some tasks, those that have waited longest first, and where the next page begins; empty when there is none."""

    tasks: tuple[Task, ...]
    after: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tasks wait: by kind, by department, and by how long they have waited in days (`AGES`)."""

    kinds: tuple[tuple[Kind, int], ...]
    departments: tuple[tuple[str, int], ...]
    ages: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        return sum(number for _, number in self.kinds)


AGES: Final = (("day", 1), ("week", 7), ("month", 30))
"""Ages by name, each with the days that it reaches to; what is older is `OLDER`."""
OLDER: Final = "older"
