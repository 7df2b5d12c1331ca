"""One's own account as pages: activation, password, app, passkeys, sessions, proofs."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path

import httpx
import pytest

from bank import a_token, bearer, keep, open_test_bank
from imagebank.actions import access, account, totp
from imagebank.actions.passkey import Site
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.http.auth import COOKIE
from imagebank.model.access import Role, Scope
from imagebank.model.imaging import Selection
from make import a_file
from unit.actions.authenticator import Authenticator
from unit.actions.people_here import ANOTHER, PASSWORD, a_person
from unit.portal.browsing import SITE, Browser, hidden_field

FOREIGN = {"Sec-Fetch-Site": "cross-site"}
HERE = Site(SITE, "bank.example")

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


@pytest.fixture
def browser(bank: Bank) -> Browser:
    return Browser(web_application(bank))


def signed_in(bank: Bank, name: str = "ada", password: str = PASSWORD, role: Role = Role.ADMIN) -> Browser:
    """A browser in which somebody has just activated an account."""
    browser = Browser(web_application(bank))
    browser.post("/activate/" + account.add(bank, name, role), {"password": password, "means": "password"})
    return browser


def later(bank: Bank, browser: Browser, minutes: float) -> Browser:
    """The same browser some time later."""
    moment = bank.now() + timedelta(minutes=minutes)
    there = Browser(web_application(replace(bank, now=lambda: moment)))
    there.cookies = browser.cookies
    return there


def send(browser: Browser, path: str, page: str = "/account", **fields: str) -> httpx.Response:
    """Send a form of a page."""
    return browser.post(path, {"csrf": hidden_field(browser.get(page), "csrf"), **fields})


def options(answer: httpx.Response) -> str:
    found = re.search(r'data-options="([^"]*)"', answer.text)
    assert found
    return unescape(found[1])


def test_a_link_leads_to_a_password_and_is_spent_with_it(bank: Bank, browser: Browser) -> None:
    link = "/activate/" + account.add(bank, "ada", Role.ADMIN, "Ada Varga")
    looked = browser.get(link)
    weak = browser.post(link, {"password": "", "means": "password"})
    foreign = browser.post(link, {"password": PASSWORD, "means": "password"}, **FOREIGN)
    done = browser.post(link, {"password": PASSWORD, "means": "password"})

    assert "Welcome, Ada Varga" in looked.text
    assert (weak.status_code, foreign.status_code) == (400, 403)
    assert "12 characters" in weak.text
    assert (done.status_code, done.headers["location"]) == (303, "/account")
    assert "Ada Varga" in browser.get("/account").text
    assert [browser.get(link).status_code, browser.post(link, {"password": PASSWORD}).status_code] == [404, 404]


def test_the_first_admin_chooses_a_name_and_may_go_on_to_a_passkey(bank: Bank, browser: Browser) -> None:
    link = f"/activate/{account.invite_first_admin(bank)}"
    bad = browser.post(link, {"name": "two words", "display_name": "Ada <i>", "means": "passkey"})
    done = browser.post(link, {"name": "ada", "means": "passkey"})

    assert bad.status_code == 400
    assert 'value="two words"' in bad.text
    assert 'value="Ada &lt;i&gt;"' in bad.text
    assert done.headers["location"] == "/account"
    assert "no way to sign in again" in browser.get("/account").text


def test_a_password_signs_in_and_every_refusal_says_the_same(bank: Bank, browser: Browser) -> None:
    a_person(bank)
    wrong = [
        browser.post("/sign-in/password", given)
        for given in ({"name": "ada", "password": "wrong"}, {"name": "nobody", "password": PASSWORD}, {})
    ]
    foreign = browser.post("/sign-in/password", {"name": "ada"}, **FOREIGN)
    right = browser.post("/sign-in/password", {"name": "ada", "password": PASSWORD})

    assert {(answer.status_code, answer.text) for answer in wrong} == {(403, wrong[0].text)}
    assert "each code works once" in wrong[0].text
    assert foreign.status_code == 403
    assert (right.status_code, right.headers["location"]) == (303, "/")
    assert "ada" in browser.get("/").text


def test_too_many_tries_are_told_to_wait(bank: Bank, browser: Browser) -> None:
    answers = [browser.post("/sign-in/password", {"name": "ada", "password": "wrong"}) for _ in range(11)]

    assert [answer.status_code for answer in answers] == [403] * 10 + [429]
    assert "wait a quarter of an hour" in answers[-1].text


def test_a_password_is_changed_with_the_form_of_this_session(bank: Bank) -> None:
    browser = signed_in(bank)
    weak = send(browser, "/account/password", password="short")
    foreign = browser.post("/account/password", {"csrf": "guessed", "password": ANOTHER})
    done = send(browser, "/account/password", password=ANOTHER)
    anew = Browser(web_application(bank))

    assert (weak.status_code, foreign.status_code, done.status_code) == (400, 403, 303)
    assert "12 characters" in weak.text
    assert anew.post("/sign-in/password", {"name": "ada", "password": ANOTHER}).status_code == 303


def test_an_app_is_set_up_by_its_code_and_taken_away(bank: Bank) -> None:
    browser = signed_in(bank)
    before = browser.get("/account/app"), browser.get("/account/app.svg")
    assert send(browser, "/account/app").headers["location"] == "/account/app"
    shown, drawn = browser.get("/account/app"), browser.get("/account/app.svg")
    found = access.opened(bank, browser.cookies[COOKIE])
    assert found is not None
    secret = account.waiting_secret(bank, found)
    assert secret is not None
    wrong = send(browser, "/account/app/confirm", "/account/app", code="000000x")
    right = send(browser, "/account/app/confirm", "/account/app", code=totp.code(secret, totp.step_at(bank.now())))

    assert (before[0].headers["location"], before[1].status_code) == ("/account", 404)
    assert totp.written(secret) in shown.text
    assert drawn.headers["content-type"] == "image/svg+xml"
    assert "no-store" in drawn.headers["cache-control"]
    assert (wrong.status_code, right.status_code) == (400, 303)
    assert "asked for a code" in browser.get("/account").text
    assert send(browser, "/account/app/remove").status_code == 303
    assert "Set up an app" in browser.get("/account").text


def test_a_passkey_is_made_signed_in_with_and_removed(bank: Bank) -> None:
    browser, device = signed_in(bank), Authenticator(HERE)
    asked = send(browser, "/account/passkeys")
    made = send(browser, "/account/passkeys/keep", answer=device.create(options(asked)), name="<b>Phone")
    again = send(browser, "/account/passkeys/keep", answer="nothing")
    anew = Browser(web_application(bank))
    request = anew.post("/sign-in/passkey")
    signed = anew.post("/sign-in/passkey/answer", {"answer": device.get(options(request))})
    wrong = Browser(web_application(bank)).post("/sign-in/passkey/answer", {"answer": "nothing"})
    listed = browser.get("/account").text

    assert (made.status_code, again.status_code) == (303, 400)
    assert "&lt;b&gt;Phone" in listed
    assert (signed.status_code, signed.headers["location"]) == (303, "/")
    assert wrong.status_code == 403
    assert anew.post("/sign-in/passkey", {}, **FOREIGN).status_code == 403
    assert send(browser, "/account/passkeys/remove", passkey=device.id.hex()).status_code == 303
    assert "You have none. A passkey" in browser.get("/account").text


def test_passkeys_are_bound_to_the_public_address(tmp_path: Path) -> None:
    with open_test_bank(tmp_path, public_url="https://images.example:8443/bank") as bank:
        asked = Browser(web_application(bank)).post("/sign-in/passkey")

    assert '"rpId": "images.example"' in options(asked)


def test_sessions_are_shown_and_ended(bank: Bank) -> None:
    browser, others = signed_in(bank), [Browser(web_application(bank)) for _ in range(3)]
    for other in others:
        other.post("/sign-in/password", {"name": "ada", "password": PASSWORD})
    names = re.findall(r'name="session" value="([^"]*)"', browser.get("/account").text)
    ended = send(browser, "/account/sessions/end", session=names[0])
    twice = send(browser, "/account/sessions/end", session=names[0])
    left = [other.get("/").status_code for other in others]
    rest = send(browser, "/account/sessions/end-others")

    assert len(names) == 3
    assert (ended.status_code, twice.status_code, rest.status_code) == (303, 404, 303)
    assert sorted(left) == [200, 200, 303]
    assert [other.get("/").status_code for other in others] == [303] * 3
    assert browser.get("/account").status_code == 200


def test_after_a_while_changes_need_a_proof_by_password_or_passkey(bank: Bank) -> None:
    browser, device = signed_in(bank), Authenticator(HERE)
    send(browser, "/account/passkeys/keep", answer=device.create(options(send(browser, "/account/passkeys"))))
    there = later(bank, browser, 12)
    asked = send(there, "/account/password", password=ANOTHER)
    wrong = send(there, "/account/prove", "/account/prove", password="wrong")
    right = send(there, "/account/prove", "/account/prove", password=PASSWORD)
    changed = send(there, "/account/password", password=ANOTHER)
    there = later(bank, browser, 24)
    options_ = options(send(there, "/account/prove/passkey", "/account/prove"))
    no_passkey = send(there, "/account/prove/answer", "/account/prove", answer="nothing")
    by_passkey = send(there, "/account/prove/answer", "/account/prove", answer=device.get(options_))

    assert asked.headers["location"] == "/account/prove?then=%2Faccount"
    assert (wrong.status_code, right.status_code, changed.headers["location"]) == (403, 303, "/account")
    assert (no_passkey.status_code, by_passkey.status_code) == (403, 303)
    assert send(there, "/account/app").headers["location"] == "/account/app"
    tries = [send(there, "/account/prove", "/account/prove", password="wrong").status_code for _ in range(11)]
    assert tries[-1] == 429


def test_deleting_with_a_browser_needs_a_fresh_proof_and_by_a_token_none(bank: Bank) -> None:
    for number in range(2):
        keep(bank, a_file(StudyInstanceUID=f"1.2.{number}"))
    studies = sorted({one.study for one in bank.index.instances(Selection(), Scope(None))})
    browser = signed_in(bank)
    there = later(bank, browser, 12)
    own = {"Sec-Fetch-Site": "same-origin"}
    refused = there.ask("DELETE", f"/dicom-web/studies/{studies[0]}", own)
    aside = there.ask("DELETE", "/api/v1/quarantine/1", own)
    send(there, "/account/prove", "/account/prove", password=PASSWORD)
    proven = there.ask("DELETE", f"/dicom-web/studies/{studies[0]}", own)
    program = Browser(web_application(bank)).ask("DELETE", f"/dicom-web/studies/{studies[1]}", bearer(a_token(bank)))

    assert (refused.status_code, aside.status_code) == (403, 403)
    assert "/account/prove" in refused.text
    assert (proven.status_code, program.status_code) == (204, 204)


def test_the_page_of_who_came_by_a_link_or_a_token_says_that_there_is_no_account(bank: Bank, browser: Browser) -> None:
    browser.get("/sign-in/" + access.sign_in_link(bank, Role.ADMIN, "operator"))
    with_token = Browser(web_application(bank)).get("/account", bearer(a_token(bank)))

    assert "no account behind that" in browser.get("/account").text
    assert with_token.status_code == 403
    assert "sign in again" in browser.get("/account/prove").text
    assert send(browser, "/account/prove", "/account/prove", password=PASSWORD).status_code == 403


def test_a_browser_that_is_left_alone_is_signed_out_and_the_viewer_s_asking_prolongs_nothing(bank: Bank) -> None:
    browser = signed_in(bank)
    assert later(bank, browser, 20).get("/api/v1/session").status_code == 204
    assert later(bank, browser, 25).get("/").status_code == 200
    assert later(bank, browser, 50).get("/api/v1/session").status_code == 204

    assert later(bank, browser, 56).get("/").status_code == 303
