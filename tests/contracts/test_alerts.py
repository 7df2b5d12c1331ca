"""Alerts about exams that may be repeats, on both databases."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contracts.indexes import opened
from imagebank.model.access import Scope
from imagebank.model.alert import Alert, Answer, Outcome
from imagebank.model.exam import Contrast, Exam, Group, Side
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.storage.index import SQLIndex

AT = datetime(2026, 1, 1, tzinfo=UTC)
ALL = Scope(organizations=None)
ANA = PatientId("north", "1")
CT = Exam(Group.CT, ("ABDOMEN", "PELVIS"), Side.UNSAID, Contrast.YES, "angiography", "followup")
ONE = Alert("a1", AT, "north", ANA, Uid("1.2"), CT, "20260101", 12, "CT", "warn", "cds", "dr", "ward", "o1", "t1")
TWO = replace(ONE, id="a2", at=AT + timedelta(hours=1), order="o2", task="")
SHADOW = replace(TWO, id="a3", severity="shadow", rule="trial", organization="south")
DONE = Answer(Outcome.OVERRIDDEN, AT + timedelta(minutes=5), "change", "she is worse", "dr")


@pytest.fixture
def index(address: str) -> Iterator[SQLIndex]:
    with opened(address) as made:
        with made.begin() as tx:
            for one in (ONE, TWO, SHADOW):
                tx.alerts.put(one)
        yield made


def test_an_alert_is_kept_as_it_was_shown(index: SQLIndex) -> None:
    assert index.alerts.alert("a1", ALL) == ONE
    assert index.alerts.alert("a9", ALL) is None
    assert (ONE.outcome, SHADOW.outcome) == (Outcome.SHOWN, Outcome.UNSHOWN)
    assert index.alerts.of_patients([ANA], "", ALL, 5) == [TWO, ONE]
    assert index.alerts.of_patients([ANA], "south", ALL, 5) == []
    assert index.alerts.of_patients([], "", ALL, 5) == []
    assert [one.id for one in index.alerts.between(AT, AT + timedelta(hours=1), ALL)] == ["a1"]
    assert index.alerts.of_order("north", ["o2", ""], ALL) == [TWO]
    assert index.alerts.of_order("north", [""], ALL) == []
    assert index.alerts.of_task("t1", ALL) == ONE
    assert index.alerts.of_task("t9", ALL) is None
    assert index.alerts.alerts(["a1", "a3"], "north", ALL) == [ONE]
    assert index.alerts.alerts([], "", ALL) == []


def test_alerts_about_a_study_that_is_not_shown_are_not_there(index: SQLIndex) -> None:
    nothing = Scope.of("north")  # the bank does not hold the study

    assert index.alerts.alert("a1", nothing) is None
    assert index.alerts.of_patients([ANA], "", nothing, 5) == []
    assert index.alerts.between(AT, AT + timedelta(hours=2), nothing) == []


def test_an_answer_counts_once_and_a_later_one_replaces_it(index: SQLIndex) -> None:
    with index.begin() as tx:
        assert tx.alerts.answer("a1", DONE)
        assert not tx.alerts.answer("a1", DONE)
        assert not tx.alerts.answer("a1", replace(DONE, outcome=Outcome.ACCEPTED, at=AT))
        assert not tx.alerts.answer("a3", DONE)
        assert not tx.alerts.answer("a9", DONE)
    assert index.alerts.alert("a1", ALL) == replace(ONE, answer=DONE)

    later = Answer(Outcome.ACCEPTED, AT + timedelta(minutes=9), "cancelled", "", "dr")
    with index.begin() as tx:
        assert tx.alerts.answer("a1", later)
    found = index.alerts.alert("a1", ALL)
    assert found is not None
    assert (found.answer, found.outcome) == (later, Outcome.ACCEPTED)


def test_what_was_told_of_the_same_exam_in_another_way_is_found_whatever_was_done(index: SQLIndex) -> None:
    with index.begin() as tx:
        tx.alerts.answer("a1", DONE)
    other = replace(ONE, id="a4", way="hl7", order="P9", user="Grey", exam=replace(CT, contrast=Contrast.NO))

    assert index.alerts.by_another_way(other, AT, ALL) == [TWO, replace(ONE, answer=DONE)]
    assert index.alerts.by_another_way(other, TWO.at, ALL) == [TWO]
    head = replace(other, exam=replace(CT, regions=("HEAD",)))
    for elsewhere in (
        head,
        replace(other, way="cds"),
        replace(other, study=Uid("1.9")),
        replace(other, organization="east"),
    ):
        assert index.alerts.by_another_way(elsewhere, AT, ALL) == []


def test_an_alert_is_put_back_as_it_was_kept_elsewhere(index: SQLIndex) -> None:
    for one in (replace(ONE, answer=DONE), replace(ONE, task="t9")):
        with index.begin() as tx:
            tx.alerts.put(one)

        assert index.alerts.alert("a1", ALL) == one


def test_the_same_said_again_is_found_while_nobody_has_answered(index: SQLIndex) -> None:
    again = replace(ONE, id="a4", at=AT + timedelta(hours=2), days=13)

    assert index.alerts.like(again, AT, ALL) == ONE
    assert index.alerts.like(again, AT + timedelta(hours=1), ALL) is None
    assert index.alerts.like(replace(again, order="o9"), AT, ALL) is None
    with index.begin() as tx:
        tx.alerts.answer("a1", DONE)
    assert index.alerts.like(again, AT, ALL) is None


def test_whoever_is_forgotten_is_counted_still(index: SQLIndex) -> None:
    with index.begin() as tx:
        tx.alerts.answer("a1", DONE)
        left = tx.alerts.forget([ANA])

    assert {one.id: one.answer for one in left} == {"a1": replace(DONE, comment=""), "a2": None, "a3": None}
    found = index.alerts.between(AT, AT + timedelta(days=1), ALL)
    assert len(found) == 3
    assert {(one.patient, one.study, one.order) for one in found} == {(PatientId("", ""), "", "")}
