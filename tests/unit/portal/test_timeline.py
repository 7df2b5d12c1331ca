"""The page of one person's timeline: what it shows, how it narrows, and what stands in no address."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bank import keep, open_test_bank
from imagebank import worker
from imagebank.actions import access, orders, persons, reports
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import Role, Scope
from imagebank.model.completeness import Progress, Standing
from imagebank.model.identity import Decision, Deed, Evidence, Ground, Identity, Origin
from imagebank.model.imaging import Source
from imagebank.model.order import Code, Order, Ordered, Patient, State
from imagebank.model.person import PatientId, PersonName
from imagebank.model.report import Body, Part, Report
from imagebank.model.timeline import By, Kind
from imagebank.model.uid import Uid
from imagebank.portal import timeline
from imagebank.portal.rows import state_of
from imagebank.portal.timeline import Choice, key_of, read_choice
from make import a_file
from unit.portal.browsing import Browser

FUNDUS = "1.2.840.10008.5.1.4.1.1.77.1.5.1"
ADA = PatientId("local", "ADA")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


@pytest.fixture
def browser(bank: Bank) -> Browser:
    signed_in = Browser(web_application(bank))
    token = access.issue_token(bank, Role.CLINICIAN, "")
    assert signed_in.post("/sign-in", {"token": token}).status_code == 303
    return signed_in


def deposit(bank: Bank, study: str, date: str, **given: Any) -> None:
    about = {"PatientID": "ADA", "PatientName": "Lovelace^Ada", "AccessionNumber": f"A{study}"} | given
    keep(bank, a_file(StudyInstanceUID=study, StudyDate=date, **about))


def heard(bank: Bank) -> str:
    """The person's key, after the jobs that hear of patients."""
    while worker.step(replace(bank, now=lambda: bank.now() + timedelta(hours=1))):
        pass
    linked = bank.index.persons.identity(ADA, Scope(None))
    assert linked is not None
    return linked.person


def text_of(answer: Any) -> str:
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text))


def shown(browser: Browser, address: str) -> list[str]:
    """The studies in the list, in its order."""
    answer = browser.get(address)
    assert answer.status_code == 200
    return re.findall(r'data-row href="/studies/([0-9.]+)"', answer.text)


def test_it_shows_every_study_of_the_person_by_year(bank: Bank, browser: Browser) -> None:
    deposit(bank, "1.1", "20240301", StudyDescription="Knee", BodyPartExamined="KNEE")
    deposit(
        bank, "1.2", "20260201", StudyDescription="", InstitutionalDepartmentName="Eye <clinic>", SOPClassUID=FUNDUS
    )
    deposit(bank, "1.3", "", StudyDescription="Undated")
    deposit(bank, "1.9", "20260201", PatientID="BOB", PatientName="Other^Bob")
    person = heard(bank)
    answer = browser.get(f"/patients/{person}/timeline")
    words = text_of(answer)

    assert shown(browser, f"/patients/{person}/timeline") == ["1.2", "1.1", "1.3"]
    assert shown(browser, "/studies/1.1/timeline") == ["1.2", "1.1", "1.3"]
    assert re.findall(r"<h2>(\d{4}|No date)</h2>", answer.text) == ["2026", "2024", "No date"]
    assert "Lovelace, Ada" in words
    assert "One record local ADA" in words
    assert "Eye &lt;clinic&gt;" in answer.text
    assert "1 Mar" in words
    assert "Lovelace" not in answer.text.partition("<title>")[2].partition("</title>")[0]
    assert "Other, Bob" not in words


def test_it_is_reached_from_the_lists_and_the_study(bank: Bank, browser: Browser) -> None:
    deposit(bank, "1.1", "20240301")
    heard(bank)

    for address in ("/", "/find", "/studies/1.1"):
        assert 'href="/studies/1.1/timeline"' in browser.get(address).text


