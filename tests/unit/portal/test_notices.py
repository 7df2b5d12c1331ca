"""The page of what happened, the links that mails carry, and the same by REST."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from bank import a_token, bearer, open_test_bank
from imagebank import worker
from imagebank.actions import access, account, notices, notify
from imagebank.app import mail_work, web_application
from imagebank.bank import Bank
from imagebank.http.auth import COOKIE
from imagebank.model.access import Role, Session
from imagebank.model.notice import FIXED, Kind, Mailbox, Notice, Way
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind as Decided
from imagebank.model.provision import Provision
from mail_server import Office, forget_everybody, mail_server, settings_of, text_of
from unit.actions.people_here import PASSWORD, after
from unit.portal.browsing import Browser, hidden_field

FOREIGN = {"Sec-Fetch-Site": "cross-site"}
PAGE = "/account/notices"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture(scope="module")
def office() -> Office:
    return Office()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, office: Office) -> Iterator[Bank]:
    folder = tmp_path_factory.mktemp("notices")
    with mail_server(office) as server, open_test_bank(folder, **settings_of(server, public_url="")) as opened:
        yield opened


@pytest.fixture
def bank(shared: Bank, office: Office) -> Bank:
    office.begin()
    return forget_everybody(shared)


def signed_in(bank: Bank, name: str = "ada", role: Role = Role.PATIENT) -> tuple[Browser, str]:
    """A browser in which somebody has just activated an account, and the account's identifier."""
    browser = Browser(web_application(bank))
    browser.post("/activate/" + account.add(bank, name, role), {"password": PASSWORD, "means": "password"})
    owner = bank.index.people.account(name)
    assert owner is not None
    return browser, owner.id


def tell(bank: Bank, owner: str, kind: Kind, link: str = "") -> None:
    with bank.index.begin() as tx:
        notify.tell(bank, tx, owner, kind, link)


def send(browser: Browser, path: str, **fields: str) -> httpx.Response:
    """Send a form of the page."""
    return browser.post(PAGE + path, {"csrf": hidden_field(browser.get(PAGE), "csrf"), **fields})


def work(bank: Bank) -> None:
    while worker.step(bank, mail_work()):
        pass


def code_in(office: Office) -> str:
    found = re.search(r"\b\d{6}\b", text_of(office.received[-1]))
    assert found
    return found[0]


def test_what_happened_stands_on_the_page_newest_first_and_its_number_on_every_page(bank: Bank) -> None:
    browser, owner = signed_in(bank)
    empty = browser.get(PAGE)
    tell(bank, owner, Kind.DEPOSIT, "/studies/1.2")
    for _ in range(3):
        tell(after(bank, minutes=1), owner, Kind.PIN_REFUSED)
    shown, bar = browser.get(PAGE), browser.get("/account")

    assert "Nothing yet" in empty.text
    assert "badge" not in empty.text
    assert shown.text.index("A wrong PIN was typed") < shown.text.index("Something new was put")
    assert "3 times" in shown.text
    assert 'News</span> <span class="badge">2</span>' in bar.text
    assert "1.2" not in shown.text
    assert send(browser, "/seen").headers["location"] == PAGE
    assert "badge" not in browser.get(PAGE).text


def test_a_link_leads_on_and_is_nobody_elses(bank: Bank) -> None:
    browser, owner = signed_in(bank)
    other, _ = signed_in(bank, "bob")
    tell(bank, owner, Kind.DEPOSIT, "/studies/1.2")
    (one,) = notices.listed(bank, owner, 9)
    link = f"/notices/{one.id}"

    assert f'href="{link}"' in browser.get(PAGE).text
    assert [other.get(link).status_code, other.get("/notices/0").status_code] == [404, 404]
    assert Browser(web_application(bank)).get(link).headers["location"] == "/sign-in"
    assert notices.unseen(bank, owner) == 1
    assert browser.get(link).headers["location"] == "/studies/1.2"
    assert notices.unseen(bank, owner) == 0
    assert Browser(web_application(bank)).get(link, bearer(a_token(bank))).status_code == 404


