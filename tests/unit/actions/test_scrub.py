"""What a check of everything finds, and what a rebuild makes of it."""

import errno
import io
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import ingest, notes, reindex, scrub
from imagebank.bank import Bank
from imagebank.dicom.digest import digest_of
from imagebank.errors import Unavailable, Unreadable
from imagebank.model.access import Scope
from imagebank.model.imaging import Location, Outcome, Selection
from imagebank.model.note import Note
from imagebank.storage.compressed import CompressedBlobs
from imagebank.storage.keys import FileKeys
from imagebank.storage.s3 import ObjectBlobs, open_s3
from make import a_dataset, a_file, as_file, read

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


def a_bad_place(location: Location) -> Callable[[int, Sequence[Any], int], int]:
    """A disk that cannot read the content of one record."""
    read_well = os.preadv

    def preadv(fd: int, buffers: Sequence[Any], offset: int) -> int:
        if location.offset <= offset < location.offset + location.length:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read_well(fd, buffers, offset)

    return preadv


def test_an_object_that_the_disk_cannot_read_is_named_and_the_others_are_read(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(bank, a_file(), a_file(), a_file())
    bad = bank.index.instances(Selection(), ALL)[1]
    monkeypatch.setattr(os, "preadv", a_bad_place(bad.location))
    with pytest.raises(Unreadable):
        bank.blobs.read(bad.location)
    findings = scrub.verify(bank)

    assert not findings.is_clean
    assert (findings.checked, findings.lost) == (3, [])
    assert [one.partition(":")[0] for one in findings.damaged] == [bad.uid]
    assert "Input/output error" in findings.damaged[0]


def segment_of(bank: Bank, location: Location) -> Path:
    (path,) = bank.settings.data.glob(f"objects/*/{location.segment}.seg")
    return path


def test_a_segment_that_cannot_be_opened_does_not_keep_the_others_from_being_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_test_bank(tmp_path) as bank:
        monkeypatch.setattr(cast("Any", bank.blobs)._store, "_alone_bytes", 0)  # each object in a file of its own
        keep(bank, *(a_file() for _ in range(5)))
    with open_test_bank(tmp_path) as bank:
        _, unopened, unread, gone, damaged = at = sorted(locations(bank), key=lambda one: one.segment)
        names = {one.location: one.uid for one in bank.index.instances(Selection(), ALL)}
        for location, target in ((unopened, segment_of(bank, unopened)), (unread, Path("/proc/self/mem"))):
            path = segment_of(bank, location)
            path.unlink()
            path.symlink_to(target)  # one that leads to itself, and the memory of a process where there is none
        segment_of(bank, gone).unlink()
        damage(bank, damaged)
        findings = scrub.verify(bank)

    found = {one.partition(":")[0]: one for one in findings.damaged}
    assert (findings.checked, len(at)) == (4, 5)
    assert [one.partition(":")[0] for one in findings.lost] == [names[gone]]
    assert set(found) == {names[unopened], names[unread], names[damaged]} | {
        "not all records that no row refers to could be looked for"
    }
    assert "symbolic links" in found[names[unopened]]
    assert "Input/output error" in found[names[unread]]


def test_a_store_that_does_not_answer_at_all_ends_the_check(
    bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(bank, a_file(), a_file())
    store, prefix = open_s3("s3://bucket/p", endpoint="http://127.0.0.1:1", access_key="a", secret_key="b")
    blobs = CompressedBlobs(ObjectBlobs(store, FileKeys(tmp_path / "other.key"), prefix=prefix), lambda *_: b"")
    refusing = replace(bank, blobs=blobs)
    with pytest.raises(Unavailable, match="the object store does not answer"):
        scrub.verify(refusing)

    def away(*_: Any) -> None:
        raise Unavailable("it went away in the midst of it")

    monkeypatch.setattr(type(bank.blobs), "from_store", away)
    with pytest.raises(Unavailable, match="went away"):
        scrub.verify(bank)


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


def altered(bank: Bank, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(bank.settings.data / "index.db", isolation_level=None)) as database:
        database.execute(statement, values)


_PLACE = ("segment_id", "segment_offset", "length", "size", "digest", "content_digest", "dataset_offset", "pixels")


def test_a_row_that_leads_to_another_object_is_found_and_nothing_is_swept_then(bank: Bank) -> None:
    mine, other = a_dataset(), a_dataset()
    keep(bank, as_file(mine), as_file(other))
    pairs = ", ".join(f"{name} = other.{name}" for name in _PLACE)
    statement = f"UPDATE instance SET {pairs} FROM instance other WHERE other.sop_instance_uid = ? AND instance.sop_instance_uid = ?"
    altered(bank, statement, other.SOPInstanceUID, mine.SOPInstanceUID)
    (orphan,) = scrub.verify(bank).orphans
    findings = scrub.verify(in_two_hours(bank), sweep=True)

    assert [one.partition(":")[0] for one in findings.damaged] == [
        mine.SOPInstanceUID,
        "nothing was swept, while rows lead to records of other objects",
    ]
    assert f"leads to the record of another object, {other.SOPInstanceUID}" in findings.damaged[0]
    assert scrub.verify(bank).orphans == [orphan]


def test_a_row_that_was_put_into_another_study_is_found(bank: Bank) -> None:
    mine, other = a_dataset(), a_dataset()
    keep(bank, as_file(mine), as_file(other))
    altered(
        bank,
        "UPDATE instance SET series_row = (SELECT series_row FROM instance WHERE sop_instance_uid = ?) "
        "WHERE sop_instance_uid = ?",
        other.SOPInstanceUID,
        mine.SOPInstanceUID,
    )
    (finding,) = scrub.verify(bank).damaged

    assert finding.startswith(f"{mine.SOPInstanceUID}: its row stands in another study or series than its record")


def test_a_row_with_other_digests_than_its_record_is_found(bank: Bank) -> None:
    keep(bank, a_file())
    altered(bank, "UPDATE instance SET content_digest = zeroblob(length(content_digest))")
    (finding,) = scrub.verify(bank).damaged

    assert "its row has other digests than its record" in finding


def test_objects_with_long_headers_and_files_without_dicom_are_known_by_their_rows(bank: Bank) -> None:
    (long,) = keep(bank, a_file(TextValue="x" * 100_000))
    file = bank.blobs.write(io.BytesIO(b"photograph"), 10, notes.pack(a_note_of_a_file(bank, str(long.uid))))
    bank.blobs.sync([file])
    keep_original(bank, file)
    assert scrub.verify(bank).is_clean

    other = a_dataset()
    keep(bank, as_file(other))
    altered(bank, "UPDATE instance_history SET sop_instance_uid = ?", other.SOPInstanceUID)
    (finding,) = scrub.verify(bank).damaged
    assert finding.startswith(f"{other.SOPInstanceUID}: its row leads to the file of another object, {long.uid}")


def a_note_of_a_file(bank: Bank, uid: str) -> Note:
    digest = digest_of(b"photograph")
    return Note(SOURCE, bank.now(), digest, digest, made_into=uid, media_type="image/jpeg")


def keep_original(bank: Bank, location: Location) -> None:
    note = notes.note_at(bank, location)
    with bank.index.begin() as tx:
        tx.keep_original(notes.original_of(note, location, bank.blobs.wrapped_by(location)))
