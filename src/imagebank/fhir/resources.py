"""FHIR R4 resources, from values."""

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import quote, unquote

from imagebank.model import audited
from imagebank.model.audited import Code, Entry
from imagebank.model.person import PatientId

Resource = dict[str, Any]

DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_ACT_REASON: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_ENTITY_TYPE: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_OBJECT_ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"
_SOURCE_TYPE: Final = "http://terminology.hl7.org/CodeSystem/security-source-type"
_PSEUDONYM: Final = "urn:imagebank:pseudonym"
_LEDGER: Final = "urn:imagebank:ledger"
_ISSUER: Final = "urn:imagebank:issuer:"
_OID: Final = re.compile(r"[0-2](\.(0|[1-9]\d*))+")
_OUR_NAME: Final = "imagebank"


def audit_event(entry: Entry) -> Resource:
    """A line of the ledger as an AuditEvent, with the entities of IHE's Basic Audit Log Patterns.

    A patient of whom nothing is held any more stands under the ledger's pseudonym.
    """
    kind, line = entry.kind, entry.line
    found: Resource = {
        "resourceType": "AuditEvent",
        "id": entry.name,
        "type": _coding(kind.event),
        "action": kind.action,
        "recorded": entry.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "outcome": kind.outcome,
        "agent": list(_agents(entry)),
        "source": {
            "observer": {"display": _OUR_NAME},
            "type": [{"system": _SOURCE_TYPE, "code": "4", "display": "Application Server"}],
        },
        "entity": list(_entities(entry)),
    }
    if kind.type is not None:
        found["subtype"] = [_coding(kind.type)]
    if kind.outcome != audited.SUCCESS and entry.way:
        found["outcomeDesc"] = entry.way
    if line.purpose:
        found["purposeOfEvent"] = [{"coding": [{"system": _ACT_REASON, "code": line.purpose}]}]
    return found


def _coding(code: Code) -> Resource:
    return {"system": DCM, "code": code.value, "display": code.meaning}


def _agents(entry: Entry) -> Iterator[Resource]:
    line, flow, recipient = entry.line, entry.kind.flow, entry.recipient
    theirs = {"in": audited.SOURCE, "out": audited.DESTINATION}.get(flow) if recipient is None else None
    ours = {"in": audited.DESTINATION, "out": audited.SOURCE}.get(flow)
    asker = _who(line.principal or "unknown", line.organization)
    yield _agent(asker, theirs, is_requestor=True) | _network(line.address)
    if line.principal != _OUR_NAME:
        yield _agent({"display": _OUR_NAME}, ours, is_requestor=False)
    if recipient is not None:
        device = _who(recipient.name, recipient.organization)
        yield _agent(device, audited.DESTINATION, is_requestor=False) | _network(recipient.address)


def _who(name: str, organization: str) -> Resource:
    assigner = {"assigner": {"display": organization}} if organization else {}
    return {"identifier": {"value": name, **assigner}, "display": name}


def _network(address: str) -> Resource:
    return {"network": {"address": address, "type": "2" if _is_ip_address(address) else "1"}} if address else {}


def _agent(who: Resource, role: Code | None, *, is_requestor: bool) -> Resource:
    typed = {} if role is None else {"type": {"coding": [_coding(role)]}}
    return {**typed, "who": who, "requestor": is_requestor}


def _is_ip_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _entities(entry: Entry) -> Iterator[Resource]:
    line = entry.line
    if entry.patient is not None or line.person:
        yield _entity(_patient(entry.patient, line.person), ("1", "Person"), ("1", "Patient"))
    if line.study:
        study = _entity(
            {"system": "urn:dicom:uid", "value": f"urn:oid:{line.study}"}, ("2", "System Object"), ("3", "Report")
        )
        if entry.accession:
            study["detail"] = [{"type": "AccessionNumber", "valueString": entry.accession}]
        yield study
    if entry.kind.event is audited.QUERY:
        query = _entity(None, ("2", "System Object"), ("24", "Query"))
        yield query | {"query": b64encode(entry.way.encode()).decode()}
    told = _entity({"system": _LEDGER, "value": entry.name}, ("2", "System Object"), ("13", "Security Resource"))
    details = {"count": str(line.count), "detail": line.detail}
    yield told | {"detail": [{"type": name, "valueString": text} for name, text in details.items() if text]}


def _entity(identifier: Resource | None, kind: tuple[str, str], role: tuple[str, str]) -> Resource:
    what = {} if identifier is None else {"what": {"identifier": identifier}}
    return {
        **what,
        "type": {"system": _ENTITY_TYPE, "code": kind[0], "display": kind[1]},
        "role": {"system": _OBJECT_ROLE, "code": role[0], "display": role[1]},
    }


def _patient(patient: PatientId | None, pseudonym: str) -> Resource:
    if patient is None:
        return {"system": _PSEUDONYM, "value": pseudonym}
    system = {"system": system_of(patient.issuer)} if patient.issuer else {}
    return {**system, "value": patient.identifier}


def system_of(issuer: str) -> str:
    """The URI by which FHIR names an assigning authority: an OID's, one that is a URI already, or one of ours."""
    if ":" in issuer:
        return issuer
    return f"urn:oid:{issuer}" if _OID.fullmatch(issuer) else _ISSUER + quote(issuer, safe="")


def issuer_of(system: str) -> str:
    """The assigning authority that a URI names; one that is none of ours is taken for its name."""
    if system.startswith(_ISSUER):
        return unquote(system.removeprefix(_ISSUER))
    oid = system.removeprefix("urn:oid:")
    return oid if _OID.fullmatch(oid) else system


def search_set(
    base: str, itself: str, following: str, found: Sequence[Resource], included: Sequence[Resource] = ()
) -> Resource:
    """A Bundle with one page of what was found. `following` is the address of the next one, empty for the last.

    `included` are resources that were found by way of these.
    """
    links = [{"relation": "self", "url": itself}]
    if following:
        links.append({"relation": "next", "url": following})
    entries = [
        {"fullUrl": f"{base}/{one['resourceType']}/{one['id']}", "resource": one, "search": {"mode": mode}}
        for mode, resources in (("match", found), ("include", included))
        for one in resources
    ]
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "link": links}
    return bundle | ({"entry": entries} if entries else {})


def operation_outcome(code: str, message: str) -> Resource:
    """What went wrong. `code` is of FHIR's issue-type."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": code, "diagnostics": message}],
    }
