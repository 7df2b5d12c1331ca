"""The statement as a page, as files, and for programs."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

import owners
from bank import open_test_bank
from imagebank.actions import emergency, ledger, statement, statement_proof
from imagebank.actions.actors import Actor, Sort
from imagebank.actions.statement import Entry, Theme, Wanted
from imagebank.bank import Bank
from imagebank.model.event import Act, Event
from imagebank.model.ledger import Line
from imagebank.model.uid import Uid
from imagebank.portal.statement_words import tell
from owners import ADA, DOCTOR, EVE, HAND, HEAD, LEO, OFFICER
from unit.portal.browsing import Browser, hidden_field
from unit.portal.test_my import browser_of

PAGE = "/my/statement"
LOOKS = 60

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """Ada's and Leo's images have been looked at again and again, once in an emergency."""
    with open_test_bank(tmp_path_factory.mktemp("statement"), **owners.SETTINGS) as opened:
        owners.furnish(opened)
        one = emergency.break_glass(opened, ADA, "unconscious, bleeding on arrival", DOCTOR)
        emergency.review(opened, one.id, "justified", OFFICER)
        with opened.index.begin() as tx:
            at = opened.now() - timedelta(days=40)
            events = [
                Event(
                    at - timedelta(hours=one),
                    Act.VIEWED,
                    f"Dr {one}",
                    "north",
                    "10.0.0.7",
                    Uid(HEAD),
                    39,
                    "portal",
                    ADA,
                )
                for one in range(LOOKS)
            ]
            events.append(
                Event(at, Act.SENT, "sender", "north", "", Uid(HAND), 1, "C-MOVE to PACS at 10.1.1.1 of lakeside", LEO)
            )
            events.append(Event(at, Act.NOT_REDEEMED, "unknown", "north", "192.0.2.7", None, 1, "card 0: works", ADA))
            events.append(Event(at, Act.VIEWED, "Dr Elsewhere", "north", patient=EVE))
            tx.record(events)
        ledger.checkpoint(opened)
        yield opened


@pytest.fixture(scope="module")
def cookie(bank: Bank) -> str:
    return owners.mother(bank)


@pytest.fixture
def browser(bank: Bank, cookie: str) -> Browser:
    return browser_of(bank, cookie)


def main_of(page: str) -> str:
    return page.split("<main", 1)[1].split("</main>", maxsplit=1)[0]


def test_entries_stand_by_day_in_plain_words_with_who_why_and_what_can_be_done(browser: Browser) -> None:
    page = main_of(browser.get(PAGE).text)

    assert "Today, " in page
    assert "Dr Varga opened your record in an emergency." in page
    assert "They gave as reason: “unconscious, bleeding on arrival”" in page
    assert "officer reviewed it: “justified”" in page
    assert "A parent was let in." in page
    assert "desk · north" in page
    assert "Dr 0 looked at images." in page
    assert "MRI of the head, 11 Oct 2026 · Amina Haddad · 39 images" in page
    assert f'<a href="/studies/{HEAD}">See these images</a>' in page
    assert "Dr Elsewhere" not in page


@pytest.mark.parametrize(
    ("detail", "words", "more"),
    [
        ("to Quay, Street 7", "Dr Okafor had images of yours sent to another place.", "To: Quay, Street 7"),
        ("done, 6 of 6, sha256:0f", "The images that Dr Okafor sent are there.", "6 of 6 images · Receipt: sha256:0f"),
        ("stopped, 2 of 6, sha256:0f", "The sending of images by Dr Okafor stopped.", "2 of 6 images"),
        ("stopped", "The sending of images by Dr Okafor stopped.", ""),
    ],
)
def test_what_was_sent_elsewhere_is_told_with_its_receipt(detail: str, words: str, more: str) -> None:
    line = Line("a", 1, 0, Act.DECIDED, "card-0.1", "north", "", HEAD, 6, f"transfer {'0' * 32}: {detail}")
    told = tell(Entry(line, Theme.SHARE, {}, is_own=False), Actor(Sort.CARD, "Dr Okafor", ""), "")

    assert told.what == words
    assert more in told.more
    assert bool(more) == bool(told.more)


@pytest.mark.parametrize(
    ("act", "detail", "words"),
    [
        (Act.SEARCHED, "cds: repeat check", "checked whether an exam that was ordered had been made already."),
        (
            Act.SEARCHED,
            "api: repeat check: told of an earlier exam",
            "was told of this exam while another one was ordered.",
        ),
        (Act.CHANGED, "repeat check: alert overridden", "decided about an order, knowing of this exam."),
    ],
)
def test_a_check_of_an_order_is_told_in_plain_words(act: Act, detail: str, words: str) -> None:
    line = Line("a", 1, 0, act, "cds", "north", "", HEAD, 1, detail)
    told = tell(Entry(line, Theme.LOOK, {}, is_own=False), Actor(Sort.STAFF, "Dr Okafor", ""), "")

    assert told.what == f"Dr Okafor {words}"


def test_what_one_did_again_and_again_is_said_once(browser: Browser) -> None:
    browser.get(PAGE)
    browser.get(PAGE)

    assert browser.get(PAGE).text.count("You looked at entries about you.") == 1


def test_it_is_narrowed_by_theme_person_and_day(bank: Bank, browser: Browser) -> None:
    home = browser.get(PAGE).text
    leo = re.search(r'href="(/my/[0-9a-f]{32}/statement)"><bdi>Leo', home)
    assert leo
    theirs = main_of(browser.get(leo[1]).text)
    refused = main_of(browser.get(f"{PAGE}?about=refusal").text)
    that_day = f"{bank.now() - timedelta(days=40):%Y-%m-%d}"
    old = main_of(browser.get(f"{PAGE}?about=look&to={that_day}&from=2020-01-01").text)

    assert "To: lakeside" in theirs
    assert "MRI of the head" not in theirs
    assert "A card of yours was refused to somebody." in refused
    assert "from 192.0.2.7" in refused
    assert "looked at images" not in refused
    assert "emergency." not in old
    assert "sender took a copy of images, or sent one." in old
    assert "Nothing of this kind" in browser.get(f"{PAGE}?from=2020-01-01&to=2020-01-02").text
    for odd in ("?about=x", "?from=yesterday", "?after=x", "?after=%FF"):
        assert browser.get(PAGE + odd).status_code == 200
    assert browser.get(f"/my/{'0' * 32}/statement").status_code == 404


def test_pages_follow_each_other_by_an_opaque_place(browser: Browser) -> None:
    found, address = list[str](), f"{PAGE}?about=look"
    while address:
        page = browser.get(address).text
        found += re.findall(r"Dr \d+ looked", page)
        onward = re.search(r'href="([^"]*)" rel="next"', page)
        address = onward[1].replace("&amp;", "&") if onward else ""

    assert len(found) == len(set(found)) == LOOKS


def test_the_seal_is_told_and_everything_can_be_checked_on_the_spot(bank: Bank, browser: Browser) -> None:
    page = browser.get(PAGE)
    newest = ledger.newest(bank)
    assert newest is not None
    checked = browser.post(f"{PAGE}/check", {"csrf": hidden_field(page, "csrf")})

    assert "sealed last by checkpoint" in page.text
    assert "No entry was changed or removed. We looked at all " in checked.text
    assert browser.post(f"{PAGE}/check", {"csrf": "x"}).status_code == 403


def test_it_is_saved_as_table_document_proof_and_audit_events(bank: Bank, cookie: str, browser: Browser) -> None:
    table, document, proof, events = (
        browser.get(path)
        for path in (*(f"{PAGE}/file/{kind}" for kind in ("csv", "pdf", "proof")), "/fhir/AuditEvent/$statement")
    )
    every = [*statement.whole(bank, Wanted(), owners.who(bank, cookie))]
    made = statement_proof.verify(proof.content.splitlines(keepends=True), bank.signer.public().hex())
    bundle = events.json()

    assert table.content.startswith(b"\xef\xbb\xbfWhen,What happened,")
    assert "Dr 59 looked at images." in table.text
    assert document.content.startswith(b"%PDF-")
    assert made.is_whole
    assert made.lines <= len(every)
    assert {one["resource"]["resourceType"] for one in bundle["entry"]} == {"AuditEvent"}
    assert len(bundle["entry"]) <= len(every)
    assert "attachment" in events.headers["content-disposition"]
    assert "Dr Elsewhere" not in table.text + proof.text + events.text
    assert browser.get(f"{PAGE}/file/exe").status_code == 404
    assert browser.get(f"{PAGE}/file/csv?about=refusal").text.count("\n") == 2


def test_programs_read_the_same_in_pages_and_as_files(browser: Browser) -> None:
    first = browser.get("/api/v1/statement?theme=look&limit=50").json()
    second = browser.get(f"/api/v1/statement?theme=look&limit=50&after={first['next']}").json()
    looks = [one for one in first["entries"] + second["entries"] if one["who"].startswith("Dr ")]
    one = next(one for one in looks if one["who"] == "Dr 7")
    lines = browser.get("/api/v1/statement?format=proof").text.splitlines()

    assert (len(first["entries"]), second["next"]) == (50, None)
    assert len({one["entry"] for one in looks}) == LOOKS
    assert (one["study"], one["count"], one["who_is"], one["way"]) == (HEAD, 39, "staff", "portal")
    assert first["checkpoint"]["number"] >= 1
    assert json.loads(lines[0])["format"] == "imagebank statement 1"
    assert browser.get("/api/v1/statement?format=csv&theme=refusal").text.count("\n") == 2
    assert browser.get("/api/v1/statement?since=2020-01-01&until=2020-01-02T00:00:00Z").json()["entries"] == []


@pytest.mark.parametrize(
    "query", ["format=xml", "theme=x", "limit=0", "limit=501", "since=x", "after=x", "after=LTEuLTEueA", "odd=1"]
)
def test_what_cannot_be_understood_is_refused(browser: Browser, query: str) -> None:
    assert browser.get(f"/api/v1/statement?{query}").status_code == 400


def test_a_person_whom_the_account_does_not_hold_has_no_statement(browser: Browser) -> None:
    assert browser.get(f"/api/v1/statement?person={'0' * 32}").status_code == 404


def test_the_newest_checkpoint_is_for_everybody(bank: Bank, browser: Browser) -> None:
    nobody = Browser(browser._app)
    found = nobody.get("/api/v1/checkpoints/latest")

    assert found.status_code == 200
    assert found.json()["key"] == bank.signer.public().hex()
    assert set(found.json()) == {"number", "digest", "key", "at"}
