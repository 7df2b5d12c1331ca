"""Opening a record in an emergency, the review of it, and consents, by pages."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import access, consent
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.event import Act
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.uid import Uid
from make import a_file
from unit.portal.browsing import Browser, hidden_field

STUDY = "1.2.826.0.1.7"
ADA = PatientId("north", "ADA")
OFFICER = Principal("officer", Role.PRIVACY_OFFICER, "north", RIGHTS[Role.PRIVACY_OFFICER], Scope.nothing())
REASON = "unconscious after a fall"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    """A CT of Ada's, deposited by north."""
    with open_test_bank(tmp_path) as opened:
        file = a_file(PatientID="ADA", StudyInstanceUID=STUDY, StudyDescription="Skull CT")
        keep(opened, file, source=replace(SOURCE, organization="north"))
        yield opened


def signed_in(bank: Bank, role: Role, organization: str) -> Browser:
    browser = Browser(web_application(bank))
    token = access.issue_token(bank, role, organization, f"{role}-{organization}")
    assert browser.post("/sign-in", {"token": token}).status_code == 303
    return browser


def send(browser: Browser, page: str, address: str = "", **typed: str) -> httpx.Response:
    """Fill in a form on a page."""
    return browser.post(address or page, {"csrf": hidden_field(browser.get(page), "csrf"), **typed})


def test_a_clinician_who_finds_nothing_is_shown_the_way_to_open_a_record(bank: Bank) -> None:
    doctor, referrer = signed_in(bank, Role.CLINICIAN, "south"), signed_in(bank, Role.REFERRER, "south")
    for browser in (doctor, referrer):
        send(browser, "/", "/search", patient_id="ADA")

    assert 'href="/emergency"' in doctor.get("/").text
    assert 'href="/emergency"' not in referrer.get("/").text
    assert referrer.get("/emergency").status_code == 403


@pytest.mark.parametrize("whose", [{"patient_id": "ADA", "issuer": "north"}, {"study": STUDY}], ids=str)
def test_an_opened_record_is_shown_and_every_page_says_so_until_it_closes(bank: Bank, whose: dict[str, str]) -> None:
    doctor, colleague = signed_in(bank, Role.CLINICIAN, "south"), signed_in(bank, Role.TECHNOLOGIST, "south")
    before = doctor.get("/").text
    opened = send(doctor, "/emergency", reason=REASON, **whose)
    pages = [doctor.get(path).text for path in ("/", f"/studies/{STUDY}", "/emergency")]

    assert "Skull CT" not in before
    assert opened.headers["location"] == "/"
    assert "Skull CT" in pages[0]
    assert all("beyond your rights, for 60 minutes more" in page for page in pages)
    assert "beyond your rights" not in before + colleague.get("/").text
    assert "Skull CT" not in colleague.get("/").text


def test_an_opened_record_is_closed_by_who_opened_it(bank: Bank) -> None:
    doctor, colleague = signed_in(bank, Role.CLINICIAN, "south"), signed_in(bank, Role.TECHNOLOGIST, "south")
    send(doctor, "/emergency", reason=REASON, patient_id="ADA", issuer="north")
    address = doctor.get("/").text.partition('class="glass"')[2].partition('action="')[2].partition('"')[0]
    meddled = send(colleague, "/", address)
    forged = doctor.post(address, {"csrf": "guessed"})
    still = doctor.get(f"/studies/{STUDY}").status_code
    closed = send(doctor, "/", address)
    after = doctor.get("/").text

    assert (meddled.status_code, forged.status_code, still) == (404, 403, 200)
    assert (closed.status_code, closed.headers["location"]) == (303, "/")
    assert "beyond your rights" not in after
    assert "Skull CT" not in after
    assert send(doctor, "/", address).status_code == 404


def test_the_viewer_is_told_what_is_open_and_how_to_end_it(bank: Bank) -> None:
    doctor, referrer = signed_in(bank, Role.CLINICIAN, "south"), signed_in(bank, Role.REFERRER, "south")
    before = doctor.get("/emergency/open").json()
    send(doctor, "/emergency", reason=REASON, patient_id="ADA", issuer="north")
    answer = doctor.get("/emergency/open")
    told = answer.json()
    (one,) = told["emergencies"]
    ended = doctor.post(f"/emergency/{one['id']}/end", {"csrf": told["csrf"]})

    assert before["emergencies"] == referrer.get("/emergency/open").json()["emergencies"] == []
    assert (one["patient"], one["issuer"], one["study"]) == ("ADA", "north", "")
    assert 3500 < one["seconds"] <= 3600
    assert "no-store" in answer.headers["cache-control"]
    assert ended.status_code == 303
    assert doctor.get("/emergency/open").json()["emergencies"] == []
    assert Browser(web_application(bank)).get("/emergency/open").status_code == 401


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"patient_id": "ADA", "issuer": "north", "reason": "quick"}, "Say why"),
        ({"reason": REASON}, "Name the patient"),
        ({"reason": REASON, "patient_id": "ADA", "study": STUDY}, "Name the patient"),
        ({"reason": REASON, "patient_id": "ADA"}, "which organization"),
        ({"reason": REASON, "study": "x"}, "A UID has digits"),
    ],
    ids=str,
)
def test_an_emergency_that_is_not_said_in_full_opens_nothing_and_keeps_what_was_typed(
    bank: Bank, typed: dict[str, str], words: str
) -> None:
    doctor = signed_in(bank, Role.CLINICIAN, "south")
    answer = send(doctor, "/emergency", **typed)

    assert answer.status_code == 422
    assert words in answer.text
    assert f'value="{typed["reason"]}"' in answer.text
    assert "Skull CT" not in doctor.get("/").text


