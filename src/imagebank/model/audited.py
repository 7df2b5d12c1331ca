"""What a line of the ledger is in the words of the audit standards (PS3.15 A.5), for all who are told of it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal

from imagebank.model.access import Device
from imagebank.model.event import Act
from imagebank.model.ledger import Line
from imagebank.model.person import PatientId

MORE: Final = ": more"
"""At the end of a line's detail: it counts what came after the first of its kind."""
SUCCESS: Final = "0"
MINOR_FAILURE: Final = "4"


@dataclass(frozen=True, slots=True)
class Code:
    """A code of DICOM's (PS3.16 annex D), or of another system."""

    value: str
    meaning: str
    system: str = "DCM"


APPLICATION_ACTIVITY: Final = Code("110100", "Application Activity")
AUDIT_LOG_USED: Final = Code("110101", "Audit Log Used")
INSTANCES_ACCESSED: Final = Code("110103", "DICOM Instances Accessed")
INSTANCES_TRANSFERRED: Final = Code("110104", "DICOM Instances Transferred")
STUDY_DELETED: Final = Code("110105", "DICOM Study Deleted")
EXPORT: Final = Code("110106", "Export")
IMPORT: Final = Code("110107", "Import")
PROCEDURE_RECORD: Final = Code("110111", "Procedure Record")
QUERY: Final = Code("110112", "Query")
SECURITY_ALERT: Final = Code("110113", "Security Alert")
USER_AUTHENTICATION: Final = Code("110114", "User Authentication")

APPLICATION_START: Final = Code("110120", "Application Start")
APPLICATION_STOP: Final = Code("110121", "Application Stop")
LOGIN: Final = Code("110122", "Login")
LOGOUT: Final = Code("110123", "Logout")
EMERGENCY_OVERRIDE: Final = Code("110127", "Emergency Override Started")
EMERGENCY_OVERRIDE_STOPPED: Final = Code("110138", "Emergency Override Stopped")
NETWORK_CONFIGURATION: Final = Code("110128", "Network Configuration")
SECURITY_CONFIGURATION: Final = Code("110129", "Security Configuration")
RESTRICTED_FUNCTION: Final = Code("110132", "Use of Restricted Function")
OBJECT_ATTRIBUTES: Final = Code("110135", "Object Security Attributes Changed")
USER_ATTRIBUTES: Final = Code("110137", "User Security Attributes Changed")

APPLICATION: Final = Code("110150", "Application")
DESTINATION: Final = Code("110152", "Destination Role ID")
SOURCE: Final = Code("110153", "Source Role ID")
SOURCE_MEDIA: Final = Code("110155", "Source Media")


@dataclass(frozen=True, slots=True)
class Kind:
    """What sort of event it is: action C, R, U, D or E, outcome 0 or 4 (PS3.15 A.5.1).

    `flow` is which way objects went: in to the bank, or out of it.
    """

    event: Code
    action: Literal["C", "R", "U", "D", "E"]
    type: Code | None = None
    outcome: str = SUCCESS
    flow: Literal["", "in", "out"] = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the ledger, and what could be looked up when it was told: whose study, and what is in it."""

    line: Line
    patient: PatientId | None = None
    accession: str = ""
    sop_classes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """By which the line is known outside: its lane and its place there."""
        return f"{self.line.lane}-{self.line.position}"

    @property
    def at(self) -> datetime:
        return moment_of(self.line)

    @property
    def kind(self) -> Kind:
        return kind_of(self.line)

    @property
    def way(self) -> str:
        """In which way it was done, or what was changed, in words of ours."""
        return self.line.detail.removesuffix(MORE)

    @property
    def recipient(self) -> "Recipient | None":
        """The device to which objects went, where that is not who asked for it."""
        found = recipient_of(self.line)
        return None if found is None or found.name == self.line.principal else found


def moment_of(line: Line) -> datetime:
    """When it happened."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=line.at)


