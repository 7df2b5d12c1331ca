"""Links by which somebody who has forgotten their password sets a new one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Fate(StrEnum):
    """What became of a link.

    REPLACED is one after which a newer was mailed, STOPPED one that its account's owner wanted to open nothing,
    OVERTAKEN one after which how the owner signs in was changed.
    """

    OPEN = "open"
    USED = "used"
    REPLACED = "replaced"
    STOPPED = "stopped"
    OVERTAKEN = "overtaken"


@dataclass(frozen=True, slots=True)
class Recovery:
    """A link that was mailed to the address of an account. `asked_at` is when the first of those was asked for that wait."""

    account: str
    address: str
    asked_at: datetime
    ends_at: datetime
    fate: Fate = Fate.OPEN


@dataclass(frozen=True, slots=True)
class WayBack:
    """What such a link opens: to whom, from when on and until when, and by which second means beside it."""

    name: str
    opens_at: datetime
    ends_at: datetime
    has_app: bool = False
    has_passkey: bool = False

    @property
    def is_proven_twice(self) -> bool:
        """Whether something beside the mail address shows who comes."""
        return self.has_app or self.has_passkey

    def waits(self, now: datetime) -> bool:
        """Whether it opens nothing yet. Beside a second means it never waits, however far clocks are apart."""
        return not self.is_proven_twice and now < self.opens_at


def opens_at(asked_at: datetime, wait: timedelta, *, is_proven_twice: bool) -> datetime:
    """From when on a link opens: at once beside a second means, else after a wait in which the owner can stop it."""
    return asked_at if is_proven_twice else asked_at + wait
