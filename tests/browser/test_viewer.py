"""The viewer shows each kind of image, and pixels prove it."""

import re
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, expect
from pydicom import dcmread
from pydicom.uid import UID, generate_uid

from browser.judging import THEMES, faults
from browser.viewing import (
    Eye,
    assert_nothing_went_wrong,
    box_of,
    eye,
    files_of,
    open_in_viewer,
    open_study,
    person,
    study_of,
    wait_for_images,
)
from imagebank.dicom import strips
from make import a_dataset, as_file
from samples import sample_data
from unit.pixels.pictures import at_once, noise

pytestmark = pytest.mark.browser

BASIC_TEXT = UID("1.2.840.10008.5.1.4.1.1.88.11")
_DIFFERING = """async pictures => {
  const [one, other] = await Promise.all(pictures.map(async picture => {
    const file = Uint8Array.from(atob(picture), letter => letter.charCodeAt(0));
    const shown = await createImageBitmap(new Blob([file], { type: 'image/jpeg' }));
    const canvas = new OffscreenCanvas(shown.width, shown.height).getContext('2d');
    canvas.drawImage(shown, 0, 0);
    return canvas.getImageData(0, 0, shown.width, shown.height);
  }));
  return [one.width, one.height, one.data.length, one.data.filter((value, at) => value !== other.data[at]).length];
}"""


@pytest.fixture(scope="module")
def doctor(chromium: Browser, running_bank: Any) -> Iterator[BrowserContext]:
    """Somebody who is signed in; the viewer's own files stay in the cache from test to test."""
    with person(chromium) as somebody:
        sign_in(somebody, running_bank)
        yield somebody


@pytest.fixture
def looking(doctor: BrowserContext, running_bank: Any) -> Iterator[Eye]:
    with eye(doctor, running_bank.url) as found:
        yield found


def sign_in(somebody: BrowserContext, running_bank: Any) -> None:
    page = somebody.new_page()
    page.goto(running_bank.sign_in_link())
    assert page.url == running_bank.url + "/"
    page.close()


@pytest.mark.parametrize(
    "name",
    [
        "ct-head-current",
        "mr-brain-current",
        "mr-enhanced/6_1.dcm",
        "us-multiframe/I_000001.dcm",
        "xa/XA1_J2KR",
        "xa/I_000000.dcm",
        "mg",
        "cr-dx/RG3_J2KR",
        "cr-dx/dx_image.dcm",
        "dental/panoramic-relabelled-PX.dcm",
        "nm-pt/NM-MONO2-16-13x-heart",
        "nm-pt/PT-1.dcm",
        "ophthalmic/VL4_J2KI",
        "ophthalmic/fundus-relabelled-OP.dcm",
        "endoscopy/scope-relabelled-ES.dcm",
        "objects/waveform/waveform_ecg.dcm",
    ],
)
def test_the_viewer_draws(looking: Eye, running_bank: Any, name: str) -> None:
    open_study(looking, running_bank, name)

    looking.wait_until_lit()
    assert_nothing_went_wrong(looking)


def test_pixels_on_screen_are_those_of_the_file(looking: Eye, running_bank: Any) -> None:
    open_study(looking, running_bank, "ct-head-current", series="STEREOTAXIS")
    looking.wait_until_lit()

    shown = looking.ask(
        """(() => {
          const viewport = services.cornerstoneViewportService.getCornerstoneViewport(
            services.viewportGridService.getActiveViewportId());
          const id = viewport.getCurrentImageId();
          const image = cornerstone.cache.getImage(id);
          return [cornerstone.metaData.get('sopCommonModule', id).sopInstanceUID, image.minPixelValue, image.maxPixelValue];
        })()"""
    )
    by_uid = {ds.SOPInstanceUID: ds for ds in map(dcmread, files_of("ct-head-current"))}
    ds = by_uid[shown[0]]
    values = ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
    assert shown[1:] == [values.min(), values.max()]


SHOWN = """(() => {
  const viewport = services.cornerstoneViewportService.getCornerstoneViewport(
    services.viewportGridService.getActiveViewportId());
  const image = cornerstone.metaData.get('generalSeriesModule', viewport.getCurrentImageId());
  return [image.seriesNumber, viewport.getCurrentImageIdIndex(), viewport.getImageIds().length];
})()"""
"""Which series is on screen, which image of it, and how many it has."""