def test_lanes_and_kinds_narrow_by_keys_that_say_nothing(bank: Bank, browser: Browser) -> None:
    deposit(bank, "1.1", "20240301", BodyPartExamined="KNEE", InstitutionalDepartmentName="Orthopaedics")
    deposit(bank, "1.2", "20250301", BodyPartExamined="EYE", SOPClassUID=FUNDUS)
    knee, unsaid = key_of(By.REGION, "hip, leg"), key_of(By.DEPARTMENT, "")
    answer = browser.get("/studies/1.1/timeline")

    assert f'href="?lane={knee}"' in answer.text
    assert "knee" not in knee
    assert shown(browser, f"/studies/1.1/timeline?lane={knee}") == ["1.1"]
    assert '<tr class="on"><th scope="row"><a href="?"' in browser.get(f"/studies/1.1/timeline?lane={knee}").text
    assert shown(browser, "/studies/1.1/timeline?kind=photos") == ["1.2"]
    assert shown(browser, f"/studies/1.1/timeline?by=department&lane={unsaid}") == ["1.2"]
    assert "Orthopaedics" in text_of(browser.get("/studies/1.1/timeline?by=department"))
    nothing = browser.get(f"/studies/1.1/timeline?kind=photos&lane={knee}")
    assert "Nothing of this person is of that kind." in nothing.text


def test_reports_and_orders_are_in_it(bank: Bank, browser: Browser) -> None:
    deposit(bank, "1.1", "20240301")
    report = Report("local", ADA, bank.now(), "F", "R1", study=Uid("1.1"))
    reports.keep(bank, report, Body("Head", "", (Part("text/plain", b"No bleeding"),)), "RIS")
    asked = Order("local", Patient(ADA), bank.now(), State.SCHEDULED, "P7", scheduled_at="20270105", modality="MR")
    orders.hear(bank, [replace(asked, ordered=Ordered(Code("", "MR knee")))], "RIS")
    words = text_of(browser.get("/studies/1.1/timeline"))

    assert "1 report" in words
    assert "To come" in words
    assert "5 Jan 2027" in words
    assert "MR knee" in words
    assert shown(browser, "/studies/1.1/timeline?kind=documents") == ["1.1"]
    assert "MR knee" not in text_of(browser.get("/studies/1.1/timeline?kind=documents"))


def test_an_order_says_which_prior_is_the_best_and_why(bank: Bank, browser: Browser) -> None:
    deposit(bank, "1.1", "20240301", StudyDescription="CT FOOT")
    deposit(bank, "1.2", "", StudyDescription="MR KNEE RIGHT", Modality="MR", BodyPartExamined="")
    deposit(bank, "1.3", "20261231", StudyDescription="MR HEAD", Modality="MR", BodyPartExamined="")
    asked = Order("local", Patient(ADA), bank.now(), State.SCHEDULED, "P7", scheduled_at="20270105", modality="MR")
    for number, words in (("P7", "MR knee right"), ("P8", "MR head"), ("P9", "US thyroid")):
        orders.hear(bank, [replace(asked, placer=number, ordered=Ordered(Code("", words)))], "RIS")
    words = text_of(browser.get("/studies/1.1/timeline"))

    assert "Best prior: MR KNEE RIGHT · same region, same modality, same side" in words
    assert "Best prior: MR HEAD · same region, same modality, 5 days older" in words
    assert words.count("Best prior") == 2


def test_it_says_why_records_are_one_persons(bank: Bank, browser: Browser) -> None:
    about = Identity(ADA, PersonName.parse("Lovelace^Ada"), "18151210", "F", "1 Mill Lane", "0123 456", "Annabella")
    deposit(bank, "1.1", "20240301")
    for patient in (ADA, PatientId("south", "S1")):
        persons.hear(bank, replace(about, patient=patient, origin=Origin.HL7))
    source = Source("import", "tester", "south", "127.0.0.1")
    keep(bank, a_file(StudyInstanceUID="1.2", PatientID="S1"), source=source)
    viewer = Browser(web_application(bank))
    viewer.post("/sign-in", {"token": access.issue_token(bank, Role.ADMIN, "local")})
    words = text_of(viewer.get("/studies/1.1/timeline"))

    assert "One person, 2 records" in words
    assert "the same: family name, given names, date of birth" in words


