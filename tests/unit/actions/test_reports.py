"""Keeping reports sealed, and giving them out with their study."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bank import keep as deposit
from bank import open_test_bank
from imagebank.actions import reports, scrub
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.person import PatientId
from imagebank.model.report import Body, Part, Report
from imagebank.model.uid import Uid
from make import a_file

STUDY = Uid("1.2.3")
ADMIN = Principal("root", Role.ADMIN, "local", RIGHTS[Role.ADMIN], Scope(None))
REPORT = Report("local", PatientId("local", "P1"), datetime(2026, 3, 1, tzinfo=UTC), "F", "R1", study=STUDY)
BODY = Body("CT head", "House", (Part("text/plain", b"No bleeding"), Part("application/pdf", b"%PDF-")))


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        deposit(opened, a_file(StudyInstanceUID=STUDY, PatientID="P1"))
        yield opened


def test_a_version_is_kept_once_and_comes_back_as_it_was(bank: Bank) -> None:
    other = replace(BODY, title="Addendum")
    answers = [reports.keep(bank, REPORT, body, "RIS") for body in (BODY, BODY, other)]
    found = reports.of_study(bank, STUDY, ADMIN)

    assert answers == [True, False, True]
    assert [one.body for one in found] == [other, BODY]
    assert reports.document(bank, STUDY, found[1].report.id, 1, ADMIN) == BODY.parts[1]
    assert scrub.verify(bank).is_clean
    assert scrub.verify(bank).orphans == []


def test_what_is_handed_over_with_a_study_is_what_names_it(bank: Bank) -> None:
    deposit(bank, a_file(StudyInstanceUID="1.2.4", PatientID="P1", AccessionNumber="A9"))
    by_number = replace(REPORT, number="R2", accession="A9", study=None)
    named = replace(REPORT, number="R3", study=Uid("1.2.4"))
    for one in (by_number, named):
        reports.keep(bank, one, BODY, "RIS")
    other = PatientId("local", "P2")
    reports.hand_over(bank, Uid("1.2.4"), other, ADMIN)

    assert reports.keep(bank, replace(by_number, patient=other), BODY, "RIS"), "it was not there"
    assert not reports.keep(bank, replace(named, patient=other), BODY, "RIS"), "it was there"


@pytest.mark.parametrize("odd", [replace(REPORT, patient=PatientId("local", "")), replace(REPORT, study=None)])
def test_a_report_of_nobody_or_of_no_study_is_refused(bank: Bank, odd: Report) -> None:
    with pytest.raises(Invalid):
        reports.keep(bank, odd, BODY, "RIS")


def test_a_report_is_for_those_who_see_its_study_and_may_get(bank: Bank) -> None:
    reports.keep(bank, REPORT, BODY, "RIS")
    with pytest.raises(NotFound):
        reports.of_study(bank, STUDY, replace(ADMIN, scope=Scope.of("south")))
    with pytest.raises(NotAllowed):
        reports.of_study(bank, STUDY, replace(ADMIN, rights=frozenset()))
    for number, place in ((1, 2), (1, -1), (9, 0)):
        with pytest.raises(NotFound):
            reports.document(bank, STUDY, number, place, ADMIN)


def test_a_study_without_reports_makes_no_line_in_the_ledger(bank: Bank) -> None:
    before = len(bank.index.events(Scope(None)))

    assert reports.of_study(bank, STUDY, ADMIN) == []
    assert len(bank.index.events(Scope(None))) == before


def test_a_report_whose_bytes_are_gone_is_still_told_of(bank: Bank) -> None:
    reports.keep(bank, REPORT, BODY, "RIS")
    (report,) = bank.index.orders.reports(STUDY, Scope(None))
    assert report.location is not None
    bank.blobs.destroy([report.location])

    assert [one.body for one in reports.of_study(bank, STUDY, ADMIN)] == [None]
    with pytest.raises(NotFound):
        reports.document(bank, STUDY, report.id, 0, ADMIN)
