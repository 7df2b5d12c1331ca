"""A fresh proof leads back to where it was asked for, to pages of ours alone, and what was filled in is not lost."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from urllib.parse import quote

import pytest

import owners
from bank import open_test_bank
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.portal.proving import own_page
from unit.portal.browsing import Browser, hidden_field
from unit.portal.test_my import browser_of

pytestmark = pytest.mark.usefixtures("quick_hashes")

PROVE = "/account/prove"
EVIL = ("//evil.example", "/\\evil.example")
ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/%2Fevil.example",
    "/%5Cevil.example",
    "/my//evil.example",
    "/my/../../evil",
    "/./evil",
    "https://evil.example/my",
    "javascript:alert(1)",
    "my/close",
    "/my/close\n",
    "/my/close\r\nSet-Cookie: a=b",
    "/my\t/close",
    "/my/close\x00",
    "/my/close#there",
    "/my/close?then=//evil.example",
    "/m\u0443/close",
    "/",
    "",
]


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("proving"), **owners.SETTINGS) as opened:
        owners.name(opened)
        yield opened


@pytest.fixture(scope="module")
def cookie(bank: Bank) -> str:
    return owners.mother(bank)


@pytest.fixture
def late(bank: Bank, cookie: str) -> Browser:
    """A browser whose user has proven who they are a while ago; what was proven in it before counts no more."""
    moment = bank.now() + timedelta(minutes=12 * (1 + next(_turns)))
    there = Browser(web_application(replace(bank, now=lambda: moment)))
    there.cookies = browser_of(bank, cookie).cookies
    return there


_turns = iter(range(1, 100))


@pytest.mark.parametrize("address", ELSEWHERE)
def test_nobody_is_led_to_another_site(address: str) -> None:
    assert own_page(address) == ""


@pytest.mark.parametrize(
    "address", ["/my", "/my/close", "/account/notices", "/my/statement?theme=look&since=2026-01-31"]
)
def test_pages_of_ours_are_led_to(address: str) -> None:
    assert own_page(address) == address


def test_a_proof_leads_back_to_the_page_that_asked_for_it_and_to_none_elsewhere(late: Browser) -> None:
    asked = late.get("/my/close").headers["location"]
    page = late.get(asked)
    wrong = late.post(PROVE, {"csrf": hidden_field(page, "csrf"), "then": "/my/close", "password": "wrong"})
    evil = [late.get(f"{PROVE}?then={quote(one, safe='')}").text for one in EVIL]
    given = {"csrf": hidden_field(page, "csrf"), "password": owners.PASSWORD}

    assert asked == f"{PROVE}?then=%2Fmy%2Fclose"
    assert hidden_field(page, "then") == hidden_field(wrong, "then") == "/my/close"
    assert not [one for one in evil if 'name="then"' in one]
    assert late.post(PROVE, {**given, "then": "/my/close"}).headers["location"] == "/my/close"
    assert {late.post(PROVE, {**given, "then": one}).headers["location"] for one in EVIL} == {"/account"}
    assert late.post(PROVE, given).headers["location"] == "/account"
    assert "Close my account" in late.get("/my/close").text


def test_letting_a_carer_in_needs_a_fresh_proof_and_what_was_filled_in_is_kept(bank: Bank, late: Browser) -> None:
    form = {"csrf": hidden_field(late.get("/my/people"), "csrf"), "person": _first(late), "name": 'Rosa & Uri "Lind"'}
    asked = late.post("/my/people/let-in", form)
    before = late.get("/my/people").text
    kept = {name: unescape(hidden_field(asked, name)) for name in ("csrf", "then", "to", "kept")}
    wrong = late.post(PROVE, {**kept, "password": "wrong"})
    kept = {name: unescape(hidden_field(wrong, name)) for name in ("csrf", "then", "to", "kept")}
    proven = late.post(PROVE, {**kept, "password": owners.PASSWORD})
    again = {name: unescape(hidden_field(proven, name)) for name in ("csrf", "person", "name")}
    made = late.post("/my/people/let-in", again)

    assert (asked.status_code, kept["then"], kept["to"]) == (403, "/my/people", "/my/people/let-in")
    assert "What you filled in is kept." in asked.text
    assert "Rosa" not in before
    assert "not sent yet" in proven.text
    assert 'action="/my/people/let-in"' in proven.text
    assert "Your carer can come in." in made.text
    assert [one for one in bank.index.people.accounts() if one.display_name == form["name"]]


def test_a_form_that_waits_goes_to_us_alone(late: Browser) -> None:
    csrf = hidden_field(late.get(PROVE), "csrf")
    given = {"csrf": csrf, "kept": "name=Rosa", "password": owners.PASSWORD}
    for evil in EVIL:
        assert late.post(PROVE, {**given, "to": evil}).headers["location"] == "/account"


def test_what_is_secret_is_typed_again_and_a_form_of_another_site_is_not_kept(late: Browser) -> None:
    csrf = hidden_field(late.get("/account"), "csrf")
    secret = late.post("/account/password", {"csrf": csrf, "password": "nine brown otters doze"})
    foreign = late.post("/my/people/let-in", {"csrf": "0" * 64, "name": "Eve"})

    assert (secret.status_code, secret.headers["location"]) == (303, f"{PROVE}?then=%2Faccount")
    assert (foreign.status_code, "Eve" in foreign.text) == (403, False)
    assert "did not come from our own pages" in foreign.text


def test_the_form_goes_along_with_a_passkey_too(late: Browser) -> None:
    given = {"csrf": hidden_field(late.get(PROVE), "csrf"), "then": "/my/people", "to": "/my/people/let-in"}
    page = late.post(f"{PROVE}/passkey", {**given, "kept": "name=Rosa"})
    refused = late.post(f"{PROVE}/answer", {**given, "kept": "name=Rosa", "answer": "nothing"})

    for one in (page, refused):
        assert [hidden_field(one, name) for name in ("then", "to", "kept")] == [
            "/my/people",
            "/my/people/let-in",
            "name=Rosa",
        ]
    assert f'href="{PROVE}?then=%2Fmy%2Fpeople"' in page.text


def test_by_rest_in_a_browser_letting_somebody_in_needs_a_fresh_proof(late: Browser) -> None:
    refused = late.ask("POST", "/api/v1/accounts", {"Sec-Fetch-Site": "same-origin"}, json={})

    assert refused.status_code == 403
    assert PROVE in refused.text


def _first(browser: Browser) -> str:
    found = re.search(r'<option value="([0-9a-f]{32})"', browser.get("/my/people").text)
    assert found
    return found[1]
