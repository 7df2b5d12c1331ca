"""Looking at the viewer as a person does: open it, wait until pixels are lit, turn the wheel."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Response, sync_playwright

CHROMIUM = "/usr/bin/chromium"
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

    def wait_until_lit(self, panes: int = 1, timeout_s: float = 60) -> None:
        """Wait until that many panes show something; fails with what was wrong."""
        try:
            self.page.wait_for_function(_IS_LIT, arg=panes, timeout=timeout_s * 1000, polling=250)
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

    def positions(self) -> list[list[float]]:
        """Where the image of each pane lies in the patient, in mm."""
        found: list[list[float]] = self.page.evaluate(
            """[...services.viewportGridService.getState().viewports.keys()].map(id => {
              const viewport = services.cornerstoneViewportService.getCornerstoneViewport(id);
              return [...cornerstone.metaData.get('imagePlaneModule', viewport.getCurrentImageId()).imagePositionPatient];
            })"""
        )
        return found

    def turn_wheel(self, pane: int, steps: int) -> None:
        box = self.page.locator("canvas.cornerstone-canvas").nth(pane).bounding_box()
        assert box is not None
        self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        for _ in range(abs(steps)):
            self.page.mouse.wheel(0, 100 if steps > 0 else -100)
            self.page.wait_for_timeout(250)

    def _note(self, response: Response) -> None:
        if response.status >= 400:
            self.failed.append(f"{response.status} {response.url}")


def faults(page: Page) -> list[str]:
    """What axe finds in the light and in the dark."""
    found = []
    for theme in ("light", "dark"):
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        axe = Axe().run(page)
        found += [f"{theme}: {axe.generate_report()}"] if axe.violations_count else []
    return found


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
