"""`imagebank import`: everything is looked at once, and accounted for."""

import io
import json
import os
import re
import signal
import socket
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import generate_uid

from bank import SOURCE, open_test_bank
from imagebank.actions import ingest
from imagebank.model.imaging import Outcome
from journeys.senders import as_files, dataset_of, uid_of
from make import a_file
from running import Said, imagebank, kill_tree, start_program, wait_for
from samples import sample_data

_opened: list[str] = []
_is_watching = False


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _is_watching and event == "open" and isinstance(arguments[0], str):
        _opened.append(arguments[0])


sys.addaudithook(_note)


@contextmanager
def opened_below(folder: Path) -> Iterator[set[str]]:
    """The names of files below a folder that this process opens during the block; filled at its end."""
    global _is_watching  # noqa: PLW0603 - an audit hook cannot be taken out again, only be told to look away
    found: set[str] = set()
    _opened.clear()
    _is_watching = True
    try:
        yield found
    finally:
        _is_watching = False
        found |= {Path(name).name for name in _opened if Path(name).is_relative_to(folder)}


def bring_in(data: Path, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    """Import; the exit status and the answer for machines."""
    said = imagebank("import", *arguments, "--json", "--data", data)
    return said.status, json.loads(said.out)


def counts(answer: dict[str, Any]) -> tuple[int, int, int, int]:
    return answer["stored"], answer["duplicate"], answer["refused"], answer["skipped"]


def reasons(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((one["file"], one["reason"]) for one in answer["refusals"])


def many(count: int) -> list[bytes]:
    """Files of one series that differ in their SOP Instance UID."""
    stem = generate_uid()[:40] + ".1"
    template = a_file(SOPInstanceUID=stem + "000000")
    return [template.replace(f"{stem}000000".encode(), f"{stem}{number:06}".encode()) for number in range(count)]


def zipped(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def test_folders_are_walked_to_their_end(tmp_path: Path) -> None:
    for depth in ("a", "a/b", "a/b/c d/e.f"):
        as_files(tmp_path / "in" / depth, a_file())

    assert bring_in(tmp_path / "bank", tmp_path / "in")[0] == 0
    assert counts(bring_in(tmp_path / "bank", tmp_path / "in")[1]) == (0, 0, 0, 3)


def test_an_archive_is_looked_into(tmp_path: Path) -> None:
    entries = {"DICOM/IM1": a_file(), "DICOM/deep/IM2.dcm": a_file(), "readme.txt": b"hello", "DICOM/": b""}
    path = zipped(tmp_path / "upload.ZIP", entries)
    status, answer = bring_in(tmp_path / "bank", path)

    assert status == 1
    assert counts(answer) == (2, 0, 1, 0)
    assert answer["files"] == 1
    assert [one["file"] for one in answer["refusals"]] == [f"{path}!/readme.txt"]


def test_an_archive_that_expands_beyond_reason_is_not_expanded(tmp_path: Path) -> None:
    path = zipped(tmp_path / "bomb.zip", {"bomb.dcm": bytes(200 << 20), "good.dcm": a_file()})
    status, answer = bring_in(tmp_path / "bank", path)

    assert status == 1
    assert counts(answer) == (1, 0, 1, 0)
    assert "expand" in answer["refusals"][0]["reason"]


def test_an_archive_that_is_cut_off_lies_in_quarantine(tmp_path: Path) -> None:
    path = zipped(tmp_path / "cut.zip", {"a.dcm": a_file()})
    path.write_bytes(path.read_bytes()[:-30])
    status, answer = bring_in(tmp_path / "bank", path)

    assert (status, answer["quarantined"]) == (1, 1)
    assert str(path) in answer["refusals"][0]["file"]


def damaged(path: Path, method: int) -> Path:
    """An archive of three entries; the compressed bytes of the second are damaged, and the third has no name."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in ("one", "two", "three"):
            archive.writestr(zipfile.ZipInfo(name) if name == "three" else name, a_file())
        second = archive.getinfo("two")
    content = bytearray(path.read_bytes())
    at = second.header_offset + 30 + len("two")
    content[at : at + 60] = b"\xff" * 60
    path.write_bytes(bytes(content).replace(b"three", b"\0hree"))
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_entry_does_not_keep_the_others_out(tmp_path: Path, method: int) -> None:
    inside = tmp_path / "in"
    as_files(inside, a_file())
    path = damaged(inside / "damaged.zip", method)
    status, answer = bring_in(tmp_path / "bank", inside)

    assert status == 1
    assert counts(answer) == (3, 0, 1, 0)
    assert answer["refusals"][0]["file"] == f"{path}!/two"
    again, told = bring_in(tmp_path / "bank", inside)
    assert (again, told["skipped"], told["refusals"]) == (1, 2, answer["refusals"])


def test_an_archive_whose_names_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    as_files(inside, a_file())
    path = zipped(inside / "odd.zip", {"éé": a_file()})
    path.write_bytes(path.read_bytes().replace("éé".encode(), b"\xe9\xe9\xe9\xe9"))
    status, answer = bring_in(tmp_path / "bank", inside)

    assert status == 1
    assert counts(answer) == (1, 0, 1, 0)
    assert answer["refusals"][0]["file"] == str(path)


def test_a_file_name_in_another_coding_is_no_hindrance(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    first = a_file()
    files = as_files(inside, a_file(), first, a_file(SOPInstanceUID=uid_of(first)), b"not an image")
    for path in files[1:]:
        path.rename(path.with_name(os.fsdecode(b"M\xfcller-") + path.name))
    status, answer = bring_in(tmp_path / "bank", inside)

    assert status == 1
    assert counts(answer) == (2, 0, 1, 0)
    assert {Path(one["file"]).name for one in answer["refusals"]} == {"M�ller-0002.dcm", "M�ller-0003.dcm"}
    assert bring_in(tmp_path / "bank", inside)[1]["skipped"] == 4


def test_files_without_a_header_come_in_too(tmp_path: Path) -> None:
    as_files(tmp_path / "in", dataset_of(a_file()))

    assert counts(bring_in(tmp_path / "bank", tmp_path / "in")[1])[0] == 1


def test_links_and_special_files_are_passed_over(tmp_path: Path) -> None:
    as_files(tmp_path / "elsewhere", a_file())
    inside = tmp_path / "in"
    as_files(inside, a_file())
    (inside / "link.dcm").symlink_to(tmp_path / "elsewhere" / "0000.dcm")
    (inside / "folder").symlink_to(tmp_path / "elsewhere")
    (inside / "round").symlink_to(inside)
    (inside / "broken").symlink_to("nowhere")
    os.mkfifo(inside / "pipe.dcm")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(inside / "socket.dcm"))
        status, answer = bring_in(tmp_path / "bank", inside)

    assert status == 0
    assert (answer["files"], answer["stored"]) == (1, 1)


def test_what_cannot_be_read_is_named_and_the_rest_comes_in(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    good, closed = as_files(inside, a_file(), a_file())
    (inside / "empty.dcm").touch()
    as_files(inside / "closed", a_file())
    closed.chmod(0)
    (inside / "closed").chmod(0)
    # For root, nothing is closed unless it gives up that privilege.
    before = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    with (tmp_path / "out").open("wb") as out:
        process = start_program(
            "import", inside, "--json", "--data", tmp_path / "bank", log=tmp_path / "log", before=before, stdout=out
        )
        status = process.wait(60)
    (inside / "closed").chmod(0o700)
    closed.chmod(0o600)
    opened = bring_in(tmp_path / "bank", inside)

    answer = json.loads((tmp_path / "out").read_text())
    assert status == 1
    reasons = {one["file"]: one["reason"] for one in answer["refusals"]}
    assert set(reasons) == {str(closed), str(inside / "empty.dcm"), str(inside / "closed")}
    assert "empty" in reasons.pop(str(inside / "empty.dcm"))
    assert all("Permission denied" in reason for reason in reasons.values())
    assert (answer["stored"], answer["unread"]) == (1, 2)
    assert str(good) not in reasons
    assert (opened[0], *counts(opened[1])) == (1, 2, 0, 1, 2)
    assert (opened[1]["unread"], [one["file"] for one in opened[1]["refusals"]]) == (0, [str(inside / "empty.dcm")])


def test_an_import_that_was_killed_goes_on_without_reading_again(tmp_path: Path) -> None:
    inside, data = tmp_path / "in", tmp_path / "bank"
    as_files(inside, *many(1500))
    process = start_program("import", inside, "--data", data, log=tmp_path / "log")
    wait_for(lambda: len(settled(data)) > 100 or process.poll() is not None, "some files are settled", 60)
    kill_tree(process)
    before = settled(data)
    with opened_below(inside) as opened:
        status, answer = bring_in(data, inside)

    assert 100 < len(before) < 1500, "the import was not killed in its midst"
    assert status == 0
    assert before.isdisjoint(told(inside / name) for name in opened)
    assert len(opened) + len(before) == 1500
    assert answer["skipped"] == len(before)
    assert answer["stored"] + answer["duplicate"] + answer["skipped"] == 1500
    assert answer["duplicate"] <= 64


def told(path: Path) -> str:
    """What the journal calls a file: a path may name a patient."""
    return sha256(os.fsencode(path.resolve())).hexdigest()


def settled(data: Path) -> set[str]:
    """Digests of the paths that the journal has as settled, whole lines only."""
    lines = [line for file in data.glob("imports/*") for line in file.read_text().split("\n")[:-1]]
    return {json.loads(line)[0] for line in lines}


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    (path,) = as_files(tmp_path / "in", b"not yet an image")
    refused = bring_in(tmp_path / "bank", path)[0]
    again = bring_in(tmp_path / "bank", path)
    path.write_bytes(a_file())
    mended = bring_in(tmp_path / "bank", path)

    assert refused == 1
    assert (again[0], again[1]["skipped"], again[1]["refused"]) == (1, 1, 1)
    assert (mended[0], mended[1]["stored"]) == (0, 1)


class Growing(io.FileIO):
    """A file that somebody goes on writing while it is read."""

    def seek(self, offset: int, whence: int = 0) -> int:
        os.truncate(self.fileno(), os.fstat(self.fileno()).st_size + 1)
        return super().seek(offset, whence)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    growing, short = as_files(tmp_path / "in", a_file(), a_file())
    with open_test_bank(tmp_path) as bank, Growing(str(growing), "r+") as one, short.open("rb") as other:
        arrivals = [ingest.Arrival(one, growing.stat().st_size), ingest.Arrival(other, short.stat().st_size + 1)]
        receipts = ingest.receive(bank, arrivals, SOURCE)

    assert [receipt.outcome for receipt in receipts] == [Outcome.REFUSED, Outcome.REFUSED]
    assert all("changed while it was read" in str(receipt.error) for receipt in receipts)
    assert imagebank("verify", "--data", tmp_path / "bank").status == 0


def test_again_reads_everything_once_more(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    as_files(inside, *many(3))
    bring_in(tmp_path / "bank", inside)
    with opened_below(inside) as opened:
        status, answer = bring_in(tmp_path / "bank", inside, "--again")

    assert status == 0
    assert counts(answer) == (0, 3, 0, 0)
    assert len(opened) == 3


def test_watching_picks_up_what_is_new_and_nothing_half_written(tmp_path: Path) -> None:
    inside, data, file = tmp_path / "in", tmp_path / "bank", a_file(rows=64, columns=64)
    as_files(inside, a_file())
    os.utime(inside / "0000.dcm", (0, 0))
    half = inside / "half-at-start.dcm"
    half.write_bytes(file[:2000])

    def is_first_in() -> bool:
        os.utime(half)  # somebody writes it still, however long the command takes to start
        return told(inside / "0000.dcm") in settled(data)

    with (tmp_path / "out").open("wb") as out:
        given = ("import", inside, "--watch", "--json", "--data", data)
        process = start_program(*given, log=tmp_path / "log", stdout=out)
    try:
        wait_for(is_first_in, "the first file is in", 60)
        late = inside / "late"
        late.mkdir()
        with (late / "slow.dcm").open("wb", buffering=0) as slow:
            # In small steps: on a busy machine a longer pause would look like the end.
            for piece in range(0, len(file), 600):
                half.write_bytes(file[: 2000 + piece])
                slow.write(file[piece : piece + 600])
                time.sleep(0.4)
        half.write_bytes(a_file())
        later = {told(late / "slow.dcm"), told(half)}
        wait_for(lambda: later <= settled(data), "the later files are in", 60)
        process.send_signal(signal.SIGINT)
        status = process.wait(30)
    finally:
        kill_tree(process)

    answer = json.loads((tmp_path / "out").read_text())
    assert status == 0
    assert (answer["stored"], answer["refused"], answer["files"]) == (3, 0, 3)
    rounds = re.findall(r"^\d\d:\d\d:\d\d UTC: (\d) stored$", (tmp_path / "log").read_text(), re.MULTILINE)
    assert sum(map(int, rounds)) == 2, "each round has a line; the first has its bar"


def test_an_import_that_is_interrupted_says_how_far_it_came(tmp_path: Path) -> None:
    inside, data = tmp_path / "in", tmp_path / "bank"
    as_files(inside, *many(3000))
    with (tmp_path / "out").open("wb") as out:
        process = start_program("import", inside, "--json", "--data", data, log=tmp_path / "log", stdout=out)
    wait_for(lambda: len(settled(data)) > 50 or process.poll() is not None, "some files are settled", 60)
    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 1
    said = (tmp_path / "log").read_text()
    assert "goes on from here" in said
    assert "Traceback" not in said
    assert json.loads((tmp_path / "out").read_text())["stored"] > 50


def test_progress_and_a_table_are_for_people(tmp_path: Path) -> None:
    as_files(tmp_path / "in", *many(3), b"not an image")
    said = imagebank("import", tmp_path / "in", "--data", tmp_path / "bank")

    assert said.status == 1
    assert "4/4 files" in said.err
    assert "stored" in said.out
    assert "refused" in said.out
    assert "not in the archive, because" in said.out
    again = imagebank("import", tmp_path / "in", "--data", tmp_path / "bank")
    assert again.status == 1
    assert "refused before, not read again" in again.out


def test_an_import_of_nothing_that_is_there_says_so(tmp_path: Path) -> None:
    said: Said = imagebank("import", tmp_path / "nowhere", "--data", tmp_path / "bank")

    assert said.status == 2
    assert "nowhere" in said.err


@pytest.fixture(scope="module")
def sample_bank(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A bank into which all sample files went, and the answer of that import."""
    data = tmp_path_factory.mktemp("sample") / "bank"
    return data, bring_in(data, sample_data())[1]


def objects_in(folder: Path) -> int:
    """How many objects lie below a folder: files, and the entries of archives."""
    found = 0
    for path in (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        if path.suffix.lower() == ".zip" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                found += sum(not entry.is_dir() for entry in archive.infolist())
        else:
            found += 1
    return found


def test_every_sample_file_is_accounted_for(sample_bank: tuple[Path, dict[str, Any]]) -> None:
    _, answer = sample_bank

    assert sum(answer[outcome] for outcome in Outcome) == objects_in(sample_data())
    assert len(answer["refusals"]) == answer["refused"] + answer["quarantined"]
    assert all(len(one["reason"]) > 10 for one in answer["refusals"])
    assert answer["files"] == sum(path.is_file() for path in sample_data().rglob("*"))


def test_importing_all_of_it_again_changes_nothing(sample_bank: tuple[Path, dict[str, Any]]) -> None:
    data, first = sample_bank
    listed = imagebank("quarantine", "list", "--json", "--data", data)
    skipped = bring_in(data, sample_data())
    again = bring_in(data, sample_data(), "--again")

    assert skipped[0] == 1
    assert skipped[1]["skipped"] == skipped[1]["files"]
    assert skipped[1]["refused"] == first["refused"]
    assert reasons(skipped[1]) == reasons(first)
    assert counts(again[1]) == (0, first["stored"] + first["duplicate"], first["refused"], 0)
    assert again[1]["quarantined"] == first["quarantined"]
    assert imagebank("quarantine", "list", "--json", "--data", data).out == listed.out
    assert imagebank("verify", "--data", data).status == 0


def test_what_lies_in_quarantine_can_be_taken_out_and_sent_in_again(tmp_path: Path) -> None:
    data = tmp_path / "bank"
    first = a_file()
    second = a_file(SOPInstanceUID=uid_of(first))
    bring_in(data, *as_files(tmp_path / "in", first, second))
    (row,) = json.loads(imagebank("quarantine", "list", "--json", "--data", data).out)
    number = str(row["number"])
    not_there = imagebank("quarantine", "get", "999", tmp_path / "copy.dcm", "--data", data)
    nowhere = imagebank("quarantine", "get", number, tmp_path / "nowhere" / "copy.dcm", "--data", data)
    got = imagebank("quarantine", "get", number, tmp_path / "copy.dcm", "--data", data)
    again = imagebank("quarantine", "submit", number, "--data", data)
    gone = imagebank("quarantine", "delete", number, "--data", data)

    assert row["reason"]
    assert (not_there.status, nowhere.status) == (1, 1)
    assert (got.status, again.status, gone.status) == (0, 1, 0)
    assert (tmp_path / "copy.dcm").read_bytes() == second
    listed = json.loads(imagebank("quarantine", "list", "--json", "--data", data).out)
    assert number not in {str(one["number"]) for one in listed}