def test_a_study_opens_on_its_longest_series_in_the_middle(looking: Eye, running_bank: Any) -> None:
    open_study(looking, running_bank, "ct-head-current")
    looking.wait_until_lit()

    looking.wait_until(SHOWN, [201, 14, 28])


def test_the_series_that_was_asked_for_opens_however_short_it_is(looking: Eye, running_bank: Any) -> None:
    open_study(looking, running_bank, "ct-head-current", series="Series 100")
    looking.wait_until_lit()

    looking.wait_until(SHOWN, [100, 0, 1])


def test_a_study_of_another_patient_with_the_same_id_is_not_listed(
    looking: Eye, running_bank: Any, tmp_path: Path
) -> None:
    people = [
        ("Viewed^Vera", "19610412", "first of hers"),
        ("VIEWED^VÉRA", "19610412", "second of hers"),
        ("Viewed-Later^Vera", "", "third of hers"),
        ("Viewed^Vera", "19840930", "somebody's, born later"),
        ("Other^Otto", "", "somebody's, named otherwise"),
    ]
    for number, (name, born, description) in enumerate(people):
        ds = a_dataset(
            PatientID="LISTED-1",
            PatientName=name,
            PatientBirthDate=born,
            StudyDescription=description,
            SeriesDescription=f"seen of number {number}",
            StudyInstanceUID=f"1.2.826.0.1.3680043.10.1.{number}",
        )
        (tmp_path / f"{number}.dcm").write_bytes(as_file(ds))
    report = a_dataset(PatientID="LISTED-1", PatientName="Viewed^Vera", StudyInstanceUID="1.2.826.0.1.3680043.10.1.1")
    report.SOPClassUID, report.Modality, report.SeriesDescription = BASIC_TEXT, "SR", "said in words"
    del report.PixelData
    (tmp_path / "report.dcm").write_bytes(as_file(report))
    running_bank.import_paths([tmp_path])
    open_in_viewer(looking, "1.2.826.0.1.3680043.10.1.0")
    looking.wait_until_lit()
    looking.page.get_by_text("third of hers").wait_for()

    listed = looking.page.get_by_text("of hers").all_inner_texts()
    assert sorted(listed) == ["first of hers", "second of hers", "third of hers"]
    assert looking.page.get_by_text("somebody's").count() == 0
    # A report would leave the pane black, so that only images are offered of another study.
    looking.page.get_by_text("second of hers").click()
    expect(looking.page.get_by_text("seen of number 1")).to_be_visible()
    expect(looking.page.get_by_text("said in words")).to_have_count(0)


def test_on_a_phone_the_image_has_the_screen_and_no_tool_lies_on_the_way_back(looking: Eye, running_bank: Any) -> None:
    looking.page.set_viewport_size({"width": 390, "height": 844})
    open_study(looking, running_bank, "ct-head-current")
    looking.wait_until_lit()

    image = looking.page.locator("canvas.cornerstone-canvas").bounding_box()
    tools = looking.page.get_by_test_id("Zoom").or_(looking.page.locator("[data-cy=Zoom]")).first.bounding_box()
    home = looking.page.get_by_role("link", name="Imagebank").bounding_box()
    assert image is not None
    assert tools is not None
    assert home is not None
    assert image["width"] > 290
    assert image["y"] + image["height"] <= tools["y"]
    assert home["y"] + home["height"] < image["y"]
    looking.page.get_by_role("link", name="Imagebank").click()
    expect(looking.page.get_by_role("heading", name="Studies")).to_be_visible()


@pytest.mark.parametrize("address", ["/viewer/viewer?StudyInstanceUIDs=1.2.3", "/viewer/nosuch"])
def test_what_is_not_there_has_a_page_with_a_way_back(looking: Eye, address: str) -> None:
    looking.open(address)
    looking.page.wait_for_url("**/viewer/missing.html")
    looking.page.get_by_role("link", name="Go to the study list").click()

    expect(looking.page.get_by_role("heading", name="Studies")).to_be_visible()


