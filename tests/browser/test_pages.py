"""The pages as people meet them: on a desk, on a phone, by keyboard, and by what axe finds."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from browser.judging import AS_IT_IS, DESK, PHONE, faults
from browser.viewing import person, wait_for_images
from make import a_dataset, as_file
from samples import sample_data

pytestmark = pytest.mark.browser

KINDS = (
    "ct-head-current",
    "objects/waveform",
    "objects/sr",
    "objects/key-object",
    "objects/encapsulated-pdf",
    "rt-small",
)


@pytest.fixture(scope="module")
def bank(running_bank: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A bank with an object of each kind, and one whose picture cannot come."""
    blank = a_dataset(PatientName="Blank^Bea", Modality="CR", SOPClassUID="1.2.840.10008.5.1.4.1.1.1")
    del blank.PixelData
    file = tmp_path_factory.mktemp("blank") / "blank.dcm"
    file.write_bytes(as_file(blank))
    running_bank.import_paths([*(sample_data() / kind for kind in KINDS), file])
    return running_bank


@pytest.fixture
def page(chromium: Browser, bank: Any) -> Iterator[Page]:
    with person(chromium) as somebody:
        opened = somebody.new_page()
        opened.goto(bank.sign_in_link())
        yield opened


def every_page(page: Page, bank: Any) -> list[str]:
    """An address of each kind of page: lists, studies, an object of each class, what is not there."""
    with bank.http(bank.token()) as client:
        found = client.get("/dicom-web/instances", params={"limit": 1000}).json()
    by_class = {
        one["00080016"]["Value"][0]: [one[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018")]
        for one in found
    }
    objects = [f"/studies/{study}/series/{series}/instances/{uid}" for study, series, uid in by_class.values()]
    studies = sorted({address.partition("/series")[0] for address in objects})
    lost = ["/nosuch", "/sign-out", "/studies/1.2.3", "/studies/x", "/viewer/missing.html", "/viewer/closed.html"]
    return [
        "/",
        "/find",
        "/design",
        "/design?theme=dark&density=compact&dir=rtl",
        "/?page=99",
        "/sign-in",
        *studies,
        *objects,
        *lost,
    ]


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways_on_any_page(page: Page, bank: Any, size: ViewportSize) -> None:
    page.set_viewport_size(size)
    page.emulate_media(reduced_motion="reduce")  # a card that is still turning has no colours of its own yet
    found = []
    titles = set()
    for address in every_page(page, bank):
        page.goto(bank.url + address)
        found += faults(page, [AS_IT_IS])
        titles.add(page.title())

    assert found == []
    assert all(title.endswith(" · Imagebank") and not title.startswith(" ") for title in titles)


def test_no_word_of_a_button_is_broken(page: Page, bank: Any) -> None:
    page.set_viewport_size(DESK)
    page.goto(bank.url)
    page.get_by_text("Search by fields").click()
    page.get_by_label("Name").fill("head")
    with page.expect_navigation():
        page.get_by_role("button", name="Search", exact=True).click()

    heights = [page.get_by_role("button", name=name, exact=True).bounding_box() for name in ("Search", "Clear")]
    assert [box["height"] for box in heights if box] == [32, 32]


def test_on_a_phone_a_study_is_a_card_with_its_name_in_one_piece(page: Page, bank: Any) -> None:
    page.set_viewport_size(PHONE)
    page.goto(bank.url)
    card = page.get_by_role("row").filter(has_text="Blank, Bea")

    name, born = card.get_by_text("Blank, Bea"), card.get_by_text("Born 1 Jan 1970")
    assert name.evaluate("element => element.getClientRects().length") == 1
    assert "female" in born.inner_text()
    assert "ID P1" in card.inner_text()
    assert "Accession A1" in card.inner_text()
    lefts = [box["x"] for box in (name.bounding_box(), card.locator("[data-row]").bounding_box()) if box]
    assert len(lefts) == 2
    assert lefts[0] == lefts[1]


def test_where_no_picture_comes_the_modality_stands(page: Page, bank: Any) -> None:
    page.goto(bank.url)
    thumb = page.get_by_role("row").filter(has_text="Blank, Bea").locator(".thumb")
    thumb.scroll_into_view_if_needed()

    expect(thumb.locator("img")).to_have_count(0)
    expect(thumb).to_have_text("CR")


def test_on_a_phone_the_quick_look_leads(page: Page, bank: Any) -> None:
    page.set_viewport_size(PHONE)
    page.goto(bank.url)
    page.get_by_role("link", name="1A TRAUMA").first.click()
    ways = page.locator(".ways a")

    names = ["Quick look", "All of this person", "Open in viewer", "Take along", "Correct"]
    expect(ways).to_have_text(names, use_inner_text=True)
    grounds = [way.evaluate("element => getComputedStyle(element).backgroundColor") for way in ways.all()]
    assert grounds[0] != grounds[1]
    ways.first.click()
    expect(page.locator("[data-place]")).to_be_visible()
    wait_for_images(page, ".well img")


def test_the_keyboard_reaches_the_content_first(page: Page, bank: Any) -> None:
    page.goto(bank.url)
    page.keyboard.press("Tab")

    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "q"


def test_an_ecg_lies_on_millimetre_paper(page: Page, bank: Any) -> None:
    page.goto(bank.url)
    page.get_by_text("Search by fields").click()
    page.get_by_label("Modality").fill("ecg, sr")
    with page.expect_navigation():
        page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("row").filter(has=page.locator(".tag", has_text="ECG")).first.locator("[data-row]").click()
    page.get_by_role("link", name="12-lead ECG Waveform").first.click()
    expect(page.get_by_role("heading", name="12-lead ECG Waveform")).to_be_visible()
    # The style may come behind the heading.
    page.wait_for_load_state("load")

    widths = [
        page.locator(f"pattern .{line}").first.evaluate("line => parseFloat(getComputedStyle(line).strokeWidth)")
        for line in ("mm", "five-mm")
    ]
    assert widths[1] > 2 * widths[0] > 0
