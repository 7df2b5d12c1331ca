"""Refusals on pages: in the language of the page, whole sentences with the same values; in English for programs."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import imagebank
from bank import open_test_bank
from imagebank import errors
from imagebank.actions import contributing, medium, pixels, repeat_orders
from imagebank.app import web_application
from imagebank.errors import BankError, Conflict, Invalid, NotFound
from imagebank.portal import language, refusals
from unit.portal.browsing import Browser

SOURCE = Path(imagebank.__file__).parent
SPOKEN = ("actions", "dicom", "model", "portal")
SILENT = {"matching.py", "reading_names.py", "rights.py", "file_names.py"}
"""What they refuse is told to who starts a bank."""
REFUSALS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, BankError)}


@pytest.fixture(autouse=True)
def _english_again() -> Iterator[None]:
    yield
    language.speak(language.ENGLISH)


def test_a_refusal_says_its_values_in_english_by_itself() -> None:
    assert str(Invalid("a {kind} has {number:,} parts", kind="form", number=1234)) == "a form has 1,234 parts"
    assert str(Invalid("braces {stay} without values")) == "braces {stay} without values"
    assert str(Conflict("nothing was corrected: {fault}", fault=NotFound("no"))) == "nothing was corrected: no"


@pytest.mark.parametrize("note", [contributing.NOTE, medium.NOTE, repeat_orders.NOTE, *pixels.NOTES.values()])
def test_why_somebody_is_asked_in_the_queue_is_said_in_every_language(note: str) -> None:
    english = refusals.sentence(note)
    for spoken in sorted(language.known()):
        language.speak(spoken)
        assert (refusals.sentence(note) == english) == (spoken == language.ENGLISH)


def test_a_refusal_is_said_in_the_language_of_the_page() -> None:
    inner = Invalid("{attribute} takes a whole number", attribute="Rows")
    language.speak("de")

    assert refusals.worded(inner) == "Rows nimmt eine ganze Zahl"
    assert refusals.worded(Conflict("nothing was corrected: {fault}", fault=inner)) == (
        "nichts wurde korrigiert: Rows nimmt eine ganze Zahl"
    )
    assert refusals.sentence(Invalid("the file is empty")) == "Die Datei ist leer."
    assert refusals.sentence("") == ""
    assert str(inner) == "Rows takes a whole number"


def test_a_refusal_that_was_kept_as_words_is_found_again() -> None:
    kept = Conflict("{reason}; this copy is safe in quarantine", reason="larger than the {9} bytes that are taken")
    language.speak("de")

    assert refusals.sentence("nothing lies in quarantine as number 7") == "Nichts liegt als Nummer 7 in Quarantäne."
    assert (
        refusals.worded(str(kept)) == "larger than the {9} bytes that are taken; diese Kopie liegt sicher in Quarantäne"
    )
    assert refusals.worded("nobody has ever said this") == "nobody has ever said this"
    language.speak("en")
    assert refusals.worded("nothing lies in quarantine as number 7") == "nothing lies in quarantine as number 7"


def test_a_page_says_in_german_what_a_program_hears_in_english(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        browser = Browser(web_application(bank))
        page = browser.get("/activate/nosuchcode", {"Accept-Language": "de"})
        program = browser.get("/dicom-web/studies?limit=1", {"Accept-Language": "de"})

    assert "Dieser Link wurde schon benutzt oder ist zu alt; bitten Sie um einen neuen." in page.text
    assert program.json()["message"].startswith("sign in, or send")


def calls() -> Iterator[tuple[str, ast.Call]]:
    for folder in SPOKEN:
        for file in sorted((SOURCE / folder).rglob("*.py")):
            if file.name not in SILENT:
                yield from ((f"{file.name}:{call.lineno}", call) for call in refused(ast.parse(file.read_text()).body))


def refused(body: list[ast.stmt]) -> Iterator[ast.Call]:
    for node in (node for statement in body for node in ast.walk(statement)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in REFUSALS:
            yield node


def test_refusals_that_people_meet_are_whole_sentences_with_named_places() -> None:
    """An f-string has its values in it already, so nobody could translate it."""
    found = list(calls())
    said = [(place, value) for place, call in found for value in (*call.args, *(one.value for one in call.keywords))]

    assert len(found) > 200
    assert [place for place, value in said if isinstance(value, ast.JoinedStr)] == []


def test_a_refusal_in_a_constant_is_marked() -> None:
    """A name tells nobody what is said, so the constant itself has to be found."""
    for folder in SPOKEN:
        for file in sorted((SOURCE / folder).rglob("*.py")):
            body = ast.parse(file.read_text()).body
            bare = {ast.unparse(one.target) for one in body if isinstance(one, ast.AnnAssign) and _is_text(one.value)}
            said = {ast.unparse(call.args[0]) for call in refused(body) if call.args}

            assert said & bare == set(), file.name


def _is_text(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def test_the_places_of_a_refusal_are_its_values() -> None:
    for place, call in calls():
        if call.keywords and isinstance(call.args[0], ast.Constant):
            named = set(re.findall(r"(?<!\{)\{(\w+)", str(call.args[0].value)))

            assert named == {keyword.arg for keyword in call.keywords}, place
