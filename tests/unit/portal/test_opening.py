"""What the viewer opens when an address names studies and no series: what it can bear, and what the caller may see."""

from collections.abc import Iterator
from typing import Any

import pytest

from bank import keep, open_test_bank
from imagebank.actions import access
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import Role
from make import a_dataset, a_file, as_file
from unit.portal.browsing import Browser

REPORT, KEYS = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.5.1.4.1.1.88.59"


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """Study 1 has images, 2 a report and keys before them, 3 a report alone."""
    with open_test_bank(tmp_path_factory.mktemp("opening")) as opened:
        for study, classes in ((1, ("",)), (2, (REPORT, KEYS, "")), (3, (REPORT,))):
            for number, sop_class in enumerate(classes, 1):
                named: dict[str, Any] = {
                    "StudyInstanceUID": f"1.2.{study}",
                    "SeriesInstanceUID": f"1.2.{study}.{number}",
                }
                ds = a_dataset(**named, SOPClassUID=sop_class, PixelData=None) if sop_class else None
                keep(opened, as_file(ds) if ds else a_file(**named))
        yield opened


def led(browser: Browser, query: str, path: str = "viewer") -> str:
    """Where an address of the viewer's leads; empty where it opens as it is."""
    return str(browser.get(f"/viewer/{path}?{query}").headers.get("location", ""))


def signed_in(bank: Bank, organization: str = "") -> Browser:
    browser = Browser(web_application(bank))
    browser.post("/sign-in", {"token": access.issue_token(bank, Role.CLINICIAN, organization)})
    return browser


def test_series_are_named_where_the_viewer_may_not_have_them_all(bank: Bank) -> None:
    browser = signed_in(bank)

    assert led(browser, "StudyInstanceUIDs=1.2.1") == ""
    assert led(browser, "StudyInstanceUIDs=1.2.2") == (
        "/viewer/viewer?StudyInstanceUIDs=1.2.2&SeriesInstanceUIDs=1.2.2.3"
    )
    assert led(browser, "studyinstanceuids=1.2.1,1.2.2&hangingProtocolId=x").endswith(
        "=1.2.1,1.2.2&hangingProtocolId=x&SeriesInstanceUIDs=1.2.1.1,1.2.2.3"
    )
    assert led(browser, "StudyInstanceUIDs=1.2.2&SeriesInstanceUIDs=1.2.2.3") == ""


def test_a_study_without_anything_for_the_viewer_opens_on_its_page(bank: Bank) -> None:
    assert led(signed_in(bank), "StudyInstanceUIDs=1.2.3") == "/studies/1.2.3"


def test_other_addresses_and_what_the_caller_may_not_see_open_as_they_are(bank: Bank) -> None:
    for browser in (signed_in(bank, "elsewhere"), Browser(web_application(bank))):
        seen, missing = (browser.get(f"/viewer/viewer?StudyInstanceUIDs={uid}") for uid in ("1.2.2", "1.2.77"))
        assert (seen.status_code, seen.content) == (missing.status_code, missing.content)
    mine = signed_in(bank)
    for query in ("", "StudyInstanceUIDs=odd", f"StudyInstanceUIDs={','.join(['1.2.2'] * 9)}"):
        assert led(mine, query) == ""
    assert led(mine, "StudyInstanceUIDs=1.2.2", "other") == ""
