"""Two studies of single images and of films side by side in the viewer: each image beside its like, by its pixels."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from bank import keep, open_test_bank, serving
from browser.viewing import Eye, assert_nothing_went_wrong, eye, person
from imagebank.actions import access
from imagebank.bank import Bank
from imagebank.model.access import Role
from make import a_dataset, as_file

pytestmark = pytest.mark.browser

MAMMOGRAM, ANGIOGRAM = "1.2.840.10008.5.1.4.1.1.1.2", "1.2.840.10008.5.1.4.1.1.12.1"
VIEWS = ("R CC", "L CC", "R MLO", "L MLO")
SIZE = 48
VALUES = """[...services.viewportGridService.getState().viewports.keys()].map(id => {
  const viewport = services.cornerstoneViewportService.getCornerstoneViewport(id);
  return cornerstone.cache.getImage(viewport.getCurrentImageId()).maxPixelValue;
})"""
"""The greatest value of the image that each pane shows."""


@dataclass(frozen=True)
class Shelf:
    """Somebody's browser at a bank, and the images that it has, by what they show and their study."""

    looking: Eye
    uids: dict[str, str]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Shelf]:
    """Studies 1 and 2 of four mammograms in another order each, 3 and 4 of two films of other lengths."""
    with (
        open_test_bank(tmp_path_factory.mktemp("pairs")) as bank,
        serving(bank) as url,
        person(chromium) as somebody,
        eye(somebody, url) as looking,
    ):
        uids = {}
        for study, views in ((1, VIEWS), (2, ("L MLO", "L CC", "R MLO", "R CC"))):
            for number, said in enumerate(views, 1):
                side, view = said.split()
                given: dict[str, Any] = {
                    "ImageLaterality": side,
                    "ViewPosition": view,
                    "SOPClassUID": MAMMOGRAM,
                    "Modality": "MG",
                }
                uids[f"{study} {said}"] = an_image(bank, study, number, 100 * study + VIEWS.index(said), **given)
        for study, lengths in ((3, (4, 9)), (4, (17, 4))):
            for number, frames in enumerate(lengths, 1):
                given = {"SOPClassUID": ANGIOGRAM, "Modality": "XA", "FrameTime": "100", "NumberOfFrames": frames}
                uids[f"{study} {frames}"] = an_image(bank, study, number, 100 * study + number, frames, **given)
        looking.page.goto(f"{url}/sign-in/{access.sign_in_link(bank, Role.ADMIN, 'tess', 'local')}")
        yield Shelf(looking, uids)


def an_image(bank: Bank, study: int, number: int, greatest: int, frames: int = 1, **given: Any) -> str:
    """Keep an object whose values run up to a number, each frame ten more; its SOP Instance UID."""
    slope = np.linspace(0, greatest, SIZE * SIZE)
    pixels = np.stack([slope * (greatest + 10 * frame) / greatest for frame in range(frames)])
    named = {"StudyInstanceUID": f"1.2.{study}", "SeriesInstanceUID": f"1.2.{study}.{number}", "SeriesNumber": number}
    shared = {"StudyDate": f"20{30 - study}0101", "InstanceNumber": 1, "WindowCenter": 200, "WindowWidth": 400}
    ds = a_dataset(rows=SIZE, columns=SIZE, **named, **shared, **given)
    ds.PixelData = pixels.round().astype("<u2").tobytes()
    keep(bank, as_file(ds))
    return str(ds.SOPInstanceUID)


def test_four_mammograms_hang_above_those_of_the_same_side_and_view(shelf: Shelf) -> None:
    looking = shelf.looking
    looking.open("/compare?study=1.2.1&study=1.2.2")
    looking.wait_until_lit(panes=8)

    assert [uid for uid, _ in looking.images()] == [shelf.uids[f"{study} {view}"] for study in (1, 2) for view in VIEWS]
    looking.wait_until(VALUES, [100, 101, 102, 103, 200, 201, 202, 203])
    bar = looking.page.get_by_role("region", name="Side by side")
    expect(bar).to_contain_text("Current, above")
    expect(bar).to_contain_text("Prior, below")
    assert_nothing_went_wrong(looking)


def test_films_begin_at_their_first_image_and_go_on_in_proportion(shelf: Shelf) -> None:
    looking = shelf.looking
    looking.open("/compare?study=1.2.3&study=1.2.4")
    looking.wait_until_lit(panes=2)

    current, prior = shelf.uids["3 9"], shelf.uids["4 17"]
    looking.wait_for(lambda: looking.images() == [(current, 0), (prior, 0)], looking.images)
    looking.wait_until(VALUES, [302, 401])
    looking.turn_wheel(0, 2)
    looking.wait_for(lambda: looking.images() == [(current, 2), (prior, 4)], looking.images)
    looking.wait_until(VALUES, [322, 441])
    assert_nothing_went_wrong(looking)
