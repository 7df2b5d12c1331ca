"""The design as people meet it: by keyboard, on the narrowest screen, in each theme, and in another language."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.judging import AS_IT_IS, faults
from browser.viewing import person
from make import a_dataset, as_file

pytestmark = pytest.mark.browser

LONG = "Fernández-Montesinos y Ruiz de Villalobos^María del Carmen"


@pytest.fixture(scope="module")
def bank(running_bank: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A bank in which one person has studies of three departments, and a name that is long."""
    folder = tmp_path_factory.mktemp("design")
    for number, part in enumerate(("KNEE", "EYE", "")):
        file = as_file(
            a_dataset(
                PatientName=LONG,
                PatientID="LONG-1",
                SpecificCharacterSet="ISO_IR 192",
                StudyInstanceUID=f"1.2.88.{number}",
                SeriesInstanceUID=f"1.2.88.{number}.1",
                SOPInstanceUID=f"1.2.88.{number}.1.1",
                StudyDate=f"202{number}0301",
                StudyDescription=f"Exam {number}",
                BodyPartExamined=part,
            )
        )
        (folder / f"{number}.dcm").write_bytes(file)
    running_bank.import_paths([folder])
    return running_bank


@pytest.fixture
def page(chromium: Browser, bank: Any) -> Iterator[Page]:
    with person(chromium) as somebody:
        opened = somebody.new_page()
        opened.goto(bank.sign_in_link())
        yield opened


def test_keys_go_to_the_box_and_through_the_rows(page: Page, bank: Any) -> None:
    page.goto(bank.url)
    page.keyboard.press("/")
    box, rows = page.locator("input[type=search]"), page.locator("[data-row]")

    expect(box).to_be_focused()
    page.keyboard.type("a/b?")
    expect(box).to_have_value("a/b?")
    page.keyboard.press("ArrowDown")
    expect(rows.nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(rows.nth(0)).to_be_focused()
    first = rows.nth(0).get_attribute("href")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{bank.url}{first}")


def test_the_list_of_keys_opens_and_switches_them_off_for_good(page: Page, bank: Any) -> None:
    page.goto(bank.url)
    page.keyboard.press("?")
    keys, box = page.get_by_role("dialog", name="Keys"), page.locator("input[type=search]")
    expect(keys).to_be_visible()
    assert faults(page, [AS_IT_IS]) == []
    page.get_by_label("Single keys act").uncheck()
    page.keyboard.press("Escape")
    page.goto(f"{bank.url}/find")
    page.keyboard.press("/")
    page.keyboard.press("?")

    expect(box).not_to_be_focused()
    expect(keys).to_be_hidden()
    expect(page.locator(".box kbd")).to_be_hidden()


def test_nothing_scrolls_sideways_on_the_narrowest_screen_and_each_page_has_one_heading(page: Page, bank: Any) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    found = []
    pages = ("/", "/find", "/upload", "/account", "/studies/1.2.88.0", "/studies/1.2.88.0/timeline", "/nosuch")
    for address in (*pages, "/design", "/design?dir=rtl", "/consents", "/reviews", "/disclosures"):
        page.goto(bank.url + address)
        wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        found += [f"{address} is wider"] if wide else []
        found += [f"{address} has {number} headings"] if (number := page.locator("h1").count()) != 1 else []

    assert found == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_a_timeline_narrowed_or_not(page: Page, bank: Any, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    found = []
    for query in ("", "?by=department", "?kind=documents"):
        page.goto(f"{bank.url}/studies/1.2.88.0/timeline{query}")
        found += faults(page, [AS_IT_IS])

    assert found == []


@pytest.mark.parametrize("look", ["theme=light&density=compact", "theme=dark&density=comfortable", "dir=rtl"])
def test_axe_finds_nothing_in_any_look_of_the_style_page(page: Page, bank: Any, look: str) -> None:
    page.goto(f"{bank.url}/design?{look}")

    assert faults(page, [AS_IT_IS]) == []


def test_a_lane_narrows_the_list_by_keyboard_alone_and_without_script(chromium: Browser, bank: Any) -> None:
    with person(chromium, java_script_enabled=False) as somebody:
        page = somebody.new_page()
        page.goto(bank.sign_in_link())
        page.goto(f"{bank.url}/studies/1.2.88.0/timeline")
        names = page.locator("[data-row]").all_inner_texts()
        page.get_by_role("link", name="Eye").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**lane=**")

        assert names == ["Exam 2", "Exam 1", "Exam 0"]
        assert page.locator("[data-row]").all_inner_texts() == ["Exam 1"]
        assert "Eye" not in page.url


def test_a_browser_that_asks_for_german_gets_it(chromium: Browser, bank: Any) -> None:
    with person(chromium, locale="de-AT") as somebody:
        page = somebody.new_page()
        page.goto(bank.sign_in_link())
        page.goto(f"{bank.url}/studies/1.2.88.0/timeline")

        assert page.locator("html").get_attribute("lang") == "de"
        expect(page.get_by_role("link", name="Alles", exact=False).first).to_be_visible()
        expect(page.get_by_text("1. März").first).to_be_visible()
