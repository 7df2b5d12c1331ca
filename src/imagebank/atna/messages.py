"""Lines of the ledger as DICOM audit messages (PS3.15 A.5)."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from xml.etree import ElementTree as ET

from imagebank.model import audited
from imagebank.model.audited import Code, Entry
from imagebank.model.person import PatientId

_APPLICATION_SERVER: Final = "4"
_PERSON, _SYSTEM = "1", "2"
_PATIENT, _REPORT, _RESOURCE, _QUERY = "1", "3", "13", "24"
_STUDY_UID: Final = Code("110180", "Study Instance UID")
_PATIENT_NUMBER: Final = Code("2", "Patient Number", "RFC-3881")
_SEARCH_CRITERIA: Final = Code("10", "Search Criteria", "RFC-3881")
_URI: Final = Code("12", "URI", "RFC-3881")
_LINE: Final = Code("line", "Lane and position in the ledger", "imagebank")
_LEDGER: Final = "urn:imagebank:ledger"
_HOST_NAME, _IP_ADDRESS = "1", "2"


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports: our name, that of the site, and our machine's."""

    name: str
    site: str
    host: str


def message(entry: Entry, reporter: Reporter) -> bytes:
    """The audit message of a line, in UTF-8, without a line break.

    Patients are named by identifier and issuer (`ID^^^ISSUER`), or by the ledger's pseudonym when nothing of them is
    held any more; never by name.
    """
    root = ET.Element("AuditMessage")
    root.append(_event(entry))
    root.extend(_participants(entry, reporter))
    source = ET.SubElement(
        root, "AuditSourceIdentification", AuditEnterpriseSiteID=reporter.site, AuditSourceID=reporter.name
    )
    ET.SubElement(source, "AuditSourceTypeCode", {"csd-code": _APPLICATION_SERVER})
    root.extend(_objects(entry))
    written: bytes = ET.tostring(root, "utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>' + written


def _event(entry: Entry) -> ET.Element:
    kind = entry.kind
    found = ET.Element(
        "EventIdentification",
        EventActionCode=kind.action,
        EventDateTime=entry.at.isoformat(timespec="microseconds"),
        EventOutcomeIndicator=kind.outcome,
    )
    _code(found, "EventID", kind.event)
    if kind.type is not None:
        _code(found, "EventTypeCode", kind.type)
    if kind.outcome != audited.SUCCESS:
        ET.SubElement(found, "EventOutcomeDescription").text = _printable(entry.way)
    return found


def _participants(entry: Entry, reporter: Reporter) -> Iterator[ET.Element]:
    """Who asked, and the bank when somebody else did; objects come from one of them and go to the other."""
    kind, line = entry.kind, entry.line
    theirs, ours = {"in": (audited.SOURCE, audited.DESTINATION), "out": (audited.DESTINATION, audited.SOURCE)}.get(
        kind.flow, (None, None)
    )
    if kind.event is audited.APPLICATION_ACTIVITY:
        yield _participant(line.principal, "", reporter.host, audited.APPLICATION, is_requestor=False)
        return
    if kind.event is audited.IMPORT:
        theirs = None
        yield _participant("files", "", "", audited.SOURCE_MEDIA, is_requestor=False)
    if (recipient := entry.recipient) is not None:
        # PS3.15 A.5.3.7: who had it sent is a third party, neither where it came from nor where it went.
        theirs = None
        title = f"AETITLES={recipient.name}"
        yield _participant(recipient.name, title, recipient.address, audited.DESTINATION, is_requestor=False)
    alternative = f"{line.principal}@{line.organization}" if line.organization else ""
    yield _participant(line.principal, alternative, line.address, theirs, is_requestor=True)
    if line.principal != reporter.name:
        yield _participant(reporter.name, "", reporter.host, ours, is_requestor=False)


def _participant(user: str, alternative: str, address: str, role: Code | None, *, is_requestor: bool) -> ET.Element:
    found = ET.Element("ActiveParticipant", UserID=_printable(user) or "unknown")
    if alternative:
        found.set("AlternativeUserID", _printable(alternative))
    found.set("UserIsRequestor", "true" if is_requestor else "false")
    if address:
        found.set("NetworkAccessPointID", _printable(address))
        found.set("NetworkAccessPointTypeCode", _IP_ADDRESS if is_ip_address(address) else _HOST_NAME)
    if role is not None:
        _code(found, "RoleIDCode", role)
    return found


def is_ip_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _objects(entry: Entry) -> Iterator[ET.Element]:
    line, kind = entry.line, entry.kind
    if line.study:
        yield _study(entry)
    if line.person or entry.patient:
        yield _patient(entry.patient, line.person)
    if kind.event is audited.QUERY:
        found = _object("search", _SYSTEM, _QUERY, _SEARCH_CRITERIA)
        ET.SubElement(found, "ParticipantObjectQuery").text = _base64(entry.way or "search")
        yield found
    if kind.event is audited.AUDIT_LOG_USED:
        yield _named(_object(_LEDGER, _SYSTEM, _RESOURCE, _URI), "Security Audit Log")
    # By this a repository can tell whether it has all lines, and find them in the ledger.
    told = _named(_object(entry.name, _SYSTEM, _RESOURCE, _LINE), "Ledger")
    for name, text in (("count", str(line.count)), ("detail", line.detail), ("PurposeOfUse", line.purpose)):
        if text:
            ET.SubElement(told, "ParticipantObjectDetail", type=name, value=_base64(text))
    yield told


def _study(entry: Entry) -> ET.Element:
    found = _named(_object(entry.line.study, _SYSTEM, _REPORT, _STUDY_UID), "Study")
    described = ET.SubElement(found, "ParticipantObjectDescription")
    if entry.accession:
        ET.SubElement(described, "Accession", Number=_printable(entry.accession))
    # How many objects there are of which class is known only where the study has one.
    only = {"UID": entry.sop_classes[0]} if len(entry.sop_classes) == 1 else {}
    ET.SubElement(described, "SOPClass", {**only, "NumberOfInstances": str(entry.line.count)})
    return found


def _patient(patient: PatientId | None, pseudonym: str) -> ET.Element:
    if patient is None:
        found = _named(_object(pseudonym, _PERSON, _PATIENT, _PATIENT_NUMBER), "")
        ET.SubElement(found, "ParticipantObjectDetail", type="pseudonym", value=_base64("true"))
        return found
    identified = f"{patient.identifier}^^^{patient.issuer}" if patient.issuer else patient.identifier
    return _named(_object(identified, _PERSON, _PATIENT, _PATIENT_NUMBER), "")


def _object(identifier: str, kind: str, role: str, code: Code) -> ET.Element:
    found = ET.Element(
        "ParticipantObjectIdentification",
        ParticipantObjectID=_printable(identifier),
        ParticipantObjectTypeCode=kind,
        ParticipantObjectTypeCodeRole=role,
    )
    _code(found, "ParticipantObjectIDTypeCode", code)
    return found


def _named(found: ET.Element, name: str) -> ET.Element:
    ET.SubElement(found, "ParticipantObjectName").text = name
    return found


def _code(parent: ET.Element, tag: str, code: Code) -> None:
    meaning = {"displayName": code.meaning, "originalText": code.meaning}
    ET.SubElement(parent, tag, {"csd-code": code.value, "codeSystemName": code.system, **meaning})


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _printable(text: str) -> str:
    """Without what XML 1.0 cannot hold, and without line breaks."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)
