"""The search page by keyboard alone: going down the list, what stands beside it, comparing, and keys that are off."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from bank import keep, open_test_bank, serving
from browser.judging import THEMES, faults
from browser.viewing import person
from imagebank.actions import access, finding, persons
from imagebank.model.access import Role, Scope
from imagebank.model.identity import Identity
from imagebank.model.person import PatientId, PersonName
from imagebank.model.uid import Uid
from make import a_file

pytestmark = pytest.mark.browser

VIEWER = "**/viewer/viewer?StudyInstanceUIDs={}&hangingProtocolId=imagebank.compare&*"


def search(page: Page, url: str) -> None:
    page.goto(f"{url}/find")
    page.keyboard.press("/")
    page.keyboard.type("lovelace")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("tr[aria-current=true]")).to_contain_text("Exam 3")


def test_studies_are_looked_at_and_compared_by_keyboard_alone(chromium: Browser, tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank, serving(bank) as url, person(chromium, reduced_motion="reduce") as somebody:
        for number in (1, 2, 3):
            about = {"PatientName": "Lovelace^Ada", "StudyDescription": f"Exam {number}", "PatientID": "ADA"}
            keep(bank, a_file(StudyInstanceUID=f"1.{number}", StudyDate=f"202{number}0101", **about))
            finding.write(bank, Uid(f"1.{number}"))
        ada = PatientId("local", "ADA")
        persons.hear(bank, Identity(ada, PersonName("Lovelace^Ada"), "18151210", "F"))
        page, beside = somebody.new_page(), "#beside h2"
        page.goto(f"{url}/sign-in/{access.sign_in_link(bank, Role.ADMIN, 'tess', 'local')}")
        # What comes of the viewer's address is its own matter.
        page.route("**/viewer/**", lambda route: route.fulfill(body="the viewer"))
        search(page, url)
        expect(page.locator(beside)).to_have_text("Exam 3")
        assert faults(page, THEMES) == []

        for key, exam in (
            ("ArrowDown", "Exam 3"),
            ("ArrowDown", "Exam 2"),
            ("ArrowDown", "Exam 1"),
            ("ArrowUp", "Exam 2"),
        ):
            page.keyboard.press(key)
            expect(page.locator("[data-row]:focus")).to_have_text(exam)
            expect(page.locator(beside)).to_have_text(exam)
        expect(page.locator("#beside")).to_contain_text("same modality, 12 months older")
        chosen = page.url
        page.keyboard.press("c")
        page.wait_for_url(VIEWER.format("1.2,1.1"))
        page.goto(chosen)
        expect(page.locator(beside)).to_have_text("Exam 2")

        compare = page.get_by_role("button", name="Compare")
        expect(compare).to_be_disabled()
        for exam in ("Exam 3", "Exam 1"):
            page.get_by_role("checkbox", name=exam).press("Space")
        expect(compare).to_have_text("Compare 2 chosen")
        page.keyboard.press("c")
        page.wait_for_url(VIEWER.format("1.3,1.1"))

        page.goto(chosen)
        page.keyboard.press("?")
        expect(page.get_by_text("compare the rows that are ticked")).to_be_visible()
        page.get_by_label("Single keys act").uncheck()
        page.keyboard.press("Escape")
        page.keyboard.press("c")
        expect(page.locator("#beside kbd").first).to_be_hidden()
        assert page.url == chosen
        page.set_viewport_size({"width": 1100, "height": 800})
        expect(page.locator("#beside")).to_be_hidden()

        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(f"{url}/find")
        session = somebody.cookies()
        somebody.clear_cookies()
        page.locator("[data-row]", has_text="Exam 1").focus()
        page.wait_for_url("**/sign-in")
        somebody.add_cookies(session)  # type: ignore[arg-type]  # what a browser tells of cookies it takes

        page.goto(f"{url}/patients/{persons.shown(bank, ada, Scope(None)).person}/records")
        assert faults(page, THEMES) == []
