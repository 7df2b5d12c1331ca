"""Attributes that a site makes searchable, and how far what was deposited before has been read for them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from imagebank.model.attribute import Attribute


class State(StrEnum):
    """`FILLING` matches what came since it was declared, and what has been read anew; `GOING` matches nothing more."""

    FILLING = "filling"
    WHOLE = "whole"
    GOING = "going"


@dataclass(frozen=True, slots=True)
class Declared:
    """One such attribute. `written` is how the site names it: `series:0019xx10@ACME 1.1`.

    `done` of `total` objects that were there when it was declared have been read; `last` is the row up to which.
    """

    attribute: Attribute
    written: str
    state: State
    added_at: datetime
    added_by: str
    total: int = 0
    done: int = 0
    last: int = 0

    def remaining(self, now: datetime) -> timedelta | None:
        """How long it will take at the pace of so far; None before there is one, and when nothing is left to do."""
        if self.state is not State.FILLING or not 0 < self.done < self.total:
            return None
        return (now - self.added_at) * ((self.total - self.done) / self.done)
