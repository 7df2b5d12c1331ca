"""Putting a study right by pages: what it says, what it would say, and what was corrected before."""

from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from bank import keep, open_test_bank
from imagebank.actions import access, correct
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.imaging import Selection
from imagebank.model.uid import Uid
from make import a_series
from unit.portal.browsing import Browser, hidden_field

STUDY = Uid("1.2.826.0.1.9")
PAGE = f"/studies/{STUDY}/corrections"
TECH = Principal("tech", Role.TECHNOLOGIST, "local", RIGHTS[Role.TECHNOLOGIST], Scope.of("local"))
FORM = {
    "PatientName": "Doe^Jane",
    "PatientID": "P1",
    "IssuerOfPatientID": "",
    "PatientBirthDate": "1970-01-01",
    "PatientSex": "F",
    "StudyDate": "2026-01-02",
    "StudyDescription": "CT head",
    "AccessionNumber": "A1",
    "BodyPartExamined": "HEAD",
    "Laterality": "",
    "reason": "the wrong patient was chosen",
}
CHANGED = FORM | {"PatientName": "Díaz^Ana", "PatientID": "4711", "PatientBirthDate": "1980-02-03"}


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("corrections")) as opened:
        for number, part in enumerate(("HEAD", "NECK"), 1):
            keep(opened, *a_series(2, StudyInstanceUID=STUDY, BodyPartExamined=part, SeriesNumber=number))
        yield opened


@pytest.fixture
def tech(bank: Bank) -> Browser:
    return signed_in(bank, Role.TECHNOLOGIST)


def signed_in(bank: Bank, role: Role) -> Browser:
    browser = Browser(web_application(bank))
    token = access.issue_token(bank, role, "local", f"the {role}")
    assert browser.post("/sign-in", {"token": token}).status_code == 303
    return browser


def send(browser: Browser, address: str = PAGE, **typed: str) -> httpx.Response:
    return browser.post(address, {"csrf": hidden_field(browser.get(PAGE), "csrf"), **typed})


def test_only_who_may_correct_is_shown_the_way(bank: Bank, tech: Browser) -> None:
    doctor = signed_in(bank, Role.CLINICIAN)

    assert PAGE in tech.get(f"/studies/{STUDY}").text
    assert PAGE not in doctor.get(f"/studies/{STUDY}").text
    assert doctor.get(PAGE).status_code == 403
    assert tech.get("/studies/1.2.3/corrections").status_code == 404


def test_the_form_says_what_the_study_says_and_where_series_differ(tech: Browser) -> None:
    shown = unescape(tech.get(PAGE).text)

    for name, value in FORM.items():
        if value and name not in ("PatientSex", "reason"):
            assert f'name="{name}" value="{value}"' in shown, name
    assert '<option value="F" selected>' in shown
    assert "Other series say: NECK" in shown
    assert "Nothing of this study was corrected here." in shown


def test_what_would_change_is_shown_before_it_does(bank: Bank, tech: Browser) -> None:
    shown = unescape(send(tech, **CHANGED).text)

    assert "4 of 4 objects would become new versions." in shown
    for text in ("Doe^Jane", "Díaz^Ana", "P1", "4711", "1 Jan 1970", "3 Feb 1980", CHANGED["reason"]):
        assert text in shown
    assert "CT head" not in shown.replace('value="CT head"', "")
    assert correct.listed(bank, STUDY, TECH) == []


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (FORM, "Nothing is typed that differs"),
        (CHANGED | {"reason": " "}, "Say why"),
        (CHANGED | {"BodyPartExamined": "left of the heart"}, "Body"),
        (CHANGED | {"series": "1.2.3"}, "nothing here for you"),
        ({"PatientSex": "x" * 20, "reason": "r"}, "PatientSex"),
    ],
)
def test_what_cannot_be_is_said_and_what_was_typed_stays(tech: Browser, typed: dict[str, str], said: str) -> None:
    answer = send(tech, **typed)

    assert answer.status_code in (404, 422)
    assert said in unescape(answer.text)
    if answer.status_code == 422:
        assert f'value="{typed.get("PatientName", "Doe^Jane")}"' in unescape(answer.text)


def test_a_study_is_corrected_and_the_history_told_and_undone(bank: Bank, tech: Browser) -> None:
    done = send(tech, step="correct", **CHANGED)
    shown = unescape(tech.get(PAGE).text)
    (one,) = correct.listed(bank, STUDY, TECH)
    unsaid = send(tech, f"{PAGE}/{one.id}/undo", reason="")
    undone = send(tech, f"{PAGE}/{one.id}/undo", reason="it was the right one")
    after = unescape(tech.get(PAGE).text)

    assert (done.status_code, done.headers["location"]) == (303, PAGE)
    for text in ("the technologist", CHANGED["reason"], "4 objects", "Doe^Jane", "Díaz^Ana", "3 Feb 1980"):
        assert text in shown
    assert (unsaid.status_code, undone.status_code) == (422, 303)
    assert "undone since" in after
    assert "undoes an earlier one" in after
    assert 'value="Doe^Jane"' in after


def test_one_series_is_corrected_and_a_side_taken_out(bank: Bank, tech: Browser) -> None:
    series = bank.index.instances(Selection(STUDY), Scope(None))[0].series
    send(tech, step="correct", series=series, Laterality="L", reason="it was the left one")
    shown = unescape(tech.get(PAGE).text)
    send(tech, step="correct", series=series, Laterality="", reason="it was neither")

    assert "it was the left one" in shown
    assert '<option value="L" selected>' in shown
    assert '<option value="L" selected>' not in unescape(tech.get(PAGE).text)
