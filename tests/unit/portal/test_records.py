"""The page of a person's records: linking after comparing, parting, undoing, and what stands in no address."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import access, persons
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import Role, Scope
from imagebank.model.identity import Evidence, Identity, Likeness, Origin
from imagebank.model.person import PatientId, PersonName
from imagebank.portal import pairs
from imagebank.portal.language import day
from make import a_file
from unit.portal.browsing import Browser, hidden_field

ADA, SOUTH, LAC = PatientId("local", "ADA 1"), PatientId("south", "S 1"), PatientId("lac", "L <1>")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        fill(opened)
        yield opened


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """The same for tests that change nothing."""
    with open_test_bank(tmp_path_factory.mktemp("still")) as opened:
        fill(opened)
        yield opened


def fill(bank: Bank) -> None:
    """Ada, whom two organizations know and who is linked, and a record of a third that is like hers."""
    about = Identity(ADA, PersonName.parse("Lovelace^Ada"), "18151210", "F", "1 Mill Lane", "0123 456", "Bo")
    persons.hear(bank, replace(about, origin=Origin.HL7))
    persons.hear(bank, replace(about, patient=SOUTH, origin=Origin.HL7))
    persons.hear(bank, Identity(LAC, PersonName.parse("Lovelaze^Ada"), "18151201", "F", origin=Origin.HL7))
    for number, patient in enumerate((ADA, SOUTH, LAC)):
        source = replace(SOURCE, organization=patient.issuer)
        keep(bank, a_file(StudyInstanceUID=f"1.{number}", PatientID=patient.identifier), source=source)


def signed_in(bank: Bank, role: Role, organization: str = "local") -> Browser:
    browser = Browser(web_application(bank))
    browser.post("/sign-in", {"token": access.issue_token(bank, role, organization)})
    return browser


def person(bank: Bank, patient: PatientId = ADA) -> str:
    return persons.shown(bank, patient, Scope(None)).person


def words(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text))


def send(bank: Bank, browser: Browser, what: str, patient: PatientId | None = None, **typed: str) -> Any:
    """Send one of the page's forms; the answer, or the page that it leads to."""
    root = f"/patients/{person(bank)}/records"
    about = {"issuer": patient.issuer, "identifier": patient.identifier} if patient else {}
    csrf = hidden_field(browser.get(root), "csrf")
    answer = browser.post(f"{root}/{what}", {"csrf": csrf, **about, **typed})
    return browser.get(answer.headers["location"]) if answer.status_code == 303 else answer


def test_it_is_reached_from_the_timeline_by_who_may_reconcile(still: Bank) -> None:
    browser = signed_in(still, Role.ADMIN)
    link = f'href="/patients/{person(still)}/records"'

    assert link in browser.get("/studies/1.0/timeline").text
    assert link not in signed_in(still, Role.CLINICIAN).get("/studies/1.0/timeline").text
    assert signed_in(still, Role.CLINICIAN).get(f"/patients/{person(still)}/records").status_code == 403


def test_it_shows_the_records_and_why(still: Bank) -> None:
    browser = signed_in(still, Role.ADMIN)
    shown = browser.get(f"/patients/{person(still)}/records")

    assert "One person, 2 records" in words(shown)
    assert "local ADA 1 Lovelace, Ada" in words(shown)
    assert words(shown).count("the same: family name, given names, date of birth") == 3
    assert "Lovelace" not in shown.text.partition("<title>")[2].partition("</title>")[0]


def test_a_record_is_compared_before_it_is_linked(still: Bank) -> None:
    browser = signed_in(still, Role.ADMIN)
    shown = send(still, browser, "compare", LAC)

    assert shown.status_code == 200
    assert "nearly the same: Lovelaze, Ada" in words(shown)
    assert f"in other order: {day('18151201')}" in words(shown) or f"nearly the same: {day('18151201')}" in words(shown)
    assert "same: female" in words(shown)
    assert "L &lt;1&gt; · lac" in shown.text
    assert "Link all of them" not in shown.text
    assert 'class="button main">Compare' not in shown.text


def test_it_is_linked_parted_and_undone(bank: Bank) -> None:
    browser = signed_in(bank, Role.ADMIN)
    linked = send(bank, browser, "link", LAC, why="asked <her>")
    parted = send(bank, browser, "part", LAC, why="another birth date")
    decision = hidden_field(parted, "decision")
    undone = send(bank, browser, "undo", decision=decision)
    again = send(bank, browser, "undo", decision=decision)

    assert "The record is linked." in words(linked)
    assert "One person, 3 records" in words(linked)
    assert "asked &lt;her&gt;" in linked.text
    assert "stands alone again" in words(parted)
    assert "One person, 2 records" in words(parted)
    assert "The decision is taken back." in words(undone)
    assert "One person, 3 records" in words(undone)
    assert "taken back" in words(undone).partition("Parted from the others")[2]
    assert (again.status_code, "was taken back already" in words(again)) == (409, True)


