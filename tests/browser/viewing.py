"""Looking at the viewer as a person does: open it, wait until pixels are lit, turn the wheel."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, Response, sync_playwright
from pydicom import dcmread

from samples import sample_data

CHROMIUM = "/usr/bin/chromium"
# What takes longer never comes, however busy the machine is.
LONG_MS = 120_000
# Software rendering: there is no GPU where tests run.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--disable-sync",
]
# cornerstone renders off screen and copies into 2D canvases, which can be read back.
_CANVASES = """() => [...document.querySelectorAll('canvas.cornerstone-canvas, video')].map(c => {
  let canvas = c;
  if (c.tagName === 'VIDEO') {
    if (!c.videoWidth) return { lit: 0, levels: 1 };
    canvas = new OffscreenCanvas(c.videoWidth, c.videoHeight);
    canvas.getContext('2d').drawImage(c, 0, 0);
  }
  if (!canvas.width || !canvas.height) return { lit: 0, levels: 1 };
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const levels = new Set(); let lit = 0;
  for (let i = 0; i < data.length; i += 4) { if (data[i] > 8) lit++; levels.add(data[i]); }
  return { lit: lit / (data.length / 4), levels: levels.size };
})"""
_IS_LIT = f"panes => {{ const found = ({_CANVASES})().filter(c => c.lit > 0.01 && c.levels > 3); return found.length >= panes; }}"
_POSITIONS = """[...services.viewportGridService.getState().viewports.keys()].map(id => {
  const viewport = services.cornerstoneViewportService.getCornerstoneViewport(id);
  return [...cornerstone.metaData.get('imagePlaneModule', viewport.getCurrentImageId()).imagePositionPatient];
})"""
_IMAGES = """[...services.viewportGridService.getState().viewports.keys()].map(id => {
  const viewport = services.cornerstoneViewportService.getCornerstoneViewport(id);
  const image = cornerstone.metaData.get('sopCommonModule', viewport.getCurrentImageId());
  return [image.sopInstanceUID, viewport.getCurrentImageIdIndex()];
})"""
# What the viewer has not made yet is null.
_TRIED = "(() => {{ try {{ return {} }} catch {{ return null }} }})()"
_WATCH = """() => {
  window.refusals = [];
  document.addEventListener('securitypolicyviolation', e => window.refusals.push(e.violatedDirective + ' ' + e.blockedURI));
}"""


@dataclass
class Eye:
    """One browser page, and what went wrong in it: answers of 400 and more, and what the policy refused."""

    page: Page
    url: str
    failed: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)

    def open(self, address: str) -> None:
        self.page.goto(self.url + address, wait_until="domcontentloaded")

    def wait_until_lit(self, panes: int = 1) -> None:
        """Wait until that many panes show something; fails with what was wrong."""
        try:
            self.page.wait_for_function(_IS_LIT, arg=panes, polling=250)
        except Exception as error:
            shown = self.page.evaluate(_CANVASES)
            raise AssertionError(f"panes {shown}, failed {self.failed}, console {self.console[-8:]}") from error

    def refusals(self) -> list[str]:
        """What the Content-Security-Policy refused since the page was opened."""
        found: list[str] = self.page.evaluate("window.refusals")
        return found

    def ask(self, script: str) -> Any:
        """Evaluate an expression in the page."""
        return self.page.evaluate(script)

    def wait_until(self, script: str, wanted: Any) -> None:
        """Wait until an expression has a value; fails with the one that it has."""
        self.wait_for(lambda: self._tried(script) == wanted, lambda: f"{self._tried(script)} for {wanted}")

    def wait_for(self, holds: Callable[[], bool], told: Callable[[], object]) -> None:
        """Wait until something holds, and fail with what is told of it."""
        wait_for(self.page, holds, told)

    def positions(self) -> list[list[float]]:
        """Where the image of each pane lies in the patient, in mm."""
        found: list[list[float]] = self.page.evaluate(_POSITIONS)
        return found

    def images(self) -> list[tuple[str, int]]:
        """The SOP Instance UID that each pane shows, and which image of its stack that is, from 0."""
        return [(uid, at) for uid, at in self.page.evaluate(_IMAGES)]

    def turn_wheel(self, pane: int, steps: int) -> None:
        """Turn the wheel over a pane that has so many images more in that direction; each is waited for."""
        box = self.page.locator("canvas.cornerstone-canvas").nth(pane).bounding_box()
        assert box is not None
        self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        for _ in range(abs(steps)):
            self._turn_once(pane, 100 if steps > 0 else -100)

    def _turn_once(self, pane: int, by: int) -> None:
        before = self.images()[pane]
        self.page.mouse.wheel(0, by)
        self.wait_for(lambda: self.images()[pane] != before, lambda: "the wheel turns nothing")

    def _tried(self, script: str) -> Any:
        return self.page.evaluate(_TRIED.format(script))

    def _note(self, response: Response) -> None:
        if response.status >= 400:
            self.failed.append(f"{response.status} {response.url}")


def wait_for(page: Page, holds: Callable[[], bool], told: Callable[[], object]) -> None:
    """Wait until something holds of a page, and fail with what is told of it."""
    deadline = time.monotonic() + LONG_MS / 1000
    while not holds():
        assert time.monotonic() < deadline, told()
        page.wait_for_timeout(100)


def wait_for_images(page: Page, selector: str, least: int = 1) -> None:
    """Wait until every image of a selector is there and at least so many pixels wide.

    Not by wait_for_function: what is not true at once it evaluates within the page, whose policy forbids that.
    """
    images = page.locator(selector)

    def widths() -> list[int]:
        found: list[int] = images.evaluate_all("all => all.map(image => image.complete ? image.naturalWidth : 0)")
        return found

    wait_for(page, lambda: min(widths(), default=0) >= least, lambda: f"{selector}: {widths()} pixels wide")


@contextmanager
def browser() -> Iterator[Browser]:
    """Debian's Chromium without a screen."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield launched
        finally:
            launched.close()


