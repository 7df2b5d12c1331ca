"""What is deleted is gone, and nothing else."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from bank import keep, open_test_bank
from contracts.described import studies
from imagebank import worker
from imagebank.actions import remove
from imagebank.bank import Bank
from imagebank.errors import NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.event import Act
from imagebank.model.imaging import Instance, Selection
from imagebank.model.uid import Uid
from make import a_file, a_series

ALL = Scope(organizations=None)
KEEPER = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)
DOCTOR = Principal("Dr Varga", Role.CLINICIAN, "local", RIGHTS[Role.CLINICIAN], ALL)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def held(bank: Bank) -> list[Instance]:
    return bank.index.instances(Selection(), ALL)


def waiting(bank: Bank, kind: str) -> int:
    """How many jobs of a kind wait."""
    with closing(sqlite3.connect(bank.settings.data / "index.db")) as database:
        return int(database.execute("SELECT count(*) FROM job WHERE kind = ?", (kind,)).fetchone()[0])


def do_jobs(bank: Bank) -> None:
    later = replace(bank, now=lambda: bank.now() + timedelta(minutes=1))
    while worker.step(later):
        pass


def names(bank: Bank) -> list[str]:
    """The name of the patient of each study."""
    return [one.attributes["00100010"]["Value"][0]["Alphabetic"] for one in bank.index.find(studies(), ALL)]


@pytest.mark.parametrize(("level", "left"), [("study", 1), ("series", 2), ("instance", 4)])
def test_a_study_a_series_and_an_instance_are_deleted_with_their_keys(bank: Bank, level: str, left: int) -> None:
    study = Uid(generate_uid())
    keep(bank, *a_series(3, StudyInstanceUID=study), a_file(StudyInstanceUID=study), a_file())
    before = {one.uid: one for one in held(bank)}
    first = next(one for one in before.values() if one.study == study and one.number == 1)
    one = {"study": Selection(first.study), "series": Selection(series=first.series)}.get(
        level, Selection(instance=first.uid)
    )
    number = remove.remove(bank, one, KEEPER, "192.0.2.7")
    after = held(bank)

    assert (number, len(after)) == (5 - left, left)
    for gone in (one for uid, one in before.items() if uid not in {kept.uid for kept in after}):
        with pytest.raises(NotFound):
            bank.blobs.read(gone.location)
    assert all(bank.blobs.read(kept.location) for kept in after)
    (event,) = (event for event in bank.index.events(ALL) if event.act is Act.REMOVED)
    assert (event.principal, event.address, event.count) == ("keeper", "192.0.2.7", number)


def test_nobody_deletes_without_the_right_nor_what_is_not_there(bank: Bank) -> None:
    keep(bank, a_file())
    with pytest.raises(NotAllowed):
        remove.remove(bank, Selection(), DOCTOR)
    with pytest.raises(NotFound):
        remove.remove(bank, Selection(study=held(bank)[0].study), replace(KEEPER, scope=Scope.of("south")))

    assert len(held(bank)) == 1


def test_a_study_is_described_anew_by_the_instances_that_are_left(bank: Bank) -> None:
    study = generate_uid()
    keep(bank, a_file(StudyInstanceUID=study, PatientName="Doe^Jane"))
    keep(bank, a_file(StudyInstanceUID=study, PatientName="Doe^Janet"))
    first = min(held(bank), key=lambda one: one.received_at)
    before = names(bank)
    remove.remove(bank, Selection(instance=first.uid), KEEPER)
    do_jobs(bank)

    assert (before, names(bank)) == (["Doe^Jane"], ["Doe^Janet"])
    assert len(held(bank)) == 1


def test_keys_that_could_not_be_destroyed_at_once_are_destroyed_by_a_job(bank: Bank) -> None:
    keep(bank, a_file())
    (one,) = held(bank)
    remove.remove(bank, Selection(instance=one.uid), KEEPER)
    before = waiting(bank, "destroy")
    do_jobs(bank)

    assert (before, waiting(bank, "destroy")) == (1, 0)