def test_whoever_has_to_sign_in_first_comes_to_what_the_mail_was_about(bank: Bank) -> None:
    _, owner = signed_in(bank)
    tell(bank, owner, Kind.DEPOSIT, "/studies/1.2")
    link = f"/notices/{notices.listed(bank, owner, 1)[0].id}"
    ways = []
    for path in (link, PAGE, "/account", "/notices/0"):
        browser = Browser(web_application(bank))
        assert browser.get(path).headers["location"] == "/sign-in"
        ways.append(browser.post("/sign-in/password", {"name": "ada", "password": PASSWORD}).headers["location"])
        assert "imagebank-then" not in browser.cookies
    browser.cookies.set("imagebank-then", "//eve.example/")
    ways.append(browser.post("/sign-in/password", {"name": "ada", "password": PASSWORD}).headers["location"])

    assert ways == [link, PAGE, "/", "/", "/"]


def test_who_signs_in_at_a_provider_has_notices_by_name(bank: Bank, office: Office) -> None:
    name, now = "login.example/u7", bank.now()
    ends = now + timedelta(hours=1)
    hold = Provision("h1", Decided.HOLDING, True, PatientId("local", "ADA"), now, principal=name, role=Role.PATIENT)
    who = Session(access.digest_of("cookie"), name, Role.PATIENT, "local", now, ends, seen_at=now, proven_at=now)
    with bank.index.begin() as tx:
        tx.put_provision(hold)
        tx.put_session(who)
        notify.told_of(bank, tx, hold.patient, Kind.SHARED, "/my/cards")
        notify.signed_in(bank, tx, who.owner, "192.0.2.1")
    browser = Browser(web_application(bank))
    browser.cookies.set(COOKIE, "cookie")
    shown = browser.get(PAGE)
    send(browser, "/address", address="ada@example.org")
    work(bank)
    send(browser, "/code", code=code_in(office))

    assert "A card of yours was used" in shown.text
    assert '<span class="badge">1</span>' in shown.text
    kept = bank.index.notices.mailbox(name)
    assert kept is not None
    assert kept.address == "ada@example.org"
    assert send(browser, "/remove").headers["location"] == PAGE
    assert replace(who, token=b"one").owner == replace(who, name="ada").owner == ""


def test_a_long_list_goes_on_earlier(bank: Bank) -> None:
    browser, owner = signed_in(bank)
    with bank.index.begin() as tx:
        for number in range(25):
            at = bank.now() - timedelta(hours=number)
            tx.notices.put(Notice(f"n{number:02}", owner, Kind.SHARED, at, f"/cards/{number:02}"))
    first = browser.get(PAGE)
    found = re.search(r'href="(/account/notices\?before=\d+)"', first.text)
    assert found
    second = browser.get(found[1])

    assert (first.text.count('href="/notices/'), second.text.count('href="/notices/')) == (20, 5)
    assert "/notices/n20" in second.text
    assert browser.get(f"{PAGE}?before=yesterday").text.count('href="/notices/') == 20


def test_an_address_is_taken_when_its_code_is_typed(bank: Bank, office: Office) -> None:
    browser, owner = signed_in(bank)
    wrong = send(browser, "/address", address="ada")
    send(browser, "/address", address="ada@example.org")
    work(bank)
    asked = browser.get(PAGE)
    mistyped = send(browser, "/code", code="12")
    done = send(browser, "/code", code=code_in(office))
    shown = browser.get(PAGE)

    assert (wrong.status_code, "This is no mail address" in wrong.text) == (400, True)
    assert "We mailed a code to" in asked.text
    assert (mistyped.status_code, "This is not the code" in mistyped.text) == (404, True)
    assert done.headers["location"] == PAGE
    assert 'We mail to <strong dir="ltr">ada@example.org</strong>' in shown.text
    assert bank.index.notices.mailbox(owner) is not None
    assert send(browser, "/remove").headers["location"] == PAGE
    assert bank.index.notices.mailbox(owner) is None
    for number in range(4):
        assert send(browser, "/address", address=f"{number}@example.org").status_code == 303
    often = send(browser, "/address", address="9@example.org")
    assert (often.status_code, "retry-after" in often.headers) == (429, True)


def test_a_new_address_needs_a_fresh_proof_and_a_form_of_ours(bank: Bank) -> None:
    browser, _ = signed_in(bank)
    late = Browser(web_application(after(bank, minutes=11)))
    late.cookies = browser.cookies
    foreign = browser.post(f"{PAGE}/address", {"address": "eve@example.org"}, **FOREIGN)

    asked = send(late, "/address", address="eve@example.org")
    assert (asked.status_code, "Prove that it is you" in asked.text) == (403, True)
    assert hidden_field(asked, "kept") == "address=eve%40example.org"
    assert foreign.status_code == 403


