"""What stands beside the list of hits, and comparing: the earlier studies with their reasons, and nothing that is not theirs to see."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import access, completeness, finding
from imagebank.actions.earlier import Earlier
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import Role
from imagebank.model.timeline import Entry, Kind
from imagebank.model.uid import Uid
from imagebank.portal import beside
from make import a_file
from unit.portal.browsing import Browser
from unit.portal.test_finding import find
from unit.portal.test_timeline import text_of

A_REPORT = {
    "Modality": "SR",
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11",
    "StudyDescription": "",
    "InstitutionName": "Clinic <A>",
}


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """Ada has five studies, Bob one without a picture, Cyd one among her earlier ones, and Dee many of one month."""
    with open_test_bank(tmp_path_factory.mktemp("beside")) as opened:
        a_life(opened)
        deposit(opened, "2.1", "20260101", PatientID="BOB", PatientName="Bernoulli^Bob", **A_REPORT)
        completeness.judge(opened, Uid("1.5"))
        for number, more in ((3, {}), (2, A_REPORT), (1, {})):
            deposit(opened, f"3.{number}", f"202{number}0101", PatientID="CYD", PatientName="Cantor^Cyd", **more)
        for number in range(8):
            deposit(opened, f"4.{number}", f"2020010{number + 1}", PatientID="DEE", PatientName="Dirac^Dee")
        south = replace(SOURCE, organization="south")
        keep(opened, a_file(StudyInstanceUID="5.1", PatientID="BOB", StudyDate="20200101"), source=south)
        yield opened


@pytest.fixture
def browser(bank: Bank) -> Browser:
    return signed_in(bank)


def signed_in(bank: Bank, organization: str = "") -> Browser:
    browser = Browser(web_application(bank))
    browser.post("/sign-in", {"token": access.issue_token(bank, Role.CLINICIAN, organization)})
    return browser


def deposit(bank: Bank, study: str, date: str, part: str = "", modality: str = "CT", **given: Any) -> None:
    about = {"PatientID": "ADA", "PatientName": "Lovelace^Ada", "BodyPartExamined": part, "Modality": modality}
    described = {"StudyDescription": f"Exam {study}"}
    keep(bank, a_file(StudyInstanceUID=study, StudyDate=date, **{**about, **described, **given}))
    finding.write(bank, Uid(study))


def panel(answer: Any) -> str:
    """What stands beside the list, without its marks."""
    found = re.search(r"<aside.*?</aside>", answer.text, re.DOTALL)
    assert found
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", found[0]))


def a_life(bank: Bank) -> None:
    deposit(bank, "1.5", "20260115", "HEAD", "MR")
    deposit(bank, "1.4", "20260101", "KNEE", "MR")
    deposit(bank, "1.3", "20251201", "EYE", "OP")
    deposit(bank, "1.2", "20250101", "HEAD", "CT")
    deposit(bank, "1.1", "20200101", "HEAD", "MR")


def test_the_chosen_row_stands_beside_the_list_with_the_earlier_ones_and_why(browser: Browser) -> None:
    find(browser, q="lovelace")
    shown = browser.get("/find")
    words = panel(shown)

    assert "Exam 1.5 Lovelace, Ada · 15 Jan 2026" in words
    assert "Still arriving" in words
    assert re.findall(r"Exam (1\.[1-4])  ?[^·]* · (.*? older)", words) == [
        ("1.2", "same region, other modality: CT, 12 months older"),
        ("1.1", "same region, same modality, 6 years older"),
        ("1.4", "other region, same modality, 14 days older"),
        ("1.3", "other region, other modality, 45 days older"),
    ]
    assert 'href="/compare?study=1.5&amp;study=1.2"' in shown.text
    assert 'alt="One picture of: Exam 1.5"' in shown.text


def test_any_row_is_chosen_by_a_key_that_says_nothing_and_is_of_this_session(bank: Bank, browser: Browser) -> None:
    text = find(browser, q="lovelace")
    addresses = re.findall(r'data-beside href="(/find\?chosen=[0-9a-f]{16})"', text)
    third = browser.get(addresses[2])
    other = signed_in(bank)
    find(other, q="lovelace")

    assert len(set(addresses)) == 5
    assert "Exam 1.3 Lovelace" in panel(third)
    assert third.text.count('aria-current="true"') == text.count('aria-current="true"')
    assert "Exam 1.5 Lovelace" in panel(other.get(addresses[2]))


def test_nothing_is_chosen_before_somebody_asks(browser: Browser) -> None:
    shown = browser.get("/find")

    assert "Choose a row" in panel(shown)
    assert 'class="button main">Find' in shown.text
    assert shown.headers["content-security-policy"].endswith("connect-src 'self'")
    assert "<aside" not in find(browser, q="nobody")


def test_a_study_without_earlier_ones_says_so(bank: Bank) -> None:
    words = text_of(signed_in(bank, "local").get("/studies/2.1/beside"))

    assert "No earlier study of this person is here." in words
    assert "Clinic &lt;A&gt;" in words


def test_what_has_no_picture_is_not_opened_side_by_side(browser: Browser) -> None:
    shown, report = browser.get("/studies/3.3/beside").text, browser.get("/studies/3.2/beside").text

    assert 'href="/compare?study=3.3&amp;study=3.1"' in shown
    assert "/studies/3.2/thumbnail" not in shown
    assert "/compare" not in report


def test_the_script_gets_the_same_without_a_page(browser: Browser) -> None:
    answer = browser.get("/studies/4.7/beside")

    assert "<html" not in answer.text
    assert answer.text.count("<li>") == 5
    assert "All of this person, 2 more" in text_of(answer)


def test_what_the_caller_may_not_see_stands_nowhere(bank: Bank) -> None:
    local, stranger = signed_in(bank, "local"), signed_in(bank, "east")

    assert local.get("/studies/5.1/beside").text == local.get("/studies/5.8/beside").text
    assert stranger.get("/compare?study=1.1&study=1.2").text == stranger.get("/compare?study=1.8&study=1.9").text
    assert stranger.get("/compare?study=1.1&study=1.2").status_code == 404
    assert local.get("/compare?study=5.1&study=1.2").status_code == 404


def test_chosen_studies_open_side_by_side_the_newest_first(browser: Browser) -> None:
    answer = browser.get("/compare?study=1.1&study=1.2&study=1.1")

    assert answer.status_code == 303
    assert (
        "?StudyInstanceUIDs=1.2,1.1&hangingProtocolId=imagebank.compare&initialSeriesInstanceUID="
        in (answer.headers["location"])
    )
    assert "has nothing to show of one of these" in text_page(browser.get("/compare?study=1.1&study=2.1"))
    for query in ("", "?study=1.1", "?" + "&".join(f"study=1.{number}" for number in range(9))):
        refused = browser.get(f"/compare{query}")
        assert refused.status_code == 400
        assert "Choose two to 8 studies to compare" in text_page(refused)


def text_page(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text))


@pytest.mark.parametrize(
    ("region", "modality", "days", "words"),
    [
        (True, True, 14, "same region, same modality, 14 days older"),
        (None, True, 1, "same modality, 1 day older"),
        (False, None, 0, "other region, the same day"),
        (None, False, 61, "other modality, 2 months older"),
        (None, None, 800, "2 years older"),
        (None, None, None, ""),
    ],
)
def test_reasons_are_words(region: bool | None, modality: bool | None, days: int | None, words: str) -> None:
    entry = Entry(Uid("1.1"), {}, "", Kind.IMAGES, ())

    assert beside.why(Earlier(entry, region, modality, days)) == words
