"""Consents, care relationships, labels and emergencies by HTTP."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from bank import SOURCE, a_token, bearer, keep, open_test_bank, serving
from consents import a_consent, an_actor
from imagebank.bank import Bank
from imagebank.model.access import Role
from make import a_file

STUDY = "1.2.826.0.1.7"


@dataclass(frozen=True)
class Site:
    """A bank with a CT of Ada's, deposited by north; `ask` speaks for a role of an organization."""

    bank: Bank
    clients: Mapping[str, httpx.Client]

    def sees(self, who: str) -> bool:
        found = self.clients[who].get("/dicom-web/studies")
        assert found.status_code in (200, 204)
        return found.status_code == 200


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        bank = stack.enter_context(open_test_bank(tmp_path))
        url = stack.enter_context(serving(bank))
        keep(bank, a_file(PatientID="ADA", StudyInstanceUID=STUDY), source=replace(SOURCE, organization="north"))
        callers = {
            "officer": (Role.PRIVACY_OFFICER, "north"),
            "north": (Role.CLINICIAN, "north"),
            "south": (Role.CLINICIAN, "south"),
            "referrer": (Role.REFERRER, "south"),
        }
        clients = {
            name: stack.enter_context(
                httpx.Client(base_url=url, headers=bearer(a_token(bank, role, organization=of, name=name)), timeout=30)
            )
            for name, (role, of) in callers.items()
        }
        yield Site(bank, clients)


def test_a_consent_is_in_force_as_soon_as_it_is_written_and_until_it_is_revoked(site: Site) -> None:
    officer = site.clients["officer"]
    before = site.sees("south")
    written = officer.post(
        "/api/v1/consents", json=a_consent(actor=[an_actor("Organization", "organization", "south")])
    )
    during = site.sees("south")
    read = officer.get(written.headers["location"])
    revoked = officer.post(f"/api/v1/consents/{written.json()['id']}/revoke")
    again = officer.post(f"/api/v1/consents/{written.json()['id']}/revoke")
    listed = officer.get("/api/v1/consents", params={"patient.identifier": "north|ADA"}).json()

    assert (before, during, site.sees("south")) == (False, True, False)
    assert (written.status_code, revoked.status_code, again.status_code) == (201, 204, 404)
    assert written.headers["content-type"] == "application/fhir+json"
    assert read.json() == written.json()
    assert [entry["resource"]["status"] for entry in listed["entry"]] == ["inactive"]


def test_a_consent_with_several_actors_is_one_consent(site: Site) -> None:
    officer = site.clients["officer"]
    actors = [an_actor("Organization", "organization", name) for name in ("east", "south")]
    written = officer.post("/api/v1/consents", json=a_consent(actor=actors)).json()
    during = site.sees("south")
    listed = officer.get("/api/v1/consents", params={"patient.identifier": "north|ADA"}).json()
    officer.post(f"/api/v1/consents/{written['id']}/revoke")

    assert during
    assert listed["total"] == 1
    assert listed["entry"][0]["resource"] == written
    assert [each["reference"]["identifier"]["value"] for each in written["provision"]["actor"]] == ["east", "south"]
    assert not site.sees("south")


def test_a_consent_that_cannot_be_followed_wholly_is_not_kept_at_all(site: Site) -> None:
    officer = site.clients["officer"]
    refused = officer.post("/api/v1/consents", json=a_consent(securityLabel=[{"code": "R"}]))
    listed = officer.get("/api/v1/consents", params={"patient.identifier": "north|ADA"}).json()

    assert refused.status_code == 400
    assert "provision.securityLabel" in refused.json()["message"]
    assert listed["total"] == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("consents", "{"),
        ("consents", " " * 300_000),
        ("care", {"patient": {"issuer": "north", "identifier": "ADA"}}),
        ("care", {"patient": {"issuer": "north", "identifier": "\t"}, "principal": "ada"}),
        (
            "care",
            {"patient": {"issuer": "north", "identifier": "ADA"}, "principal": "a", "until": "2099-01-01T00:00:00"},
        ),
        ("care", {"patient": {"issuer": "north", "identifier": "ADA"}, "principal": "a", "extra": 1}),
        ("emergencies", {"reason": "unconscious after a fall"}),
    ],
    ids=str,
)
def test_what_cannot_be_understood_is_refused_in_words(site: Site, path: str, body: Any) -> None:
    content = {"content": body} if isinstance(body, str) else {"json": body}
    answer = site.clients["officer"].post(f"/api/v1/{path}", **content)

    assert answer.status_code == 400
    assert answer.json()["error"] == "Invalid"


