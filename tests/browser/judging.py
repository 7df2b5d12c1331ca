"""What axe finds on a page, once the page is there and has come to rest."""

from collections.abc import Sequence
from itertools import product

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, Page, ViewportSize

Look = tuple[ViewportSize | None, str]
"""How large a window, and which theme; None and "" leave both as they are."""

DESK, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=390, height=844)
AS_IT_IS: Look = (None, "")
THEMES: tuple[Look, ...] = ((None, "light"), (None, "dark"))
EVERY_LOOK: tuple[Look, ...] = tuple(product((DESK, PHONE), ("light", "dark")))

_TRIES = 4
# Buttons fade from one colour to the other. One that is taken away may never end its fading, or breaks it off.
_RESTED = """() => Promise.race([
  Promise.allSettled(document.getAnimations().map(one => one.finished)),
  new Promise(done => setTimeout(done, 2000)),
])"""
_STOP = "() => { window.stop(); return true }"


def faults(page: Page, looks: Sequence[Look] = EVERY_LOOK) -> list[str]:
    """What axe finds, and whether something scrolls sideways, in each look.

    The test has waited for something that only this page shows: the page before would be judged as well.
    """
    return [fault for look in looks for fault in _found_in(page, look)]


def hold_still(page: Page) -> None:
    """Keep a page that comes again by itself from doing so, until it is loaded anew."""
    page.wait_for_load_state("load")
    page.wait_for_function(_STOP)


def settle(page: Page) -> None:
    """Wait until the page is loaded and nothing in it moves any more."""
    page.wait_for_load_state("load")
    page.evaluate(_RESTED)


def _found_in(page: Page, look: Look) -> list[str]:
    for _ in range(_TRIES):
        try:
            return _judged(page, look)
        except Error as error:
            # A page that came again by itself is judged from the start.
            if "Execution context was destroyed" not in error.message:
                raise
    return _judged(page, look)


def _judged(page: Page, look: Look) -> list[str]:
    size, theme = look
    if size:
        page.set_viewport_size(size)
    page.wait_for_load_state("load")
    if theme:
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    settle(page)
    axe = Axe().run(page)
    seen = f"{page.url} {theme} {(size or page.viewport_size or DESK)['width']}"
    found = [f"{seen}: {axe.generate_report()}"] if axe.violations_count else []
    is_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return [*found, f"{seen} is wider than the window"] if is_wide else found