@pytest.mark.parametrize(
    ("ground", "evidence", "words"),
    [
        (Ground.HUMAN, (), "vera said so on 1 Mar 2026"),
        (Ground.RULE, (), "who gave the numbers says so"),
        (Ground.SCORE, (("given", "near", 2.0), ("sex", "other", -3.0)), "alike: given names"),
        (Ground.SCORE, (("sex", "same", 1.0), ("x", "near", 2.0)), "the same: sex; alike: x"),
    ],
)
def test_each_ground_of_a_link_has_its_words(ground: Ground, evidence: Any, words: str) -> None:
    given = tuple(Evidence(*one) for one in evidence)
    at = datetime(2026, 3, 1, tzinfo=UTC)

    assert timeline.why(Decision("d", at, Deed.LINK, ground, "vera", (), evidence=given)) == words
    assert timeline.why(None) == ""


def test_many_studies_come_in_pages(bank: Bank, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "PAGE_SIZE", 2)
    for number in range(1, 6):
        deposit(bank, f"1.{number}", f"20{10 + number}0301")

    pages = [shown(browser, f"/studies/1.1/timeline{query}") for query in ("", "?before=1.4", "?before=1.2")]
    second = browser.get("/studies/1.1/timeline?before=1.4")
    assert pages == [["1.5", "1.4"], ["1.3", "1.2"], ["1.1"]]
    assert 'href="?" rel="prev"' in second.text
    assert 'href="?before=1.2" rel="next"' in second.text
    assert "from 3 of 5" in text_of(second)
    assert "rel=" not in browser.get("/studies/1.1/timeline?before=1.2").text.partition('rel="prev"')[2]


def test_a_page_after_a_study_that_is_gone_is_the_first(bank: Bank, browser: Browser) -> None:
    deposit(bank, "1.1", "20240301")

    assert shown(browser, "/studies/1.1/timeline?before=1.9") == ["1.1"]


def test_who_may_not_see_it_is_told_what_is_said_of_nothing(bank: Bank) -> None:
    deposit(bank, "1.1", "20240301")
    person = heard(bank)
    stranger = Browser(web_application(bank))
    stranger.post("/sign-in", {"token": access.issue_token(bank, Role.CLINICIAN, "south")})
    answers = [stranger.get(f"/patients/{key}/timeline") for key in (person, "0" * 32)]

    assert [one.status_code for one in answers] == [404, 404]
    assert answers[0].text == answers[1].text
    assert stranger.get("/studies/1.1/timeline").text == stranger.get("/studies/1.2/timeline").text


@pytest.mark.parametrize(
    ("params", "choice"),
    [
        ({}, Choice()),
        ({"by": "department", "kind": "photos", "before": "1.3"}, Choice(By.DEPARTMENT, "", Kind.PHOTOS, "1.3")),
        ({"by": "name", "kind": "x"}, Choice()),
        ({"before": "9" * 999, "lane": "x" * 99}, Choice(lane="x" * 12, before="9" * 128)),
    ],
)
def test_what_an_address_chooses_is_read_with_care(params: dict[str, str], choice: Choice) -> None:
    assert read_choice(params) == choice


@pytest.mark.parametrize(
    ("standing", "state"),
    [
        (None, ("", "")),
        (Standing(Progress.UNKNOWN), ("", "")),
        (Standing(Progress.COMPLETE, 9), ("complete", "")),
        (Standing(Progress.ARRIVING), ("arriving", "")),
        (Standing(Progress.ARRIVING, 320), ("arriving", "214 of 320")),
        (Standing(Progress.MISSING, 8, 2), ("missing", "2 objects are missing")),
        (Standing(Progress.MISSING), ("missing", "Something is missing")),
        (Standing(Progress.MISSING, 8, 2, is_certain=False), ("missing", "Something may be missing")),
    ],
)
def test_completeness_is_said_in_words(standing: Standing | None, state: tuple[str, str]) -> None:
    assert state_of(standing, 214) == state


def test_a_long_life_has_a_label_every_few_years() -> None:
    labels = [timeline._label(year, (1990, 2026)) for year in range(1990, 2027)]

    assert labels[-1] == "2026"
    assert 2 <= sum(map(bool, labels)) <= 13
