"""Above the viewer stands that a record was opened in an emergency; what it opened leaves the screen with it."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, BrowserContext, expect
from pydicom import dcmread

from bank import keep_paths, open_test_bank, serving
from browser.viewing import (
    assert_nothing_went_wrong,
    box_of,
    eye,
    files_of,
    open_in_viewer,
    open_study,
    person,
    study_of,
)
from imagebank.actions import access
from imagebank.model.access import Role

pytestmark = pytest.mark.browser


def a_clinician(running_bank: Any, organization: str) -> str:
    """The link by which a clinician of an organization signs in."""
    given = ("--role", "clinician", "--organization", organization, "--name", f"Dr of {organization}")
    return str(running_bank.run("sign-in-link", *given).out.strip())


def opening(somebody: BrowserContext, link: str, patient: str) -> None:
    """Sign a clinician in, who opens a patient's record in an emergency."""
    page = somebody.new_page()
    page.goto(link)
    page.goto(urljoin(link, "/emergency"))
    page.get_by_label("Patient ID").fill(patient)
    page.get_by_label("Organization that gave the ID").fill("local")
    page.get_by_label("Why").fill("unconscious after a fall")
    page.get_by_role("button", name="Open the record").click()
    page.get_by_text("beyond your rights").wait_for()
    page.close()


def patient_of(*names: str) -> str:
    return str(dcmread(files_of(*names)[0], stop_before_pixels=True).PatientID)


def test_a_bar_says_that_a_record_was_opened_in_an_emergency_and_ends_it(chromium: Browser, running_bank: Any) -> None:
    with person(chromium) as somebody, eye(somebody, running_bank.url) as looking:
        running_bank.import_paths(files_of("ct-head-current"))
        opening(somebody, a_clinician(running_bank, "south"), patient_of("ct-head-current"))
        open_study(looking, running_bank, "ct-head-current")
        looking.wait_until_lit()
        bar = looking.page.get_by_role("region", name="Emergency")
        expect(bar.get_by_role("alert")).to_contain_text("was opened in an emergency")
        expect(bar).to_contain_text(re.compile(r"beyond your rights, until \d.*, for (60|5\d) minutes more"))
        image = looking.page.locator("canvas.cornerstone-canvas").first

        def is_below() -> bool:
            x, y, width, height = box_of(bar)
            _, top, _, high = box_of(image)
            return (x, y, width) == (0, 0, 1280) and height <= top and top + high <= 800

        looking.wait_for(is_below, lambda: (box_of(bar), box_of(image)))
        assert_nothing_went_wrong(looking)

        looking.page.get_by_role("button", name="End this emergency").click()
        # The record was not for this clinician otherwise: it leaves the screen.
        looking.page.wait_for_url("**/viewer/missing.html")
        expect(looking.page.get_by_role("region", name="Emergency")).to_have_count(0)
        looking.page.goto(running_bank.url)
        expect(looking.page.get_by_role("heading", name="Studies")).to_be_visible()
        expect(looking.page.get_by_text("beyond your rights")).to_have_count(0)


def test_images_that_are_for_the_clinician_anyway_stay_when_an_emergency_ends(
    chromium: Browser, running_bank: Any
) -> None:
    with person(chromium) as somebody, eye(somebody, running_bank.url) as looking:
        opening(somebody, a_clinician(running_bank, "local"), "SOMEBODY-ELSE")
        looking.page.set_viewport_size({"width": 390, "height": 844})
        open_study(looking, running_bank, "ct-head-current")
        looking.wait_until_lit()
        bar = looking.page.get_by_role("region", name="Emergency")
        expect(bar).to_contain_text("SOMEBODY-ELSE")
        image = looking.page.locator("canvas.cornerstone-canvas").first
        tools = looking.page.locator("[data-cy=Zoom]").first

        def is_above() -> bool:
            _, top, _, high = box_of(image)
            return top + high <= box_of(tools)[1] < 844

        looking.wait_for(is_above, lambda: (box_of(image), box_of(tools)))

        bar.get_by_role("button", name="End this emergency").click()
        expect(bar).to_have_count(0)
        looking.wait_until_lit()
        expect(bar).to_have_count(0)
        assert_nothing_went_wrong(looking)


def test_a_record_leaves_the_screen_when_the_time_of_its_emergency_is_over(chromium: Browser, tmp_path: Path) -> None:
    files, over = files_of("ct-head-current"), [timedelta()]
    with (
        open_test_bank(tmp_path, emergency_minutes=5) as bank,
        serving(replace(bank, now=lambda: bank.now() + over[0])) as url,
        person(chromium) as somebody,
        eye(somebody, url) as looking,
    ):
        keep_paths(bank, files)
        code = access.sign_in_link(bank, Role.CLINICIAN, "Dr of south", "south")
        opening(somebody, f"{url}/sign-in/{code}", patient_of("ct-head-current"))
        open_in_viewer(looking, study_of(files[0]))
        expect(looking.page.get_by_role("region", name="Emergency")).to_be_visible()
        over[0] = timedelta(minutes=6)
        looking.ask("{ const now = Date.now; Date.now = () => now() + 6 * 60_000 }")

        looking.page.wait_for_url("**/viewer/missing.html")
        expect(looking.page.locator("canvas")).to_have_count(0)
