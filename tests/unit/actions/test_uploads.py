"""Uploads that break off and go on, what they may take, and what becomes of them."""

import errno
import gzip
import io
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import archives, media, upload_spool, uploads
from imagebank.actions.uploads import Became, Upload
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotAllowed, NotFound, OutOfSpace, TooOften
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.imaging import Outcome, Receipt
from make import a_file
from unit.actions.test_media import NIFTI, a_jpeg

TECHNOLOGIST = Principal("tess", Role.TECHNOLOGIST, "local", RIGHTS[Role.TECHNOLOGIST], Scope.of("local"))
COLLEAGUE = replace(TECHNOLOGIST, name="tom")
REFERRER = replace(TECHNOLOGIST, role=Role.REFERRER, rights=RIGHTS[Role.REFERRER])
ANA = {"patient_id": "4711", "patient_name": "Diaz^Ana", "department": "dermatology"}


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as bank:
        yield bank


def begun(bank: Bank, data: bytes, file: str = "photo.jpg", said: dict[str, str] | None = None) -> Upload:
    return uploads.begin(bank, TECHNOLOGIST, len(data), file, ANA if said is None else said)


def sent(bank: Bank, data: bytes, file: str = "photo.jpg", said: dict[str, str] | None = None) -> Upload:
    """A whole upload."""
    upload = begun(bank, data, file, said)
    return uploads.append(bank, upload.name, TECHNOLOGIST, 0, data) if data else upload


def deposited(bank: Bank, data: bytes, file: str = "photo.jpg", said: dict[str, str] | None = None) -> list[Became]:
    return uploads.deposit(bank, sent(bank, data, file, said).name, TECHNOLOGIST)


def told(became: list[Became]) -> list[tuple[str, Outcome]]:
    return [(one.receipt.name, one.receipt.outcome) for one in became]


def at(bank: Bank, later: timedelta) -> Bank:
    now = datetime.now(UTC) + later
    return replace(bank, now=lambda: now)


def a_zip(**files: bytes) -> bytes:
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return stream.getvalue()


def full(*_: object) -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_that_came_in_pieces_is_kept_as_one(bank: Bank) -> None:
    photo = a_jpeg()
    upload = begun(bank, photo)
    for start in range(0, len(photo), 100):
        uploads.append(bank, upload.name, TECHNOLOGIST, start, photo[start : start + 100])
    (became,) = uploads.deposit(bank, upload.name, TECHNOLOGIST, "127.0.0.1")

    assert became.receipt.outcome is Outcome.STORED
    assert not became.is_unidentified
    (event,) = [one for one in bank.index.events(Scope(organizations=None)) if one.detail.startswith("upload")]
    assert (event.principal, event.address) == ("tess", "127.0.0.1")


def test_how_far_an_upload_is_survives_and_only_the_next_bytes_are_taken(bank: Bank) -> None:
    upload = begun(bank, b"0123456789")
    uploads.append(bank, upload.name, TECHNOLOGIST, 0, b"01234")

    for offset in (0, 4, 6):
        with pytest.raises(Conflict):
            uploads.append(bank, upload.name, TECHNOLOGIST, offset, b"5")
    with pytest.raises(Invalid):
        uploads.append(bank, upload.name, TECHNOLOGIST, 5, b"567890")
    with pytest.raises(Conflict):
        uploads.deposit(bank, upload.name, TECHNOLOGIST)
    assert uploads.find(bank, upload.name, TECHNOLOGIST).offset == 5


def test_of_many_who_send_the_same_bytes_one_is_heard(bank: Bank) -> None:
    upload = begun(bank, bytes(100))

    def heard(_: int) -> bool:
        try:
            uploads.append(bank, upload.name, TECHNOLOGIST, 0, bytes(10))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(heard, range(8))) == 1
    assert uploads.find(bank, upload.name, TECHNOLOGIST).offset == 10


def test_what_a_crash_cut_short_does_not_count(bank: Bank) -> None:
    photo = a_jpeg()
    upload = begun(bank, photo)
    uploads.append(bank, upload.name, TECHNOLOGIST, 0, photo[:50])
    with (upload_spool.place_of(bank, upload.name, TECHNOLOGIST) / "content").open("ab") as file:
        file.write(b"half a block")
    uploads.append(bank, upload.name, TECHNOLOGIST, 50, photo[50:])

    assert told(uploads.deposit(bank, upload.name, TECHNOLOGIST)) == [("photo.jpg", Outcome.STORED)]


