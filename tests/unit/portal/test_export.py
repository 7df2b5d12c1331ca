"""The pages to take images along: choices with sizes, progress without script, and the file."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bank import keep, open_test_bank
from imagebank import worker
from imagebank.actions import access, exporting
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import Role
from imagebank.packing import pages
from imagebank.portal import export
from make import a_file, a_series
from unit.portal.browsing import Browser, hidden_field

CT, CR = "1.2.1", "1.2.2"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        keep(opened, *a_series(3, StudyInstanceUID=CT, StudyDescription="CT <head>"))
        keep(opened, a_file(StudyInstanceUID=CR, PatientName="Müller^Jörg"))
        yield opened


@pytest.fixture
def browser(bank: Bank) -> Browser:
    signed_in = Browser(web_application(bank))
    assert signed_in.post("/sign-in", {"token": access.issue_token(bank, Role.CLINICIAN, "")}).status_code == 303
    return signed_in


def test_a_study_is_chosen_made_ready_and_taken(bank: Bank, browser: Browser) -> None:
    assert f'href="/export?study={CT}"' in browser.get(f"/studies/{CT}").text
    asked = browser.get(f"/export?study={CT}&study={CR}")
    form = {"csrf": hidden_field(asked, "csrf"), "studies": hidden_field(asked, "studies"), "format": "zip"}
    begun = browser.post("/export", form | {"reports": "yes"})
    waiting = browser.get(begun.headers["location"])
    early = browser.get(f"{begun.headers['location']}/file")
    while worker.step(bank, {exporting.JOB: exporting.export_job}):
        pass
    ready = browser.get(begun.headers["location"])
    file = browser.get(f"{begun.headers['location']}/file")
    let_go = browser.post(f"{begun.headers['location']}/delete", {"csrf": form["csrf"]})

    assert "2 studies" in asked.text
    assert "3 objects" in asked.text
    assert "CT &lt;head&gt;" in asked.text
    assert "Together 1 MB" in asked.text
    assert "fits on a CD" in asked.text
    assert (waiting.headers["refresh"], "0 of 8 files" in waiting.text) == ("3", True)
    assert early.status_code == 409
    assert "refresh" not in ready.headers
    assert f'href="{begun.headers["location"]}/file"' in ready.text
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        assert archive.testzip() is None
    assert let_go.status_code == 303
    assert browser.get(begun.headers["location"]).status_code == 404


def test_what_cannot_be_is_said_on_the_same_page(browser: Browser) -> None:
    asked = browser.get(f"/export?study={CT}")
    form = {"csrf": hidden_field(asked, "csrf"), "studies": CT, "format": "iso", "password": "correct horse"}
    refused = browser.post("/export", form)
    short = browser.post("/export", form | {"format": "zip", "password": "short"})

    assert refused.status_code == 422
    assert "A disc cannot have a password" in refused.text
    assert 'value="iso" checked' in refused.text
    assert "correct horse" not in refused.text
    assert "A password has 8 to 128 characters" in short.text


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("?study=9.9", 404),
        (f"?study={CT}&study=9.9", 404),
        ("?study=x", 400),
        ("?" + "study=1.2&" * 501, 400),
    ],
)
def test_nothing_foreign_and_nothing_empty_is_offered(browser: Browser, query: str, status: int) -> None:
    assert browser.get(f"/export{query}").status_code == status


def test_every_text_of_an_export_is_there_for_translators() -> None:
    assert export.WORDS == pages.TEXTS
    assert export.translate("de")[0] == "de"
    assert export.translate("") == ("en", {})


def test_sizes_are_told_as_discs_are_counted() -> None:
    assert [export.megabytes(size) for size in (0, 1_500_000, 5_240_000_000)] == ["1 MB", "2 MB", "5.2 GB"]
