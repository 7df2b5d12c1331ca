"""SOP classes and transfer syntaxes that the DIMSE server takes and gives: the one table, for server and statement."""

from collections.abc import Sequence
from typing import Final

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID

VERIFICATION: Final = "1.2.840.10008.1.1"
STORAGE_COMMITMENT: Final = "1.2.840.10008.1.20.1"
STORAGE_COMMITMENT_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
PATIENT_FIND: Final = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.1.2"
PATIENT_GET: Final = "1.2.840.10008.5.1.4.1.2.1.3"
STUDY_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"

WORKLIST: Final = "1.2.840.10008.5.1.4.31"
PERFORMED_STEP: Final = "1.2.840.10008.3.1.2.3.3"
STEP_WATCH: Final = "1.2.840.10008.5.1.4.34.6.2"
STEP_PULL: Final = "1.2.840.10008.5.1.4.34.6.3"
STEP_QUERY: Final = "1.2.840.10008.5.1.4.34.6.5"

FIND: Final = frozenset((PATIENT_FIND, STUDY_FIND))
MOVE: Final = frozenset((PATIENT_MOVE, STUDY_MOVE))
GET: Final = frozenset((PATIENT_GET, STUDY_GET))
PATIENT_ROOT: Final = frozenset((PATIENT_FIND, PATIENT_MOVE, PATIENT_GET))
STEPS: Final = frozenset((STEP_WATCH, STEP_PULL, STEP_QUERY))
SERVICES: Final = frozenset((VERIFICATION, STORAGE_COMMITMENT, WORKLIST, PERFORMED_STEP)) | FIND | MOVE | GET | STEPS

IMPLICIT_LE: Final = "1.2.840.10008.1.2"
EXPLICIT_LE: Final = "1.2.840.10008.1.2.1"

MESSAGE_SYNTAXES: Final = (EXPLICIT_LE, IMPLICIT_LE)
"""For identifiers and the like, in our order of preference."""

_LOSSLESS = (
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.92",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.110",
    "1.2.840.10008.1.2.5",
)
_LOSSY = (
    "1.2.840.10008.1.2.4.203",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.93",
    "1.2.840.10008.1.2.4.111",
    "1.2.840.10008.1.2.4.112",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.53",
    "1.2.840.10008.1.2.4.55",
)
_VIDEO = tuple(
    f"1.2.840.10008.1.2.4.{number}{fragmentable}"
    for number in (108, 107, 106, 105, 104, 103, 102, 101, 100)
    for fragmentable in (("", ".1") if number < 107 else ("",))
)
_UNCOMPRESSED = (EXPLICIT_LE, "1.2.840.10008.1.2.1.99", IMPLICIT_LE, "1.2.840.10008.1.2.2")
# Pixels elsewhere, live streams, and codings that are no data sets: nothing of these could be kept as it came.
_NOT_KEPT = frozenset(f"1.2.840.10008.1.2{tail}" for tail in (".4.94", ".4.95", ".4.204", ".4.205", ".6.1", ".6.2")) | {
    "1.2.840.10008.1.20"
}
_LIVE = "1.2.840.10008.1.2.7."


def _further() -> tuple[str, ...]:
    """Transfer syntaxes that the dictionary knows beside those named above: retired JPEG processes, new codecs."""
    named = {*_LOSSLESS, *_LOSSY, *_VIDEO, *_UNCOMPRESSED, *_NOT_KEPT}
    return tuple(
        uid
        for uid, (_, kind, *_) in UID_dictionary.items()
        if kind == "Transfer Syntax" and uid not in named and not uid.startswith(_LIVE)
    )


STORAGE_SYNTAXES: Final = (*_LOSSLESS, *_LOSSY, *_VIDEO, *_further(), *_UNCOMPRESSED)
"""For storage, in our order of preference: of several proposals in one context the first is taken, so that what is
compressed stays as it is, without a loss where the sender has the choice."""


def chosen_syntax(sop_class: str, proposed: Sequence[str], *, private: bool) -> str | None:
    """The transfer syntax that we accept of a context's proposals, or None."""
    preference = MESSAGE_SYNTAXES if sop_class in SERVICES else STORAGE_SYNTAXES
    found = next((syntax for syntax in preference if syntax in proposed), None)
    if found is None and private and sop_class not in SERVICES:
        # A private transfer syntax belongs to a private class nearly always, and can be kept all the same.
        return next((syntax for syntax in proposed if UID(syntax).is_private and syntax not in UID_dictionary), None)
    return found
