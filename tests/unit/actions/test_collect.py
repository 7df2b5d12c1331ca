"""Bringing in a folder or an archive: every file is accounted for, once."""

import errno
import json
import os
import re
import shutil
import sqlite3
import struct
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from bank import SOURCE, open_test_bank
from imagebank.actions import archives, collect
from imagebank.actions.collect import BATCH_BYTES, BATCH_FILES, Found, Journal, Tally
from imagebank.bank import Bank
from imagebank.errors import Invalid, Unavailable
from imagebank.model.access import Scope
from imagebank.model.imaging import Outcome, Selection
from make import a_file, a_series, read

ALL = Scope(organizations=None)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """The folder that is brought in."""
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


def fill(folder: Path, *files: bytes) -> list[Path]:
    paths = [folder / f"{number:04}.dcm" for number, _ in enumerate(files)]
    for path, file in zip(paths, files, strict=True):
        path.write_bytes(file)
    return paths


def bring_in(bank: Bank, files: list[Found]) -> Tally:
    """Bring files in with the journal that lies beside the bank."""
    tally = Tally()
    journal = Journal(bank.settings.data / "journals" / "import.jsonl")
    try:
        collect.bring_in(bank, files, SOURCE, journal, tally)
    finally:
        journal.close()
    return tally


def reasons(tally: Tally) -> dict[str, str]:
    """Why a file was refused, by the end of its name."""
    return {name.rpartition("/")[2]: reason for name, reason in tally.refused}


def count(bank: Bank) -> int:
    return len(bank.index.instances(Selection(), ALL))


def zipped(path: Path, *entries: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def test_what_is_not_there_is_said_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="nowhere"):
        collect.look([tmp_path, tmp_path / "nowhere"])


def test_a_look_finds_regular_files_in_one_order_and_follows_no_link(inside: Path) -> None:
    (inside / "b").mkdir()
    first, second = fill(inside, a_file(), a_file())
    (third,) = fill(inside / "b", a_file())
    (inside / "link").symlink_to(first)
    os.mkfifo(inside / "pipe")

    assert [found.path for found in collect.look([inside])] == [first, second, third]
    assert [found.path for found in collect.look([second])] == [second]


def nest(folder: Path, depth: int) -> None:
    """Folders within folders, deeper than a path can name."""
    at = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d" * 200, dir_fd=at)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)


def test_a_folder_that_cannot_be_looked_into_is_refused_by_name_and_not_passed_over(bank: Bank, inside: Path) -> None:
    fill(inside, a_file())
    nest(inside, 25)
    try:
        tally = bring_in(bank, collect.look([inside]))
    finally:
        shutil.rmtree(inside)

    assert (tally.outcomes[Outcome.STORED], tally.outcomes[Outcome.REFUSED]) == (1, 1)
    ((name, reason),) = tally.refused
    assert name.endswith("/" + "d" * 200)
    assert "cannot be read" in reason


def test_what_changes_between_the_look_and_the_reading_is_refused_by_name(bank: Bank, inside: Path) -> None:
    gone, emptied, folder, good = fill(inside, a_file(), a_file(), a_file(), a_file())
    files = collect.look([inside])
    gone.unlink()
    emptied.write_bytes(b"")
    folder.unlink()
    folder.mkdir()
    tally = bring_in(bank, files)

    assert tally.outcomes == {Outcome.STORED: 1, Outcome.REFUSED: 3}
    assert set(reasons(tally)) == {gone.name, emptied.name, folder.name}
    assert "empty" in reasons(tally)[emptied.name]
    assert good.name not in reasons(tally)


def test_a_file_that_goes_while_a_folder_is_listed_is_none(tmp_path: Path) -> None:
    assert list(collect._found(tmp_path / "gone.dcm")) == []


def test_what_could_not_be_read_once_is_read_the_next_time(bank: Bank, inside: Path) -> None:
    (path,) = fill(inside, a_file())
    files = collect.look([inside])
    path.rename(inside / "away")
    first = bring_in(bank, files)
    still_away = collect.can_read(files[0])
    (inside / "away").rename(path)
    again = bring_in(bank, files)

    assert (first.outcomes, first.unread) == ({Outcome.REFUSED: 1}, {path})
    assert not still_away
    assert collect.can_read(files[0])
    assert collect.can_read(Found(inside, 0, 0))
    assert (again.skipped, again.outcomes, again.unread) == (0, {Outcome.STORED: 1}, set())


