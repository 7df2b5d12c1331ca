"""The pages of people who see their own images: by what axe finds in both themes, on a desk and a phone, and by keyboard."""

from collections.abc import Iterator
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, Page

import owners
from bank import open_test_bank, serving
from browser.judging import faults
from browser.viewing import person
from imagebank.actions import emergency
from imagebank.http.auth import COOKIE
from owners import ADA, DOCTOR, HAND, HEAD

pytestmark = pytest.mark.browser

PAGES = ("/my", "/my/dose", "/my/statement", "/my/people", "/my/settings", "/my/deposit", f"/studies/{HAND}")
FOCUSED = "() => document.activeElement.textContent.trim()"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Page]:
    """Ada's browser; a doctor has looked at her images, and opened them in an emergency."""
    with open_test_bank(tmp_path_factory.mktemp("pages"), **owners.SETTINGS) as bank:
        owners.furnish(bank)
        owners.look(bank, HEAD)
        emergency.break_glass(bank, ADA, "unconscious, bleeding on arrival", DOCTOR)
        cookie = owners.mother(bank)
        with serving(bank) as url, person(chromium) as context:
            context.add_cookies([{"name": COOKIE, "value": cookie, "url": url}])
            opened = context.new_page()
            opened.goto(f"{url}/my")
            yield opened


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(page: Page, path: str) -> None:
    page.goto(urljoin(page.url, path))

    assert faults(page) == []


@pytest.mark.parametrize("width", [390, 1280])
def test_the_keyboard_goes_through_the_frame_and_then_the_page_with_nothing_below_the_tabs(
    page: Page, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(urljoin(page.url, "/my"))
    tabs = [one.strip() for one in page.locator("nav.foot a").all_text_contents()]
    frame, found = ["Skip to the content", "Imagebank", *tabs, "News"], list[str]()
    for _ in range(len(frame) + 8):
        page.keyboard.press("Tab")
        found.append(page.evaluate(FOCUSED))
        is_free = page.evaluate(
            """() => { const one = document.activeElement, box = one.getBoundingClientRect();
            const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
            return !top || one.contains(top) || top.contains(one) }"""
        )
        assert is_free, found[-1]

    assert [one.split()[0] for one in found[: len(frame)]] == [one.split()[0] for one in frame]
    assert {"Images", "Statement", "Settings"} <= {*tabs}
    assert any(one.startswith("Who looked?") for one in found)
