"""The pages about who may see what, how people come in, and what rules do, by what axe finds: in both themes, on a desk and a phone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.judging import faults
from browser.viewing import person
from make import a_dataset, as_file

pytestmark = pytest.mark.browser

PASSWORD = "seven green herons wade"
REASON = "unconscious after a fall"
STUDY = "1.2.826.0.1.3680043.10.7.1"


@pytest.fixture(scope="module")
def bank(running_bank: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A bank with a study of Ada's."""
    file = tmp_path_factory.mktemp("ada") / "ada.dcm"
    file.write_bytes(as_file(a_dataset(PatientID="ADA", PatientName="Varga^Ada", StudyInstanceUID=STUDY)))
    running_bank.import_paths([file])
    return running_bank


@contextmanager
def somebody(chromium: Browser, bank: Any, role: str, organization: str = "", name: str = "operator") -> Iterator[Page]:
    """The browser of somebody with a role, who came by a link."""
    given = ("--organization", organization) if organization else ()
    with person(chromium) as context:
        page = context.new_page()
        link = bank.run("sign-in-link", "--role", role, "--name", name, *given)
        assert link.status == 0, link.err
        page.goto(link.out.strip())
        yield page


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def name_patient(page: Page, organization: str = "local") -> None:
    page.get_by_label("Patient ID").fill("ADA")
    page.get_by_label("Organization that gave the ID").fill(organization)


def decide(page: Page, word: str, **typed: str) -> None:
    page.get_by_label("The patient decides to").select_option(word)
    for label, text in typed.items():
        page.get_by_label(label.replace("_", " ")).fill(text)
    press(page, "Write it down")


def test_consents(chromium: Browser, bank: Any) -> None:
    with somebody(chromium, bank, "privacy-officer") as page:
        page.goto(f"{bank.url}/consents")
        assert faults(page) == []
        name_patient(page)
        press(page, "Show")
        expect(page.get_by_text("Nothing was decided about")).to_be_visible()
        assert faults(page) == []
        entries = page.locator(".entries li")
        decide(page, "deny", People_of_the_organization="south")
        expect(entries).to_have_count(1)
        decide(page, "permit", Modality="ct", For_how_many_days="30")
        expect(entries).to_have_count(2)
        page.get_by_role("button", name="Revoke").first.click()
        expect(page.get_by_text("ended")).to_be_visible()
        assert faults(page) == []
        decide(page, "deny", For_how_many_days="many")
        expect(page.get_by_role("alert")).to_contain_text("Days are a whole number")
        assert faults(page) == []


def test_an_emergency_and_its_review(chromium: Browser, bank: Any) -> None:
    with (
        somebody(chromium, bank, "clinician", "south", "Dr South") as page,
        somebody(chromium, bank, "privacy-officer") as officer,
    ):
        page.goto(f"{bank.url}/emergency")
        assert faults(page) == []
        page.get_by_label("Why").fill("quick")
        name_patient(page)
        press(page, "Open the record")
        expect(page.get_by_role("alert")).to_contain_text("Say why")
        assert faults(page) == []
        page.get_by_label("Why").fill(REASON)
        press(page, "Open the record")
        expect(page.get_by_role("alert")).to_contain_text("beyond your rights")
        assert faults(page) == []
        page.goto(f"{bank.url}/studies/{STUDY}")
        assert faults(page) == []
        press(page, "End this emergency")
        expect(page.get_by_text("beyond your rights")).to_have_count(0)

        officer.goto(f"{bank.url}/reviews")
        expect(officer.get_by_text(REASON).first).to_be_visible()
        assert faults(officer) == []
        notes = officer.get_by_role("button", name="Note the review")
        for left in reversed(range(notes.count())):
            officer.get_by_label("What you found").first.fill("it was right")
            notes.first.click()
            expect(notes).to_have_count(left)
        expect(officer.get_by_text("Nobody has opened a record")).to_be_visible()
        assert faults(officer) == []


def test_disclosures(chromium: Browser, bank: Any) -> None:
    with somebody(chromium, bank, "clinician", "local", "Dr Local") as doctor:
        doctor.goto(f"{bank.url}/studies/{STUDY}")
    with somebody(chromium, bank, "privacy-officer") as page:
        page.goto(f"{bank.url}/disclosures")
        assert faults(page) == []
        name_patient(page)
        press(page, "Show")
        expect(page.get_by_role("table")).to_contain_text("Dr Local")
        assert faults(page) == []
        name_patient(page, "nowhere")
        press(page, "Show")
        expect(page.get_by_text("Nothing was disclosed")).to_be_visible()
        assert faults(page) == []
        page.get_by_label("From").fill("2026-02-01")
        page.get_by_label("To", exact=True).fill("2026-01-01")
        press(page, "Show")
        expect(page.get_by_role("alert")).to_contain_text("before it begins")
        assert faults(page) == []


