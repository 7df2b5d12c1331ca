"""What becomes of an object that comes again: from somebody else, or when what is held of it is lost."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import generate_uid

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import remove, scrub
from imagebank.bank import Bank
from imagebank.cli import operator
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
        scrub.reindex(bank)
        left = held(bank, ours)

    assert (foreign.outcome, own.outcome) == (Outcome.QUARANTINED, Outcome.STORED)
    assert (after_foreign, after_own) == ([ours], [revised])
    assert left == [], "what lies in quarantine comes into no rebuilt index"
