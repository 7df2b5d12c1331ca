"""The page and the table of what the repeat check brought."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bank import SOURCE, a_token, bearer, keep, open_test_bank
from imagebank.actions import access
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import Role, Scope
from imagebank.model.alert import Alert, Answer, Outcome
from imagebank.model.exam import Exam, Group
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from make import a_file
from unit.portal.browsing import Browser

SPAN = "since=2026-01-01&until=2026-06-01"
REPORT = "/api/v1/repeat-check/report"
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    folder = tmp_path_factory.mktemp("quality")
    costs = folder / "costs.toml"
    costs.write_text('currency = "EUR"\n[[cost]]\namount = 180\n')
    with open_test_bank(folder, organization="north", costs_file=costs) as opened:
        (receipt,) = keep(opened, a_file(PatientID="ANA", StudyDate="20260110"), source=SOURCE)
        exam = Exam(Group.CT, ("ABDOMEN",))
        for number, outcome in enumerate((Outcome.ACCEPTED, Outcome.OVERRIDDEN, Outcome.OVERRIDDEN)):
            at = datetime(2026, 1 + 2 * (number > 0), 20, 12, tzinfo=UTC)
            who, study = PatientId("north", f"P{number}"), Uid(str(receipt.study))
            department = "=SURGERY" if number else ""
            made = Alert(f"a{number}", at, "north", who, study, exam, "", 1, "no such rule", "warn", "api")
            with opened.index.begin() as tx:
                tx.alerts.put(replace(made, department=department))
                tx.alerts.answer(made.id, Answer(outcome, at, "clinical-change" if number == 1 else ""))
        yield replace(opened, now=lambda: datetime(2026, 6, 1, tzinfo=UTC))


def signed_in(bank: Bank, role: Role = Role.ADMIN, organization: str = "north") -> Browser:
    browser = Browser(web_application(bank))
    browser.post("/sign-in", {"token": access.issue_token(bank, role, organization=organization)})
    return browser


def test_the_page_tells_of_each_month_in_plots_and_tables(bank: Bank) -> None:
    page = signed_in(bank).get(f"/quality?{SPAN}")

    assert page.status_code == 200
    for words in (
        "2026-01",
        "2026-02",
        "2026-03",
        "Exams avoided",
        "=SURGERY",
        "CT ABDOMEN",
        "no such rule",
        "no reason given",
    ):
        assert words in page.text
    assert page.text.count("<svg viewBox") >= 2
    assert "P1" not in page.text
    assert f"/quality?{SPAN.replace('&', '&amp;')}&amp;format=csv" in page.text


def test_the_page_says_when_there_is_nothing_and_what_is_no_day(bank: Bank) -> None:
    browser = signed_in(bank)
    empty = browser.get("/quality?since=2020-01-01&until=2020-02-01")
    wrong = browser.get("/quality?since=soon")

    assert "No alert was made in this time" in empty.text
    assert "format=csv" not in empty.text
    assert (wrong.status_code, "are days, such as" in wrong.text) == (422, True)


def test_the_page_and_its_door_are_not_for_everybody(bank: Bank) -> None:
    doctor = signed_in(bank, Role.CLINICIAN)
    assert doctor.get("/quality").status_code == 403
    assert 'href="/quality"' not in doctor.get("/").text


def test_a_quality_manager_reads_counts_and_neither_a_study_nor_the_ledger(bank: Bank) -> None:
    manager = signed_in(bank, Role.QUALITY_MANAGER, "local")
    program, token = Browser(web_application(bank)), bearer(a_token(bank, Role.QUALITY_MANAGER, organization="local"))
    (study,) = {str(one.study) for one in bank.index.alerts.between(START, bank.now(), Scope(None))}

    assert manager.get("/").headers["location"] == "/quality"
    assert 'href="/quality"' in manager.get("/quality").text
    assert manager.get("/quality?format=csv").status_code == 200
    assert program.get(f"{REPORT}?{SPAN}", token).status_code == 200
    for page in ("/disclosures", "/reviews", "/consents", "/upload", "/queue"):
        assert manager.get(page).status_code == 403, page
    for path in ("/fhir/AuditEvent?date=ge2026-01-01", "/dicom-web/studies", "/api/v1/search?q=ana"):
        assert program.get(path, token).status_code == 403, path
    for path in (f"/studies/{study}", f"/dicom-web/studies/{study}"):
        assert program.get(path, token).status_code == 404, path


def test_the_table_is_taken_along_and_holds_no_formula(bank: Bank) -> None:
    table = signed_in(bank).get(f"/quality?{SPAN}&format=csv")

    first, *lines = table.text.splitlines()
    assert first.startswith("\ufeffmonth,organization,department,exam,rule,shown,accepted,overridden")
    assert first.endswith("cost,currency,reason: ,reason: clinical-change")
    assert [line.split(",")[2] for line in lines] == ["", "'=SURGERY"]


def test_programs_get_the_same_as_json_or_csv(bank: Bank) -> None:
    browser, headers = Browser(web_application(bank)), bearer(a_token(bank, Role.ADMIN, organization="north"))
    told = browser.get(f"{REPORT}?{SPAN}&by=month", headers).json()

    assert [(one["by"], one["shown"]) for one in told["lines"]] == [
        ({"month": "2026-01"}, 1),
        ({"month": "2026-03"}, 2),
    ]
    assert (told["currency"], told["total"]["unknown"], told["total"]["reasons"]) == (
        "EUR",
        1,
        {"clinical-change": 1, "": 1},
    )
    assert browser.get(REPORT, {**headers, "Accept": "text/csv"}).headers["content-type"].startswith("text/csv")
    for wrong in (
        "by=name",
        "by=month,month",
        "format=xml",
        "until=9999-12-31",
        "until=",
        "until=0001-01-01",
        "since=0001-01-01&until=0001-06-01",
        "other=1",
    ):
        assert browser.get(f"{REPORT}?{wrong}", headers).status_code == 400
