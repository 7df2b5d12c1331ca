"""Changing the root key while the bank is open."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from bank import keep, open_test_bank
from imagebank import worker
from imagebank.actions import ledger, reindex, remove, rotate, scrub, shred
from imagebank.bank import Bank
from imagebank.errors import NotAllowed, NotFound, Unavailable
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.imaging import Selection
from imagebank.model.key import BANK
from imagebank.model.person import PatientId
from make import a_file

ALL = Scope(organizations=None)
ADMIN = Principal("root", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    """Objects of five patients; one object was deleted, and one patient shredded."""
    with open_test_bank(tmp_path) as opened:
        keep(opened, *(a_file(PatientID=f"P{number}") for number in range(6)))
        shred.shred(opened, PatientId("local", "P5"), ADMIN)
        remove.remove(opened, Selection(study=opened.index.instances(Selection(), ALL)[0].study), ADMIN)
        do_jobs(opened)
        yield opened


def do_jobs(bank: Bank) -> None:
    while worker.step(bank):
        pass


def add_root_key(bank: Bank) -> None:
    path = bank.settings.data / "root.key"
    path.write_text(path.read_text() + "42" * 32 + "\n")


def take_old_root_key(bank: Bank) -> None:
    path = bank.settings.data / "root.key"
    path.write_text("42" * 32 + "\n")


def here(bank: Bank) -> dict[str, bytes]:
    return {one.uid: bank.blobs.read(one.location) for one in bank.index.instances(Selection(), ALL)}


def test_the_old_root_key_can_be_taken_away_afterwards(bank: Bank, tmp_path: Path) -> None:
    before = here(bank)
    add_root_key(bank)
    rotate.rotate(bank, ADMIN)
    do_jobs(bank)
    done = rotate.status(bank, objects=True)
    take_old_root_key(bank)

    assert done.is_done
    with open_test_bank(tmp_path) as again:
        assert here(again) == before
        assert scrub.verify(again).is_clean
        assert ledger.verify(again).is_whole
    for path in (tmp_path / "bank").glob("index.db*"):
        path.unlink()
    with open_test_bank(tmp_path) as rebuilt:
        assert reindex.reindex(rebuilt).unreadable == []
        assert here(rebuilt) == before


def test_it_says_how_far_it_is(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotate, "_BATCH", 2)
    (old,) = rotate.status(bank).keys
    add_root_key(bank)
    rotate.rotate(bank, ADMIN)
    worker.step(bank)
    midway = rotate.status(bank)
    do_jobs(bank)
    end = rotate.status(bank)

    assert midway.keys[midway.current] == 2
    assert midway.keys[old] == 4
    assert not midway.is_done
    assert end.keys == {end.current: 6}
    assert end.is_done


def test_what_is_deposited_meanwhile_is_sealed_and_read(bank: Bank) -> None:
    add_root_key(bank)
    keep(bank, a_file(PatientID="P0"), a_file(PatientID="NEW"))
    rotate.rotate(bank, ADMIN)
    do_jobs(bank)
    keep(bank, a_file(PatientID="P0"), a_file(PatientID="NEWER"))

    assert len(here(bank)) == 8
    assert rotate.status(bank, objects=True).is_done


@pytest.mark.parametrize("way", ["keep_key", "destroy"])
def test_one_that_is_cut_short_leaves_no_key_behind(
    bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    before = here(bank)
    add_root_key(bank)
    real = getattr(bank.blobs, way)

    def cut_short(*given: Any) -> Any:
        if way == "keep_key":
            real(*given)
        raise Unavailable("the power is gone")

    with monkeypatch.context() as power:
        power.setattr(bank.blobs, way, cut_short)
        with pytest.raises(Unavailable):
            rotate.rotate_job(bank, {})
    while bank.keys.renew(100):
        pass
    rotate.rotate_job(bank, {})
    told = [record for record in bank.blobs.kept_keys() if record.note is not None]
    take_old_root_key(bank)

    assert len(told) == 6
    with open_test_bank(tmp_path) as again:
        again.keys.restore()
        assert here(again) == before


def test_a_shredding_beside_it_leaves_nothing(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotate, "_BATCH", 2)
    add_root_key(bank)
    rotate.rotate_job(bank, {})
    for number in range(5):
        shred.shred(bank, PatientId("local", f"P{number}"), ADMIN)
    do_jobs(bank)

    assert here(bank) == {}
    told = [record for record in bank.blobs.kept_keys() if record.note is not None]
    assert len(told) == len(bank.keys.names_of(BANK)) == 1


def test_objects_from_before_accounts_had_keys_hold_the_old_root_key(bank: Bank) -> None:
    bank.blobs.sync([bank.blobs.write(BytesIO(b"old"), 3, b"note")])
    add_root_key(bank)
    rotate.rotate(bank, ADMIN)
    do_jobs(bank)

    assert rotate.status(bank).is_done
    assert sum(rotate.status(bank, objects=True).objects.values()) == 1
    assert not rotate.status(bank, objects=True).is_done


def test_only_who_administers_may_do_it(bank: Bank) -> None:
    with pytest.raises(NotAllowed):
        rotate.rotate(bank, replace(ADMIN, rights=RIGHTS[Role.CLINICIAN]))


def test_what_is_the_banks_own_cannot_be_shredded(bank: Bank) -> None:
    assert bank.keys.names_of(BANK)
    with pytest.raises(NotFound):
        shred.shred(bank, BANK, ADMIN)