@pytest.mark.parametrize(
    "query", ["", "patient.identifier=ADA", "patient.identifier=north|", "patient.identifier=a|b&_id=1"]
)
def test_consents_are_listed_of_one_patient_of_one_organization(site: Site, query: str) -> None:
    assert site.clients["officer"].get(f"/api/v1/consents?{query}").status_code == 400


def test_who_cares_for_a_patient_sees_the_studies_until_that_ends(site: Site) -> None:
    officer = site.clients["officer"]
    care = {
        "patient": {"issuer": "north", "identifier": "ADA"},
        "principal": "referrer",
        "until": "2099-01-01T00:00:00Z",
    }
    before = site.sees("referrer")
    written = officer.post("/api/v1/care", json=care)
    during = site.sees("referrer")
    officer.post(f"/api/v1/consents/{written.json()['id']}/revoke")

    assert written.status_code == 201
    assert (before, during, site.sees("referrer")) == (False, True, False)


def test_a_study_with_the_label_sensitive_is_not_seen_by_who_does_not_care_for_the_patient(site: Site) -> None:
    officer, label = site.clients["officer"], f"/api/v1/studies/{STUDY}/labels/sensitive"
    statuses = [officer.put(label).status_code]
    during = site.sees("north")
    statuses += [officer.delete(label).status_code, officer.delete(label).status_code]

    assert statuses == [204, 204, 404]
    assert not during
    assert site.sees("north")


@pytest.mark.parametrize("whose", [{"patient": {"issuer": "north", "identifier": "ADA"}}, {"study": STUDY}], ids=str)
def test_an_emergency_opens_a_record_and_waits_for_the_officer(site: Site, whose: dict[str, Any]) -> None:
    reason = "unconscious after a fall"
    opened = site.clients["south"].post("/api/v1/emergencies", json={"reason": reason, **whose})
    sees = site.sees("south")
    (waiting,) = site.clients["officer"].get("/api/v1/emergencies").json()["emergencies"]
    review = f"/api/v1/emergencies/{waiting['id']}/review"
    statuses = [site.clients["officer"].post(review, json={"words": "it was right"}).status_code for _ in range(2)]

    assert opened.status_code == 201
    assert sees
    assert (waiting["by"], waiting["reason"], waiting["id"]) == ("south", reason, opened.json()["id"])
    assert statuses == [204, 404]
    assert site.clients["officer"].get("/api/v1/emergencies").json() == {"emergencies": []}


def test_who_has_opened_an_emergency_ends_it_and_nobody_else(site: Site) -> None:
    opened = site.clients["south"].post("/api/v1/emergencies", json={"reason": "the wrong room", "study": STUDY})
    end = f"/api/v1/emergencies/{opened.json()['id']}/end"
    saw = site.sees("south")
    statuses = [site.clients[who].post(end).status_code for who in ("officer", "north", "south", "south")]

    assert saw
    assert statuses == [404, 404, 204, 404]
    assert not site.sees("south")


def test_an_emergency_about_nobody_is_answered_like_one_about_somebody(site: Site) -> None:
    answers = [
        site.clients["south"].post("/api/v1/emergencies", json={"reason": "unconscious after a fall", "study": uid})
        for uid in (STUDY, "1.2.3")
    ]

    assert [(answer.status_code, set(answer.json())) for answer in answers] == [(201, {"id", "until"})] * 2


def test_each_of_these_needs_its_right(site: Site) -> None:
    doctor, officer = site.clients["north"], site.clients["officer"]
    statuses = [
        doctor.post("/api/v1/consents", json=a_consent()).status_code,
        doctor.get("/api/v1/consents", params={"patient.identifier": "north|ADA"}).status_code,
        doctor.get("/api/v1/emergencies").status_code,
        doctor.put(f"/api/v1/studies/{STUDY}/labels/sensitive").status_code,
        officer.post("/api/v1/emergencies", json={"reason": "out of mere curiosity", "study": STUDY}).status_code,
    ]

    assert statuses == [403] * 5


def test_a_consent_that_is_not_there_is_not_found(site: Site) -> None:
    assert site.clients["officer"].get("/api/v1/consents/1.1").status_code == 404
