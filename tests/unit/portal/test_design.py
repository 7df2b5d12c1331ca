"""The style page shows every part that pages are made of."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import nodes

from bank import open_test_bank
from imagebank.actions import access
from imagebank.app import web_application
from imagebank.model.access import Role
from imagebank.portal import layout
from unit.portal.browsing import Browser

TEMPLATES = Path(layout.__file__).parent / "templates"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_test_bank(tmp_path_factory.mktemp("bank")) as bank:
        signed_in = Browser(web_application(bank))
        signed_in.post("/sign-in", {"token": access.issue_token(bank, Role.CLINICIAN, "")})
        yield signed_in


def parsed(template: Path) -> nodes.Template:
    return layout.environment().parse(template.read_text())


def calls(tree: nodes.Node) -> set[str]:
    return {one.node.name for one in tree.find_all(nodes.Call) if isinstance(one.node, nodes.Name)}


def test_it_shows_every_part_itself_or_inside_another(browser: Browser) -> None:
    parts = [parsed(template) for template in sorted((TEMPLATES / "parts").glob("*.html"))]
    macros = {macro.name: macro for part in parts for macro in part.find_all(nodes.Macro)}
    page = parsed(TEMPLATES / "design.html")
    shown, todo = set[str](), calls(page) & set(macros)
    while todo:
        shown |= todo
        todo = {name for one in todo for name in calls(macros[one]) & set(macros)} - shown

    assert set(macros) - shown == set()
    assert browser.get("/design").status_code == 200


@pytest.mark.parametrize("look", ["theme=dark&density=compact&dir=rtl", "theme=<b>&density=no&dir="])
def test_it_is_looked_at_in_each_theme_density_and_direction(browser: Browser, look: str) -> None:
    text = browser.get(f"/design?{look}").text

    wanted = ("dark", "compact", "rtl") if "rtl" in look else ("light", "comfortable", "ltr")
    assert f'dir="{wanted[2]}" data-density="{wanted[1]}" data-theme="{wanted[0]}"' in text
    assert "<b>" not in text


def test_it_is_for_people_who_are_signed_in(browser: Browser) -> None:
    stranger = Browser(browser._app)

    assert stranger.get("/design").headers["location"] == "/sign-in"
