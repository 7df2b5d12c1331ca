"""What stands in the ledger of requests that were refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bank import a_token, bearer, keep, open_test_bank
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import Role, Scope
from imagebank.model.event import Act
from make import a_file
from unit.portal.browsing import Browser


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        keep(opened, a_file())
        yield opened


def refusals(bank: Bank) -> list[tuple[str, str]]:
    bank.reads.flush()
    events = bank.index.events(Scope(organizations=None))
    return [(event.principal, event.detail) for event in events if event.act is Act.REFUSED]


def test_what_a_known_caller_may_not_do_is_noted_without_what_was_named(bank: Bank) -> None:
    headers = bearer(a_token(bank, Role.CLINICIAN, name="ada"))
    browser = Browser(web_application(bank))
    statuses = [
        browser.ask(method, path, headers).status_code
        for method, path in (("DELETE", "/dicom-web/studies/1.2.3"), ("DELETE", "/dicom-web/studies/1.2.4"))
    ]

    assert statuses == [403, 403]
    assert refusals(bank) == [("ada", "DELETE /dicom-web/studies/{study}: not allowed")]


def test_a_token_that_nobody_holds_is_noted_and_a_caller_who_sends_nothing_is_not(bank: Bank) -> None:
    browser = Browser(web_application(bank))
    for headers in ({}, bearer("ib_made-up")):
        assert browser.ask("GET", "/api/v1/session", headers).status_code == 401

    assert refusals(bank) == [("", "GET /api/v1/session: unknown token")]


def test_a_form_that_another_site_sends_is_noted(bank: Bank) -> None:
    browser = Browser(web_application(bank))
    browser.post("/sign-in", {"token": a_token(bank)})
    browser.ask("POST", "/search", {"Sec-Fetch-Site": "cross-site"})

    assert [detail for _, detail in refusals(bank)] == ["POST /search: not allowed"]
