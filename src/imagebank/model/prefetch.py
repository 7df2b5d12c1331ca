"""A study that is made ready before somebody reads: here, on a reading station, or out of another archive."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from imagebank.model.uid import Uid

HERE: Final = ""
"""Stands for a device where a study is made ready in the bank itself."""
_FROM: Final = "from "


def source(archive: str) -> str:
    """Stands for a device where a study is brought in from another archive."""
    return _FROM + archive


def archive_of(device: str) -> str:
    """The archive that this stands for; empty for a device, and for the bank itself."""
    return device.removeprefix(_FROM) if device.startswith(_FROM) else ""


class State(StrEnum):
    """How far it is.

    LIMITED is what is beyond a limit: a push waits for the day on which it may go, here it is left out. FAILED is a
    push whose last try did not work, whether or not there will be another.
    """

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    LIMITED = "limited"


@dataclass(frozen=True, slots=True)
class Prefetch:
    """A study, the AE title of the device that it goes to, and how much went: objects, here pictures that were made.

    `at` is when it was done; of what is not done, since when it is wanted.
    """

    device: str
    study: Uid
    state: State
    at: datetime
    objects: int = 0
    octets: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """Where studies are made ready: how many are in each state, and since when the oldest is wanted that is not done.

    What is done, and the bytes of it, are counted from a moment on; the rest as it stands.
    """

    device: str
    waiting: int = 0
    limited: int = 0
    failed: int = 0
    done: int = 0
    octets: int = 0
    oldest: datetime | None = None