def test_what_is_mailed_is_chosen_for_each_kind(bank: Bank) -> None:
    browser, owner = signed_in(bank)
    chosen = {str(Kind.DEPOSIT): str(Way.OFF), str(Kind.SHARED): str(Way.DAILY), "nothing": "x"}
    done = send(browser, "/choices", **chosen)
    odd = send(browser, "/choices", **{str(Kind.DEPOSIT): "weekly"})

    assert (done.headers["location"], odd.status_code) == (PAGE, 400)
    ways = notices.ways(bank, owner)
    assert [ways[kind] for kind in (Kind.DEPOSIT, Kind.SHARED, Kind.EMERGENCY)] == [Way.OFF, Way.DAILY, Way.ONCE]
    assert browser.get(PAGE).text.count(" selected") == len(ways) - len(FIXED)


def test_a_mail_is_ended_by_one_press_and_without_a_sign_in(bank: Bank, office: Office) -> None:
    _, owner = signed_in(bank)
    with bank.index.begin() as tx:
        tx.notices.put_mailbox(Mailbox(owner, "ada@example.org", bank.now()))
    stranger = Browser(web_application(bank))
    for kind in (Kind.SHARED, Kind.ANSWERED):
        tell(bank, owner, kind)
        work(bank)
    links = [str(one["List-Unsubscribe"]).strip("<>").partition("8080")[2] for one in office.received]
    looked = stranger.get(links[0])
    # As mail programs do: no cookie, no page of ours before.
    pressed = stranger.ask("POST", links[0], {"Sec-Fetch-Site": "cross-site"}, data=ONE_CLICK)
    ours = stranger.post(links[1])

    assert "No more mails like this one?" in looked.text
    assert [one.status_code for one in (looked, pressed, ours)] == [200, 200, 200]
    assert "A card of yours was used" in pressed.text
    assert {kind for kind, way in notices.ways(bank, owner).items() if way is Way.OFF} == {Kind.SHARED, Kind.ANSWERED}
    spent, unknown = stranger.post(links[0]), stranger.post("/unsubscribe/nothing")
    assert (spent.status_code, spent.text) == (unknown.status_code, unknown.text)
    assert spent.status_code == 404


def test_a_bank_without_mail_says_so_and_a_token_has_no_notices(
    bank: Bank, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with open_test_bank(tmp_path_factory.mktemp("mute")) as mute:
        browser, _ = signed_in(mute)
        page, refused = browser.get(PAGE), send(browser, "/address", address="ada@example.org")

    assert "This bank sends no mail." in page.text
    assert refused.status_code == 501
    token = bearer(a_token(bank))
    assert [Browser(web_application(bank)).get(path, token).status_code for path in (PAGE, "/api/v1/notices")] == [
        403,
        404,
    ]


def test_programs_list_notices_and_say_that_they_are_seen(bank: Bank) -> None:
    browser, owner = signed_in(bank)
    for number, link in enumerate(("/a", "", "/c")):
        tell(after(bank, seconds=number), owner, Kind.SHARED, link)
    listed = browser.get("/api/v1/notices?limit=2").json()
    newest = listed["notices"][0]
    earlier = browser.ask("GET", "/api/v1/notices", params={"before": listed["notices"][1]["at"]}).json()

    assert (listed["unseen"], len(listed["notices"]), earlier["notices"][0]["link"]) == (3, 2, "/a")
    assert newest == {
        "id": newest["id"],
        "kind": "share used",
        "at": newest["at"],
        "times": 1,
        "link": "/c",
        "mail": "listed",
        "seen_at": None,
    }
    one, seen = f"/api/v1/notices/{newest['id']}/seen", "/api/v1/notices/seen"
    assert [browser.post(path).json() for path in (one, one, seen)] == [{"seen": 1}, {"seen": 0}, {"seen": 2}]
    assert browser.get("/api/v1/notices").json()["notices"][0]["seen_at"]
    assert browser.post("/api/v1/notices/0/seen").status_code == 404
    for wrong in ("limit=0", "limit=x", "before=x", "before=2026-01-01T00:00:00", "after=1"):
        assert browser.get(f"/api/v1/notices?{wrong}").status_code == 400