def test_three_planes_are_made_of_a_stack(looking: Eye, running_bank: Any) -> None:
    open_study(looking, running_bank, "mr-brain-current", more="&hangingProtocolId=mpr")

    looking.wait_until_lit(panes=3)
    assert_nothing_went_wrong(looking)


IN_BOTH = """[...services.viewportGridService.getState().viewports.keys()].map(id => {
  const imageId = services.cornerstoneViewportService.getCornerstoneViewport(id).getCurrentImageId();
  const image = cornerstone.cache.getImage(imageId);
  return [cornerstone.metaData.get('sopCommonModule', imageId).sopInstanceUID, image.minPixelValue, image.maxPixelValue];
})"""
"""Which image each pane shows, and its least and greatest value."""


@pytest.mark.parametrize("pair", [("ct-head-current", "ct-head-prior"), ("mr-brain-current", "mr-brain-prior")])
def test_a_prior_stands_beside_the_current_study_and_scrolls_along(
    looking: Eye, running_bank: Any, pair: tuple[str, str]
) -> None:
    running_bank.import_paths(files_of(*pair))
    current, prior = (study_of(files_of(name)[0]) for name in pair)
    looking.open(f"/studies/{current}")
    looking.page.wait_for_load_state("load")
    looking.page.keyboard.press("c")
    looking.page.wait_for_url(f"**StudyInstanceUIDs={current},{prior}&*")
    looking.wait_until_lit(panes=2)
    bar = looking.page.get_by_role("region", name="Side by side")
    expect(bar).to_contain_text("Prior 1 of 1")
    for (uid, *values), name in zip(looking.ask(IN_BOTH), pair, strict=True):
        ds = next(ds for ds in map(dcmread, files_of(name)) if uid == ds.SOPInstanceUID)
        pixels = ds.pixel_array * float(ds.get("RescaleSlope", 1)) + float(ds.get("RescaleIntercept", 0))
        assert values == [pixels.min(), pixels.max()]

    before = looking.positions()
    looking.turn_wheel(0, 4)
    wait_until_linked(looking, before)
    after = looking.positions()
    looking.turn_wheel(1, -3)
    wait_until_linked(looking, after)
    assert_nothing_went_wrong(looking)
    looking.page.keyboard.press("x")
    looking.page.wait_for_url(f"**StudyInstanceUIDs={prior},{current}&*")


def test_a_quick_look_goes_through_both_studies_without_loading_a_page(looking: Eye, running_bank: Any) -> None:
    pair = ("ct-head-current", "ct-head-prior")
    running_bank.import_paths(files_of(*pair))
    current, prior = (study_of(files_of(name)[0]) for name in pair)
    page = looking.page
    page.set_viewport_size({"width": 390, "height": 844})
    # Buttons that fade from one colour to the other have neither for a moment.
    page.emulate_media(reduced_motion="reduce")
    looking.open(f"/studies/{current}/look")
    page.get_by_role("link", name="Beside prior").click()
    expect(page).to_have_url(re.compile(f"prior={prior}$"))
    # A key that is pressed before the page's script is there goes nowhere.
    page.wait_for_load_state("load")
    images, places = page.locator(".pane img"), page.locator("[data-place]")
    expect(places).to_have_text(["Image 14 of 28", "Image 14 of 28"])
    page.keyboard.press("ArrowDown")
    page.mouse.move(*middle_of(page.locator(".well").nth(1)))
    page.mouse.wheel(0, 100)
    page.get_by_role("link", name="Bone").click()

    expect(places.nth(1)).to_have_text("Image 15 of 28")
    expect(images.nth(1)).to_have_attribute("src", re.compile(r"window=500,2000,linear$"))
    wait_for_images(page, ".pane img", 512)
    page.get_by_role("radio", name="Window").check()
    page.mouse.move(*middle_of(page.locator(".well").nth(1)))
    page.mouse.down()
    page.mouse.move(300, 300)
    expect(images.nth(1)).not_to_have_attribute("src", re.compile(r"window=500,2000,linear$"))
    page.mouse.up()
    page.keyboard.press("0")
    expect(images.nth(1)).not_to_have_attribute("src", re.compile("window"))
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert faults(page, THEMES) == []
    assert_nothing_went_wrong(looking)


