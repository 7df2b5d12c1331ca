"""Taking studies along from the search, and looking at them from the folder alone, without a server."""

import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from bank import keep, open_test_bank, serving
from browser.judging import AS_IT_IS, faults, hold_still
from browser.viewing import person
from imagebank import worker
from imagebank.actions import access, exporting, finding
from imagebank.model.access import Role
from imagebank.model.uid import Uid
from make import a_series

pytestmark = pytest.mark.browser


def test_chosen_studies_are_taken_along_and_looked_at_without_a_server(chromium: Browser, tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank, serving(bank) as url, person(chromium) as somebody:
        keep(bank, *a_series(5, rows=64, columns=64, StudyInstanceUID="1.1", SeriesDescription="Thin"))
        finding.write(bank, Uid("1.1"))
        page = somebody.new_page()
        page.goto(f"{url}/sign-in/{access.sign_in_link(bank, Role.ADMIN, 'tess', 'local')}")
        page.goto(f"{url}/find")
        page.get_by_role("checkbox", name="CT head").check()
        page.get_by_role("button", name="Take chosen along").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Take images along")
        assert faults(page, [AS_IT_IS]) == []

        page.get_by_role("button", name="Make it ready").click()
        expect(page.get_by_role("progressbar")).to_be_visible()
        hold_still(page)
        assert faults(page, [AS_IT_IS]) == []

        page.reload()
        expect(page.get_by_role("progressbar")).to_be_visible()
        while worker.step(bank, {exporting.JOB: exporting.export_job}):
            pass
        # By itself.
        expect(page.get_by_role("heading", level=1)).to_have_text("It is ready")
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").click()
        with zipfile.ZipFile(download.value.path()) as archive:
            archive.extractall(tmp_path / "taken")

    with person(chromium) as somebody:
        page, said = somebody.new_page(), list[str]()
        page.on("console", lambda one: said.append(one.text))
        page.goto((tmp_path / "taken/INDEX.HTM").as_uri())
        page.get_by_role("link", name="Look at the pictures").click()
        place, image = page.locator("#place"), page.get_by_role("img")
        expect(place).to_have_text("Picture 3")
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 64
        for key, wanted in (("ArrowDown", 4), ("Home", 1)):
            page.keyboard.press(key)
            expect(place).to_have_text(f"Picture {wanted}")
        image.hover()
        page.mouse.wheel(0, 100)
        expect(place).to_have_text("Picture 2")
        page.get_by_role("button", name="Earlier picture").click()
        expect(place).to_have_text("Picture 1")
        assert said == []
        assert faults(page, [AS_IT_IS]) == []
        page.get_by_role("link", name="Back to the list").click()
        expect(page.get_by_role("link", name="Look at the pictures")).to_be_visible()
        assert faults(page, [AS_IT_IS]) == []
