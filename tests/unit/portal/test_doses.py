"""What exams took of radiation on pages: for staff beside a study and a timeline, and plain for the person."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

import owners
from bank import SOURCE, keep, open_test_bank
from imagebank.actions import access, dose, finding, persons
from imagebank.actions.enrol import Wanted
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.exams.doses import doses as read_doses
from imagebank.http.auth import COOKIE
from imagebank.model.access import Role, Scope
from imagebank.model.dose import Dose, Method, Part
from imagebank.model.identity import Identity
from imagebank.model.person import PatientId, PersonName
from imagebank.model.uid import Uid
from imagebank.portal import doses
from make import a_file, as_file
from make_dose import a_ct_report
from owners import ADA, HEAD
from unit.portal.browsing import Browser

pytestmark = pytest.mark.usefixtures("quick_hashes")
CHEST, MIXED, FOOT = (f"1.2.826.0.1.3680043.10.7.{number}" for number in (21, 22, 23))
TABLE = read_doses(None)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("dose"), **owners.SETTINGS) as opened:
        owners.furnish(opened)
        about = {"PatientID": "ADA", "StudyInstanceUID": CHEST, "StudyDate": "20260301", "PatientBirthDate": "19840512"}
        source = replace(SOURCE, organization="north")
        keep(opened, a_file(BodyPartExamined="CHEST", StudyDescription="CT CHEST", **about), source=source)
        keep(opened, as_file(a_ct_report(400, "1.9.1", **{**about, "StudyDescription": "CT CHEST"})), source=source)
        leo = {"PatientID": "LEO", "StudyInstanceUID": FOOT, "StudyDate": "20250301", "PatientBirthDate": "20150302"}
        keep(opened, a_file(Modality="DX", BodyPartExamined="FOOT", StudyDescription="XR FOOT", **leo), source=source)
        for study in (CHEST, HEAD, FOOT):
            finding.write(opened, Uid(study))
        yield opened


def signed_in(bank: Bank, cookie: str) -> Browser:
    browser = Browser(web_application(bank))
    browser.cookies.set(COOKIE, cookie, domain="bank.example")
    return browser


@pytest.fixture(scope="module")
def mother(bank: Bank) -> Browser:
    return signed_in(bank, owners.mother(bank))


@pytest.fixture(scope="module")
def doctor(bank: Bank) -> Browser:
    browser = Browser(web_application(bank))
    browser.post("/sign-in", {"token": access.issue_token(bank, Role.CLINICIAN, "north")})
    return browser


def text_of(answer: Any) -> str:
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text))


def test_a_person_reads_how_much_radiation_beside_what_nature_gives(mother: Browser) -> None:
    words = text_of(mother.get("/my/dose"))

    assert "Your exams here: about 5.6 mSv in all. Nature gives as much in 2 years." in words
    assert "1 other exam used none at all." in words
    assert "2026 5.6 mSv 2 years" in words
    assert "the line is what nature gives in one: 2.4 mSv" in words
    assert "CT of the chest" in words
    assert "Do not put off an exam" in words
    assert "AAPM Report 96 (2008), table 3" in words
    assert "UNSCEAR 2008" in words


def test_no_sum_is_of_two_people_and_a_childs_exams_are_marked(bank: Bank, mother: Browser) -> None:
    page = mother.get("/my/dose").text
    leo = page.split("<bdi>Leo Haddad</bdi></a>")[0].rsplit('href="', 1)[1].split('"')[0]
    words = text_of(mother.get(leo))

    assert "<bdi>Amina Haddad</bdi>" in page
    assert "Everybody" not in page
    assert "X-ray of the foot" in words
    assert "Some exams were made in childhood." in words
    assert "X-ray" not in text_of(mother.get("/my/dose")).partition("Exam by exam")[2].partition("Good to know")[0]
    assert "less than 0.01 mSv" in words
    assert "usual for such exams" in words
    assert "Of the sum 100% was not measured." in words


def test_the_page_is_reached_from_the_first_page_and_from_a_study(mother: Browser) -> None:
    assert 'href="/my/dose"' in mother.get("/my").text
    study = text_of(mother.get(f"/studies/{CHEST}"))
    assert "About as much radiation as nature gives in 2 years." in study
    assert "This exam used no X-rays and nothing radioactive." in text_of(mother.get(f"/studies/{HEAD}"))


def test_who_has_no_exams_or_none_with_radiation_is_told_so(bank: Bank) -> None:
    nobody = PatientId("north", "NIL")
    persons.hear(bank, Identity(nobody, PersonName("Nil^Nora"), "19840512"))
    empty = signed_in(bank, owners.opened(bank, Wanted(nobody), name="Nora"))
    keep(
        bank,
        a_file(PatientID="MAG", Modality="MR", StudyInstanceUID=MIXED),
        source=replace(SOURCE, organization="north"),
    )
    magda = PatientId("north", "MAG")
    persons.hear(bank, Identity(magda, PersonName("Mag^Magda"), "19840512"))
    without = signed_in(bank, owners.opened(bank, Wanted(magda), name="Magda"))

    assert "There are no exams here yet." in text_of(empty.get("/my/dose"))
    assert "None of your exams here used radiation." in text_of(without.get("/my/dose"))


def test_staff_read_what_was_measured_and_whose_figures_they_are(doctor: Browser) -> None:
    words = text_of(doctor.get(f"/studies/{CHEST}"))

    assert "5.6 mSv effective dose, from the dose length product" in words
    assert "Dose length product 400 mGy·cm dose report" in words
    assert "AAPM Report 96" in words
    assert "<h2>Dose</h2>" not in doctor.get(f"/studies/{HEAD}").text


def test_staff_read_the_sum_of_what_they_may_see_on_the_timeline(bank: Bank, doctor: Browser) -> None:
    known = bank.index.persons.identity(ADA, Scope(None))
    assert known is not None
    words = text_of(doctor.get(f"/patients/{known.person}/timeline"))

    assert "5.6 mSv effective dose, 1 exam. 0% of it is typical or derived, and not measured." in words
    assert "Of the studies that you may see, and of no others." in words
    assert "CT 1 5.6 mSv 0%" in words


@pytest.mark.parametrize(
    ("msv", "amount", "time"),
    [
        (0.001, "less than 0.01 mSv", "less than a day"),
        (0.1, "0.1 mSv", "15 days"),
        (1.26, "1.3 mSv", "6 months"),
        (12.6, "13 mSv", "5 years"),
    ],
)
def test_doses_are_told_in_two_digits_and_in_the_time_of_nature(msv: float, amount: str, time: str) -> None:
    assert (doses.amount(msv), doses.nature(msv, TABLE)) == (amount, time)


def test_what_is_not_known_is_not_told_plainly(bank: Bank) -> None:
    assert doses.plainly(Dose(), TABLE) == ""
    child = dose.of_study(bank, owners.DOCTOR, Uid(FOOT), "test")
    assert doses.in_words(child).is_for_child
    assert doses.in_words(child).is_estimated
    assert doses.plainly(Dose((Part(Method.NONE, 0),)), TABLE).startswith("This exam used no X-rays")