def wait_until_linked(looking: Eye, before: list[list[float]]) -> None:
    """Wait until both panes have gone on, one as far as the other, to half the distance of two images."""

    def is_linked() -> bool:
        first, second = (moved(*pair) for pair in zip(before, looking.positions(), strict=True))
        return min(first, second) > 0 and abs(first - second) <= 5

    looking.wait_for(is_linked, lambda: f"{before} to {looking.positions()}")


def middle_of(place: Locator) -> tuple[float, float]:
    x, y, width, height = box_of(place)
    return x + width / 2, y + height / 2


def moved(before: list[float], after: list[float]) -> float:
    """How far an image lies from another, in mm."""
    return float(sum((a - b) ** 2 for a, b in zip(before, after, strict=True)) ** 0.5)


@pytest.mark.parametrize(
    ("name", "series", "segments"), [("ct-abdomen-seg", "Liver Segmentation", 1), ("rt-breast", "", 9)]
)
def test_structures_are_drawn_on_their_images(
    looking: Eye, running_bank: Any, name: str, series: str, segments: int
) -> None:
    open_study(looking, running_bank, name)
    looking.wait_until_lit()
    looking.page.get_by_text(series or "RTSTRUCT").last.dblclick()
    looking.page.get_by_text("Yes", exact=True).first.click()

    looking.wait_until("Object.keys(services.segmentationService.getSegmentations()[0].segments).length", segments)
    assert_nothing_went_wrong(looking)


def test_a_document_opens_in_the_viewer(looking: Eye, running_bank: Any) -> None:
    with looking.page.expect_response(lambda response: response.url.endswith("/rendered")) as answered:
        open_study(looking, running_bank, "objects/encapsulated-pdf/ecg-report-pdf.dcm")

    assert answered.value.status == 200
    assert answered.value.headers["content-type"] == "application/pdf"
    assert_nothing_went_wrong(looking)


def test_a_video_plays_in_the_viewer(looking: Eye, running_bank: Any, tmp_path: Path) -> None:
    ds = dcmread(sample_data() / "video-dicom" / "us-echo-mpeg4-avc-h264-high41.dcm")
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.77.1.1.1")
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.Modality = "ES"
    ds.save_as(tmp_path / "endoscopy.dcm")
    running_bank.import_paths([tmp_path / "endoscopy.dcm"])
    open_in_viewer(looking, ds.StudyInstanceUID)

    looking.wait_until_lit()
    assert_nothing_went_wrong(looking)


def test_without_an_emergency_nothing_is_said_of_one(looking: Eye, running_bank: Any) -> None:
    with looking.page.expect_response("**/emergency/open") as asked:
        open_study(looking, running_bank, "ct-head-current")
    looking.wait_until_lit()

    assert asked.value.json()["emergencies"] == []
    assert looking.page.locator("#emergency").count() == 0
    assert not looking.ask("document.documentElement.classList.contains('emergency')")
    assert_nothing_went_wrong(looking)


def test_the_screen_goes_dark_when_access_ends(chromium: Browser, running_bank: Any) -> None:
    with person(chromium) as somebody, eye(somebody, running_bank.url) as looking:
        sign_in(somebody, running_bank)
        open_study(looking, running_bank, "ct-head-current")
        looking.wait_until_lit()
        somebody.clear_cookies()

        looking.page.wait_for_url("**/viewer/closed.html")
        expect(looking.page.get_by_role("heading", level=1)).to_contain_text("no longer open")
        looking.page.go_back()
        expect(looking.page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
        expect(looking.page.locator("canvas")).to_have_count(0)


@pytest.mark.parametrize("shape", [(1031, 1027), (1031, 1027, 3)])
def test_a_picture_in_strips_is_the_one_encoded_at_once(chromium: Browser, shape: tuple[int, ...]) -> None:
    cells = noise(*shape)
    pictures = [strips.jpeg(shape, lambda start, stop: cells[start:stop], 80), at_once(cells, 80)]
    with chromium.new_context() as somebody:
        found = somebody.new_page().evaluate(_DIFFERING, [b64encode(picture).decode() for picture in pictures])

    assert found == [1027, 1031, 1027 * 1031 * 4, 0]
