"""Everything that somebody may see, as one Bundle to take along: what a health link carries."""

from collections.abc import Iterator
from typing import Final

from imagebank.actions import outlining, reporting, retrieve
from imagebank.bank import Bank
from imagebank.fhir import documents, endpoints, imaging_studies, patients, reports
from imagebank.fhir.edge import ROOT
from imagebank.fhir.resources import Resource
from imagebank.fhir.values import instant_of
from imagebank.model.access import Principal, Right
from imagebank.model.imaging import Selection
from imagebank.model.outline import Outline, Wanted
from imagebank.model.person import PatientId

MOST: Final = 200
"""Studies that are told, the newest."""
_INLINED: Final = 2 << 20
"""Bytes of documents that stand in a Bundle themselves, all together."""
_WAY: Final = "SMART Health Link"


def collection(bank: Bank, principal: Principal, origin: str, address: str = "", token: str = "") -> Resource:
    """Studies, whose they are, where their images are, and what was reported; each study's look is in the ledger.

    With a token the Endpoint says it.
    """
    outlines = outlining.studies(bank, principal, Wanted(limit=MOST), f"{_WAY}: ImagingStudy", address)
    whose = tuple(dict.fromkeys(one.held.patient for one in outlines))
    for one in outlines:
        instances = bank.index.instances(Selection(one.held.study), principal.scope)
        retrieve.reading(bank, principal, instances[:1], _WAY, address, Right.FIND)
    found = [
        *_patients(bank, principal, whose),
        endpoints.endpoint(origin, token),
        *(imaging_studies.imaging_study(one) for one in outlines),
        *_reported(bank, principal, whose, outlines, origin, address),
    ]
    entries = [{"fullUrl": f"{origin}{ROOT}/{one['resourceType']}/{one['id']}", "resource": one} for one in found]
    return {"resourceType": "Bundle", "type": "collection", "timestamp": instant_of(bank.now()), "entry": entries}


def _patients(bank: Bank, principal: Principal, whose: tuple[PatientId, ...]) -> Iterator[Resource]:
    for patient in whose:
        known = outlining.record_of(bank, principal, patient)
        if known is not None:
            yield patients.patient(*known)


def _reported(
    bank: Bank,
    principal: Principal,
    whose: tuple[PatientId, ...],
    outlines: list[Outline],
    origin: str,
    address: str,
) -> Iterator[Resource]:
    sought, left = f"{_WAY}: DiagnosticReport", _INLINED
    may_read = whose and Right.GET in principal.rights
    for one in reporting.of_patients(bank, principal, whose, sought, _WAY, address) if may_read else ():
        yield reports.diagnostic_report(one, origin, left)
        left -= sum(len(part.content) for part in (one.newest.body.parts if one.newest.body else ()))
        yield from documents.of_report(one, origin)
    wanted = Wanted(studies=tuple(one.held.study for one in outlines), limit=MOST)
    for each in reporting.documents(bank, principal, wanted, sought, address) if outlines else ():
        yield documents.of_object(each, origin)


def first_patient(bundle: Resource) -> str:
    """The id of the first Patient in a Bundle; empty where there is none."""
    kinds = (entry["resource"] for entry in bundle["entry"])
    return next((str(one["id"]) for one in kinds if one["resourceType"] == patients.KIND), "")
