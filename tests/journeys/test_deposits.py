"""What becomes of an object that comes again: from somebody else, or when what is held of it is lost."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import generate_uid

from bank import SOURCE, keep, open_test_bank
from imagebank import worker
from imagebank.actions import reindex, remove, scrub
from imagebank.bank import Bank
from imagebank.cli.console import operator
from imagebank.model.access import Scope
from imagebank.model.imaging import Instance, Outcome, Selection
from imagebank.model.uid import Uid
from journeys.senders import uid_of
from make import a_file

SOUTH = replace(SOURCE, organization="south")


def held(bank: Bank, file: bytes, scope: Scope | None = None) -> list[Instance]:
    return bank.index.instances(Selection(instance=Uid(uid_of(file))), scope or operator(bank).scope)


@pytest.fixture
def uids() -> dict[str, Any]:
    return {name: generate_uid() for name in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")}


@pytest.mark.parametrize("is_alone", [True, False])
def test_another_organization_puts_nothing_in_the_place_of_what_is_held(
    tmp_path: Path, uids: dict[str, Any], *, is_alone: bool
) -> None:
    ours, theirs, revised = (a_file(**uids, PatientName=name) for name in ("Doe^Jane", "Roe^Rick", "Doe^Janet"))
    with open_test_bank(tmp_path, duplicates="revise") as bank:
        keep(bank, *([] if is_alone else [a_file(**uids | {"SOPInstanceUID": generate_uid()})]), ours)
        (foreign,) = keep(bank, theirs, source=SOUTH)
        after_foreign = [bank.blobs.read(one.location) for one in held(bank, ours, Scope.of("local"))]
        (own,) = keep(bank, revised)
        after_own = [bank.blobs.read(one.location) for one in held(bank, ours)]
        remove.remove(bank, Selection(study=Uid(uids["StudyInstanceUID"])), operator(bank))
        reindex.reindex(bank)
        left = held(bank, ours)

    assert (foreign.outcome, own.outcome) == (Outcome.QUARANTINED, Outcome.STORED)
    assert (after_foreign, after_own) == ([ours], [revised])
    assert left == [], "what lies in quarantine comes into no rebuilt index"


def damage(bank: Bank, file: bytes, part: float) -> None:
    """Change a byte of what is held, somewhere between its first (0) and its last one (1)."""
    (instance,) = held(bank, file)
    (path,) = bank.settings.data.rglob(f"{instance.location.segment}.seg")
    with path.open("r+b") as segment:
        segment.seek(instance.location.offset + int(part * (instance.location.size + 300)))
        (byte,) = segment.read(1)
        segment.seek(-1, os.SEEK_CUR)
        segment.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("part", [0.0, 0.001, 0.5, 1.0])
def test_what_is_damaged_is_mended_by_sending_it_again(tmp_path: Path, part: float) -> None:
    file = a_file(rows=256, columns=256)
    with open_test_bank(tmp_path) as bank:
        keep(bank, file, a_file())
        damage(bank, file, part)
        is_clean_before = scrub.verify(bank).is_clean
        mended, again = keep(bank, file), keep(bank, file)
        (instance,) = held(bank, file)
        content = bank.blobs.read(instance.location)
        while worker.step(bank):
            pass
        after = scrub.verify(bank)
        rebuilt = reindex.reindex(bank)

    assert not is_clean_before
    assert [receipt.outcome for receipt in mended + again] == [Outcome.STORED, Outcome.DUPLICATE]
    assert content == file
    assert (after.is_clean, after.checked, after.orphans) == (True, 2, [])
    assert (rebuilt.objects, rebuilt.unreadable) == (2, [])


def test_what_is_lost_is_mended_by_sending_it_again(tmp_path: Path) -> None:
    file = a_file()
    with open_test_bank(tmp_path) as bank:
        keep(bank, file)
        (path,) = bank.settings.data.rglob(f"{held(bank, file)[0].location.segment}.seg")
    path.unlink()
    with open_test_bank(tmp_path) as bank:
        lost = scrub.verify(bank).lost
        (foreign,), (mended,) = keep(bank, file, source=SOUTH), keep(bank, file)
        after = scrub.verify(bank)

    assert len(lost) == 1
    assert foreign.outcome is Outcome.QUARANTINED, "it is safe, and not the owner's"
    assert mended.outcome is Outcome.STORED
    assert after.is_clean
