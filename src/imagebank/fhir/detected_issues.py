"""DetectedIssue: an alert that an ordered exam was made already, with the study that answers it and what was done."""

from collections.abc import Mapping
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from imagebank.actions import outlining, repeat_answers
from imagebank.bank import Bank
from imagebank.exams import naming
from imagebank.exams.overriding import Overrides, overrides
from imagebank.fhir import imaging_studies, patients, search
from imagebank.fhir.edge import as_json, for_programs, value_of
from imagebank.fhir.resources import Resource
from imagebank.fhir.search import Asked
from imagebank.fhir.values import filled, instant_of, subject_of
from imagebank.http.auth import address_of, bank_of
from imagebank.http.tongue import Tongue, tongue_of
from imagebank.model.access import Principal
from imagebank.model.alert import Alert, Change, Outcome
from imagebank.model.phrase import Phrase, for_number

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


def detected_issue(one: Alert, record: str, reasons: Overrides, tongue: Tongue) -> Resource:
    """An alert about a patient whose record has this name here, or none. Who ordered, and under which number, stays with those who ordered."""
    study = {"reference": f"{imaging_studies.KIND}/{one.study}"}
    return filled(
        resourceType=KIND,
        id=one.id,
        language=tongue.language,
        status="final",
        code=_CODE | {"text": tongue.say(Phrase("The imaging exam was made already"))},
        severity=_SEVERITIES[one.severity],
        patient=subject_of(one.patient, record),
        identifiedDateTime=instant_of(one.at),
        author={"display": "Imagebank"},
        implicated=[study],
        evidence=[{"detail": [study]}],
        detail=tongue.say(_detail(one)),
        mitigation=_mitigation(one, reasons, tongue),
    )


def _detail(one: Alert) -> Phrase:
    values: dict[str, str | Phrase] = {"exam": naming.exam(one.exam), "rule": one.rule}
    if not one.days:
        return Phrase("%(exam)s is ordered; an exam that answers it was made the same day. Rule: %(rule)s.", values)
    return for_number(
        "%(exam)s is ordered; an exam that answers it was made %(num)s day before. Rule: %(rule)s.",
        "%(exam)s is ordered; an exam that answers it was made %(num)s days before. Rule: %(rule)s.",
        one.days,
        **values,
    )


def _mitigation(one: Alert, reasons: Overrides, tongue: Tongue) -> list[Resource]:
    """What was done about it: R4 has it as an action with its time."""
    if one.answer is None:
        return []
    known, (system, code) = reasons.named(one.answer.reason), repeat_answers.parted(one.answer.reason)
    words = tongue.say(known.said_in(tongue.language)) if known else ""
    coding = [{"system": reasons.system, "code": one.answer.reason, "display": words}] if known else []
    if not known and system:
        coding = [{"system": system, "code": code}]
    what = _DONE.get((one.answer.outcome, one.answer.reason)) or _DONE[one.answer.outcome, ""]
    return [{"action": filled(coding=coding, text=tongue.say(what)), "date": instant_of(one.answer.at)}]


_DONE: Final[Mapping[tuple[Outcome, str], Phrase]] = {
    (Outcome.ACCEPTED, ""): Phrase("accepted"),
    (Outcome.ACCEPTED, Change.CANCELLED): Phrase("accepted: the order was cancelled"),
    (Outcome.ACCEPTED, Change.CHANGED): Phrase("accepted: the order was changed"),
    (Outcome.OVERRIDDEN, ""): Phrase("overridden"),
    (Outcome.IGNORED, ""): Phrase("ignored"),
}
"""What was done about an alert, by outcome and, where something was accepted, what."""


@for_programs
async def read(request: Request, principal: Principal) -> Response:
    given = (bank_of(request), principal, request.path_params["issue"], f"FHIR: {KIND} by _id", address_of(request))
    tongue = tongue_of(request)
    return as_json(await run_in_threadpool(_one, tongue, *given))


def _one(tongue: Tongue, bank: Bank, principal: Principal, alert: str, way: str, address: str) -> Resource:
    return _told(bank, principal, repeat_answers.one(bank, principal, alert, way, address), tongue)


@for_programs
async def find(request: Request, principal: Principal) -> Response:
    asked = await search.asked(request, SEARCH)
    given = (bank_of(request), principal, asked, address_of(request), tongue_of(request))
    found = await run_in_threadpool(_found, *given)
    return search.answer(request, asked, KIND, found[asked.skipped :])


def _found(bank: Bank, principal: Principal, asked: Asked, address: str, tongue: Tongue) -> list[Resource]:
    whose = patients.require_somebody(patients.whose(bank, principal, asked))
    alerts = repeat_answers.about(bank, principal, whose, asked.sought(KIND), address, _MOST)
    names, codes = asked.each("_id"), [value_of(text) for text in asked.each("code")]
    shown = [one for one in alerts if (not names or one.id in names) and (not codes or DUPLICATE in codes)]
    return [_told(bank, principal, one, tongue) for one in shown]


def _told(bank: Bank, principal: Principal, one: Alert, tongue: Tongue) -> Resource:
    record = outlining.record_of(bank, principal, one.patient)
    own = "" if record is None else record[0].identity.own
    return detected_issue(one, own, overrides(bank.settings.overrides_file), tongue)