def test_nothing_of_a_patient_lies_open_in_the_spool(bank: Bank) -> None:
    sent(bank, a_file(PatientName="Varga^Ada"), "Varga.dcm", {"patient_id": "SECRET-7"})
    lying = b"".join(path.read_bytes() for path in upload_spool.root(bank).rglob("*") if path.is_file())

    assert len(lying) > 200
    assert not any(word in lying for word in (b"Varga", b"SECRET-7", b"DICM"))


def test_the_names_of_a_new_upload_are_durable_with_its_first_answer(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[Path] = set()
    real = os.fsync

    def sync(file: Any) -> None:
        number = file if isinstance(file, int) else file.fileno()
        synced.add(Path(f"/proc/self/fd/{number}").readlink())
        real(file)

    monkeypatch.setattr(os, "fsync", sync)
    name = begun(bank, b"1").name
    place = upload_spool.place_of(bank, name, TECHNOLOGIST)

    assert {place / "state", place / "content", place, *list(place.parents)[:3]} <= synced
    assert place.parents[2] == bank.settings.data


def test_blocks_that_were_moved_on_the_disk_are_not_believed(bank: Bank) -> None:
    one, other = sent(bank, b"x" * 40), sent(bank, b"y" * 40)
    places = [upload_spool.place_of(bank, upload.name, TECHNOLOGIST) for upload in (one, other)]
    shutil.copy(places[0] / "content", places[1] / "content")

    with pytest.raises(Invalid):
        uploads.deposit(bank, other.name, TECHNOLOGIST)


def test_whoever_asks_again_hears_the_same(bank: Bank) -> None:
    files = {"a.dcm": a_file(), "b.jpg": a_jpeg(), "c.nii": NIFTI, "d.bin": b"noise" * 50}
    upload = sent(bank, a_zip(**files), "all.zip", {})
    first = uploads.deposit(bank, upload.name, TECHNOLOGIST)
    again = uploads.deposit(bank, upload.name, TECHNOLOGIST)

    def worded(became: list[Became]) -> list[Any]:
        return [(replace(one.receipt, error=None), str(one.receipt.error), one.is_unidentified) for one in became]

    assert worded(first) == worded(again)
    assert [one.is_unidentified for one in first] == [False, True, False, False]
    found = uploads.find(bank, upload.name, TECHNOLOGIST)
    assert (found.is_done, found.offset) == (True, found.length)
    with pytest.raises(Conflict):
        uploads.append(bank, upload.name, TECHNOLOGIST, found.length, b"more")


def test_archives_are_opened_and_their_contents_named(bank: Bank) -> None:
    with io.BytesIO() as stream:
        with tarfile.open(fileobj=stream, mode="w:gz") as archive:
            member, file = tarfile.TarInfo("in/a.dcm"), a_file(SOPInstanceUID="1.2.3")
            member.size = len(file)
            archive.addfile(member, io.BytesIO(file))
            archive.addfile(_a_link())
        tar = stream.getvalue()

    assert told(deposited(bank, tar, "Set of two.tar.gz")) == [
        ("Set of two.tar.gz!/in/a.dcm", Outcome.STORED),
        ("Set of two.tar.gz!/link", Outcome.REFUSED),
    ]
    assert told(deposited(bank, gzip.compress(a_file(SOPInstanceUID="1.2.4")), "one.dcm.gz")) == [
        ("one.dcm.gz!/one.dcm", Outcome.STORED)
    ]
    assert told(deposited(bank, b"Rar!" + bytes(600), "x.rar")) == [("x.rar", Outcome.REFUSED)]
    assert told(deposited(bank, a_jpeg("blue"), "no-archive.zip")) == [("no-archive.zip", Outcome.STORED)]
    assert list(upload_spool.root(bank).rglob("plain-*")) == []


def _a_link() -> tarfile.TarInfo:
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return link


def test_nothing_is_added_to_a_study_that_the_caller_does_not_see(bank: Bank) -> None:
    keep(bank, a_file(SOPInstanceUID="1.2.5", StudyInstanceUID="1.2.6"), source=replace(SOURCE, organization="south"))
    (became,) = deposited(bank, a_file(SOPInstanceUID="1.2.7", StudyInstanceUID="1.2.6"), "a.dcm")

    assert became.receipt.outcome is Outcome.QUARANTINED


def test_many_files_go_together(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "BATCH_FILES", 2)
    files = {f"{number}.dcm": a_file(SOPInstanceUID=f"1.2.{number}") for number in range(5)}

    assert len(told(deposited(bank, a_zip(**files), "many.zip"))) == 5


def test_an_empty_file_is_refused_by_name(bank: Bank) -> None:
    (became,) = deposited(bank, b"", "nothing.jpg")

    assert became.receipt.outcome is Outcome.REFUSED
    assert "empty" in str(became.receipt.error)


def test_a_name_is_kept_as_it_can_be_shown(bank: Bank) -> None:
    assert begun(bank, b"x", "a\0b\n" + "c" * 2000).file == "a\ufffdb\ufffd" + "c" * 1020


def test_a_large_file_is_not_held_in_memory(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_IN_MEMORY", 10)

    assert told(deposited(bank, a_file(), "a.dcm")) == [("a.dcm", Outcome.STORED)]


def test_another_caller_has_no_such_upload(bank: Bank) -> None:
    upload = sent(bank, a_jpeg())
    for name in (upload.name, "0" * 32, "../" + upload.name, upload.name.upper()):
        with pytest.raises(NotFound):
            uploads.find(bank, name, COLLEAGUE)
        with pytest.raises(NotFound):
            uploads.end(bank, name, COLLEAGUE)
    with pytest.raises(NotFound):
        uploads.deposit(bank, upload.name, replace(TECHNOLOGIST, organization="south"))


def test_who_may_not_store_may_not_upload(bank: Bank) -> None:
    upload = sent(bank, a_jpeg())
    for act in (
        lambda: uploads.begin(bank, REFERRER, 5, "a", {}),
        lambda: uploads.find(bank, upload.name, REFERRER),
        lambda: uploads.append(bank, upload.name, REFERRER, 0, b""),
        lambda: uploads.end(bank, upload.name, REFERRER),
        lambda: uploads.deposit(bank, upload.name, REFERRER),
        lambda: uploads.take(bank, [b"x"], 1, "a", {}, REFERRER),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_an_upload_can_be_ended_before_and_after(bank: Bank) -> None:
    before, after = begun(bank, b"abc"), sent(bank, a_jpeg())
    uploads.deposit(bank, after.name, TECHNOLOGIST)
    for upload in (before, after):
        uploads.end(bank, upload.name, TECHNOLOGIST)
        with pytest.raises(NotFound):
            uploads.find(bank, upload.name, TECHNOLOGIST)


def test_what_is_said_of_a_file_is_looked_at_first(bank: Bank) -> None:
    with pytest.raises(Invalid):
        begun(bank, b"abc", said={"sex": "x"})
    assert not upload_spool.root(bank).exists()


def test_an_upload_that_waits_too_long_is_let_go_of(bank: Bank) -> None:
    waiting, done = begun(bank, b"abc"), sent(bank, a_jpeg())
    uploads.deposit(bank, done.name, TECHNOLOGIST)
    folder = upload_spool.folder_of(bank, TECHNOLOGIST)
    (folder / "plain-left-by-a-crash").mkdir()
    (folder / ("f" * 32)).mkdir()
    soon, late = at(bank, timedelta(hours=23)), at(bank, timedelta(hours=25))

    assert upload_spool.sweep(soon) == 0
    assert uploads.find(soon, waiting.name, TECHNOLOGIST).offset == 0
    for upload in (waiting, done):
        with pytest.raises(NotFound):
            uploads.find(late, upload.name, TECHNOLOGIST)
    upload_spool.sweep(late)
    assert list(folder.iterdir()) == []
    assert upload_spool.sweep(late) == 0


def test_how_many_and_how_large_uploads_may_be_is_bounded(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(bank, settings=replace(bank.settings, max_upload_bytes=100))
    for length in (-1, 101):
        with pytest.raises(Invalid):
            uploads.begin(small, TECHNOLOGIST, length, "a", {})
    uploads.begin(small, TECHNOLOGIST, 60, "a", {})
    with pytest.raises(TooOften):
        uploads.begin(small, TECHNOLOGIST, 60, "a", {})
    uploads.begin(small, COLLEAGUE, 60, "a", {})
    monkeypatch.setattr(uploads, "MOST_OF_ONE", 1)
    with pytest.raises(TooOften):
        uploads.begin(small, TECHNOLOGIST, 1, "a", {})
    monkeypatch.setattr(uploads, "MOST", 2)
    with pytest.raises(TooOften):
        uploads.begin(small, replace(COLLEAGUE, name="tim"), 1, "a", {})
    assert uploads.most_bytes(small) == 100


def test_no_more_is_promised_than_the_disk_has(bank: Bank) -> None:
    free = shutil.disk_usage(bank.settings.data).free
    wide = replace(bank, settings=replace(bank.settings, max_upload_bytes=free * 4))
    with pytest.raises(OutOfSpace):
        uploads.begin(wide, TECHNOLOGIST, free, "a", {})


def test_a_full_disk_is_said_and_loses_nothing(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = a_jpeg()
    upload, other = sent(bank, photo), begun(bank, photo)
    archive = sent(bank, a_zip(a=a_file()), "a.zip")
    for module in (upload_spool, uploads):
        monkeypatch.setattr(module, "write_all", full)
    with pytest.raises(OutOfSpace):
        begun(bank, photo)
    with pytest.raises(OutOfSpace):
        uploads.append(bank, other.name, TECHNOLOGIST, 0, photo)
    with pytest.raises(OutOfSpace):
        uploads.deposit(bank, upload.name, TECHNOLOGIST)
    with pytest.raises(OutOfSpace):
        uploads.deposit(bank, archive.name, TECHNOLOGIST)
    monkeypatch.setattr(uploads, "_IN_MEMORY", 10)
    with pytest.raises(OutOfSpace):
        uploads.deposit(bank, upload.name, TECHNOLOGIST)
    monkeypatch.undo()

    assert uploads.find(bank, other.name, TECHNOLOGIST).offset == 0
    assert uploads.deposit(bank, upload.name, TECHNOLOGIST)[0].receipt.is_kept
    assert uploads.deposit(bank, archive.name, TECHNOLOGIST)[0].receipt.is_kept


def test_one_at_a_time_takes_an_upload_in(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    upload, refused = sent(bank, a_jpeg()), []

    def meanwhile(*given: Any, **named: Any) -> list[Receipt]:
        with pytest.raises(Conflict) as caught:
            uploads.deposit(bank, upload.name, TECHNOLOGIST)
        refused.append(str(caught.value))
        return receive(*given, **named)

    receive = media.receive
    monkeypatch.setattr(media, "receive", meanwhile)

    assert uploads.deposit(bank, upload.name, TECHNOLOGIST)[0].receipt.is_kept
    assert "ask again" in refused[0]


def test_an_upload_that_another_has_just_finished_is_answered_for(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    upload, held = sent(bank, a_jpeg()), upload_spool.held

    def late(place: Path) -> Any:
        monkeypatch.undo()
        uploads.deposit(bank, upload.name, TECHNOLOGIST)
        return held(place)

    monkeypatch.setattr(upload_spool, "held", late)

    assert uploads.deposit(bank, upload.name, TECHNOLOGIST)[0].receipt.outcome is Outcome.STORED


def test_an_upload_that_goes_in_the_midst_is_not_there(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = sent(bank, a_jpeg())
    place = upload_spool.place_of(bank, upload.name, TECHNOLOGIST)
    monkeypatch.setattr(upload_spool, "finish", lambda *_: uploads.end(bank, upload.name, TECHNOLOGIST))
    with pytest.raises(NotFound):
        uploads.deposit(bank, upload.name, TECHNOLOGIST)
    for act in (
        lambda: upload_spool.append(bank, place, 0, b""),
        lambda: upload_spool.state_of(bank, place),
        lambda: next(upload_spool.pieces(bank, place)),
        lambda: upload_spool.held(place).__enter__(),
    ):
        with pytest.raises(NotFound):
            act()


def test_a_name_says_whether_to_look_for_an_archive() -> None:
    assert [archives.may_be_one(name) for name in ("A.ZIP", "a.tar.gz", "a.rar", "a.jpg", "zip")] == [
        *(True, True, True),
        *(False, False),
    ]
