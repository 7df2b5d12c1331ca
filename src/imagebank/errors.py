"""The closed set of refusals. No protocol in here: each edge has one table to its own status codes."""

from collections.abc import Mapping
from typing import TypeVar

Status = TypeVar("Status")


class BankError(Exception):
    """Something the bank refuses or cannot do. Each edge answers it in its own words.

    The message is for the person at the other end: what happened, what is safe, what to do.
    It holds identifiers at most, never a patient's name. It is said as a whole sentence with named places,
    `NotFound("there is no order {number} here", number=number)`, so that pages can say it in other languages.
    """

    def __init__(self, template: str = "", /, **values: object) -> None:
        super().__init__(template.format(**values) if values else template)
        self.template, self.values = template, values


class Invalid(BankError):
    """The bytes or the question cannot be understood."""


class Mismatch(Invalid):
    """The object is not what its header, or the request, says."""


class NotFound(BankError):
    """No such thing, or none that you may see."""


class NotAllowed(BankError):
    """You are known, and may not do this."""


class Conflict(BankError):
    """It would contradict what the bank already holds."""


class Unsupported(BankError):
    """Understood, but not offered."""


class TooOften(BankError):
    """Asked too many times; wait."""


class OutOfSpace(BankError):
    """There is no room to keep it safely."""


class Unavailable(BankError):
    """A part the bank needs did not answer; try again."""


class Unreadable(Unavailable):
    """The store answers, and cannot read one place of its own: whoever goes through everything goes on behind it."""


def noted(message: str) -> str:
    """A text that stands apart from where it is said, and is translated there. Translators find it by this name."""
    return message


def status_for(error: BankError, table: Mapping[type[BankError], Status], default: Status) -> Status:
    """An edge's own code for an error. The most specific class wins."""
    return next((table[kind] for kind in type(error).__mro__ if kind in table), default)