def test_signing_in_and_ones_own_account(chromium: Browser, bank: Any) -> None:
    link = bank.run("person", "add", "--name", "ada", "--role", "clinician", "--display-name", "Ada Varga").out.strip()
    with person(chromium) as context:
        page = context.new_page()
        page.goto(link)
        expect(page.get_by_role("heading", name="Welcome, Ada Varga")).to_be_visible()
        assert faults(page) == []
        page.get_by_label("Password").fill(PASSWORD)
        press(page, "Set the password and go on")
        expect(page.get_by_role("heading", name="Your account", exact=True)).to_be_visible()
        assert faults(page) == []
        page.goto(f"{bank.url}/account/prove")
        assert faults(page) == []
        page.get_by_label("Password").fill("wrong")
        press(page, "Use the password")
        expect(page.get_by_role("alert")).to_be_visible()
        assert faults(page) == []
        press(page, "Sign out")
        expect(page.get_by_label("E-mail address, account number or name")).to_be_visible()
        assert faults(page) == []
        page.get_by_label("E-mail address, account number or name").fill("ada")
        page.get_by_label("Password", exact=True).fill("wrong")
        press(page, "Sign in with a password")
        expect(page.get_by_role("alert")).to_contain_text("do not open anything")
        page.get_by_text("Sign in with a bearer token").click()
        assert faults(page) == []
        page.get_by_role("link", name="Forgotten your password?").click()
        expect(page.get_by_role("heading", name="Forgotten password")).to_be_visible()
        page.goto(link)
        expect(page.get_by_role("heading", name="nothing here for you")).to_be_visible()
        assert faults(page) == []


def test_pages_that_are_not_read_in_the_dark_are_as_light_as_the_system_is(chromium: Browser, bank: Any) -> None:
    grounds = []
    with somebody(chromium, bank, "admin") as page:
        for address in ("/consents", "/reviews", "/disclosures", "/account", "/"):
            for theme in ("light", "dark"):
                page.emulate_media(color_scheme=theme)
                page.goto(bank.url + address)
                grounds.append(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))

    light, dark = grounds[:2]
    assert light != dark
    assert grounds == [light, dark] * 4 + [dark, dark]


def test_who_came_by_a_link_has_no_account(chromium: Browser, bank: Any) -> None:
    with somebody(chromium, bank, "clinician") as page:
        for address in ("/account", "/account/prove", "/reviews"):
            page.goto(bank.url + address)
            assert faults(page) == []


def test_a_study_is_put_right(chromium: Browser, bank: Any) -> None:
    with somebody(chromium, bank, "technologist") as page:
        page.goto(f"{bank.url}/studies/{STUDY}")
        page.get_by_role("link", name="Correct", exact=True).click()
        expect(page.get_by_text("Nothing of this study was corrected here.")).to_be_visible()
        assert faults(page) == []
        page.get_by_label("Why").fill("the worklist was wrong")
        press(page, "Show what would change")
        expect(page.get_by_role("alert")).to_contain_text("Nothing is typed")
        assert faults(page) == []
        page.get_by_label("Accession number").fill("A-77")
        press(page, "Show what would change")
        expect(page.get_by_role("cell", name="A-77")).to_be_visible()
        assert faults(page) == []
        press(page, "Correct")
        expect(page.get_by_text("Undo", exact=True)).to_be_visible()
        page.get_by_text("Undo", exact=True).click()
        expect(page.get_by_role("button", name="Go back to the values before")).to_be_visible()
        assert faults(page) == []


RULES = """
[[rule]]
name = "Own issuer"
when = 'header.IssuerOfPatientID == ""'
[[rule.do]]
action = "set"
tag = "IssuerOfPatientID"
value = "NORTH"
[[rule.do]]
action = "require"
tags = ["AccessionNumber"]
"""


def test_rules_are_written_tried_and_switched_on_by_a_page_without_faults(chromium: Browser, bank: Any) -> None:
    found = []
    with somebody(chromium, bank, "admin", name="keeper") as page:
        page.goto(f"{bank.url}/rules")
        found += faults(page)
        page.get_by_label("Text of the rules").fill(RULES.replace('"set"', '"sett"'))
        press(page, "Check")
        expect(page.get_by_role("alert")).to_contain_text("Line 6")
        found += faults(page)
        page.get_by_label("Text of the rules").fill(RULES)
        press(page, "Try on the past")
        expect(page.get_by_role("table", name="What would differ")).to_contain_text("NORTH")
        found += faults(page)
        press(page, "Switch on")
        expect(page.get_by_role("status")).to_contain_text("in force")
        page.get_by_label("Text of the rules").fill("")
        press(page, "Switch on")
        expect(page.get_by_text("There are no rules in this text yet")).to_be_visible()
        expect(page.get_by_role("status")).to_contain_text("in force")

    assert found == []
