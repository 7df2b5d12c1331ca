"""Alerts about repeated exams outlive the database, with what was done about them and what they brought."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from bank import SOURCE, keep, open_test_bank
from imagebank import worker
from imagebank.actions import avoided, notes, orders, reindex, repeat_answers, repeat_check, rights, shred
from imagebank.actions.repeat_check import Asking, Wish
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.alert import Alert, Answer, Outcome
from imagebank.model.avoided import By, Counts
from imagebank.model.exam import Said
from imagebank.model.note import Amendment
from imagebank.model.order import Code, Order, Ordered, Patient, State
from imagebank.model.person import PatientId
from make import a_file

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ALL = Scope(organizations=None)
ANA = PatientId("north", "ANA")
KEEPER = Principal("root", Role.ADMIN, "north", RIGHTS[Role.ADMIN], ALL)
HEAD = Ordered(Code("CTH", "CT head", "L"), Code("70450", "", "CPT"), requesting="Cuddy^Lisa", place="WARD")
ORDER = Order("north", Patient(ANA), NOW, State.SCHEDULED, "P1", "F1", modality="CT", ordered=HEAD)


@contextmanager
def opened(folder: Path) -> Iterator[Bank]:
    with open_test_bank(folder, organization="north") as bank:
        yield replace(bank, now=lambda: NOW)


def an_exam(bank: Bank) -> None:
    ids = {"PatientID": "ANA", "IssuerOfPatientID": "north", "StudyInstanceUID": "1.2.3"}
    about = {"StudyDate": "20260228", "StudyDescription": "CT head", "BodyPartExamined": ""}
    keep(bank, a_file(**ids, **about), source=replace(SOURCE, organization="north"))


def do_jobs(bank: Bank) -> None:
    later = replace(bank, now=lambda: NOW + timedelta(minutes=1))
    while worker.step(later):
        pass


def lose_the_database(folder: Path, bank: Bank) -> None:
    do_jobs(bank)
    for path in (folder / "bank").glob("index.db*"):
        path.unlink()


def warned(bank: Bank, *numbers: str) -> list[Alert]:
    """Orders of the same exam by a doctor, each with its alert."""
    doctor = rights.principal(bank, "dr", Role.CLINICIAN, "north")
    wishes = [Wish(Said(descriptions=("CT head",)), order=one) for one in numbers]
    found = repeat_check.check(bank, Asking(doctor, (ANA,), "cds", "dr", "surgery"), wishes)
    return [one.alert for one in found if one.alert is not None]


def alerts(bank: Bank) -> list[Alert]:
    return sorted(
        bank.index.alerts.between(NOW - timedelta(days=1), NOW + timedelta(days=1), ALL), key=lambda one: one.id
    )


def total(bank: Bank) -> Counts:
    return avoided.report(bank, KEEPER, date(2026, 3, 1), date(2026, 3, 3), (By.MONTH,), "test").total


def answered(bank: Bank, alert: Alert, outcome: Outcome, reason: str = "") -> None:
    doctor = rights.principal(bank, "dr", Role.CLINICIAN, "north")
    answer = Answer(outcome, NOW, reason, "she is worse", "dr")
    repeat_answers.tell(bank, doctor, [repeat_answers.Told(alert.id, answer)])


def test_what_was_shown_and_done_about_it_outlives_the_database(tmp_path: Path) -> None:
    with opened(tmp_path) as bank:
        an_exam(bank)
        taken, kept, passed, _ = warned(bank, "o1", "o2", "o3", "o4")
        answered(bank, taken, Outcome.ACCEPTED, "cancelled")
        answered(bank, kept, Outcome.IGNORED)
        answered(bank, kept, Outcome.OVERRIDDEN, "other")
        answered(bank, passed, Outcome.IGNORED)
        before, counted = alerts(bank), total(bank)
        lose_the_database(tmp_path, bank)
    with opened(tmp_path) as bank:
        lost = alerts(bank)
        reindex.reindex(bank)
        after = alerts(bank)

        assert (lost, len(before)) == ([], 4)
        assert after == before
        assert total(bank) == counted
        reindex.reindex(bank)
        assert alerts(bank) == before, "nor does a rebuild of an index that is there change any"
        assert (counted.shown, counted.accepted, counted.overridden, counted.ignored) == (4, 1, 1, 1)


def test_the_task_of_an_order_and_its_end_outlive_the_database(tmp_path: Path) -> None:
    with opened(tmp_path) as bank:
        an_exam(bank)
        orders.hear(bank, [ORDER], "ris")
        do_jobs(bank)
        over = replace(ORDER, state=State.CANCELLED, event_at=NOW + timedelta(seconds=1))
        orders.hear(bank, [over], "ris")
        (before,) = alerts_after_jobs(bank)
        lose_the_database(tmp_path, bank)
    with opened(tmp_path) as bank:
        reindex.reindex(bank)
        (after,) = alerts(bank)

    assert after == before
    assert after.task
    assert after.outcome is Outcome.ACCEPTED


def alerts_after_jobs(bank: Bank) -> list[Alert]:
    do_jobs(bank)
    return alerts(bank)


def test_of_an_alert_the_later_word_counts_in_whatever_order_it_is_met(tmp_path: Path) -> None:
    with opened(tmp_path) as bank:
        an_exam(bank)
        (one,) = warned(bank, "o1")
        done = replace(one, answer=Answer(Outcome.OVERRIDDEN, NOW, "other"))
        for at, said in ((NOW + timedelta(hours=1), done), (NOW, one)):
            notes.amend_job(bank, notes.amend_payload(Amendment(at, alerts=(said,))))
        reindex.reindex(bank)

        assert alerts(bank) == [done]


def test_alerts_of_who_is_forgotten_are_counted_still_and_name_nobody(tmp_path: Path) -> None:
    with opened(tmp_path) as bank:
        an_exam(bank)
        (one,) = warned(bank, "o1")
        answered(bank, one, Outcome.OVERRIDDEN, "other")
        shred.shred(bank, ANA, KEEPER)
        lose_the_database(tmp_path, bank)
    with opened(tmp_path) as bank:
        reindex.reindex(bank)
        (after,) = alerts(bank)

    assert (after.id, after.outcome, after.rule) == (one.id, Outcome.OVERRIDDEN, one.rule)
    assert (after.patient, after.study, after.order) == (PatientId("", ""), "", "")
    assert after.answer is not None
    assert (after.answer.reason, after.answer.comment) == ("other", "")
