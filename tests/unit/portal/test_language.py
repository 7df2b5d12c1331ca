"""The language of a page: what is asked for, and how words, numbers and days are in it."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from babel.messages.pofile import read_po

from bank import open_test_bank
from imagebank.actions import access
from imagebank.app import web_application
from imagebank.model.access import Role
from imagebank.portal import language
from imagebank.portal.look import Look, parse
from imagebank.settings import Language
from unit.portal.browsing import Browser, hidden_field

CATALOGUES = sorted((Path(language.__file__).parent / "locale").glob("*.po"))


@pytest.fixture(autouse=True)
def _english_again() -> Iterator[None]:
    yield
    language.speak(language.ENGLISH)


@pytest.mark.parametrize(
    ("asked", "language_of_page"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.8,en;q=0.5", "de"),
        ("en-GB,de;q=0.9", "en"),
        ("nl,de;q=0.1", "de"),
        ("nl-BE", "en"),
        ("zh-Hant-TW", "zh"),
        ("ar-EG", "ar"),
        ("de;q=0", "en"),
        ("de;q=x, *;q=0.1", "en"),
        ("../de", "en"),
        ("x," * 300 + "de", "en"),
    ],
)
def test_the_first_known_language_is_spoken(asked: str, language_of_page: str) -> None:
    assert language.chosen(asked) == language_of_page


def test_the_site_may_name_a_language_for_who_asks_for_none() -> None:
    assert {*get_args(Language)} == language.known()
    assert [language.chosen(asked, "xx", "fr") for asked in ("", "nl", "de")] == ["fr", "fr", "de"]


def test_days_numbers_and_times_are_as_the_language_writes_them() -> None:
    at = datetime(2026, 10, 11, 14, 5, tzinfo=UTC)
    english = language.day("20261011"), language.day_of_year("20261011"), language.whole(12345), language.moment(at)
    language.speak("de")
    german = language.day("20261011"), language.day_of_year("20261011"), language.whole(12345), language.moment(at)

    assert english == ("11 Oct 2026", "11 Oct", "12,345", "11 Oct 2026, 14:05 UTC")
    assert german == ("11. Okt. 2026", "11. Okt.", "12.345", "11. Okt. 2026, 14:05 UTC")
    assert [language.day(text) for text in ("20261399", "", "2026")] == ["20261399", "", "2026"]
    assert language.day_of_year("x") == "x"
    assert language.direction() == "ltr"


def test_what_is_not_translated_stays_english() -> None:
    language.speak("de")

    assert language.gettext("No such text as this") == "No such text as this"
    assert language.gettext("") == ""
    assert language.counted(2, "%(num)s thing", "%(num)s things") == "2 things"


@pytest.mark.parametrize(
    ("cookie", "look"),
    [
        ("dark.compact.de", Look("dark", "compact", "de")),
        ("..", Look()),
        ("light", Look("light")),
        ('x".<b>.nl', Look()),
        ("", Look()),
    ],
)
def test_a_choice_is_read_with_care(cookie: str, look: Look) -> None:
    assert parse(cookie) == look


def test_a_choice_stays_chosen_on_every_page(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        browser = Browser(web_application(bank))
        browser.post("/sign-in", {"token": access.issue_token(bank, Role.CLINICIAN, "")})
        before = browser.get("/")
        form = {"csrf": hidden_field(before, "csrf"), "theme": "light", "density": "comfortable", "language": "de"}
        answer = browser.post("/account/look", form)
        after = [browser.get(address).text for address in ("/", "/account", "/nosuch")]

    assert 'lang="en" dir="ltr" data-density="compact" data-theme="dark"' in before.text
    assert answer.headers["location"] == "/account"
    assert [text.count('lang="de" dir="ltr" data-density="comfortable" data-theme="light"') for text in after[:2]] == [
        1,
        1,
    ]
    assert '<option value="light" selected>hell</option>' in after[1]


def test_a_language_is_chosen_before_anybody_has_signed_in(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        browser = Browser(web_application(bank))
        before = browser.get("/sign-in", {"Accept-Language": "en"})
        answer = browser.post("/language", {"language": "ar", "back": "/sign-in"})
        after = browser.get("/sign-in", {"Accept-Language": "en"})
        away = browser.post("/language", {"language": "x", "back": "//elsewhere.example/"})
        foreign = browser.post("/language", {"language": "de"}, **{"Sec-Fetch-Site": "cross-site"})

    assert '<button class="tongue" name="language" value="ar" lang="ar">العربية</button>' in before.text
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert '<html lang="ar" dir="rtl"' in after.text
    assert "سجّل الدخول بكلمة مرور" in after.text
    assert (away.headers["location"], foreign.status_code) == ("/", 403)


def test_a_text_for_a_number_has_every_form_of_the_language() -> None:
    texts = "%(num)s study", "%(num)s studies"
    english = language.forms(*texts)
    language.speak("ar")
    arabic = [language.counted(number, *texts) for number in (0, 1, 2, 3, 11, 100)]

    assert english == {"one": "%(num)s study", "other": "%(num)s studies"}
    assert set(language.forms(*texts)) == {"zero", "one", "two", "few", "many", "other"}
    assert arabic == ["لا دراسات", "دراسة واحدة", "دراستان", "3 دراسات", "11 دراسة", "100 دراسة"]
    assert language.listed(["a", "b", "c"]) == "a، b، c"
    assert language.listed([]) == ""


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.stem)
def test_translations_have_the_places_of_their_texts(file: Path) -> None:
    with file.open("rb") as opened:
        catalogue = read_po(opened, locale=file.stem)

    assert [str(fault) for _, faults in catalogue.check() for fault in faults] == []


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.stem)
def test_every_text_of_a_catalogue_is_translated(file: Path) -> None:
    """A page that is half English is worse than one that is English."""
    with file.open("rb") as opened:
        catalogue = read_po(opened, locale=file.stem)
    forms = {one.id: one.string if isinstance(one.string, tuple) else (one.string,) for one in catalogue if one.id}

    assert [text for text, said in forms.items() if not all(said)] == []
    assert [one.id for one in catalogue if one.id and one.fuzzy] == []


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.stem)
def test_translated_refusals_have_the_places_of_their_texts(file: Path) -> None:
    with file.open("rb") as opened:
        catalogue = read_po(opened, locale=file.stem)
    place = re.compile(r"\{(\w+)")
    texts = [one for one in catalogue if one.id and "python-brace-format" in one.flags and one.string]

    assert [one.id for one in texts if set(place.findall(str(one.id))) != set(place.findall(str(one.string)))] == []
