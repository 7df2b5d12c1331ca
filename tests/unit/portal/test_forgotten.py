"""The pages of a forgotten password, and signing in by a mail address."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import pytest

from bank import open_test_bank
from imagebank import worker
from imagebank.actions import account, totp
from imagebank.app import mail_work, web_application
from imagebank.bank import Bank
from imagebank.model.access import Role
from imagebank.model.notice import Mailbox
from mail_server import Office, forget_everybody, mail_server, settings_of, text_of
from unit.actions.people_here import ANOTHER, PASSWORD, a_person, session
from unit.portal.browsing import Browser, hidden_field

WORK = {**worker.WORK, **mail_work()}
MAIL = "ada@example.org"

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture(scope="module")
def office() -> Office:
    return Office()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, office: Office) -> Iterator[Bank]:
    folder = tmp_path_factory.mktemp("forgotten")
    with mail_server(office) as server, open_test_bank(folder, **settings_of(server, public_url="")) as opened:
        yield opened


@pytest.fixture
def bank(shared: Bank, office: Office) -> Bank:
    office.begin()
    return forget_everybody(shared)


def ada(bank: Bank) -> str:
    """A person with a password and a mail address; the cookie of their session."""
    cookie = a_person(bank, "ada", Role.PATIENT)
    with bank.index.begin() as tx:
        tx.notices.put_mailbox(Mailbox(session(bank, cookie).account, MAIL, bank.now()))
    return cookie


def browser(bank: Bank, hours: float = 0) -> Browser:
    moment = bank.now() + timedelta(hours=hours)
    return Browser(web_application(replace(bank, now=lambda: moment)))


def mailed(bank: Bank, office: Office) -> str:
    """The address of the page that is mailed to who asks."""
    browser(bank).post("/forgotten", {"name": MAIL})
    while worker.step(bank, WORK):
        pass
    found = re.search(r"(/forgotten/\S+)", text_of(office.received[-1]))
    assert found
    return found[1]


def test_the_page_says_the_same_whether_there_is_such_an_account_or_not(bank: Bank, office: Office) -> None:
    ada(bank)
    there = browser(bank)
    known, unknown = (there.post("/forgotten", {"name": name}) for name in (MAIL, "nobody@example.org"))
    odd = there.post("/forgotten", {"name": "1234 5678 9012"})
    foreign = there.post("/forgotten", {"name": MAIL}, **{"Sec-Fetch-Site": "cross-site"})
    for number in range(4):
        there.post("/forgotten", {"name": f" {MAIL.upper() if number % 2 else MAIL}"})
    often = there.post("/forgotten", {"name": MAIL})

    assert 'href="/forgotten"' in there.get("/sign-in").text
    assert known.text == unknown.text
    assert "a mail is on its way" in known.text
    assert (odd.status_code, "1234 5678 9012" in odd.text) == (400, True)
    assert "A digit of the account number is wrong" in odd.text
    assert (foreign.status_code, often.status_code) == (403, 429)
    assert often.headers["retry-after"]
    assert "wait an hour" in often.text


def test_who_has_waited_sets_a_password_and_is_signed_in(bank: Bank, office: Office) -> None:
    ada(bank)
    link = mailed(bank, office)
    early, late = browser(bank), browser(bank, 49)
    waits = early.get(link)
    tried = early.post(link, {"password": ANOTHER})
    weak = late.post(link, {"password": "short"})
    foreign = late.post(link, {"password": ANOTHER}, **{"Sec-Fetch-Site": "cross-site"})
    done = late.post(link, {"password": ANOTHER})
    again = browser(bank, 49).get(link)

    assert "You have to wait" in waits.text
    assert "By our clock it is" in waits.text
    assert 'name="password"' not in waits.text
    assert (tried.status_code, weak.status_code, foreign.status_code) == (409, 400, 403)
    assert "12 characters or more" in weak.text
    assert waits.headers["referrer-policy"] == "no-referrer"
    assert (done.status_code, done.headers["location"]) == (303, "/account")
    assert late.get("/account").status_code == 200
    assert (again.status_code, "This link was used already" in again.text) == (404, True)
    assert "Ask for another link" in again.text


def test_the_code_of_the_app_is_asked_for(bank: Bank, office: Office) -> None:
    found = session(bank, ada(bank))
    account.show_app(bank, found)
    secret = account.waiting_secret(bank, found)
    assert secret is not None
    step = totp.step_at(bank.now())
    account.confirm_app(bank, found, totp.code(secret, step - 1))
    link = mailed(bank, office)
    there = browser(bank)
    page = there.get(link)
    wrong = there.post(link, {"password": ANOTHER, "code": totp.code(secret, step + 40)})
    right = there.post(link, {"password": ANOTHER, "code": totp.code(secret, totp.step_at(bank.now()))})

    assert 'name="code"' in page.text
    assert hidden_field(page, "name") == "ada"
    assert (wrong.status_code, right.status_code) == (400, 303)
    assert "look at the clock of the phone" in wrong.text


def test_its_owner_stops_a_link_by_the_mail_or_in_the_account(bank: Bank, office: Office) -> None:
    mine = browser(bank)
    cookie = ada(bank)
    mine.cookies.set("imagebank-session", cookie, domain="bank.example")
    link = mailed(bank, office)
    there = browser(bank)
    looked = [there.get(f"{link}/stop").status_code, there.get(link).status_code]
    foreign = there.post(f"{link}/stop", {}, **{"Sec-Fetch-Site": "cross-site"})
    stopped, twice = (there.post(f"{link}/stop", {}) for _ in range(2))
    second = mailed(bank, office)
    page = mine.get("/account")
    ended = mine.post("/account/forgotten/stop", {"csrf": hidden_field(page, "csrf")})

    assert looked == [405, 200], "looking at a link stops nothing"
    assert foreign.status_code == 403
    assert "The link opens nothing any more" in stopped.text
    assert (twice.status_code, "This link was stopped" in twice.text) == (404, True)
    assert "Somebody asked for a new password" in page.text
    assert ended.headers["location"] == "/account"
    assert "Somebody asked for a new password" not in mine.get("/account").text
    assert "This link was stopped" in there.get(second).text


def test_a_bank_without_mail_leads_to_the_desk(bank: Bank) -> None:
    mute = replace(bank, settings=replace(bank.settings, smtp=""))
    page = Browser(web_application(mute)).get("/forgotten")

    assert "This bank sends no mail" in page.text
    assert "Mail me a link" not in page.text


def test_people_sign_in_by_their_mail_address_however_it_is_typed(bank: Bank) -> None:
    ada(bank)
    a_person(bank, "bob", Role.PATIENT)
    bob = bank.index.people.account("bob")
    assert bob is not None

    def sign_in(name: str, password: str = PASSWORD) -> tuple[int, str]:
        answer = browser(bank).post("/sign-in/password", {"name": name, "password": password})
        return answer.status_code, re.sub(r'value="[^"]*"', "", answer.text)

    assert sign_in(" Ada@EXAMPLE.org")[0] == 303
    refused = {
        sign_in(*one) for one in ((MAIL, ANOTHER), ("nobody@example.org",), ("ada@",), ("\u212aim@example.org",))
    }
    with bank.index.begin() as tx:
        tx.notices.put_mailbox(Mailbox(bob.id, "ADA@example.org", bank.now()))
    refused.add(sign_in(MAIL))

    assert {status for status, _ in refused} == {403}
    assert len(refused) == 1, "of an address that two accounts have nobody is told more than of one that none has"
    assert sign_in("ada")[0] == sign_in("bob")[0] == 303
    assert quote(MAIL) not in browser(bank).get("/sign-in").text