def test_what_was_not_taken_is_told_again_when_it_is_not_read_again(bank: Bank, inside: Path) -> None:
    kept = a_file()
    other = a_file(SOPInstanceUID=str(read(kept).SOPInstanceUID))
    fill(inside, kept, other)
    zipped(inside / "cd.zip", ("readme.txt", b"hello"), ("1", a_file()))
    first = bring_in(bank, collect.look([inside]))
    again = bring_in(bank, collect.look([inside]))

    assert first.outcomes == {Outcome.STORED: 2, Outcome.QUARANTINED: 1, Outcome.REFUSED: 1}
    assert again.outcomes == again.before == {Outcome.QUARANTINED: 1, Outcome.REFUSED: 1}
    assert (again.refused, again.reasons) == (first.refused, first.reasons)
    assert (again.skipped, again.skipped_whole) == (3, 1)
    assert again.is_complete


def test_a_disk_that_fails_says_nothing_against_the_archive() -> None:
    assert isinstance(archives.broken("the entry", OSError(errno.EIO, os.strerror(errno.EIO))), Unavailable)
    assert isinstance(archives.broken("the entry", OSError("Invalid data stream")), Invalid)


def test_a_second_import_reads_only_what_has_changed(bank: Bank, inside: Path) -> None:
    first, second = fill(inside, a_file(), a_file())
    bring_in(bank, collect.look([inside]))
    second.write_bytes(a_file(rows=16))
    again = bring_in(bank, collect.look([inside]))

    assert again.skipped == 1
    assert again.outcomes == {Outcome.STORED: 1}
    assert (again.is_complete, again.bytes_done) == (True, first.stat().st_size + second.stat().st_size)


def test_a_journal_that_was_cut_short_costs_one_file(bank: Bank, inside: Path) -> None:
    fill(inside, a_file(), a_file())
    bring_in(bank, collect.look([inside]))
    journal = bank.settings.data / "journals" / "import.jsonl"
    journal.write_text(journal.read_text()[:-9])
    again = bring_in(bank, collect.look([inside]))

    assert (again.skipped, again.outcomes) == (1, {Outcome.DUPLICATE: 1})


def test_a_large_import_goes_in_batches_and_settles_each(bank: Bank, inside: Path) -> None:
    fill(inside, *a_series(BATCH_FILES + 1))
    files = collect.look([inside])
    journal = Journal(bank.settings.data / "import.jsonl")
    tally, steps = Tally(), []
    collect.bring_in(bank, files, SOURCE, journal, tally, lambda: steps.append(sum(map(journal.knows, files))))
    journal.close()

    assert steps == [BATCH_FILES - 1, BATCH_FILES + 1], "the file whose object filled a batch may hold more of them"
    assert tally.outcomes == {Outcome.STORED: BATCH_FILES + 1}
    assert tally.is_complete


def test_many_files_of_which_none_is_an_object_are_settled_in_between(bank: Bank, inside: Path) -> None:
    fill(inside, *[b""] * (BATCH_FILES + 1))
    files = collect.look([inside])
    journal = Journal(bank.settings.data / "import.jsonl")
    tally, steps = Tally(), []
    collect.bring_in(bank, files, SOURCE, journal, tally, lambda: steps.append(tally.files_done))
    journal.close()

    assert steps == [BATCH_FILES, BATCH_FILES + 1]
    assert tally.outcomes == {Outcome.REFUSED: BATCH_FILES + 1}


def test_what_the_database_refuses_is_not_settled(bank: Bank, inside: Path) -> None:
    (path,) = fill(inside, a_file())
    with closing(sqlite3.connect(bank.settings.data / "index.db")) as database:
        database.execute("CREATE TRIGGER refusal BEFORE INSERT ON study BEGIN SELECT raise(ABORT, 'refused'); END")
    with pytest.raises(IntegrityError, match="refused"):
        bring_in(bank, collect.look([path]))
    with closing(sqlite3.connect(bank.settings.data / "index.db")) as database:
        database.execute("DROP TRIGGER refusal")
    again = bring_in(bank, collect.look([path]))

    assert (again.skipped, again.outcomes) == (0, {Outcome.STORED: 1})


