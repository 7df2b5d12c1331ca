"""Tasks of the queue as steps that other systems find, begin, report on, and give up."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bank import keep, open_test_bank
from imagebank.actions import filing, reconciling, reindex, workitems
from imagebank.bank import Bank
from imagebank.dicom.workitem import described
from imagebank.errors import Invalid, NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.identity import Identity
from imagebank.model.person import PatientId, PersonName
from imagebank.model.task import Kind, Task, filed
from imagebank.model.uid import Uid
from imagebank.model.workitem import Refusal, Status, StepRefused, Workitem
from imagebank.worker import step
from make import a_file, read

ADMIN = Principal("root", Role.ADMIN, "local", RIGHTS[Role.ADMIN], Scope(organizations=None))
OTHER = replace(ADMIN, name="other")
MINE = "1.2.3.4.5"
PROGRESS: Any = {"00741002": {"vr": "SQ", "Value": [{"00741004": {"vr": "DS", "Value": [50]}}]}}


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        keep(opened, a_file(PatientID="", PatientName="", Modality="CT", StudyDescription="Head"))
        yield opened


def only(bank: Bank, status: Status | None = None) -> Workitem:
    (found,) = workitems.listed(bank, status, ADMIN, "test")
    return found


def refused(why: Refusal) -> Any:
    return pytest.raises(StepRefused, match=str(why))


def test_a_study_that_names_nobody_is_a_step_with_its_objects(bank: Bank) -> None:
    one = only(bank)
    shown = workitems.shown(bank, one.claim.uid, ADMIN)
    told = described(shown, "IMAGEBANK")

    assert (one.status, shown.status) == (Status.SCHEDULED, Status.SCHEDULED)
    assert told["00404018"]["Value"][0]["00080100"]["Value"] == ["110002"]
    assert told["00100020"] == {"vr": "LO"}
    assert told["00404021"]["Value"][0]["00081199"]["Value"][0]["00081155"]["Value"] == [shown.instances[0].uid]
    assert "00081195" not in told
    assert only(bank).claim == one.claim, "the same UID, whoever asks"


def test_it_is_begun_reported_on_and_given_up_by_whoever_knows_its_transaction(bank: Bank) -> None:
    uid = only(bank).claim.uid
    with refused(Refusal.NOT_BEGUN):
        workitems.update(bank, uid, MINE, PROGRESS, ADMIN)
    with refused(Refusal.WRONG_TRANSACTION):
        workitems.change_state(bank, uid, "", Status.IN_PROGRESS, ADMIN)
    with refused(Refusal.NEVER_SCHEDULED):
        workitems.change_state(bank, uid, MINE, Status.SCHEDULED, ADMIN)
    workitems.change_state(bank, uid, MINE, Status.IN_PROGRESS, ADMIN)
    for transaction in ("", "1.2.3"):
        with refused(Refusal.WRONG_TRANSACTION):
            workitems.update(bank, uid, transaction, PROGRESS, ADMIN)
    with refused(Refusal.BEGUN):
        workitems.begin(bank, uid, "1.9", OTHER)
    with refused(Refusal.BEGUN):
        workitems.ask_to_cancel(bank, uid, OTHER)
    with pytest.raises(Invalid, match="progress"):
        workitems.update(bank, uid, MINE, {"00100020": {"vr": "LO", "Value": ["X"]}}, ADMIN)
    workitems.update(bank, uid, MINE, PROGRESS, ADMIN)
    assert described(only(bank, Status.IN_PROGRESS), "IB")["00741002"] == PROGRESS["00741002"]
    assert workitems.listed(bank, Status.SCHEDULED, ADMIN, "test") == []
    with refused(Refusal.NOT_MET):
        workitems.change_state(bank, uid, MINE, Status.COMPLETED, ADMIN)
    workitems.change_state(bank, uid, MINE, Status.CANCELED, ADMIN)
    for status, why in ((Status.CANCELED, Refusal.CANCELED), (Status.COMPLETED, Refusal.ENDED)):
        with refused(why):
            workitems.change_state(bank, uid, MINE, status, ADMIN)
    with refused(Refusal.ENDED):
        workitems.begin(bank, uid, MINE, ADMIN)
    assert only(bank).status is Status.CANCELED


def test_it_is_completed_by_saying_whose_the_study_is(bank: Bank) -> None:
    uid = only(bank).claim.uid
    workitems.begin(bank, uid, MINE, ADMIN)
    newcomer = Identity(PatientId("local", "P7"), PersonName("Doe^Jane"), "19700101", "F")
    reconciling.identify(bank, only(bank).task.id, ADMIN, newcomer.patient, new=newcomer)

    assert only(bank, Status.COMPLETED).header["00100020"]["Value"] == ["P7"]
    with refused(Refusal.COMPLETED):
        workitems.change_state(bank, uid, MINE, Status.COMPLETED, ADMIN)


def test_one_that_nobody_has_begun_is_canceled_for_whoever_asks(bank: Bank) -> None:
    uid = only(bank).claim.uid
    workitems.ask_to_cancel(bank, uid, ADMIN, "not ours")

    assert only(bank).task.mark.reason == "not ours"
    with refused(Refusal.ENDED):
        workitems.ask_to_cancel(bank, uid, ADMIN)


def test_it_waits_again_where_whoever_has_begun_it_was_not_heard_of_for_long(bank: Bank) -> None:
    uid = only(bank).claim.uid
    workitems.begin(bank, uid, MINE, ADMIN)
    later = replace(bank, now=lambda: bank.now() + workitems.HELD_FOR + timedelta(seconds=1))

    assert only(later).status is Status.SCHEDULED
    workitems.begin(later, uid, "1.9", OTHER)
    with refused(Refusal.WRONG_TRANSACTION):
        workitems.update(later, uid, MINE, PROGRESS, ADMIN)


def test_two_at_once_cannot_begin_it(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = only(bank).claim.uid
    seen = workitems.shown(bank, uid, ADMIN)
    workitems.begin(bank, uid, MINE, ADMIN)
    monkeypatch.setattr(workitems, "_found", lambda *_: seen)
    with refused(Refusal.BEGUN):
        workitems.begin(bank, uid, "1.9", OTHER)


def test_nothing_of_it_is_there_for_those_who_may_not_see_or_decide(bank: Bank) -> None:
    uid = only(bank).claim.uid
    stranger = replace(ADMIN, organization="south", scope=Scope.of("south"))
    assert workitems.listed(bank, None, stranger, "test") == []
    for someone, unknown in ((stranger, uid), (ADMIN, Uid("1.2.3"))):
        with pytest.raises(NotFound):
            workitems.shown(bank, unknown, someone)
    with pytest.raises(NotAllowed):
        workitems.listed(bank, None, replace(ADMIN, rights=frozenset()), "test")


def test_the_same_step_is_there_after_a_rebuild(bank: Bank) -> None:
    before = only(bank)
    while step(bank):
        pass
    reindex.reindex(bank)

    assert only(bank).claim.uid == before.claim.uid


def test_many_are_found_page_by_page_and_no_more_than_are_given_out(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = a_file(PatientID="P1")
    keep(bank, file)
    study = Uid(read(file).StudyInstanceUID)
    with bank.index.begin() as tx:
        for number in range(5):
            task = Task(filed(Kind.MEDIA, str(number)), Kind.MEDIA, "local", (study,), bank.now())
            filing.file(bank, tx, task)
    monkeypatch.setattr(workitems, "_PAGE", 2)

    assert len(workitems.listed(bank, None, ADMIN, "test")) == 6
    monkeypatch.setattr(workitems, "MOST", 3)
    assert len(workitems.listed(bank, Status.SCHEDULED, ADMIN, "test")) == 3


def test_a_task_whose_study_is_gone_has_no_objects(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = only(bank).claim.uid
    monkeypatch.setattr(workitems, "_instances", lambda *_: [])

    assert workitems.shown(bank, uid, ADMIN).instances == ()
