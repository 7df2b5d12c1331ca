"""Patient: a record of one assigning authority, with what identifies it. Records of one person refer to each other."""

from collections.abc import Mapping, Sequence
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from imagebank.actions import outlining
from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.fhir import search
from imagebank.fhir.edge import as_json, for_programs, patient_of
from imagebank.fhir.resources import Resource
from imagebank.fhir.search import Asked
from imagebank.fhir.values import day_of, filled, identifier_of, instant_of, names_of
from imagebank.http.auth import address_of, bank_of
from imagebank.model.access import Principal
from imagebank.model.identity import Linked
from imagebank.model.person import PatientId

KIND: Final = "Patient"
SEARCH: Final[Mapping[str, str]] = {"_id": "token", "identifier": "token"}
OF_PATIENT: Final[Mapping[str, str]] = {"patient": "reference", "subject": "reference", "patient.identifier": "token"}
"""Parameters of other resources that say whose they are."""
_SEXES: Final = {"M": "male", "F": "female", "O": "other"}


def patient(linked: Linked, others: Sequence[Linked] = ()) -> Resource:
    """A record. Address, telephone and what else the bank has to tell people apart by stays here."""
    one = linked.identity
    return filled(
        resourceType=KIND,
        id=one.own,
        meta={"lastUpdated": instant_of(one.heard_at)},
        identifier=[identifier_of(each) for each in (one.patient, *one.others)],
        name=names_of(one.name),
        gender=_SEXES.get(one.sex, ""),
        birthDate=day_of(one.birth_date),
        link=[{"other": {"reference": f"{KIND}/{each.identity.own}"}, "type": "seealso"} for each in others],
    )


@for_programs
async def read(request: Request, principal: Principal) -> Response:
    given = (bank_of(request), principal, request.path_params["record"], f"FHIR: {KIND} by _id", address_of(request))
    return as_json(patient(*await run_in_threadpool(outlining.record, *given)))


@for_programs
async def find(request: Request, principal: Principal) -> Response:
    asked = await search.asked(request, SEARCH)
    found = await run_in_threadpool(_found, bank_of(request), principal, asked, address_of(request))
    return search.answer(request, asked, KIND, [patient(*one) for one in found])


def _found(bank: Bank, principal: Principal, asked: Asked, address: str) -> list[tuple[Linked, tuple[Linked, ...]]]:
    if not asked.values:
        return outlining.records(bank, principal, asked.count + 1, asked.skipped, asked.sought(KIND), address)
    called = [patient_of(text) for text in asked.each("identifier")]
    found = outlining.records_like(bank, principal, asked.each("_id"), called, asked.sought(KIND), address)
    return found[asked.skipped :]


def whose(bank: Bank, principal: Principal, asked: Asked) -> tuple[PatientId, ...] | None:
    """The records that a search of other resources names, with those linked to them; None where it names nobody."""
    named = [*asked.each("patient"), *asked.each("subject")]
    if named:
        return outlining.patients_named(bank, principal, [_record_of(text) for text in named])
    called = [patient_of(text) for text in asked.each("patient.identifier")]
    return outlining.patients_called(bank, principal, called) if called else None


def _record_of(text: str) -> str:
    """The record that a reference names: `x`, `Patient/x`, or a whole address."""
    kind, _, name = text.rpartition("/")
    if kind and kind.rpartition("/")[2] != KIND:
        raise Invalid("patient names a Patient")
    return name


def require_somebody(patients: tuple[PatientId, ...] | None) -> tuple[PatientId, ...]:
    """Raises Invalid for a search that does not say whose."""
    if patients is None:
        raise Invalid("say whose: patient=ID, or patient.identifier=SYSTEM|VALUE")
    return patients
