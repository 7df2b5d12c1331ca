"""Group commit: each depositor gets its own outcome, whatever becomes of its neighbours."""

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import generate_uid

from bank import keep, open_test_bank
from imagebank import worker
from imagebank.actions.commit import GroupCommit
from imagebank.bank import Bank
from imagebank.errors import OutOfSpace
from imagebank.model.access import Scope
from imagebank.model.imaging import Outcome, Selection
from make import a_file


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as bank:
        yield bank


def refuse_study(bank: Bank, study: str) -> None:
    """Have the database refuse the row of one study."""
    with closing(sqlite3.connect(bank.settings.data / "index.db")) as database:
        database.execute(
            f"CREATE TRIGGER refusal BEFORE INSERT ON study WHEN new.study_instance_uid = '{study}' "
            "BEGIN SELECT raise(ABORT, 'refused'); END"
        )


def wait_for_queue(bank: Bank, length: int) -> None:
    commits = bank.commits
    assert isinstance(commits, GroupCommit)
    deadline = time.monotonic() + 20
    while len(commits._queue) < length or not commits._commit_lock.locked():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_depositor_whose_row_the_database_refuses_does_not_fail_its_neighbours(bank: Bank) -> None:
    keep(bank, a_file())  # a new account's key is a transaction of its own
    study = generate_uid()
    refuse_study(bank, study)
    refused, *good = a_file(StudyInstanceUID=study), a_file(), a_file()

    with ThreadPoolExecutor(4) as pool:
        with bank.index.begin():
            first = pool.submit(keep, bank, a_file())
            wait_for_queue(bank, 0)
            # The refused one stands before others in the batch.
            waiting = [pool.submit(keep, bank, refused)]
            wait_for_queue(bank, 1)
            for number, file in enumerate(good, 2):
                waiting.append(pool.submit(keep, bank, file))
                wait_for_queue(bank, number)
        errors = [one.exception(30) for one in waiting]
        outcomes = [one.result(30)[0].outcome for one in (first, *waiting[1:])]

    assert "refused" in str(errors[0])
    assert errors[1:] == [None, None]
    assert outcomes == [Outcome.STORED] * 3


def test_each_of_those_who_wait_hears_of_a_full_disk_by_an_error_of_his_own(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(bank, a_file())
    with ThreadPoolExecutor(3) as pool:
        with bank.index.begin():
            first = pool.submit(keep, bank, a_file())
            wait_for_queue(bank, 0)
            waiting = []
            for number in (1, 2):
                waiting.append(pool.submit(keep, bank, a_file()))
                wait_for_queue(bank, number)
            monkeypatch.setattr(type(bank.blobs), "begin_sync", no_room)
        errors = [one.exception(30) for one in waiting]

    assert first.result(30)[0].outcome is Outcome.STORED
    assert [str(error) for error in errors] == ["there is no room"] * 2
    assert errors[0] is not errors[1]
    assert len(bank.index.instances(Selection(), Scope(organizations=None))) == 2


def test_a_spare_record_that_cannot_be_destroyed_does_not_fail_what_is_in(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid, study = generate_uid(), generate_uid()
    other = a_file(SOPInstanceUID=uid, StudyInstanceUID=study, PatientName="Other^One")
    keep(bank, a_file(SOPInstanceUID=uid, StudyInstanceUID=study), other)

    with monkeypatch.context() as full:
        full.setattr(type(bank.blobs), "destroy", no_room)
        # The second copy of what is in quarantine is a spare record.
        receipts = keep(bank, a_file(), other)
    assert [receipt.outcome for receipt in receipts] == [Outcome.STORED, Outcome.QUARANTINED]
    spare = unreferenced(bank)
    assert len(spare) == 1

    while worker.step(bank, {"destroy": worker.WORK["destroy"]}):
        pass
    assert unreferenced(bank) == []


def no_room(*_: Any) -> None:
    raise OutOfSpace("there is no room")


def unreferenced(bank: Bank) -> list[str]:
    """Readable records that no row refers to."""
    known = {location for _, location in bank.index.locations(Scope(organizations=None))}
    return [str(one.location) for one in bank.blobs.records() if one.note is not None and one.location not in known]
