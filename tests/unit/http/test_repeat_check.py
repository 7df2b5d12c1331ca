"""The repeat check for programs: by REST, and what FHIR tells of it afterwards."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from bank import SOURCE, a_token, bearer, keep, open_test_bank
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import Role
from make import a_file
from unit.portal.browsing import Browser

CHECK = "/api/v1/repeat-check"
ANA = {"issuer": "north", "identifier": "ANA"}
ISSUES = "/fhir/DetectedIssue"
NORTH = "patient.identifier=urn:imagebank:issuer:north|ANA"


@dataclass(frozen=True)
class Here:
    bank: Bank
    browser: Browser

    def asked(self, role: Role = Role.CLINICIAN, organization: str = "north") -> "Caller":
        return Caller(self, bearer(a_token(self.bank, role, organization=organization)))


@dataclass(frozen=True)
class Caller:
    here: Here
    headers: dict[str, str]

    def post(self, path: str, body: Any) -> httpx.Response:
        return self.here.browser.ask("POST", path, self.headers, content=json.dumps(body))

    def check(self, patient: dict[str, str] = ANA, **order: Any) -> httpx.Response:
        return self.post(CHECK, {"patient": patient, "order": {"description": "MR brain", **order}})

    def get(self, path: str) -> httpx.Response:
        return self.here.browser.get(path, self.headers)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    with open_test_bank(tmp_path_factory.mktemp("repeat"), organization="north", public_url="http://pub") as bank:
        day = f"{datetime.now(UTC) - timedelta(days=3):%Y%m%d}"
        about = {"StudyDescription": "MR brain", "Modality": "MR", "PatientName": "Doe^Ana", "BodyPartExamined": ""}
        ids = {"PatientID": "ANA", "IssuerOfPatientID": "north", "StudyInstanceUID": "1.2.3", "StudyDate": day}
        keep(bank, a_file(**ids, **about), source=replace(SOURCE, organization="north"))
        yield Here(bank, Browser(web_application(bank)))


def test_an_order_is_checked_and_its_outcome_told(here: Here) -> None:
    doctor = here.asked()
    answer = doctor.check(number="o1", user="dr", department="ward", date=f"{datetime.now(UTC):%Y-%m-%d}")
    found = answer.json()

    assert (answer.status_code, found["repeat"], answer.headers["cache-control"]) == (200, True, "no-store")
    (alert,) = found["alerts"]
    assert (alert["study"], alert["days"], alert["organization"]) == ("1.2.3", 3, "north")
    assert alert["url"] == "http://pub/studies/1.2.3"
    assert "same region" in alert["reasons"]
    assert "Doe" not in answer.text
    told = doctor.post(
        f"{CHECK}/{alert['id']}/outcome", {"outcome": "overridden", "reason": found["reasons"][0]["code"]}
    )
    assert (told.status_code, told.json()["outcome"]) == (200, "overridden")
    assert (
        here.asked(organization="south").post(f"{CHECK}/{alert['id']}/outcome", {"outcome": "ignored"}).status_code
        == 404
    )


def test_what_the_caller_does_not_see_is_answered_as_what_is_not_there(here: Here) -> None:
    hidden, nobody = (
        here.asked(organization="south").check(patient={"issuer": "north", "identifier": one})
        for one in ("ANA", "NOBODY")
    )

    assert hidden.json() == nobody.json()
    assert (hidden.status_code, hidden.json()["repeat"], hidden.json()["alerts"]) == (200, False, [])


@pytest.mark.parametrize(
    "order",
    [
        {"description": "MR brain", "date": "today"},
        {"description": "MR brain", "context": "whenever"},
        {"description": 7},
        {"description": "MR", "laterality": "left"},
        {"description": "MR", "colour": "red"},
        {"description": "x" * 300},
    ],
)
def test_an_order_that_is_none_is_refused(here: Here, order: dict[str, Any]) -> None:
    assert here.asked().check(**order).status_code == 400


def test_codes_and_parts_are_read_and_contexts_heeded(here: Here) -> None:
    doctor = here.asked()

    assert doctor.check(description="", code={"value": "70551", "scheme": "C4"}).json()["repeat"]
    assert doctor.check(description="", modality="MR", body_part="BRAIN").json()["repeat"]
    assert not doctor.check(context="followup").json()["repeat"]
    assert not doctor.check(reason="follow-up").json()["repeat"]


def test_nobody_is_told_nothing(here: Here) -> None:
    assert here.browser.ask("POST", CHECK, {}, content="{}").status_code == 401
    assert here.asked(Role.PRIVACY_OFFICER).check().status_code == 403


def test_fhir_tells_of_it_as_a_detected_issue(here: Here) -> None:
    doctor = here.asked()
    (alert,) = doctor.check(number="fhir").json()["alerts"]
    one = doctor.get(f"{ISSUES}/{alert['id']}").json()

    assert one["code"]["coding"][0]["code"] == "DUPTHPY"
    assert one["implicated"] == [{"reference": "ImagingStudy/1.2.3"}]
    assert one["evidence"] == [{"detail": [{"reference": "ImagingStudy/1.2.3"}]}]
    assert (one["status"], one["severity"], one["detail"]) == (
        "final",
        "moderate",
        "MR brain is ordered; an exam that answers it was made 3 days before. Rule: MR.",
    )
    assert "mitigation" not in one
    told = doctor.post(f"{CHECK}/{alert['id']}/outcome", {"outcome": "accepted", "reason": "cancelled"})
    assert told.status_code == 200
    bundle = doctor.get(f"{ISSUES}?{NORTH}&_id={alert['id']}&code=DUPTHPY").json()
    (entry,) = bundle["entry"]
    assert entry["resource"]["mitigation"][0]["action"]["text"] == "accepted: the order was cancelled"


def test_what_is_said_is_in_the_language_that_is_asked_for(here: Here) -> None:
    doctor = here.asked()
    german = replace(doctor, headers=doctor.headers | {"Accept-Language": "de"})
    answer = german.check(number="german")
    (alert,) = answer.json()["alerts"]

    assert answer.headers["content-language"] == "de"
    assert alert["reasons"][:2] == ["gleiche Region", "gleiche Modalität"]
    assert answer.json()["reasons"][-1] == {"code": "other", "display": "Ein anderer Grund"}
    german.post(f"{CHECK}/{alert['id']}/outcome", {"outcome": "overridden", "reason": "other"})
    one = german.get(f"{ISSUES}/{alert['id']}").json()
    assert (one["language"], one["code"]["text"]) == ("de", "Die Bildgebung wurde schon gemacht")
    assert one["detail"].startswith("MRT Gehirn ist angefordert; eine Untersuchung, die das beantwortet, wurde 3 Tage")
    assert one["mitigation"][0]["action"]["text"] == "übergangen"
    assert one["mitigation"][0]["action"]["coding"][0]["display"] == "Ein anderer Grund"


def test_an_override_is_told_with_its_reason(here: Here) -> None:
    doctor = here.asked()
    (alert,) = doctor.check(number="overridden").json()["alerts"]
    doctor.post(f"{CHECK}/{alert['id']}/outcome", {"outcome": "overridden", "reason": "other"})

    action = doctor.get(f"{ISSUES}/{alert['id']}").json()["mitigation"][0]["action"]
    assert (action["coding"][0]["code"], action["text"]) == ("other", "overridden")


def test_detected_issues_are_those_of_a_patient_and_for_who_was_told(here: Here) -> None:
    doctor, stranger = here.asked(), here.asked(organization="south")
    (alert,) = doctor.check(number="mine").json()["alerts"]

    assert doctor.get(ISSUES).status_code == 400
    assert doctor.get(f"{ISSUES}?{NORTH}&code=OTHER").json().get("entry", []) == []
    assert stranger.get(f"{ISSUES}?{NORTH}").json().get("entry", []) == []
    assert stranger.get(f"{ISSUES}/{alert['id']}").status_code == 404
    assert doctor.get(f"{ISSUES}/nothing").status_code == 404