@contextmanager
def person(browser: Browser, **given: Any) -> Iterator[BrowserContext]:
    """Cookies and cache of one person; others of the browser's settings by name."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, **given)
    context.set_default_timeout(LONG_MS)
    try:
        yield context
    finally:
        context.close()


@contextmanager
def eye(person: BrowserContext, url: str) -> Iterator[Eye]:
    """One page of a person's, looking at a bank."""
    page = person.new_page()
    try:
        page.add_init_script(f"({_WATCH})()")
        looking = Eye(page, url)
        page.on("response", looking._note)
        page.on("console", lambda message: looking.console.append(message.text))
        page.on("pageerror", lambda error: looking.console.append(f"error {error}"))
        yield looking
    finally:
        page.close()


def study_of(path: Path) -> str:
    return str(dcmread(path, stop_before_pixels=True, force=True).StudyInstanceUID)


def files_of(*names: str) -> list[Path]:
    """Sample files by folder or file name."""
    found: list[Path] = []
    for name in names:
        place = sample_data() / name
        found += sorted(p for p in place.rglob("*") if p.is_file()) if place.is_dir() else [place]
    return found


def open_study(looking: Eye, bank: Any, *names: str, more: str = "", series: str = "") -> str:
    """Deposit sample files, go to the study's page and follow its link into the viewer; the study's UID."""
    files = files_of(*names)
    bank.import_paths(files)
    study = study_of(files[0])
    open_in_viewer(looking, study, more=more, series=series)
    return study


def open_in_viewer(looking: Eye, study: str, *, more: str = "", series: str = "") -> None:
    looking.open(f"/studies/{study}")
    place = looking.page.locator("li.series", has_text=series) if series else looking.page
    address = place.get_by_role("link", name="Open in viewer").first.get_attribute("href")
    assert address is not None
    looking.open(address + more)


def assert_nothing_went_wrong(looking: Eye) -> None:
    assert looking.refusals() == []
    assert [line for line in looking.failed if "/viewer/" in line] == []
    assert [line for line in looking.console if line.startswith("error")] == []


def box_of(place: Locator) -> tuple[float, float, float, float]:
    """Where something lies on the screen: left, top, width, height."""
    box = place.bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"], box["height"]
