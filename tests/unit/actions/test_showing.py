"""A document with a script is kept as it came, and shown without it."""

import io
from pathlib import Path

import pytest

from bank import SOURCE, a_token, bearer, open_test_bank
from imagebank.actions import media, showing
from imagebank.actions.ingest import Arrival
from imagebank.actions.retrieve import Bulk
from imagebank.app import web_application
from imagebank.errors import Unsupported
from imagebank.model.imaging import Outcome
from make_pdf import a_pdf, with_a_script
from unit.portal.browsing import Browser


def bulk(data: bytes) -> Bulk:
    return Bulk(len(data), lambda start, end: iter((data[start:end],)))


def read(found: Bulk) -> bytes:
    return b"".join(found.read(0, found.size))


def test_a_document_is_shown_without_its_script_and_had_back_with_it(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        document = with_a_script()
        (receipt,) = media.receive(bank, [Arrival(io.BytesIO(document), len(document), "letter.pdf")], SOURCE)
        who = bearer(a_token(bank))
        browser = Browser(web_application(bank))
        place = f"/dicom-web/studies/{receipt.study}/series/{receipt.series}/instances/{receipt.uid}"
        shown = browser.get(f"{place}/rendered", who)
        part = browser.get(f"{place}/rendered", who | {"Range": "bytes=4-40"})
        kept = browser.get(f"{place}/bulkdata/00420011", who | {"Accept": "*/*"})

    assert receipt.outcome is Outcome.STORED
    assert shown.headers["content-type"] == "application/pdf"
    assert b"/JavaScript" not in shown.content
    assert part.content == shown.content[4:41]
    assert b"/JavaScript" in kept.content


def test_one_in_which_nothing_acts_is_not_copied(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        assert read(showing.harmless(bank, bulk(a_pdf()))) == a_pdf()
        assert read(showing.harmless(bank, bulk(with_a_script()))) != with_a_script()


def test_one_that_is_too_large_to_be_looked_into_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagebank.actions.showing._MOST_BYTES", 10)
    with open_test_bank(tmp_path) as bank, pytest.raises(Unsupported, match="retrieve the original"):
        showing.harmless(bank, bulk(a_pdf()))
