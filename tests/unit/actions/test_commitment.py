"""Whoever asks whether objects are safe gets an answer that was read from the bytes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import commitment
from imagebank.actions.commitment import CLASS_INSTANCE_CONFLICT, NO_SUCH_OBJECT, PROCESSING_FAILURE
from imagebank.bank import Bank
from imagebank.errors import Unavailable
from imagebank.model.access import Scope
from imagebank.model.imaging import Instance, Selection
from imagebank.model.uid import Uid
from make import a_file, a_series

OURS = Scope.of(SOURCE.organization)
MR = Uid("1.2.840.10008.5.1.4.1.1.4")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def held(bank: Bank) -> list[Instance]:
    return bank.index.instances(Selection(), OURS)


def segment(bank: Bank, instance: Instance) -> Path:
    (path,) = bank.settings.data.glob(f"objects/*/{instance.location.segment}.seg")
    return path


def test_what_is_kept_whole_is_committed_and_each_other_object_has_its_reason(bank: Bank) -> None:
    keep(bank, *a_series(2))
    whole, other = held(bank)
    unknown = Uid(generate_uid())
    answer = commitment.commit(bank, [(whole.sop_class, whole.uid), (MR, other.uid), (whole.sop_class, unknown)], OURS)

    assert answer.held == ((whole.sop_class, whole.uid),)
    assert answer.failed == (
        (MR, other.uid, CLASS_INSTANCE_CONFLICT),
        (whole.sop_class, unknown, NO_SUCH_OBJECT),
    )


def test_what_another_organization_keeps_is_not_known(bank: Bank) -> None:
    keep(bank, a_file())
    (one,) = held(bank)
    answer = commitment.commit(bank, [(one.sop_class, one.uid)], Scope.of("elsewhere"))

    assert answer.failed == ((one.sop_class, one.uid, NO_SUCH_OBJECT),)


def test_what_is_damaged_is_not_committed(bank: Bank) -> None:
    keep(bank, a_file())
    (one,) = held(bank)
    path = segment(bank, one)
    content = bytearray(path.read_bytes())
    content[one.location.offset + one.location.size // 2] ^= 1
    path.write_bytes(content)
    answer = commitment.commit(bank, [(one.sop_class, one.uid)], OURS)

    assert answer.failed == ((one.sop_class, one.uid, PROCESSING_FAILURE),)


def test_a_store_that_does_not_answer_is_no_answer(bank: Bank) -> None:
    keep(bank, a_file())
    (one,) = held(bank)
    path = segment(bank, one)
    path.rename(path.with_suffix(".away"))
    path.mkdir()

    with pytest.raises(Unavailable):
        commitment.commit(bank, [(one.sop_class, one.uid)], OURS)
