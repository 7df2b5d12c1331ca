"""What becomes of a deposit."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pytest
from pydicom.uid import ImplicitVRLittleEndian, generate_uid

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import ingest
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, Mismatch
from imagebank.model.access import Scope
from imagebank.model.imaging import Instance, Outcome, Receipt, Selection
from imagebank.model.uid import Uid
from make import a_dataset, a_file, as_file, read

ALL = Scope(organizations=None)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def held(bank: Bank) -> list[Instance]:
    return bank.index.instances(Selection(), ALL)


def deposit(bank: Bank, content: IO[bytes], size: int, **given: Any) -> Receipt:
    (receipt,) = ingest.receive(bank, [ingest.Arrival(content, size, "a.dcm")], SOURCE, **given)
    return receipt


def in_two_codings(**attributes: Any) -> tuple[bytes, bytes]:
    """One object, and what other software on its way made of it."""
    ds = a_dataset(**attributes)
    return as_file(ds), as_file(ds, ImplicitVRLittleEndian)


def damage(bank: Bank, instance: Instance) -> None:
    (path,) = bank.settings.data.glob(f"objects/*/{instance.location.segment}.seg")
    content = bytearray(path.read_bytes())
    content[instance.location.offset + instance.location.size // 2] ^= 1
    path.write_bytes(content)


def test_each_object_has_its_own_receipt_in_the_order_of_sending(bank: Bank) -> None:
    first, second = a_file(), a_file()
    receipts = keep(bank, first, b"no image", second, first, b"")

    stored, duplicate, refused = Outcome.STORED, Outcome.DUPLICATE, Outcome.REFUSED
    assert [one.outcome for one in receipts] == [stored, refused, stored, duplicate, refused]
    assert [one.uid for one in receipts if one.is_kept] == [read(f).SOPInstanceUID for f in (first, second, first)]
    assert len(held(bank)) == 2


def test_a_file_on_disk_is_taken_as_one_in_memory(bank: Bank, tmp_path: Path) -> None:
    file = a_file()
    path = tmp_path / "a.dcm"
    path.write_bytes(file)
    with path.open("rb") as stream:
        receipt = deposit(bank, stream, len(file))
    (again,) = keep(bank, file)
    (instance,) = held(bank)

    assert (receipt.outcome, again.outcome) == (Outcome.STORED, Outcome.DUPLICATE)
    assert bank.blobs.read(instance.location) == file


def test_an_empty_file_on_disk_is_refused(bank: Bank, tmp_path: Path) -> None:
    path = tmp_path / "empty.dcm"
    path.touch()
    with path.open("rb") as stream:
        receipt = deposit(bank, stream, 0)

    assert receipt.outcome is Outcome.REFUSED


def test_an_object_larger_than_the_bank_takes_is_refused(tmp_path: Path) -> None:
    with open_test_bank(tmp_path, max_instance_bytes=1000) as bank:
        (receipt,) = keep(bank, a_file(rows=64, columns=64))

    assert receipt.outcome is Outcome.REFUSED
    assert "1000 bytes" in str(receipt.error)


def test_what_belongs_to_another_study_than_the_one_it_was_sent_to_is_refused(bank: Bank) -> None:
    file = a_file()
    ds = read(file)
    wrong = deposit(bank, io.BytesIO(file), len(file), only_study=Uid("1.2.3"))
    right = deposit(bank, io.BytesIO(file), len(file), only_study=Uid(ds.StudyInstanceUID))

    assert wrong.outcome is Outcome.REFUSED
    assert isinstance(wrong.error, Mismatch)
    assert (wrong.study, wrong.uid) == (ds.StudyInstanceUID, ds.SOPInstanceUID)
    assert right.outcome is Outcome.STORED


def test_a_file_that_was_cut_short_before_it_was_read_is_refused(bank: Bank, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(a_file())
    with path.open("rb") as stream:
        receipt = deposit(bank, stream, path.stat().st_size + 1)

    assert receipt.outcome is Outcome.REFUSED
    assert "changed while it was read" in str(receipt.error)


class Growing(io.FileIO):
    """A file to which somebody writes once more as soon as its bytes have been read to the end."""

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        if not content:
            with Path(str(self.name)).open("ab") as other:
                other.write(b"more")
        return content


def test_a_file_that_grows_between_two_readings_is_refused_and_nothing_of_it_is_kept(
    bank: Bank, tmp_path: Path
) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(a_file())
    size = path.stat().st_size
    with Growing(path) as stream:
        receipt = deposit(bank, stream, size)

    assert receipt.outcome is Outcome.REFUSED
    assert "bring it in again once it is complete" in str(receipt.error)
    assert held(bank) == []


def test_other_content_under_a_known_name_is_laid_aside(bank: Bank) -> None:
    file = a_file()
    keep(bank, file)
    (receipt,) = keep(bank, a_file(SOPInstanceUID=read(file).SOPInstanceUID))
    (aside,) = bank.index.quarantined(ALL)

    assert receipt.outcome is Outcome.QUARANTINED
    assert isinstance(receipt.error, Conflict)
    assert "safe in quarantine" in str(receipt.error)
    assert receipt.quarantine == aside.id


def test_an_object_that_other_software_wrote_anew_is_a_duplicate(bank: Bank) -> None:
    explicit, implicit = in_two_codings()
    receipts = keep(bank, explicit, implicit)

    assert [one.outcome for one in receipts] == [Outcome.STORED, Outcome.DUPLICATE]


def test_an_object_too_large_to_be_compared_value_by_value_has_to_be_equal_byte_by_byte(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "_MAX_COMPARED", 1000)  # the real bound is far above what a test should write
    explicit, implicit = in_two_codings(rows=32, columns=32)
    receipts = keep(bank, explicit, explicit, implicit)

    assert [one.outcome for one in receipts] == [Outcome.STORED, Outcome.DUPLICATE, Outcome.QUARANTINED]


def test_what_is_held_but_damaged_gives_way_to_the_same_content(bank: Bank) -> None:
    file = a_file()
    keep(bank, file)
    damage(bank, held(bank)[0])
    (receipt,) = keep(bank, file)
    (instance,) = held(bank)

    assert receipt.outcome is Outcome.STORED
    assert bank.blobs.read(instance.location) == file


def test_what_cannot_be_compared_because_it_is_damaged_is_not_replaced(bank: Bank) -> None:
    explicit, implicit = in_two_codings()
    keep(bank, explicit)
    (before,) = held(bank)
    damage(bank, before)
    (receipt,) = keep(bank, implicit)

    assert receipt.outcome is Outcome.QUARANTINED
    assert held(bank) == [before]


def test_a_revision_takes_the_place_of_what_is_held_where_the_bank_says_so(tmp_path: Path) -> None:
    uids = {name: generate_uid() for name in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")}
    first, revised, foreign = a_file(**uids), a_file(**uids), a_file(**uids)
    with open_test_bank(tmp_path, duplicates="revise") as bank:
        keep(bank, first)
        (own,) = keep(bank, revised)
        (theirs,) = keep(bank, foreign, source=replace(SOURCE, organization="south"))
        (instance,) = held(bank)
        content = bank.blobs.read(instance.location)

    assert (own.outcome, theirs.outcome) == (Outcome.STORED, Outcome.QUARANTINED)
    assert content == revised


def test_the_digest_of_a_data_set_that_came_without_a_file_is_that_of_the_data_set(bank: Bank) -> None:
    file = a_file()
    arrival = ingest.Arrival(io.BytesIO(file), len(file), has_own_header=False)
    ingest.receive(bank, [arrival], SOURCE)
    keep(bank, a_file())
    without_file, with_file = sorted(held(bank), key=lambda one: one.uid != read(file).SOPInstanceUID)

    assert without_file.digest == without_file.content_digest
    assert with_file.digest != with_file.content_digest


def test_what_is_tolerated_is_said_on_the_receipt(bank: Bank) -> None:
    (receipt,) = keep(bank, a_file(StudyDate="20260102").replace(b"20260102", b"20261345"))

    assert receipt.outcome is Outcome.STORED
    assert len(receipt.warnings) == 1
    assert not isinstance(receipt.error, Invalid)
