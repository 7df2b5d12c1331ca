"""The page of what is missing, and what a study's own page and the lists say of it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bank import keep, open_test_bank
from imagebank.actions import access, completeness, expecting, finding
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import Role
from imagebank.model.expectation import Expectation, ExpectedSeries, Origin
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from make import a_series
from unit.portal.browsing import Browser, hidden_field

LACKING, GAPPY, WHOLE, NEVER, ORDERED, NEW = (Uid(f"1.2.{number}") for number in range(1, 7))
P1 = PatientId("local", "P1")


def announce(bank: Bank, study: Uid, origin: Origin, *series: ExpectedSeries, by: str = "", **about: object) -> None:
    word = Expectation(study, "local", P1, origin, "k", bank.now() - timedelta(hours=1), by, series)
    with bank.index.begin() as tx:
        expecting.expect(bank, tx, replace(word, **about))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("arrivals")) as bank:
        keep(bank, *a_series(6, StudyInstanceUID=LACKING, SeriesInstanceUID="1.2.1.1", SeriesNumber=3, Modality="MR"))
        announce(bank, LACKING, Origin.MPPS, ExpectedSeries("1.2.1.1", count=8), by="MR-1")
        gappy = a_series(9, StudyInstanceUID=GAPPY)
        keep(bank, *gappy[:3], *gappy[5:])
        keep(bank, *a_series(2, StudyInstanceUID=WHOLE, NumberOfSeriesRelatedInstances=2))
        announce(bank, NEVER, Origin.MEDIA, ExpectedSeries("1.2.4.1", ("1.2.4.1.1",)), by="CD-7", accession="A-NEVER")
        announce(bank, ORDERED, Origin.ORDER, by="F1", said_at=bank.now() - timedelta(days=2))
        later = replace(bank, now=lambda: bank.now() + timedelta(hours=1))
        for study in (LACKING, GAPPY, WHOLE, NEVER, ORDERED):
            completeness.judge(later, study)
            finding.write(bank, study)
        keep(bank, *a_series(1, StudyInstanceUID=NEW))
        yield bank


@pytest.fixture(scope="module")
def browser(bank: Bank) -> Browser:
    opened = Browser(web_application(bank))
    opened.post("/sign-in", {"token": access.issue_token(bank, Role.TECHNOLOGIST)})
    return opened


def words(text: str) -> str:
    return " ".join(text.split())


def test_the_page_says_what_is_missing_by_whose_word_and_what_to_do(browser: Browser) -> None:
    text = words(browser.get("/completeness").text)

    assert "2 of 8 images have not come. The other 6 can be seen." in text
    assert "Series 3: 2 of 8 images missing. So says the device MR-1." in text
    assert "Send the study again from MR-1; what is here already is not kept twice." in text
    assert "In series 1 the numbers 4 to 5 are missing. That may be so on purpose." in text
    assert "So says the list on the medium CD-7." in text
    assert "Accession" in text
    assert "A-NEVER" in text
    assert "Ask whether the exam was done, and have it sent." in text
    assert "<strong>5 studies</strong>" in text
    assert f"/studies/{WHOLE}" not in text


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("state=arriving", [NEW]),
        ("state=missing&modality=mr", [LACKING]),
        ("source=numbers", [GAPPY]),
        ("since=2026-01-02&until=2026-01-02&source=header", []),
        ("state=gone&source=gone&page=x", [LACKING, GAPPY, NEW]),
    ],
)
def test_it_is_narrowed_by_its_address(browser: Browser, asked: str, shown: list[Uid]) -> None:
    text = browser.get(f"/completeness?{asked}").text

    assert [study for study in (LACKING, GAPPY, WHOLE, NEW) if f'href="/studies/{study}"' in text] == shown
    assert bool(shown) != ("Nothing is missing that anybody has announced" in text)


def test_a_day_that_is_none_is_said_and_pages_lead_back(browser: Browser) -> None:
    odd = browser.get("/completeness?since=soon")
    last = browser.get("/completeness?page=2&modality=MR")

    assert (odd.status_code, last.status_code) == (422, 200)
    assert "Write a day as year-month-day" in odd.text


@pytest.mark.parametrize("path", ["/", "/find"])
def test_lists_say_in_a_word_how_far_a_study_is(browser: Browser, path: str) -> None:
    text = browser.get(path).text

    assert "2 objects are missing" in text
    assert "Something may be missing" in text
    assert '<span class="state complete">' in text


@pytest.mark.parametrize(
    ("study", "said"),
    [
        (LACKING, "2 of 8 images have not come. The other 6 can be seen."),
        (GAPPY, "Something may be missing. What is here can be seen."),
        (WHOLE, "Complete"),
        (NEW, "Still arriving."),
    ],
)
def test_a_study_says_on_its_page_how_far_it_is(browser: Browser, study: Uid, said: str) -> None:
    assert said in words(browser.get(f"/studies/{study}").text)


def test_somebody_settles_a_study_on_its_page_and_asks_again(browser: Browser, bank: Bank) -> None:
    csrf = hidden_field(browser.get(f"/studies/{GAPPY}"), "csrf")
    form = {"csrf": csrf, "study": GAPPY, "here": "1"}
    silent = browser.post("/completeness/settle", {**form, "reason": ""})
    settled = browser.post("/completeness/settle", {**form, "reason": "numbered so"})
    text = words(browser.get(f"/studies/{GAPPY}").text)
    reopened = browser.post("/completeness/settle", {**form, "reopen": "1"})
    never = browser.post("/completeness/settle", {"csrf": csrf, "study": ORDERED, "reason": "not done"})

    assert silent.status_code == 400
    assert (settled.status_code, settled.headers["location"]) == (303, f"/studies/{GAPPY}")
    assert "that there is no more. <bdi>numbered so</bdi>" in text
    assert "Ask for the rest again" in text
    assert reopened.status_code == 303
    assert never.headers["location"] == "/completeness"
    assert str(ORDERED) not in browser.get("/completeness").text


def test_who_may_not_reconcile_reads_and_settles_nothing(bank: Bank) -> None:
    reader = Browser(web_application(bank))
    reader.post("/sign-in", {"token": access.issue_token(bank, Role.CLINICIAN)})
    page = reader.get(f"/studies/{LACKING}")
    refused = reader.post(
        "/completeness/settle", {"csrf": hidden_field(page, "csrf"), "study": LACKING, "reason": "because"}
    )

    assert "The other 6 can be seen." in page.text
    assert "/completeness/settle" not in page.text
    assert refused.status_code == 403
