"""Orders by HL7 that repeat an exam: a task of the queue, for whoever ordered, and how it is settled."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import orders, reconciling, repeat_answers, repeat_check, repeat_orders, rights
from imagebank.actions.repeat_check import Asking, Wish
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import Principal, Role, Scope
from imagebank.model.alert import Alert, Answer, Outcome
from imagebank.model.exam import Said
from imagebank.model.order import Code, Order, Ordered, Patient, State
from imagebank.model.person import PatientId
from imagebank.model.task import Kind, Task, Wanted
from imagebank.model.task import State as Standing
from imagebank.model.uid import Uid
from imagebank.worker import step
from make import a_file

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ALL = Scope(organizations=None)
ANA = PatientId("north", "ANA")
HEAD = Ordered(Code("CTH", "CT head", "L"), Code("70450", "", "CPT"), requesting="Cuddy^Lisa", place="WARD")
ONE = Order("north", Patient(ANA), NOW, State.SCHEDULED, "P1", "F1", modality="CT", ordered=HEAD)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path, organization="north") as opened:
        bank = replace(opened, now=lambda: NOW)
        ids = {"PatientID": "ANA", "IssuerOfPatientID": "north", "StudyInstanceUID": "1.2.3"}
        about = {"StudyDate": "20260228", "StudyDescription": "CT head", "BodyPartExamined": ""}
        keep(bank, a_file(**ids, **about), source=replace(SOURCE, organization="north"))
        yield bank


def technologist(bank: Bank, organization: str = "north") -> Principal:
    return rights.principal(bank, "tess", Role.TECHNOLOGIST, organization)


def heard(bank: Bank, order: Order = ONE) -> None:
    """Take in an order, and do what follows from it."""
    orders.hear(bank, [order], "ris")
    while step(bank):
        pass


def tasks(bank: Bank, organization: str = "north", state: Standing = Standing.OPEN) -> tuple[Task, ...]:
    return reconciling.page(bank, Wanted(state, Kind.REPEAT), technologist(bank, organization)).tasks


def alerts(bank: Bank) -> list[Alert]:
    return list(bank.index.alerts.between(NOW - timedelta(days=9), NOW + timedelta(days=9), ALL))


def test_an_order_that_repeats_an_exam_is_a_task_with_its_reasons(bank: Bank) -> None:
    heard(bank)
    (task,) = tasks(bank)
    shown = repeat_orders.shown(bank, task, technologist(bank).scope)

    assert (task.organization, task.studies, task.note) == ("north", (Uid("1.2.3"),), repeat_orders.NOTE)
    assert shown is not None
    assert (shown.alert.order, shown.alert.user, shown.alert.days) == ("P1", "Cuddy^Lisa", 2)
    assert "same region" in [str(one) for one in shown.reasons]
    assert "other" in [one.code for one in shown.overrides]


def test_it_is_known_to_whoever_ordered_and_not_to_all_who_have_the_study(bank: Bank) -> None:
    heard(bank)
    south = replace(technologist(bank, "south"), scope=replace(technologist(bank).scope, asker=None))
    asker = technologist(bank, "south").scope.asker
    sees = replace(south, scope=Scope(frozenset({"north"}), asker=asker))

    assert reconciling.page(bank, Wanted(kind=Kind.REPEAT), sees).tasks == ()
    assert len(reconciling.page(bank, Wanted(kind=Kind.REPEAT), replace(sees, scope=Scope.of("north"))).tasks) == 1
    assert len(reconciling.page(bank, Wanted(kind=Kind.REPEAT), replace(sees, scope=ALL)).tasks) == 1


def test_one_that_repeats_nothing_is_none(bank: Bank) -> None:
    heard(bank, replace(ONE, ordered=Ordered(Code("X", "MR knee left", "L")), modality="MR"))
    heard(bank, replace(ONE, placer="P2", filler="F2", ordered=replace(HEAD, priority="STAT")))
    heard(bank, replace(ONE, placer="P3", filler="F3", scheduled_at="202709011200"))
    heard(bank, replace(ONE, placer="P4", filler="F4", state=State.STARTED))

    assert tasks(bank) == ()
    assert alerts(bank) == []


def test_an_order_that_is_heard_of_again_is_one_task(bank: Bank) -> None:
    heard(bank)
    heard(bank, replace(ONE, event_at=NOW + timedelta(minutes=1), scheduled_at="20260303"))

    assert len(tasks(bank)) == 1


def test_whoever_was_told_while_ordering_is_not_told_again(bank: Bank) -> None:
    doctor = rights.principal(bank, "dr", Role.CLINICIAN, "north")
    wish = Wish(Said(descriptions=("CT head",)), order="P1")
    repeat_check.check(bank, Asking(doctor, (ANA,), "cds"), [wish])
    heard(bank)

    assert tasks(bank) == ()


@pytest.mark.parametrize(
    ("outcome", "reason", "asked"),
    [
        (None, "", 0),
        (Outcome.OVERRIDDEN, "other", 0),
        (Outcome.ACCEPTED, "changed", 0),
        (Outcome.ACCEPTED, "cancelled", 1),
    ],
)
def test_who_was_told_of_a_draft_is_asked_again_only_where_it_comes_though_it_was_taken_back(
    bank: Bank, outcome: Outcome | None, reason: str, asked: int
) -> None:
    doctor = rights.principal(bank, "dr", Role.CLINICIAN, "north")
    wish = Wish(Said(modalities=("CT",), descriptions=("CT head",)), order="draft-1")
    (found,) = repeat_check.check(bank, Asking(doctor, (ANA,), "cds"), [wish])
    assert found.alert is not None
    if outcome is not None:
        repeat_answers.tell(bank, doctor, [repeat_answers.Told(found.alert.id, Answer(outcome, NOW, reason))])
    heard(bank)

    assert len(tasks(bank)) == asked
    assert len(alerts(bank)) == 1 + asked
    told = [one.detail for one in bank.index.events(ALL, patient=ANA) if one.detail.endswith("told of an earlier exam")]
    assert len(told) == 1 + asked


def test_messages_that_are_read_again_after_a_reindex_ask_nothing(bank: Bank) -> None:
    orders.hear(bank, [ONE], "ris", is_rebuilt=True)
    while step(bank):
        pass

    assert tasks(bank) == ()


@pytest.mark.parametrize(
    ("state", "outcome", "how"),
    [
        (State.CANCELLED, Outcome.ACCEPTED, "cancelled"),
        (State.STOPPED, Outcome.ACCEPTED, "cancelled"),
        (State.DONE, Outcome.IGNORED, "performed"),
    ],
)
def test_an_order_that_is_over_settles_its_task(bank: Bank, state: State, outcome: Outcome, how: str) -> None:
    heard(bank)
    heard(bank, replace(ONE, state=state, event_at=NOW + timedelta(minutes=1)))

    assert tasks(bank) == ()
    (task,) = tasks(bank, state=Standing.SETTLED)
    assert task.mark.how == how
    assert [one.outcome for one in alerts(bank)] == [outcome]


def with_steps(*steps: tuple[str, str], **given: Any) -> list[Order]:
    """One order with steps, each by its identifier and what is made."""
    one = replace(ONE, **given)
    code = Code("X", "", "L")
    return [
        replace(one, step_id=name, ordered=replace(HEAD, procedure=code, protocol=replace(code, meaning=what)))
        for name, what in steps
    ]


def all_heard(bank: Bank, found: list[Order]) -> None:
    orders.hear(bank, found, "ris")
    while step(bank):
        pass


def test_each_step_of_an_order_is_asked_about_and_settled_by_itself(bank: Bank) -> None:
    ids = {"PatientID": "ANA", "IssuerOfPatientID": "north", "StudyInstanceUID": "1.2.4"}
    about = {"StudyDate": "20260227", "StudyDescription": "CT chest", "BodyPartExamined": ""}
    keep(bank, a_file(**ids, **about), source=replace(SOURCE, organization="north"))
    steps = (("S1", "CT knee left"), ("S2", "CT head"), ("S3", "CT chest"), ("S4", "CT head"))
    all_heard(bank, with_steps(*steps))
    assert {one.studies for one in tasks(bank)} == {(Uid("1.2.3"),), (Uid("1.2.4"),)}

    later = NOW + timedelta(minutes=1)
    all_heard(bank, with_steps(("S3", "CT chest"), state=State.CANCELLED, event_at=later))
    assert [one.studies for one in tasks(bank)] == [(Uid("1.2.3"),)]
    all_heard(bank, with_steps(("S2", "CT head"), state=State.CANCELLED, event_at=later))
    assert len(tasks(bank)) == 1, "it is to be made in another step"
    all_heard(bank, with_steps(("S4", "CT head"), state=State.DONE, event_at=later))

    assert tasks(bank) == ()
    assert {str(one.study): one.outcome for one in alerts(bank)} == {
        "1.2.3": Outcome.IGNORED,
        "1.2.4": Outcome.ACCEPTED,
    }


def test_an_order_that_was_told_of_elsewhere_and_taken_back_is_answered_too(bank: Bank) -> None:
    doctor = rights.principal(bank, "dr", Role.CLINICIAN, "north")
    repeat_check.check(bank, Asking(doctor, (ANA,), "cds"), [Wish(Said(descriptions=("CT head",)), order="P1")])
    heard(bank, replace(ONE, state=State.CANCELLED))
    heard(bank, replace(ONE, state=State.CANCELLED, event_at=NOW + timedelta(minutes=1), accession="A1"))

    assert [one.outcome for one in alerts(bank)] == [Outcome.ACCEPTED]


def test_somebody_takes_the_order_back_or_lets_it_stay_for_a_reason(bank: Bank) -> None:
    heard(bank)
    (task,) = tasks(bank)
    tess = technologist(bank)
    with pytest.raises(Invalid):
        reconciling.settle(bank, task.id, tess, "because")
    settled = reconciling.settle(bank, task.id, tess, "clinical-change", "she is worse")

    assert (settled.mark.how, settled.mark.reason) == ("clinical-change", "she is worse")
    (alert,) = alerts(bank)
    assert alert.answer is not None
    assert (alert.outcome, alert.answer.reason, alert.answer.comment) == (
        Outcome.OVERRIDDEN,
        "clinical-change",
        "she is worse",
    )
    reconciling.undo(bank, task.id, tess)
    assert [one.outcome for one in alerts(bank)] == [Outcome.SHOWN]
    reconciling.settle(bank, task.id, tess, "cancelled")
    assert [one.outcome for one in alerts(bank)] == [Outcome.ACCEPTED]


def test_a_task_whose_alert_is_gone_can_be_settled_still(bank: Bank) -> None:
    heard(bank)
    (task,) = tasks(bank)
    with bank.index.begin() as tx:
        tx.alerts.name_task(alerts(bank)[0].id, "")

    assert repeat_orders.shown(bank, task, ALL) is None
    assert reconciling.settle(bank, task.id, technologist(bank), "other").mark.how == "other"
    assert reconciling.undo(bank, task.id, technologist(bank)).mark.how == ""


def test_what_is_not_there_is_passed_over(bank: Bank) -> None:
    repeat_orders.look_job(bank, {"organization": "north", "placer": "P9", "filler": ""})
    with pytest.raises(NotFound):
        reconciling.settle(bank, "repeat-0", technologist(bank), "other")

    assert tasks(bank) == ()
