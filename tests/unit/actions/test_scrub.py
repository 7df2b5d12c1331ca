"""What a check of everything finds, and what a rebuild makes of it."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import ingest, notes, reindex, scrub
from imagebank.bank import Bank
from imagebank.dicom.digest import digest_of
from imagebank.model.access import Scope
from imagebank.model.imaging import Location, Outcome, Selection
from imagebank.model.note import Note
from make import a_file, read

ALL = Scope(organizations=None)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def in_two_hours(bank: Bank) -> Bank:
    return replace(bank, now=lambda: bank.now() + timedelta(hours=2))


def locations(bank: Bank) -> list[Location]:
    return [one.location for one in bank.index.instances(Selection(), ALL)]


def damage(bank: Bank, location: Location) -> None:
    (path,) = bank.settings.data.glob(f"objects/*/{location.segment}.seg")
    content = bytearray(path.read_bytes())
    content[location.offset + location.size // 2] ^= 1
    path.write_bytes(content)


def leave_behind(bank: Bank, file: bytes) -> Location:
    """What a deposit leaves that dies between its bytes and its row."""
    digest = digest_of(file)
    location = bank.blobs.write(io.BytesIO(file), len(file), notes.pack(Note(SOURCE, bank.now(), digest, digest)))
    bank.blobs.sync([location])
    return location


def test_a_bank_is_clean_whether_its_objects_came_as_files_or_as_data_sets(bank: Bank) -> None:
    file = a_file()
    ingest.receive(bank, [ingest.Arrival(io.BytesIO(file), len(file), has_own_header=False)], SOURCE)
    keep(bank, a_file())
    steps: list[tuple[int, int]] = []
    findings = scrub.verify(bank, progress=lambda done, total: steps.append((done, total)))

    assert (findings.is_clean, findings.checked) == (True, 2)
    assert findings.bytes == sum(location.size for location in locations(bank))
    assert steps == [(1, 2), (2, 2)]


def test_a_sweep_destroys_old_records_without_a_row_unless_they_are_damaged(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        keep(bank, a_file())
        broken, whole = leave_behind(bank, a_file()), leave_behind(bank, a_file())
    with open_test_bank(tmp_path) as bank:
        damage(bank, broken)
        young = scrub.verify(bank, sweep=True)
        old = scrub.verify(in_two_hours(bank), sweep=True)
        after = scrub.verify(bank)
        readable = [record.location for record in bank.blobs.records() if record.note is not None]

    assert (len(young.orphans), len(old.orphans)) == (2, 2)
    assert after.orphans == [scrub.where(scrub.place_of(broken))]
    assert broken in readable
    assert whole not in readable


@pytest.mark.parametrize("place", [0, 1])
def test_an_object_with_one_wrong_byte_is_damaged_wherever_it_lies(bank: Bank, place: int) -> None:
    keep(bank, a_file(), a_file())
    damage(bank, sorted(locations(bank), key=lambda one: one.offset)[place])
    findings = scrub.verify(bank)

    assert not findings.is_clean
    assert (len(findings.damaged), findings.lost, findings.orphans) == (1, [], [])


class Changing(io.BytesIO):
    """Content of which somebody writes another byte once it has been read for its digest."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if offset == 0:
            super().seek(-1, io.SEEK_END)
            last = self.read(1)
            super().seek(-1, io.SEEK_END)
            self.write(bytes([last[0] ^ 1]))
        return super().seek(offset, whence)


@pytest.mark.parametrize("has_own_header", [True, False])
def test_what_is_not_what_its_digest_says_is_found_and_never_taken_in_again(
    bank: Bank, *, has_own_header: bool
) -> None:
    file = a_file()
    arrival = ingest.Arrival(Changing(file), len(file), "changing.dcm", has_own_header)
    (receipt,) = ingest.receive(bank, [arrival], SOURCE)
    findings = scrub.verify(bank)
    rebuilt = reindex.reindex(bank)
    (aside,) = bank.index.quarantined(ALL)

    assert receipt.outcome is Outcome.STORED, "nobody could know yet"
    assert [read(file).SOPInstanceUID in one and "digest" in one for one in findings.damaged] == [True]
    assert (rebuilt.objects, len(rebuilt.unreadable)) == (0, 1)
    assert "digest" in aside.reason
    assert locations(bank) == []


def test_what_is_deleted_while_the_index_is_rebuilt_does_not_come_back(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reindex, "_BATCH", 1)
    keep(bank, a_file(), a_file())
    first, second = sorted(locations(bank), key=lambda one: one.offset)

    def delete_the_other(*_: Any) -> None:
        bank.blobs.destroy([second])

    rebuilt = reindex.reindex(bank, delete_the_other)

    assert (rebuilt.objects, rebuilt.unreadable) == (1, [])
    assert locations(bank) == [first]
