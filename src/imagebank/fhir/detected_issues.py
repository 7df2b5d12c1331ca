"""DetectedIssue: an alert that an ordered exam was made already, with the study that answers it and what was done."""

from collections.abc import Mapping
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from imagebank.actions import outlining, repeat_answers
from imagebank.bank import Bank
from imagebank.exams.overriding import Overrides, overrides
from imagebank.fhir import imaging_studies, patients, search
from imagebank.fhir.edge import as_json, for_programs, value_of
from imagebank.fhir.resources import Resource
from imagebank.fhir.search import Asked
from imagebank.fhir.values import filled, instant_of, subject_of
from imagebank.http.auth import address_of, bank_of
from imagebank.model.access import Principal
from imagebank.model.alert import Alert, Outcome

KIND: Final = "DetectedIssue"
SEARCH: Final[Mapping[str, str]] = {
    **patients.OF_PATIENT,
    "_id": "token",
    "code": "token",
}
DUPLICATE: Final = "DUPTHPY"
_V3: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
# The code for what is done twice; HL7's v3 ActCode has none for imaging alone.
_CODE: Final = {"coding": [{"system": _V3, "code": DUPLICATE, "display": "Duplicate Therapy Alert"}]}
_SEVERITIES: Final = {"warn": "moderate", "tell": "low"}
_MOST: Final = 500


def detected_issue(one: Alert, record: str, reasons: Overrides) -> Resource:
    """An alert about a patient whose record has this name here, or none. Who ordered, and under which number, stays with those who ordered."""
    study = {"reference": f"{imaging_studies.KIND}/{one.study}"}
    what = " ".join((one.exam.group.value, *(region.lower() for region in one.exam.regions)))
    days = "today" if not one.days else f"{one.days} days before"
    return filled(
        resourceType=KIND,
        id=one.id,
        status="final",
        code=_CODE | {"text": "The imaging exam was made already"},
        severity=_SEVERITIES[one.severity],
        patient=subject_of(one.patient, record),
        identifiedDateTime=instant_of(one.at),
        author={"display": "Imagebank"},
        implicated=[study],
        evidence=[{"detail": [study]}],
        detail=f"{what} is ordered; an exam that answers it was made {days}. Rule: {one.rule}.",
        mitigation=_mitigation(one, reasons),
    )


def _mitigation(one: Alert, reasons: Overrides) -> list[Resource]:
    """What was done about it: R4 has it as an action with its time."""
    if one.answer is None:
        return []
    display = next((each.display for each in reasons.reason if each.code == one.answer.reason), "")
    coding = [{"system": reasons.system, "code": one.answer.reason, "display": display}] if display else []
    words = str(one.answer.outcome)
    if one.answer.outcome is Outcome.ACCEPTED and one.answer.reason:
        words = f"{words}: the order was {one.answer.reason}"
    return [{"action": filled(coding=coding, text=words), "date": instant_of(one.answer.at)}]


@for_programs
async def read(request: Request, principal: Principal) -> Response:
    given = (bank_of(request), principal, request.path_params["issue"], f"FHIR: {KIND} by _id", address_of(request))
    return as_json(await run_in_threadpool(_one, *given))


def _one(bank: Bank, principal: Principal, alert: str, way: str, address: str) -> Resource:
    return _told(bank, principal, repeat_answers.one(bank, principal, alert, way, address))


@for_programs
async def find(request: Request, principal: Principal) -> Response:
    asked = await search.asked(request, SEARCH)
    found = await run_in_threadpool(_found, bank_of(request), principal, asked, address_of(request))
    return search.answer(request, asked, KIND, found[asked.skipped :])


def _found(bank: Bank, principal: Principal, asked: Asked, address: str) -> list[Resource]:
    whose = patients.require_somebody(patients.whose(bank, principal, asked))
    alerts = repeat_answers.about(bank, principal, whose, asked.sought(KIND), address, _MOST)
    names, codes = asked.each("_id"), [value_of(text) for text in asked.each("code")]
    shown = [one for one in alerts if (not names or one.id in names) and (not codes or DUPLICATE in codes)]
    return [_told(bank, principal, one) for one in shown]


def _told(bank: Bank, principal: Principal, one: Alert) -> Resource:
    record = outlining.record_of(bank, principal, one.patient)
    return detected_issue(
        one, "" if record is None else record[0].identity.own, overrides(bank.settings.overrides_file)
    )