def test_every_entry_of_an_archive_is_an_object_or_refused(bank: Bank, inside: Path) -> None:
    first, second = a_file(), a_file()
    path = zipped(inside / "cd.zip", ("DICOM/", b""), ("DICOM/1", first), ("2", second), ("readme.txt", b"hello"))
    tally = bring_in(bank, collect.look([path]))

    assert tally.outcomes == {Outcome.STORED: 2, Outcome.REFUSED: 1}
    assert set(reasons(tally)) == {"readme.txt"}
    assert {str(one.uid) for one in bank.index.instances(Selection(), ALL)} == {
        str(read(file).SOPInstanceUID) for file in (first, second)
    }


def test_a_tally_tells_what_was_tolerated_and_why_others_were_refused(bank: Bank, inside: Path) -> None:
    odd_date = a_file(StudyDate="20260102").replace(b"20260102", b"20261345")
    fill(inside, odd_date, b"no image", b"none either")
    tally = bring_in(bank, collect.look([inside]))

    assert tally.warnings.total() == 1
    assert list(tally.reasons.values()) == [2]


def test_an_archive_that_would_fill_the_memory_is_not_expanded(bank: Bank, inside: Path) -> None:
    path = zipped(inside / "bomb.zip", ("bomb", bytes(4 << 20)), ("good", a_file()))
    tally = bring_in(bank, collect.look([path]))

    assert tally.outcomes == {Outcome.STORED: 1, Outcome.REFUSED: 1}
    assert "expand" in reasons(tally)["bomb"]


def test_an_entry_that_is_said_to_be_too_large_is_refused(bank: Bank, inside: Path) -> None:
    path = inside / "large.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("large", a_file())
        archive.writestr("good", a_file())
        entry = archive.getinfo("large")
        entry.file_size = entry.compress_size = BATCH_BYTES * 8 + 1
    tally = bring_in(bank, collect.look([path]))

    assert tally.outcomes == {Outcome.STORED: 1, Outcome.REFUSED: 1}
    assert "unpack it first" in reasons(tally)["large"]


def test_an_entry_that_ends_too_early_is_refused_in_words(bank: Bank, inside: Path) -> None:
    path = inside / "short.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("short", a_file())
        entry = archive.getinfo("short")
        entry.file_size = entry.compress_size = 1 << 20
    tally = bring_in(bank, collect.look([path]))

    assert tally.outcomes == {Outcome.REFUSED: 1}
    # Python 3.13 sees it before it reads: the entry would reach into what follows.
    assert re.search("ends too early|Overlapped entries", reasons(tally)["short"])


def test_an_archive_whose_table_is_broken_is_refused_by_its_own_name(bank: Bank, inside: Path) -> None:
    path = zipped(inside / "broken.zip", ("one", a_file()))
    content = bytearray(path.read_bytes())
    table = struct.unpack_from("<I", content, len(content) - 6)[0]
    content[table : table + 4] = b"none"
    path.write_bytes(content)
    tally = bring_in(bank, collect.look([path]))

    assert tally.outcomes == {Outcome.REFUSED: 1}
    assert "archive cannot be read" in reasons(tally)["broken.zip"]


def test_an_archive_of_more_entries_than_any_real_one_is_read_to_the_bound(
    bank: Bank, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_MAX_ENTRIES", 2)  # a million entries take minutes to write
    path = zipped(inside / "many.zip", *((str(number), file) for number, file in enumerate(a_series(3))))
    tally = bring_in(bank, collect.look([path]))

    assert tally.outcomes == {Outcome.STORED: 2, Outcome.REFUSED: 1}
    assert "first 2 entries" in reasons(tally)["many.zip"]


def test_a_name_that_is_not_utf_8_is_marked_in_what_is_said_and_found_again(bank: Bank, inside: Path) -> None:
    name = os.fsdecode(b"M\xfcller.dcm")
    (inside / name).write_bytes(b"no image")
    tally = bring_in(bank, collect.look([inside]))
    again = bring_in(bank, collect.look([inside]))
    (line,) = (bank.settings.data / "journals" / "import.jsonl").read_text().splitlines()

    assert set(reasons(tally)) == {"M\ufffdller.dcm"}
    assert again.skipped == 1
    assert "ller.dcm" not in json.loads(line)[0], "a path may name a patient"
