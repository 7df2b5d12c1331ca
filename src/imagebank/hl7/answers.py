"""Acknowledgements (chapter 2.9): what became of a message, in HL7's own codes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from imagebank.errors import (
    BankError,
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    OutOfSpace,
    TooOften,
    Unavailable,
    Unsupported,
    status_for,
)
from imagebank.hl7.messages import Message, escape
from imagebank.model.message import Fate, Told

SEGMENT_SEQUENCE: Final = 100
MISSING: Final = 101
DATA_TYPE: Final = 102
NOT_IN_TABLE: Final = 103
UNSUPPORTED_TYPE: Final = 200
UNSUPPORTED_EVENT: Final = 201
UNSUPPORTED_PROCESSING: Final = 202
UNSUPPORTED_VERSION: Final = 203
UNKNOWN_KEY: Final = 204
DUPLICATE_KEY: Final = 205
INTERNAL: Final = 207

MEANINGS: Final[Mapping[int, str]] = {
    SEGMENT_SEQUENCE: "Segment sequence error",
    MISSING: "Required field missing",
    DATA_TYPE: "Data type error",
    NOT_IN_TABLE: "Table value not found",
    UNSUPPORTED_TYPE: "Unsupported message type",
    UNSUPPORTED_EVENT: "Unsupported event code",
    UNSUPPORTED_PROCESSING: "Unsupported processing id",
    UNSUPPORTED_VERSION: "Unsupported version id",
    UNKNOWN_KEY: "Unknown key identifier",
    DUPLICATE_KEY: "Duplicate key identifier",
    INTERNAL: "Application internal error",
}
"""HL7 table 0357, as far as it is used."""

CODES: Final[Mapping[type[BankError], int]] = {
    Invalid: DATA_TYPE,
    NotFound: UNKNOWN_KEY,
    Conflict: DUPLICATE_KEY,
    Unsupported: UNSUPPORTED_EVENT,
    NotAllowed: UNKNOWN_KEY,
    OutOfSpace: INTERNAL,
    Unavailable: INTERNAL,
    TooOften: INTERNAL,
}
"""The bank's refusals in those words."""

_ACCEPTED: Final = {Fate.DONE: "A", Fate.FAILED: "E", Fate.REFUSED: "R", Fate.WAITING: "E"}
_ASKS: Final = {"AL": "AER", "ER": "ER", "SU": "A", "NE": ""}
_ERR_BY_FIELDS: Final = (2, 5)
"""The version from which on ERR has a field for each thing."""


class Refused(Invalid):
    """A message that cannot be done, with the code of table 0357 and the place in it.

    Where `is_final`, it would be refused again whenever it came.
    """

    def __init__(self, message: str, code: int, place: str = "", *, is_final: bool = False) -> None:
        super().__init__(message)
        self.code, self.place, self.is_final = code, place, is_final


def told(error: BankError) -> Told:
    """A refusal of the bank as it is told and kept."""
    if isinstance(error, Refused):
        return Told(Fate.REFUSED if error.is_final else Fate.FAILED, error.code, str(error), error.place)
    return Told(Fate.FAILED, status_for(error, CODES, INTERNAL), str(error))


def is_wanted(message: Message, fate: Fate) -> bool:
    """Whether the sender wants to be told: in enhanced mode it may ask for refusals alone, or for nothing."""
    asked = [code for code in (message.header.get(15).upper(), message.header.get(16).upper()) if code in _ASKS]
    return not asked or any(_ACCEPTED[fate] in _ASKS[code] for code in asked)


def code_of(message: Message, fate: Fate) -> str:
    """MSA-1: an accept code where only that was asked for (enhanced mode), else an application code."""
    accept, application = (message.header.get(number).upper() for number in (15, 16))
    is_enhanced = accept in ("AL", "ER", "SU") and application in ("", "NE")
    return ("C" if is_enhanced else "A") + _ACCEPTED[fate]


def acknowledgement(message: Message, answer: Told, us: tuple[str, str], control: str, now: datetime) -> bytes:
    """The answer to a message. `us` is how we are called: application and facility."""
    header = message.header
    version = header.get(12) or "2.5.1"
    event = header.get(9, 2)
    kind = f"ACK^{escape(event)}^ACK" if event else "ACK"
    head = [
        *("MSH", "^~\\&", escape(header.get(5) or us[0]), escape(header.get(6) or us[1])),
        *(escape(header.get(3)), escape(header.get(4)), f"{now:%Y%m%d%H%M%S}+0000", "", kind, control),
        *(escape(header.get(11)) or "P", escape(version), "", "", "", "", "", "UNICODE UTF-8"),
    ]
    reason = escape(answer.reason)[:250]
    lines = ["|".join(head), f"MSA|{code_of(message, answer.fate)}|{escape(message.control)}|{reason}".rstrip("|")]
    if answer.fate is not Fate.DONE:
        lines.append(_error(answer, version, reason))
    return "".join(line + "\r" for line in lines).encode()


def _error(answer: Told, version: str, reason: str) -> str:
    code = answer.code or INTERNAL
    meaning = MEANINGS.get(code, "")
    if _numbers(version) >= _ERR_BY_FIELDS:
        return f"ERR||{answer.place}|{code}^{meaning}^HL70357|E||||{reason}".rstrip("|")
    segment, sequence, number = ([*answer.place.split("^"), "", ""])[:3]
    return f"ERR|{segment}^{sequence}^{number}^{code}&{meaning}&HL70357"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isascii() and part.isdigit() and len(part) < 4 else 0 for part in version.split("."))