# Until C-MOVE had lines of its own it stood there as a read of who asked for it.
_TRANSFERS: Final = frozenset({"C-GET", "C-MOVE", "WADO-RS", "WADO-URI"})
_MOVED: Final = re.compile(r"C-MOVE to (.{1,16}?) at (\S+)(?: of (.+))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who was given objects: a name or an AE title, where, and of which organization."""

    name: str
    address: str
    organization: str


def moved_to(device: Device) -> str:
    """The detail of a line that says to which device objects went; `recipient_of` reads it."""
    host = "".join(device.host.split())
    return f"C-MOVE to {device.aet} at {host}" + (f" of {device.organization}" if device.organization else "")


def recipient_of(line: Line) -> Recipient | None:
    """The device to which a line says that objects went; None for a line that says nothing of the kind."""
    found = _MOVED.fullmatch(line.detail) if line.act == Act.SENT else None
    return None if found is None else Recipient(found[1], found[2], found[3] or "")


_ABOUT_THE_LEDGER: Final = ("verify the ledger", "export the ledger", "read the ledger", "emergencies")


def _deposited(detail: str) -> Kind:
    way, _, outcome = detail.partition(": ")
    event = IMPORT if way == "import" else INSTANCES_TRANSFERRED
    return Kind(event, "C", outcome=SUCCESS if outcome in ("stored", "duplicate") else MINOR_FAILURE, flow="in")


def _viewed(detail: str) -> Kind:
    if detail.removesuffix(MORE) in _TRANSFERS:
        return Kind(INSTANCES_TRANSFERRED, "R", flow="out")
    if detail.startswith("export as"):
        return Kind(EXPORT, "R", flow="out")
    return Kind(INSTANCES_ACCESSED, "R")


def _sent(detail: str) -> Kind:
    return Kind(EXPORT if detail.startswith("export") else INSTANCES_TRANSFERRED, "R", flow="out")


def _removed(detail: str) -> Kind:
    # What lay in quarantine was no study of the archive.
    return Kind(INSTANCES_ACCESSED if detail.startswith("quarantine") else STUDY_DELETED, "D")


def _unbounded(detail: str) -> Kind:
    if detail.startswith(_ABOUT_THE_LEDGER):
        return Kind(AUDIT_LOG_USED, "R")
    return Kind(SECURITY_ALERT, "E", RESTRICTED_FUNCTION)


def _changed(detail: str) -> Kind:
    if detail.startswith(("order", "visit")):
        return Kind(PROCEDURE_RECORD, "U")
    if detail.startswith("rules"):
        return Kind(SECURITY_ALERT, "U", SECURITY_CONFIGURATION)
    return Kind(SECURITY_ALERT, "U", NETWORK_CONFIGURATION if detail.startswith(("device", "HL7")) else USER_ATTRIBUTES)


def _always(kind: Kind) -> Callable[[str], Kind]:
    return lambda _: kind


_OTHER: Final = Kind(SECURITY_ALERT, "E", RESTRICTED_FUNCTION)
_KINDS: Final[Mapping[str, Callable[[str], Kind]]] = MappingProxyType(
    {
        Act.DEPOSITED: _deposited,
        Act.VIEWED: _viewed,
        Act.SENT: _sent,
        Act.REMOVED: _removed,
        Act.UNBOUNDED: _unbounded,
        Act.CHANGED: _changed,
        Act.CORRECTED: _always(Kind(INSTANCES_ACCESSED, "U")),
        Act.SEARCHED: _always(Kind(QUERY, "E")),
        Act.REFUSED: _always(replace(_OTHER, outcome=MINOR_FAILURE)),
        Act.SIGNED_IN: _always(Kind(USER_AUTHENTICATION, "E", LOGIN)),
        Act.NOT_SIGNED_IN: _always(Kind(USER_AUTHENTICATION, "E", LOGIN, MINOR_FAILURE)),
        Act.SIGNED_OUT: _always(Kind(USER_AUTHENTICATION, "E", LOGOUT)),
        Act.DECIDED: _always(Kind(SECURITY_ALERT, "U", OBJECT_ATTRIBUTES)),
        Act.EMERGENCY: _always(Kind(SECURITY_ALERT, "E", EMERGENCY_OVERRIDE)),
        Act.EMERGENCY_ENDED: _always(Kind(SECURITY_ALERT, "E", EMERGENCY_OVERRIDE_STOPPED)),
        Act.ENROLLED: _always(Kind(SECURITY_ALERT, "U", USER_ATTRIBUTES)),
        Act.CARD: _always(Kind(SECURITY_ALERT, "U", OBJECT_ATTRIBUTES)),
        Act.REDEEMED: _always(Kind(USER_AUTHENTICATION, "E", LOGIN)),
        Act.NOT_REDEEMED: _always(Kind(USER_AUTHENTICATION, "E", LOGIN, MINOR_FAILURE)),
        Act.REVIEWED: _always(Kind(AUDIT_LOG_USED, "R")),
        Act.REQUESTED: _always(Kind(PROCEDURE_RECORD, "U")),
        Act.NOTIFIED: _always(Kind(INSTANCES_ACCESSED, "R")),
        Act.STARTED: _always(Kind(APPLICATION_ACTIVITY, "E", APPLICATION_START)),
        Act.STOPPED: _always(Kind(APPLICATION_ACTIVITY, "E", APPLICATION_STOP)),
    }
)


def kind_of(line: Line) -> Kind:
    """What sort of event a line tells of. An act that has no better word among the standard's is a security alert."""
    find = _KINDS.get(line.act)
    return _OTHER if find is None else find(line.detail)
