"""Days and times on people's pages, sheets and statements are the site's, also when clocks are changed."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

import owners
from bank import open_test_bank
from imagebank.actions import enrol, notify
from imagebank.actions.enrol import Wanted
from imagebank.bank import Bank
from imagebank.cli import cards as cli_cards
from imagebank.http import cards as http_cards
from imagebank.model.event import Act, Event
from imagebank.model.notice import Mail
from imagebank.model.provision import Relation
from imagebank.model.recovery import WayBack
from imagebank.paper.language import moment
from imagebank.portal import enrolment as sheet_pages
from imagebank.portal import here, language, mails, my_people, plain_words, share_form
from mail_server import text_of
from owners import ADA, DESK
from unit.portal.browsing import Browser
from unit.portal.test_my import browser_of

pytestmark = pytest.mark.usefixtures("quick_hashes")

LATE = "2026-10-25T22:59:59+00:00"
MOMENTS = ("2026-10-24T21:59:00", "2026-10-24T22:30:00", "2026-10-25T00:30:00", "2026-10-25T01:30:00", LATE[:19])
"""In Berlin: before midnight; 0:30; 2:30 by two clocks; and the last second of the 25th."""


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    given = {**owners.SETTINGS, "time_zone": "Europe/Berlin", "smtp_from": "bank@bank.example"}
    with open_test_bank(tmp_path_factory.mktemp("here"), **given) as opened:
        owners.name(opened)
        with opened.index.begin() as tx:
            for number, at in enumerate(MOMENTS):
                moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
                tx.record([Event(moment, Act.VIEWED, f"Dr {number}", "north", patient=ADA)])
        yield opened


@pytest.fixture(autouse=True)
def back_in_utc() -> Iterator[None]:
    yield
    here.stand_in(UTC)


@pytest.fixture(scope="module")
def cookie(bank: Bank) -> str:
    return owners.opened(bank, Wanted(ADA))


@pytest.fixture
def browser(bank: Bank, cookie: str) -> Browser:
    return browser_of(bank, cookie)


def looked(page: str) -> list[str]:
    return sorted(set(re.findall(r"Dr (\d) looked", page)))


def test_a_day_of_the_statement_is_the_sites_day(browser: Browser) -> None:
    page = browser.get("/my/statement?from=2026-10-25&to=2026-10-25").text
    before = browser.get("/my/statement?to=2026-10-24").text
    after = browser.get("/my/statement?from=2026-10-26").text

    assert looked(page) == ["1", "2", "3", "4"]
    assert (looked(before), looked(after)) == (["0"], [])
    assert "Sunday, October 25, 2026" in page or "Sunday, 25 October 2026" in page
    assert "02:30 CEST" in page
    assert "02:30 CET" in page
    assert "23:59 CET" in page
    assert ">23:59<" in before, "on other days the zone that the page names is enough"
    assert "Times are those of the zone Europe/Berlin." in page


def test_today_begins_at_the_sites_midnight(bank: Bank) -> None:
    said = []
    for at in ("2026-10-24T21:59:30+00:00", "2026-10-24T22:00:00+00:00", LATE, "2026-10-25T23:00:00+00:00"):
        moment = datetime.fromisoformat(at)
        here.stand_in(bank.settings.zone)
        said.append(plain_words.heading(date(2026, 10, 25), here.local(moment).date())[:5])

    assert said == ["Sunda", "Today", "Today", "Sunda"]


def test_tables_say_the_offset_and_documents_the_zone(browser: Browser) -> None:
    table = browser.get("/my/statement/file/csv?from=2026-10-25&to=2026-10-25").text
    document = browser.get("/my/statement/file/pdf?from=2026-10-25&to=2026-10-25").content
    machine = browser.get("/api/v1/statement?since=2026-10-25T00:00:00Z&until=2026-10-25T01:00:00Z").json()

    assert "2026-10-25T02:30:00+02:00,Dr 2 looked" in table
    assert "2026-10-25T02:30:00+01:00,Dr 3 looked" in table
    assert document.startswith(b"%PDF-")
    assert [one["at"] for one in machine["entries"]] == ["2026-10-25T00:30:00+00:00"]


def test_a_moment_a_sheet_and_a_mail_name_the_time(bank: Bank) -> None:
    at = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    page = {zone: _said(zone, at) for zone in ("Europe/Berlin", "America/Lima", "UTC")}
    way = WayBack("1", at, at + timedelta(days=180))
    mail = mails.write(bank.settings, Mail("m", "ada@example.org", "en", at, link="/forgotten/x", way_back=way))
    paper = moment("en", at.astimezone(bank.settings.zone))

    assert page == {
        "Europe/Berlin": ("25 Oct 2026, 02:30 CET", "25 Oct 2026"),
        "America/Lima": ("24 Oct 2026, 20:30 UTC-05", "24 Oct 2026"),
        "UTC": ("25 Oct 2026, 01:30 UTC", "25 Oct 2026"),
    }
    assert "from 25 Oct 2026, 02:30 CET on, until 23 Apr 2027, 03:30 CEST" in text_of(mail).replace("\n", " ")
    assert "02:30 CET" in paper


def _said(zone: str, at: datetime) -> tuple[str, str]:
    here.stand_in(UTC if zone == "UTC" else ZoneInfo(zone))
    return language.moment(at), language.day_at(at)


def test_an_access_ends_with_the_sites_day(bank: Bank, browser: Browser) -> None:
    here.stand_in(bank.settings.zone)
    until = my_people._end("2026-10-25")
    assert until == datetime(2026, 10, 25, 23, tzinfo=UTC)
    enrol.enrol(bank, Wanted(ADA, Relation.CARER, display_name="Rosa Lind", until=_in_a_year(bank)), DESK)

    assert "Rosa Lind" in browser.get("/my/people").text
    assert sheet_pages._moment("2026-10-26") == until
    last = until - timedelta(microseconds=1)
    assert share_form.of_day("2026-10-25") == share_form.last_moment(bank, {"days": "other", "last_day": "2026-10-25"})
    assert share_form.of_day("2026-10-25") == last
    assert http_cards._end(bank, "2026-10-25", None) == cli_cards._end(bank, date(2026, 10, 25), None) == last
    assert http_cards._end(bank, "2026-10-25T12:00:00", None) == datetime(2026, 10, 25, 12, tzinfo=UTC)
    assert enrol.of_age(date(2008, 10, 26), 18, bank.settings.zone) == until


def _in_a_year(bank: Bank) -> datetime:
    return bank.now() + timedelta(days=365)


def test_the_daily_mail_goes_at_the_sites_hour_on_long_and_short_days_too(bank: Bank) -> None:
    asked = ("2026-10-24T03:00:00", "2026-10-24T05:00:00", "2026-03-28T06:00:00", "2026-10-25T05:00:00")
    hours = [notify.next_digest(bank, datetime.fromisoformat(f"{at}+00:00")).isoformat()[:16] for at in asked]

    assert hours == ["2026-10-24T04:00", "2026-10-25T05:00", "2026-03-29T04:00", "2026-10-26T05:00"]
