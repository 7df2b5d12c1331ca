"""Bringing in from another bank: the form, what is wrong with it, and how far it is."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bank import a_token, open_test_bank
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import Role
from imagebank.model.fetch import Fetch
from imagebank.model.transfer import State
from imagebank.model.uid import Uid
from unit.portal.browsing import Browser, hidden_field

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def signed_in(bank: Bank, role: Role = Role.CLINICIAN) -> Browser:
    browser = Browser(web_application(bank))
    token = a_token(bank, role, name="Dr Okafor")
    assert browser.post("/sign-in", {"token": token}).status_code == 303
    return browser


def test_a_mistyped_number_is_said_and_the_pin_not_shown_again(bank: Bank) -> None:
    browser = signed_in(bank)
    form = browser.get("/desk/fetch")
    assert 'value="Dr Okafor"' in form.text
    typed = {"address": "https://north.example", "number": "7K2M", "pin": "730215", "institution": "<Quay>"}
    again = browser.post("/desk/fetch", {"csrf": hidden_field(form, "csrf"), **typed, "purpose": "Treatment"})
    assert again.status_code == 422
    assert "no try was used" in again.text
    assert "&lt;Quay&gt;" in again.text
    assert "730215" not in again.text
    assert signed_in(bank, Role.REFERRER).get("/desk/fetch").status_code == 403


def test_a_page_says_how_far_it_is(bank: Bank) -> None:
    browser = signed_in(bank)
    one = Fetch(
        "0" * 32,
        "Dr Okafor",
        Role.CLINICIAN,
        "local",
        "",
        "https://north.example",
        b"",
        (Uid("1.2"),),
        AT,
        AT,
        5,
        2,
        reason="it is away",
    )
    with bank.index.begin() as tx:
        tx.fetches.put(one)
    where = f"/desk/fetch/{one.id}"
    page = browser.get(where)
    assert page.headers["refresh"] == "3"
    assert "2 of 5 images are here" in page.text
    assert "It is away" in page.text or "it is away" in page.text
    with bank.index.begin() as tx:
        tx.fetches.settle(one.id, State.STOPPED, "the card was taken back", AT)
    assert "This has stopped" in browser.get(where).text
    assert where in browser.get("/desk/fetch").text
    assert browser.get("/desk/fetch/x").status_code == 404
