"""A study that is made ready before somebody reads, here or on a reading station."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from imagebank.model.uid import Uid

HERE: Final = ""
"""Stands for a device where a study is made ready in the bank itself."""


class State(StrEnum):
    """How far it is."""

    WAITING = "waiting"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Prefetch:
    """A study and the AE title of the device that it goes to, since when this is so, and how much went."""

    device: str
    study: Uid
    state: State
    at: datetime
    objects: int = 0
    octets: int = 0