def test_the_officer_finds_an_emergency_and_notes_what_came_of_it(bank: Bank) -> None:
    doctor, officer = signed_in(bank, Role.CLINICIAN, "south"), signed_in(bank, Role.PRIVACY_OFFICER, "north")
    send(doctor, "/emergency", reason=REASON, patient_id="ADA", issuer="north")
    waiting = officer.get("/reviews")
    address = waiting.text.partition('action="/reviews/')[2].partition('"')[0]
    silent = send(officer, "/reviews", f"/reviews/{address}", words=" ")
    noted = send(officer, "/reviews", f"/reviews/{address}", words="it was right")
    # The queue is empty now and has no form; the token of the session stands in each page.
    again = officer.post(
        f"/reviews/{address}", {"csrf": hidden_field(officer.get("/consents"), "csrf"), "words": "twice"}
    )

    assert REASON in waiting.text
    assert "clinician-south" in waiting.text
    assert (silent.status_code, noted.status_code, again.status_code) == (422, 303, 422)
    assert "Nobody has opened a record" in officer.get("/reviews").text
    assert doctor.get("/reviews").status_code == 403


def test_a_consent_is_written_shown_and_revoked(bank: Bank) -> None:
    officer, doctor = signed_in(bank, Role.PRIVACY_OFFICER, "north"), signed_in(bank, Role.CLINICIAN, "north")
    ada = {"patient_id": "ADA", "issuer": "north"}
    empty = send(officer, "/consents", **ada)
    more = {
        "word": "deny",
        "organization": "north",
        "role": "clinician",
        "purpose": "TREAT",
        "modality": "ct",
        "days": "30",
    }
    written = send(officer, "/consents", "/consents/add", **ada, **more)
    denied = doctor.get("/").text
    address = written.text.partition('action="/consents/')[2].partition("/revoke")[0]
    revoked = send(officer, "/consents", f"/consents/{address}/revoke", **ada)
    again = send(officer, "/consents", f"/consents/{address}/revoke", **ada)

    assert "Nothing was decided" in empty.text
    assert "people of north, every clinician: CT studies, for treatment" in written.text
    assert "Skull CT" not in denied
    assert "Skull CT" in doctor.get("/").text
    assert "ended" in revoked.text
    assert again.status_code == 422
    assert "ADA" not in str(written.url)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"word": "perhaps"}, "Choose permit or deny"),
        ({"word": "deny", "days": "-1"}, "Days are"),
        ({"word": "deny", "role": "wizard"}, "role and a purpose"),
        ({"word": "deny", "modality": "c t"}, "modality"),
        ({"word": "deny", "patient_id": ""}, "Name the patient"),
    ],
    ids=str,
)
def test_a_consent_that_nobody_could_follow_is_not_kept(bank: Bank, typed: dict[str, str], words: str) -> None:
    officer = signed_in(bank, Role.PRIVACY_OFFICER, "north")
    answer = send(officer, "/consents", "/consents/add", **{"patient_id": "ADA", "issuer": "north", **typed})

    assert answer.status_code == 422
    assert words in answer.text
    assert bank.index.provisions(Scope(None), PatientId("north", "ADA")) == []


def test_a_care_relationship_stands_among_the_consents(bank: Bank) -> None:
    care = Provision(
        "", Kind.CARE, permits=True, patient=ADA, starts_at=bank.now(), principal="weiss", study=Uid(STUDY)
    )
    consent.decide(bank, care, OFFICER)
    shown = send(signed_in(bank, Role.PRIVACY_OFFICER, "north"), "/consents", patient_id="ADA", issuer="north").text

    assert "In care" in shown
    assert f"weiss: study {STUDY}" in shown


def test_the_page_of_consents_is_for_who_may_write_them(bank: Bank) -> None:
    doctor = signed_in(bank, Role.CLINICIAN, "north")

    assert doctor.get("/consents").status_code == 403
    assert 'href="/consents"' not in doctor.get("/").text


def test_a_form_from_elsewhere_opens_nothing(bank: Bank) -> None:
    doctor = signed_in(bank, Role.CLINICIAN, "south")
    typed = {"csrf": "guessed", "patient_id": "ADA", "issuer": "north", "reason": REASON}
    answer = doctor.post("/emergency", typed)
    events = bank.index.events(Scope(None), patient=PatientId("north", "ADA"))

    assert answer.status_code == 403
    assert all(event.act is not Act.EMERGENCY for event in events)
