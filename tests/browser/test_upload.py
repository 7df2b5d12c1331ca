"""The page to bring files in, as people use it: many files, a folder, by dropping; with a line that breaks; by keyboard."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from browser.judging import DESK, PHONE, faults
from browser.test_access_pages import press
from browser.viewing import person
from samples import sample_data

pytestmark = pytest.mark.browser

_DROP = """async ([name, text]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([text], name, { type: 'text/plain' }));
  const target = document.querySelector('.files');
  for (const kind of ['dragover', 'drop']) {
    target.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
}"""
_MANY = """count => {
  const transfer = new DataTransfer();
  for (let n = 0; n < count; n += 1) transfer.items.add(new File([`no picture ${n}`], `many/${n}.txt`));
  const input = document.querySelector('input[type=file]');
  input.files = transfer.files;
  input.dispatchEvent(new Event('change'));
}"""


@contextmanager
def technologist(chromium: Browser, bank: Any, *, script: bool = True, **wanted: Any) -> Iterator[Page]:
    """The upload page of somebody who may store."""
    with person(chromium, java_script_enabled=script, **wanted) as context:
        page = context.new_page()
        link = bank.run("sign-in-link", "--role", "technologist", "--name", "tess")
        assert link.status == 0, link.err
        page.goto(link.out.strip())
        page.goto(f"{bank.url}/upload")
        yield page


def choose(page: Page, *files: Path, label: str = "Files, also ZIP and TAR") -> None:
    page.get_by_label(label).set_input_files([str(file) for file in files])


def send(page: Page, patient: str) -> None:
    page.get_by_label("Patient ID").fill(patient)
    page.get_by_role("button", name="Send ").click()


def wait_until_sent(page: Page) -> None:
    expect(page.get_by_role("button", name="Send more")).to_be_visible()


def group(page: Page, title: str) -> Any:
    return page.locator(".group", has=page.get_by_role("heading", name=re.compile(rf"^\W*{title} \d")))


def test_files_a_folder_and_a_drop_are_sent_and_reviewed(chromium: Browser, running_bank: Any) -> None:
    non_dicom = sample_data() / "non-dicom"
    with technologist(chromium, running_bank) as page:
        assert faults(page) == []
        choose(page, non_dicom / "pdf/ecg-12-lead-report.pdf", sample_data() / "zip-upload/mixed-dicom-jpeg-pdf.zip")
        choose(page, non_dicom / "jpeg", label="A whole folder")
        page.evaluate(_DROP, ["dropped.txt", "no picture, and long enough to be looked at " * 10])
        expect(page.get_by_text("jpeg/fundus-retina.jpg", exact=True)).to_be_visible()
        assert faults(page) == []
        page.get_by_label("Department").select_option("ophthalmology")
        send(page, "E-1")
        wait_until_sent(page)

        assert faults(page) == []
        expect(page.locator("#count")).to_contain_text("7 of 7 files")
        expect(group(page, "Not kept")).to_contain_text("dropped.txt")
        expect(group(page, "Not kept")).to_contain_text("readme.txt")
        assert running_bank.url in page.url
        assert "E-1" not in page.url + json.dumps(page.evaluate("({...sessionStorage})"))
        group(page, "In").get_by_role("link").first.click()
        expect(page).to_have_url(re.compile("/studies/"))
        expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_what_may_be_so_of_a_file_stands_in_the_review_with_bars_and_reasons(
    chromium: Browser, running_bank: Any, tmp_path: Path
) -> None:
    photo = tmp_path / "4711_2026-03-01_OD.jpg"
    photo.write_bytes((sample_data() / "non-dicom/jpeg/fundus-retina.jpg").read_bytes() + b"once more")
    with technologist(chromium, running_bank) as page:
        choose(page, photo)
        page.get_by_label("By an order or a visit").check()
        page.get_by_role("button", name="Send ").click()
        expect(page.get_by_role("alert")).to_contain_text("Give the number of the order or of the visit")
        page.get_by_label("Order number").fill("O-unknown")
        assert faults(page) == []
        page.get_by_role("button", name="Send ").click()
        wait_until_sent(page)
        found = group(page, "In, but nobody knows whose")

        assert faults(page) == []
        expect(found).to_contain_text("There is no order O-unknown here yet.")
        expect(found.get_by_text("file name: 4711_2026-03-01_OD (identifier, date, side)").first).to_be_visible()
        expect(found.locator("li li", has_text="Side").get_by_role("img", name="Confidence 4 of 5")).to_be_visible()


def test_a_line_that_breaks_and_a_page_that_is_left_cost_nothing_that_came(
    chromium: Browser, running_bank: Any, tmp_path: Path
) -> None:
    large = tmp_path / "large.tif"
    # What comes behind the pages of a TIFF is borne.
    large.write_bytes((sample_data() / "non-dicom/tiff/histology-lzw.tif").read_bytes() + bytes(20 << 20))
    with technologist(chromium, running_bank) as page:
        offsets: list[str] = []

        def broken(route: Route) -> None:
            if route.request.method == "PATCH" and route.request.headers["upload-offset"] != "0":
                route.abort("connectionreset")
            else:
                route.continue_()

        page.route("**/api/v1/uploads/*", broken)
        choose(page, large)
        send(page, "E-2")
        expect(page.get_by_text("The line is lost")).to_be_visible()
        page.on("dialog", lambda dialog: dialog.accept())
        page.reload()
        expect(page.get_by_text("Files were on their way")).to_be_visible()

        def watched(route: Route) -> None:
            if route.request.method == "PATCH":
                offsets.append(route.request.headers["upload-offset"])
            route.continue_()

        page.unroute("**/api/v1/uploads/*", broken)
        page.route("**/api/v1/uploads/*", watched)
        choose(page, large)
        send(page, "E-2")
        wait_until_sent(page)

        assert offsets
        assert "0" not in offsets
        expect(group(page, "In")).to_contain_text("large.tif")


def test_sending_can_be_paused_and_what_failed_tried_again(chromium: Browser, running_bank: Any) -> None:
    with technologist(chromium, running_bank) as page:
        page.route("**/api/v1/uploads", lambda _: None)
        choose(page, *sorted((sample_data() / "non-dicom/png").iterdir()))
        send(page, "E-3")
        expect(page.get_by_role("heading", name="Sending")).to_be_focused()
        press(page, "Pause")
        expect(page.get_by_role("heading", name="Paused")).to_be_visible()
        page.unroute_all(behavior="ignoreErrors")
        page.route(
            "**/deposit", lambda route: route.fulfill(status=400, json={"error": "Invalid", "message": "not today"})
        )
        press(page, "Go on")
        wait_until_sent(page)
        expect(group(page, "Not sent")).to_contain_text("Not today.")
        assert faults(page) == []
        page.unroute_all()
        press(page, "Try again what failed")
        expect(page.get_by_role("heading", name="Sent", exact=True)).to_be_visible()
        press(page, "Send more")
        expect(page.get_by_label("Files, also ZIP and TAR")).to_be_focused()


def test_thousands_of_files_are_not_all_drawn(chromium: Browser, running_bank: Any) -> None:
    with technologist(chromium, running_bank) as page:
        page.evaluate(_MANY, 5000)
        expect(page.get_by_role("button", name="Send 5,000 files")).to_be_visible()
        expect(page.locator("#list li")).to_have_count(100)
        expect(page.get_by_text("And 4,900 more files.")).to_be_visible()
        press(page, "Clear the list")
        page.evaluate(_MANY, 150)
        page.get_by_label("Nobody known yet").check()
        expect(page.get_by_label("Patient ID")).to_be_hidden()
        assert faults(page) == []
        page.get_by_role("button", name="Send ").click()
        wait_until_sent(page)
        expect(page.locator("#review li")).to_have_count(100)
        press(page, "Show 50 more of 50")
        expect(page.locator("#review li")).to_have_count(150)


def test_all_of_it_is_done_by_keyboard(chromium: Browser, running_bank: Any) -> None:
    with technologist(chromium, running_bank) as page:
        choose(page, sample_data() / "non-dicom/webp/fundus.webp")
        page.get_by_role("button", name="Send 1 file").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("Give the patient ID")
        expect(page.get_by_label("Patient ID")).to_be_focused()
        page.keyboard.type("E-5")
        for _ in range(3):
            page.keyboard.press("Tab")
        expect(page.get_by_label("Given names")).to_be_focused()
        page.keyboard.press("Enter")
        wait_until_sent(page)
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Send more")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("/studies/"))
        expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_without_script_it_is_a_plain_form(chromium: Browser, running_bank: Any) -> None:
    with technologist(chromium, running_bank, script=False) as page:
        expect(page.get_by_text("Drop files")).to_be_hidden()
        choose(page, sample_data() / "non-dicom/bmp/endoscopy.bmp", sample_data() / "malformed-non-dicom/truncated.jpg")
        send_plain = page.get_by_role("button", name="Send", exact=True)
        send_plain.click()
        expect(page.get_by_role("alert")).to_contain_text("Give the patient ID")
        choose(page, sample_data() / "non-dicom/bmp/endoscopy.bmp", sample_data() / "malformed-non-dicom/truncated.jpg")
        page.get_by_label("Nobody known yet").check()
        send_plain.click()
        expect(page.get_by_role("heading", name="What became of 2 objects")).to_be_visible()
        expect(group(page, "Kept apart")).to_contain_text("in quarantine")
        for size in (DESK, PHONE):
            page.set_viewport_size(size)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_in_german_progress_and_outcomes_are_german(chromium: Browser, running_bank: Any, tmp_path: Path) -> None:
    empty = tmp_path / "leer.jpg"
    empty.write_bytes(b"")
    with technologist(chromium, running_bank, locale="de-DE") as page:
        choose(page, empty, sample_data() / "non-dicom/webp/fundus.webp", label="Dateien, auch ZIP und TAR")
        expect(page.get_by_text("0 Byte, bereit").first).to_be_visible()
        page.get_by_label("Patienten-ID", exact=True).fill("E-6")
        press(page, "2 Dateien senden")
        expect(page.get_by_role("button", name="Mehr senden")).to_be_visible()

        expect(page.get_by_role("heading", name="Gesendet", exact=True)).to_be_visible()
        expect(page.locator("#count")).to_contain_text("2 von 2 Dateien · ")
        expect(group(page, "Nicht behalten")).to_contain_text("Die Datei ist leer.")
        expect(page.locator("#heard")).to_have_text("1 da, 1 nicht behalten")