def test_all_records_of_the_other_person_can_be_linked(bank: Bank) -> None:
    browser = signed_in(bank, Role.ADMIN)
    east = PatientId("east", "E1")
    persons.hear(bank, Identity(east, PersonName("Other^Name"), origin=Origin.HL7))
    keep(bank, a_file(StudyInstanceUID="1.9", PatientID="E1"), source=replace(SOURCE, organization="east"))
    root = f"/patients/{person(bank, LAC)}/records"
    csrf = hidden_field(browser.get(root), "csrf")
    browser.post(f"{root}/link", {"csrf": csrf, "issuer": "east", "identifier": "E1", "why": "asked"})
    compared = send(bank, browser, "compare", LAC)
    joined = send(bank, browser, "link", LAC, how="all", why="asked")

    assert "1 other record is linked to it already" in words(compared)
    assert "One person, 4 records" in words(joined)


@pytest.mark.parametrize(
    ("what", "patient", "typed", "status", "said"),
    [
        ("compare", PatientId("local", "nobody"), {}, 404, "Nothing is here under this number"),
        ("compare", PatientId("", ""), {}, 422, "Type the number of the record"),
        ("compare", SOUTH, {}, 409, "this person's already"),
        ("link", LAC, {"why": " "}, 422, "Say what you go by"),
        ("part", SOUTH, {"why": ""}, 422, "Say what you go by"),
        ("part", LAC, {"why": "x"}, 404, "no such patient record"),
        ("undo", None, {"decision": "x"}, 404, "no such decision"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    still: Bank, what: str, patient: PatientId | None, typed: dict[str, str], status: int, said: str
) -> None:
    browser = signed_in(still, Role.ADMIN)
    answer = send(still, browser, what, patient, **typed)

    assert answer.status_code == status
    assert said in words(answer).replace("&#39;", "'")
    assert "One person, 2 records" in words(answer)
    assert ("Is this the same person?" in words(answer)) == (what == "link")


def test_who_sees_none_of_the_studies_is_told_what_is_said_of_nothing(still: Bank) -> None:
    stranger = signed_in(still, Role.TECHNOLOGIST, "east")
    answers = [stranger.get(f"/patients/{key}/records") for key in (person(still), "0" * 32)]
    south = signed_in(still, Role.TECHNOLOGIST, "south")

    assert [one.status_code for one in answers] == [404, 404]
    assert answers[0].text == answers[1].text
    assert "One person, 1 record" in words(south.get(f"/patients/{person(still)}/records"))
    hidden = send(still, south, "compare", LAC)
    unknown = send(still, south, "compare", PatientId("lac", "L <2>"))
    assert hidden.text.replace("&lt;1", "&lt;2") == unknown.text


def test_many_decisions_stand_behind_the_newest(bank: Bank) -> None:
    browser = signed_in(bank, Role.ADMIN)
    for _ in range(6):
        send(bank, browser, "link", LAC, why="asked")
        send(bank, browser, "part", LAC, why="no")

    assert "3 decisions before" in words(browser.get(f"/patients/{person(bank)}/records"))


def test_a_form_of_other_pages_changes_nothing(still: Bank) -> None:
    browser = signed_in(still, Role.ADMIN)
    root = f"/patients/{person(still)}/records"

    assert browser.post(f"{root}/part", {"issuer": "south", "identifier": "S 1", "why": "x"}).status_code == 403
    assert "One person, 2 records" in words(browser.get(root))


def test_a_pair_says_the_worst_of_what_was_found() -> None:
    one, other = Identity(ADA, PersonName("A^B"), "20000101"), Identity(LAC, PersonName("A^C"))
    found = (Evidence("family", "same", 1), Evidence("given", "sound", 1), Evidence("sex", "other", -1))
    heads, table = pairs.pair(one, other, Likeness(ADA, LAC, 3.25, found))

    assert heads == ["A, B", "A, C"]
    assert [row["cells"] for row in table][:3] == [
        [("alike", "sounds alike: A, C")],
        [("", "not given")],
        [("differs", "differs: not given")],
    ]
