"""Sending from the page on which studies are taken along: places, progress without script, the receipt, and stopping."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from bank import a_token, keep, open_test_bank
from imagebank.actions import destinations, transfer
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.errors import Unavailable
from imagebank.model.access import Principal, Role
from imagebank.model.imaging import Instance
from imagebank.model.transfer import Destination
from make import a_file
from unit.portal.browsing import Browser, hidden_field

STUDY = "1.2.1"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        keep(opened, a_file(StudyInstanceUID=STUDY))
        yield opened


@pytest.fixture
def browser(bank: Bank) -> Browser:
    signed_in = Browser(web_application(bank))
    assert signed_in.post("/sign-in", {"token": a_token(bank, Role.CLINICIAN)}).status_code == 303
    return signed_in


def sent(bank: Bank, browser: Browser) -> tuple[str, str]:
    """The page of a transfer, and the token of its forms."""
    destinations.offer(bank, Destination("Quay <Street>", url="https://quay.example/dicom-web"))
    page = browser.get(f"/export?study={STUDY}")
    assert "Quay &lt;Street&gt;" in page.text
    csrf = hidden_field(page, "csrf")
    form = {"csrf": csrf, "studies": hidden_field(page, "studies"), "destination": "Quay <Street>"}
    return browser.post("/export/send", form).headers["location"], csrf


def work(bank: Bank, where: str, *, fails: bool = False) -> None:
    def send(
        _bank: Bank,
        _who: Principal,
        _place: Destination,
        instances: Sequence[Instance],
        _address: str,
        taken: Callable[[Instance], None],
    ) -> list[str]:
        if fails:
            raise Unavailable("the place is away")
        for one in instances:
            taken(one)
        return []

    transfer.work({"url": send}, bank, {"transfer": where.rpartition("/")[2]})


def test_nothing_is_offered_where_no_place_is(browser: Browser) -> None:
    assert "/export/send" not in browser.get(f"/export?study={STUDY}").text
    assert "You have sent nothing yet" in browser.get("/sent").text


def test_a_study_is_sent_with_a_receipt(bank: Bank, browser: Browser) -> None:
    where, _ = sent(bank, browser)
    waiting = browser.get(where)
    with pytest.raises(Unavailable):
        work(bank, where, fails=True)
    tried = browser.get(where)
    work(bank, where)
    done = browser.get(where)

    assert (waiting.headers["refresh"], "0 of 1 images are there" in waiting.text) == ("3", True)
    assert "The place is away." in tried.text
    assert "All images are there" in done.text
    assert "sha256:" in done.text
    assert "refresh" not in done.headers
    assert f'href="{where}"' in browser.get("/sent").text


def test_it_is_stopped_and_is_nobody_elses(bank: Bank, browser: Browser) -> None:
    where, csrf = sent(bank, browser)
    other = Browser(web_application(bank))
    other.post("/sign-in", {"token": a_token(bank, Role.CLINICIAN)})

    assert other.get(where).status_code == 404
    assert browser.post(f"{where}/stop", {"csrf": csrf}).status_code == 303
    assert "This has stopped" in browser.get(where).text
    assert browser.post(f"{where}/stop", {"csrf": csrf}).status_code == 404
