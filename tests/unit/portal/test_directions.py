"""Pages read from right to left where the language does: sides are named by the direction of reading alone."""

import re
from pathlib import Path

import pytest

from imagebank.portal import language, layout

STATIC = Path(language.__file__).parent / "static"
SHEETS = sorted(one for one in STATIC.rglob("*.css") if one.name != "tokens.css")
SIDES = r"(?:left|right|top|bottom)"
PHYSICAL = re.compile(
    rf"(?<![\w-])(?:(?:margin|padding|border|inset|scroll-margin|scroll-padding)-{SIDES}(?:-\w+)?|{SIDES}"
    r"|(?:min-|max-)?(?:width|height)|border-(?:top|bottom)-(?:left|right)-radius)\s*:"
    r"|(?:text-align|float|clear)\s*:\s*(?:left|right)\b"
)
FOUR = re.compile(
    r"(?<![\w-])(?:margin|padding|inset|border-width):\s*" + r"\s+".join([r"[^\s;}]+", r"([^\s;}]+)"] * 2) + r"\s*[;}]"
)
"""A shorthand of four values: the second is on the right, the fourth on the left."""


def physical(sheet: str) -> list[str]:
    """Declarations that name a side of the screen. A condition on the window may, as it has no direction."""
    bare = re.sub(r"/\*.*?\*/|@(?:media|container)[^{]*", "", sheet, flags=re.DOTALL)
    return [match[0] for match in PHYSICAL.finditer(bare)] + [m[0] for m in FOUR.finditer(bare) if m[1] != m[2]]


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_no_style_names_a_side_of_the_screen(sheet: Path) -> None:
    assert physical(sheet.read_text()) == []


def test_a_side_of_the_screen_is_found() -> None:
    sheet = "@media (max-width: 9px) { a { margin-left: 1px; inset-inline-start: 0; left: 0; padding: 0 1px 0 2px; } }"

    assert physical(sheet) == ["margin-left:", "left:", "padding: 0 1px 0 2px;"]


@pytest.mark.parametrize("tag", ["ar", "ar-EG", "de"])
def test_a_page_says_in_which_direction_it_reads(tag: str) -> None:
    language.speak(language.chosen(tag))
    try:
        assert language.direction() == ("ltr" if tag == "de" else "rtl")
    finally:
        language.speak(language.ENGLISH)


@pytest.mark.parametrize(
    ("name", "turns"),
    [("arrow-left", True), ("arrow-right", True), ("caret-right", True), ("arrow-clockwise", False), ("clock", False)],
)
def test_arrows_and_carets_turn_with_the_direction_and_clocks_do_not(name: str, turns: bool) -> None:
    template = "{% from 'parts/icon.html' import icon %}{{ icon(name) }}"
    drawn = layout.environment().from_string(template).render(name=name)

    assert ("turns" in drawn) is turns
