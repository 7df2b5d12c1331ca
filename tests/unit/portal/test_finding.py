"""The page with the one box: what it shows, where the words hit, and what stands in no address."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bank import keep, open_test_bank
from imagebank.actions import access, completeness, finding
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import Role
from imagebank.model.uid import Uid
from imagebank.portal.finding import wording_of
from make import a_file
from unit.portal.browsing import Browser, hidden_field


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


@pytest.fixture
def browser(bank: Bank) -> Browser:
    return signed_in(bank)


def signed_in(bank: Bank, organization: str = "") -> Browser:
    browser = Browser(web_application(bank))
    token = access.issue_token(bank, Role.CLINICIAN, organization)
    assert browser.post("/sign-in", {"token": token}).status_code == 303
    return browser


def deposit(bank: Bank, number: int = 1, **attributes: str) -> None:
    keep(bank, a_file(StudyInstanceUID=f"1.2.{number}", **attributes))
    finding.write(bank, Uid(f"1.2.{number}"))


def find(browser: Browser, **typed: str) -> str:
    answer = browser.post("/find", {"csrf": hidden_field(browser.get("/find"), "csrf"), **typed})
    assert "lovelace" not in str(answer.headers).lower()
    return browser.get(answer.headers["location"]).text if answer.status_code == 303 else answer.text


def test_the_study_list_leads_to_it(browser: Browser) -> None:
    assert 'action="/find"' in browser.get("/").text


def test_it_shows_studies_and_marks_where_the_words_hit(bank: Bank, browser: Browser) -> None:
    deposit(bank, PatientName="Lovelace^Ada", StudyDescription="Head <b>plain</b>")
    text = find(browser, q="lovelac plain")

    assert "Patient name: <bdi><mark>Lovelace</mark> Ada</bdi>" in text
    assert "Study description: <bdi>Head &lt;b&gt;<mark>plain</mark>&lt;/b&gt;</bdi>" in text
    assert 'value="lovelac plain"' in text
    assert 'href="/studies/1.2.1"' in text
    assert "Lovelace" not in text.partition("<title>")[2].partition("</title>")[0]


def test_facets_count_and_narrow(bank: Bank, browser: Browser) -> None:
    deposit(bank, 1, PatientSex="F", StudyDate="20200101")
    deposit(bank, 2, PatientSex="M", StudyDate="20210101")
    everything = find(browser, q="head")
    narrowed = find(browser, q="head", **{"f5.0": "sex=M", "f9": "color=red"})

    assert "2 studies" in everything
    assert "1 study" in narrowed
    assert 'href="/studies/1.2.2"' in narrowed
    assert 'value="sex=M" form="find" checked' in narrowed
    assert "2 studies" in find(browser, q="x", clear="1")


def test_studies_are_narrowed_to_those_that_still_arrive(bank: Bank, browser: Browser) -> None:
    deposit(bank, 1)
    deposit(bank, 2)
    completeness.judge(replace(bank, now=lambda: bank.now() + timedelta(hours=1)), Uid("1.2.2"))
    narrowed = find(browser, q="head", **{"f8.0": "completeness=arriving"})

    assert {"Still arriving</bdi>", "Not known</bdi>"} <= set(re.findall("[A-Z][a-z ]+</bdi>", find(browser, q="head")))
    assert "1 study" in narrowed
    assert 'href="/studies/1.2.1"' in narrowed
    assert "<bdi>lost</bdi>" in find(browser, q="head", **{"f8.0": "completeness=lost"}), "a value that is none"


def test_pages_follow_by_keys_that_say_nothing(bank: Bank, browser: Browser) -> None:
    for number in range(1, 28):
        deposit(bank, number, StudyDate=f"202001{number:02}")
    first = find(browser, q="head")
    key = first.partition("/find?after=")[2].partition('"')[0]
    second = browser.get(f"/find?after={key}").text

    assert (first.count("data-row"), second.count("data-row")) == (25, 2)
    assert "First page" in second
    assert "More" not in second.partition("<nav class=")[2]
    assert browser.get("/find?after=nonsense").headers["location"] == "/find"


def test_an_empty_bank_and_a_question_without_an_answer_say_what_to_do(bank: Bank, browser: Browser) -> None:
    assert "nothing has been written down yet" in browser.get("/find").text
    assert "Nothing found" in find(browser, q="nobody")
    assert "Type fewer words" in find(browser, q="x" * 257)


def test_what_is_nearly_so_is_said_to_be(bank: Bank, browser: Browser) -> None:
    deposit(bank, PatientName="Lovelace^Ada")

    assert "nearly these words" in find(browser, q="lovelase")


def test_a_question_is_for_its_own_session_alone(bank: Bank, browser: Browser) -> None:
    find(browser, q="lovelace")
    other = signed_in(bank)
    other.cookies.set("imagebank-find", browser.cookies["imagebank-find"])

    assert "lovelace" not in other.get("/find").text


def test_a_study_of_another_organization_does_not_exist(bank: Bank) -> None:
    deposit(bank, PatientName="Lovelace^Ada")
    text = find(signed_in(bank, "elsewhere"), q="lovelace")

    assert "Nothing found" in text
    assert "1.2.1" not in text


def test_attributes_are_called_as_people_do() -> None:
    labels = ["StudyDescription", "PatientID", "ContentSequence.TextValue", "(0029,xx10) ACME", "File name"]
    labels += ["Report 20261103", "PDF document"]

    assert [wording_of(label) for label in labels] == [
        "Study description",
        "Patient ID",
        "Text value",
        "(0029,xx10) ACME",
        "File name",
        "In the report of 3 Nov 2026",
        "PDF document",
    ]
