"""Signing in and out."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bank import a_token, open_test_bank
from imagebank.actions import access
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.http.auth import COOKIE
from imagebank.model.access import Role
from unit.portal.browsing import Browser, hidden_field


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


@pytest.fixture
def browser(bank: Bank) -> Browser:
    return Browser(web_application(bank))


def a_link(bank: Bank) -> str:
    return "/sign-in/" + access.sign_in_link(bank, Role.CLINICIAN, "Dr Varga")


def test_nobody_sees_a_page_before_signing_in(browser: Browser) -> None:
    for path in ("/", "/studies/1.2.3", "/studies/1.2.3/series/1.2.4/instances/1.2.5"):
        answer = browser.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_a_link_signs_in_once(bank: Bank, browser: Browser) -> None:
    link = a_link(bank)

    first = browser.get(link)
    second = Browser(web_application(bank)).get(link)

    assert (first.status_code, first.headers["location"]) == (303, "/")
    assert "Dr Varga" in browser.get("/").text
    assert second.status_code == 404
    assert "imagebank sign-in-link" in second.text


def test_a_program_that_looks_at_a_link_does_not_spend_it(bank: Bank, browser: Browser) -> None:
    link = a_link(bank)
    browser.ask("HEAD", link)

    assert browser.get(link).status_code == 303


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(bank: Bank, browser: Browser) -> None:
    cookie = browser.get(a_link(bank)).headers["set-cookie"]

    assert cookie.startswith(COOKIE)
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert "Secure" not in cookie


def test_behind_https_the_cookie_is_secure_and_of_this_host_alone(tmp_path: Path) -> None:
    with open_test_bank(tmp_path, public_url="https://bank.example") as bank:
        browser = Browser(web_application(bank))
        cookie = browser.get(a_link(bank)).headers["set-cookie"]
        sent = cookie.partition(";")[0]
        own = browser.get("/", {"Cookie": sent}).status_code
        of_a_neighbour = browser.get("/", {"Cookie": sent.removeprefix("__Host-")}).status_code

    assert cookie.startswith(f"__Host-{COOKIE}=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert (own, of_a_neighbour) == (200, 303), "a cookie without the prefix may be of another host of the domain"


def test_a_token_opens_a_session(bank: Bank, browser: Browser) -> None:
    answer = browser.post("/sign-in", {"token": f" {a_token(bank)} "})

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert browser.get("/").status_code == 200


def test_revoking_a_token_ends_the_sessions_that_were_opened_with_it(bank: Bank, browser: Browser) -> None:
    other = Browser(web_application(bank))
    other.get(a_link(bank))
    browser.post("/sign-in", {"token": a_token(bank, Role.CLINICIAN, name="Dr Varga")})
    before = browser.get("/").status_code
    access.revoke_token(bank, "Dr Varga")

    assert before == 200
    assert browser.get("/").status_code == 303
    assert other.get("/").status_code == 200, "a session by a link needs no token"


def test_a_session_lasts_no_longer_than_its_token(bank: Bank) -> None:
    cookie = access.sign_in_by_token(bank, a_token(bank, days=1 / 96))
    before, after = (bank.now() + timedelta(minutes=minutes) for minutes in (14, 16))

    assert access.session(replace(bank, now=lambda: before), cookie) is not None
    assert access.session(replace(bank, now=lambda: after), cookie) is None


def test_a_wrong_token_is_refused_in_words(browser: Browser) -> None:
    answer = browser.post("/sign-in", {"token": "ib_wrong"})

    assert answer.status_code == 403
    assert "does not open anything" in answer.text
    assert "set-cookie" not in answer.headers


def test_another_site_cannot_sign_anybody_in_or_out(bank: Bank, browser: Browser) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site"}
    sign_in = browser.post("/sign-in", {"token": a_token(bank)}, **foreign)
    browser.get(a_link(bank))
    sign_out = browser.post("/sign-out", {"csrf": hidden_field(browser.get("/"), "csrf")}, **foreign)

    assert "set-cookie" not in sign_in.headers
    assert sign_out.status_code == 403
    assert browser.get("/").status_code == 200


def test_signing_out_ends_the_session_at_the_bank(bank: Bank, browser: Browser) -> None:
    browser.get(a_link(bank))
    kept = browser.cookies[COOKIE]
    answer = browser.post("/sign-out", {"csrf": hidden_field(browser.get("/"), "csrf")})
    browser.cookies.set(COOKIE, kept, domain="bank.example")

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert browser.get("/").status_code == 303


def test_signing_out_needs_a_form_of_this_session(bank: Bank, browser: Browser) -> None:
    browser.get(a_link(bank))

    assert browser.post("/sign-out", {"csrf": "guessed"}).status_code == 403
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize(("limit", "status"), [("MOST_OF_ONE", 429), ("MOST", 503)])
def test_who_comes_when_many_sign_in_is_told_when_to_come_again(
    browser: Browser, limit: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"imagebank.http.deliberate.{limit}", 0)
    answer = browser.post("/sign-in/password", {"name": "ada", "password": "x"})

    assert answer.status_code == status
    assert int(answer.headers["retry-after"]) > 0
    assert "moment" in answer.text
