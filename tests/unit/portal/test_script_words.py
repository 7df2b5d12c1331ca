"""Scripts hold no words of their own: the page hands them over, in its language."""

import json
import re
from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank.actions import access
from imagebank.app import web_application
from imagebank.model.access import Role
from imagebank.portal import language
from imagebank.portal.upload_words import upload_words
from unit.portal.browsing import Browser, hidden_field

STATIC = Path(language.__file__).parent / "static"
SCRIPTS = sorted(STATIC.rglob("*.js"))
COMMENT = re.compile(r"(?m)(?:^|[;,{})]) *//.*$")
LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"|\'((?:[^\'\\\n]|\\.)*)\'|`((?:[^`\\]|\\.)*)`')
TECHNICAL = {"Enter", "ArrowDown", "ArrowUp", "Location", "InvalidStateError"}
"""Names of keys, fields and errors."""


def spoken(script: str) -> list[str]:
    """Literals that look like words for a person: a capital letter with small ones behind it, or three words in a row."""
    found = []
    for match in LITERAL.finditer(COMMENT.sub("", script)):
        text = re.sub(r"\$\{[^}]*\}", "", next(filter(None, match.groups()), ""))
        words = re.search(r"(^|[ >])[A-Z][a-z]+( |$)|[a-z]{2,},? [a-z]{2,} [a-z]{2,}", text)
        if words and text not in TECHNICAL and text[0] not in ".#[":
            found.append(text)
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script.relative_to(STATIC)))
def test_no_words_stand_in_a_script(script: Path) -> None:
    assert spoken(script.read_text()) == []


def test_words_in_a_script_are_found() -> None:
    script = "say('Pause'); a(`has come, is being taken in`); b(\"Show the list\"); // It's fine\nc('button reveal', 'Enter')"

    assert spoken(script) == ["Pause", "has come, is being taken in", "Show the list"]


def test_the_page_has_every_word_that_its_script_asks_for() -> None:
    scripts = "".join(script.read_text() for script in (STATIC / "upload.js", *(STATIC / "upload").iterdir()))
    words = upload_words()
    texts, numbers = (set(re.findall(rf'\b{call}\("(\w+)"', scripts)) for call in ("say", "counted"))

    assert len(texts) > 15
    assert {name for name in texts if not isinstance(words.get(name), str)} == set()
    assert {name for name in numbers if not isinstance(words.get(name), dict)} == set()


def test_the_upload_page_hands_its_words_over_in_its_language(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        browser = Browser(web_application(bank))
        browser.post("/sign-in", {"token": access.issue_token(bank, Role.TECHNOLOGIST, "local", "tess")})
        page = browser.get("/upload", {"Accept-Language": "de"})
        given = re.search(r'<script type="application/json" id="words">(.*?)</script>', page.text)
        form = {"csrf": hidden_field(page, "csrf"), "text": "the file is empty"}
        told = browser.post("/upload/told", form, **{"Accept-Language": "de"})
        stranger = browser.post("/upload/told", {**form, "csrf": "x"})

    assert given is not None
    words = json.loads(given[1])
    assert words["pause"] == "Anhalten"
    assert words["send_files"] == {"one": "%(num)s Datei senden", "other": "%(num)s Dateien senden"}
    assert words["labels"]["laterality"] == "Seite"
    assert told.text == "Die Datei ist leer."
    assert stranger.status_code == 403
