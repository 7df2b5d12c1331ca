"""What the bank's refusals are called in DIMSE: one table for each service."""

from collections.abc import Mapping
from typing import Final

from imagebank.errors import (
    BankError,
    Conflict,
    Invalid,
    Mismatch,
    NotAllowed,
    NotFound,
    OutOfSpace,
    TooOften,
    Unavailable,
    Unsupported,
    status_for,
)
from imagebank.model.workitem import Refusal, StepRefused

SUCCESS: Final = 0x0000
INVALID_ATTRIBUTE: Final = 0x0106
PROCESSING_FAILURE: Final = 0x0110
DUPLICATE_INSTANCE: Final = 0x0111
NO_SUCH_INSTANCE: Final = 0x0112
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
NOT_AUTHORISED: Final = 0x0124
UNRECOGNISED_OPERATION: Final = 0x0211
OUT_OF_RESOURCES: Final = 0xA700
SUB_OPERATIONS_FAILED: Final = 0xA702
DESTINATION_UNKNOWN: Final = 0xA801
DOES_NOT_MATCH: Final = 0xA900
COERCED: Final = 0xB000
SOME_FAILED: Final = 0xB000
TOLERATED: Final = 0xB007
CANNOT_UNDERSTAND: Final = 0xC000
CANCELLED: Final = 0xFE00
PENDING: Final = 0xFF00
PENDING_UNSUPPORTED_KEYS: Final = 0xFF01

STORE: Final[Mapping[type[BankError], int]] = {  # PS3.4 table B.2-1, PS3.7 annex C
    OutOfSpace: OUT_OF_RESOURCES,
    Unavailable: OUT_OF_RESOURCES,
    TooOften: OUT_OF_RESOURCES,
    Mismatch: DOES_NOT_MATCH,
    Invalid: CANNOT_UNDERSTAND,
    NotAllowed: NOT_AUTHORISED,
    Conflict: DUPLICATE_INSTANCE,
    Unsupported: SOP_CLASS_NOT_SUPPORTED,
}
FIND: Final[Mapping[type[BankError], int]] = {  # PS3.4 table C.4-1
    OutOfSpace: OUT_OF_RESOURCES,
    Unavailable: OUT_OF_RESOURCES,
    TooOften: OUT_OF_RESOURCES,
    Mismatch: DOES_NOT_MATCH,
    Invalid: CANNOT_UNDERSTAND,
    NotAllowed: NOT_AUTHORISED,
    Unsupported: SOP_CLASS_NOT_SUPPORTED,
}
RETRIEVE: Final[Mapping[type[BankError], int]] = {  # PS3.4 tables C.4-2 and C.4-3
    **FIND,
    # 0xA701: out of resources, unable to calculate the number of matches.
    OutOfSpace: 0xA701,
    Unavailable: 0xA701,
    TooOften: 0xA701,
    NotFound: DESTINATION_UNKNOWN,
}
ACTION: Final[Mapping[type[BankError], int]] = {  # PS3.7 10.1.4.1.10
    Mismatch: 0x0119,
    Invalid: 0x0115,
    NotAllowed: NOT_AUTHORISED,
    NotFound: NO_SUCH_INSTANCE,
    Conflict: 0x0213,
    Unsupported: 0x0123,
    OutOfSpace: 0x0213,
    Unavailable: 0x0213,
    TooOften: 0x0213,
}
STEP: Final[Mapping[type[BankError], int]] = {  # PS3.7 10.1.3.1.8 and 10.1.5.1.6, PS3.4 F.7.2
    **ACTION,
    Mismatch: INVALID_ATTRIBUTE,
    Invalid: INVALID_ATTRIBUTE,
    Conflict: PROCESSING_FAILURE,
}

WORKITEM: Final[Mapping[type[BankError], int]] = {  # PS3.4 CC.2.1.3, CC.2.5.3, CC.2.7.3
    **ACTION,
    Mismatch: INVALID_ATTRIBUTE,
    Invalid: INVALID_ATTRIBUTE,
    NotFound: 0xC307,
}
WORKITEM_STATES: Final[Mapping[Refusal, int]] = {  # the same
    Refusal.CANCELED: 0xB304,
    Refusal.COMPLETED: 0xB306,
    Refusal.ENDED: 0xC300,
    Refusal.WRONG_TRANSACTION: 0xC301,
    Refusal.BEGUN: 0xC302,
    Refusal.NEVER_SCHEDULED: 0xC303,
    Refusal.NOT_MET: 0xC304,
    Refusal.NOT_BEGUN: 0xC310,
}

MEANINGS: Final[Mapping[int, str]] = {
    SUCCESS: "Success",
    INVALID_ATTRIBUTE: "Invalid attribute value",
    PROCESSING_FAILURE: "Processing failure",
    DUPLICATE_INSTANCE: "Duplicate SOP Instance: it contradicts what is held, or cannot be taken as it is",
    NO_SUCH_INSTANCE: "No such SOP Instance",
    0x0115: "Invalid argument value",
    0x0119: "Class-instance conflict",
    SOP_CLASS_NOT_SUPPORTED: "SOP class not supported",
    0x0123: "No such action",
    NOT_AUTHORISED: "Refused: not authorised",
    UNRECOGNISED_OPERATION: "Unrecognised operation",
    0x0213: "Resource limitation",
    OUT_OF_RESOURCES: "Refused: out of resources",
    0xA701: "Refused: out of resources, matches cannot be counted",
    SUB_OPERATIONS_FAILED: "Refused: no sub-operation could be performed",
    DESTINATION_UNKNOWN: "Refused: move destination unknown",
    DOES_NOT_MATCH: "Data set or identifier does not match SOP class",
    SOME_FAILED: "Sub-operations complete, one or more with failures or warnings; or stored, with attributes changed by rules",
    TOLERATED: "Stored; the data set does not wholly match its SOP class and was tolerated",
    CANNOT_UNDERSTAND: "Cannot understand, unable to process",
    **{code: str(why) for why, code in WORKITEM_STATES.items()},
    0xC307: "There is no such workitem here",
    CANCELLED: "Ended by C-CANCEL",
    PENDING: "Pending",
    PENDING_UNSUPPORTED_KEYS: "Pending; one or more optional keys are not supported",
}

_COMMENT_LENGTH = 64


def status_of(error: BankError, table: Mapping[type[BankError], int]) -> int:
    """A service's code for a refusal; what is unmapped is a processing failure."""
    if isinstance(error, StepRefused):
        return WORKITEM_STATES[error.why]
    return status_for(error, table, PROCESSING_FAILURE)


def is_warning(code: int) -> bool:
    """Whether a status says that something was done, and not quite as asked (PS3.7 annex C)."""
    return code in (0x0001, 0x0107, 0x0116) or code >> 12 == 0xB


def comment(message: str) -> str:
    """Words for Error Comment: LO of the default repertoire, 64 characters (PS3.7 annex C)."""
    plain = "".join(c if " " <= c <= "~" and c != "\\" else "?" for c in message)
    return plain if len(plain) <= _COMMENT_LENGTH else plain[: _COMMENT_LENGTH - 3] + "..."
