"""Exports: what is in them, that programs of others read them, and that they hold what their taker may see."""

import io
import subprocess
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pycdlib
import pytest
import pyzipper
import zstandard
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from bank import SOURCE, keep, open_test_bank
from checked import errors_of
from imagebank import worker
from imagebank.actions import (
    collect,
    consent,
    export_spool,
    export_survey,
    exporting,
    media,
    remove,
    reports,
    retrieve,
    rights,
)
from imagebank.actions.collect import Journal
from imagebank.actions.ingest import Arrival
from imagebank.bank import Bank
from imagebank.dicom import dicomdir
from imagebank.dicom.scan import DEFLATED_LE, IMPLICIT_LE
from imagebank.errors import Conflict, Invalid, NotAllowed, NotFound, OutOfSpace, TooOften
from imagebank.model.access import Principal, Role, Scope
from imagebank.model.event import Act
from imagebank.model.export import MOST_STUDIES, Format, Progress, Wish
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.report import Body, Part, Report
from imagebank.model.uid import Uid
from imagebank.model.upload import About
from make import a_dataset, a_file, a_series, as_file, read
from make_pdf import a_pdf, with_a_script
from samples import sample_data

ALL = Scope(organizations=None)
CT, SR, MIXED, NOBODY = "1.2.1", "1.2.2", "1.2.3", "1.2.4"
ADA = PatientId("local", "ADA")
VL, MPEG_4 = "1.2.840.10008.5.1.4.1.1.", "1.2.840.10008.1.2.4."
PASSWORD = "correct horse"


@dataclass
class Clock:
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.at


def without_pixels(ds: Dataset) -> Dataset:
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(ds, keyword)
    return ds


def a_report(**attributes: Any) -> bytes:
    """A structured report whose content names its language and says a word."""

    def item(relation: str, word: str) -> Dataset:
        found = Dataset()
        found.RelationshipType, found.ValueType, found.TextValue = relation, "TEXT", word
        name = Dataset()
        name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "121071", "DCM", "Finding"
        found.ConceptNameCodeSequence = [name]
        return found

    ds = without_pixels(a_dataset(Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", **attributes))
    ds.ContentSequence = [item("HAS CONCEPT MOD", "English"), item("CONTAINS", "Nothing was found")]
    return as_file(ds)


def key_images(chosen: str, **attributes: Any) -> bytes:
    one, series, study = Dataset(), Dataset(), Dataset()
    one.ReferencedSOPInstanceUID = chosen
    series.ReferencedSOPSequence, study.ReferencedSeriesSequence = [one], [series]
    ds = without_pixels(a_dataset(Modality="KO", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.59", **attributes))
    ds.CurrentRequestedProcedureEvidenceSequence = [study]
    return as_file(ds)


def fill(bank: Bank) -> None:
    """Four studies: a series of CT, reports, an odd mixture, and one of nobody."""
    ada = {"PatientID": "ADA", "PatientName": "Lovelace^Ada"}
    keep(bank, *a_series(7, StudyInstanceUID=CT, SeriesDescription="Lovelace thin / 1 mm", **ada))
    with warnings.catch_warnings(action="ignore"):
        old = a_report(StudyInstanceUID=SR, StudyDate="1997.04.24", StudyTime="14:04:38", StudyID=None, **ada)
    keep(bank, old)
    other = a_file(StudyInstanceUID=MIXED, PatientID="M", PatientName="Müller^Jörg", SeriesInstanceUID="1.2.3.9")
    implicit = as_file(a_dataset(StudyInstanceUID=MIXED, PatientName="Müller^Jörg", PatientID="M"), IMPLICIT_LE)
    keep(bank, implicit, with_a_preamble(other))
    keep(bank, a_file(StudyInstanceUID=NOBODY, PatientID="", PatientName=""))
    film = (sample_data() / "non-dicom/mp4/echo-cardiac.mp4").read_bytes()
    for name, data in (("echo.mp4", film), ("letter.pdf", with_a_script())):
        media.receive(bank, [Arrival(io.BytesIO(data), len(data), name)], SOURCE, About(PatientId("local", "M")))
    said = Body(
        "CT of the head",
        "Dr. Roe",
        (Part("text/plain", b"Nothing."), Part("text/plain", b""), Part("application/pdf", a_pdf())),
    )
    for status, number in (("P", "R1"), ("F", "R1"), ("X", "R2")):
        reports.keep(bank, Report("local", ADA, bank.now(), status, number, study=Uid(CT)), said, "RIS")


def with_a_preamble(file: bytes) -> bytes:
    return b"#!/bin/sh\n".ljust(128, b"\0") + file[128:]


@pytest.fixture(scope="module", autouse=True)
def few() -> Iterator[None]:
    """Four pictures of a series are shown."""
    with pytest.MonkeyPatch.context() as limits:
        limits.setattr(export_survey, "SHOWN_OF_SERIES", 4)
        yield


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("exports")) as opened:
        fill(opened)
        yield opened


def every_study(bank: Bank) -> list[str]:
    return sorted({str(one.study) for one in bank.index.instances(Selection(), ALL)})


def staff(bank: Bank, name: str = "staff") -> Principal:
    return rights.principal(bank, name, Role.ADMIN, "local")


def made(bank: Bank, wish: Wish, who: Principal | None = None) -> Progress:
    who = who or staff(bank)
    found = exporting.begin(bank, wish, who)
    while not found.is_ready:
        found = exporting.go_on(bank, found.name, who, 60)
    return found


def taken(bank: Bank, wish: Wish, start: int = 0, end: int | None = None) -> bytes:
    found = exporting.opened(bank, made(bank, wish).name, staff(bank))
    return b"".join(found.read(start, found.size if end is None else end))


@pytest.fixture(scope="module")
def folder(bank: Bank, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything, as it is unpacked from a ZIP file."""
    place = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(io.BytesIO(taken(bank, Wish.parse(every_study(bank))))) as archive:
        assert archive.testzip() is None
        archive.extractall(place)
    return place


def objects(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "DICOM").rglob("*") if path.is_file())


def test_every_object_is_in_it_under_a_name_that_media_have(bank: Bank, folder: Path) -> None:
    names = [path.relative_to(folder).parts for path in folder.rglob("*") if path.is_file()]
    held = {str(one.uid) for one in bank.index.instances(Selection(), ALL)}

    assert {str(read(path.read_bytes()).SOPInstanceUID) for path in objects(folder)} == held
    assert all(
        len(stem) <= 8 and len(suffix) <= 3 and (stem + suffix).isupper() | (stem + suffix).isdigit()
        for parts in names
        for stem, _, suffix in (part.partition(".") for part in parts)
        if part_is_ours(stem)
    )


def part_is_ours(stem: str) -> bool:
    return stem not in ("DICOM", "IHE_PDI")


def test_others_read_its_table_of_contents(bank: Bank, folder: Path) -> None:
    written = (folder / "DICOMDIR").read_bytes()
    named = dicomdir.read(written)
    dumped = subprocess.run(
        ["dcmdump", "+fo", str(folder / "DICOMDIR")], capture_output=True, text=True, check=True, timeout=60
    )
    records = read(written).DirectoryRecordSequence

    assert {folder.joinpath(*one.file) for one in named} == set(objects(folder))
    assert len({one.study for one in named}) == 5
    assert errors_of(folder / "DICOMDIR") == []
    assert "W:" not in dumped.stderr
    assert dumped.stdout.count('"Directory Record" PATIENT') == 3
    by_type = {record.DirectoryRecordType: record for record in records}
    (report,) = [one for one in records if one.DirectoryRecordType == "SR DOCUMENT"]
    assert [item.TextValue for item in report.ContentSequence] == ["English"]
    assert report.ConceptNameCodeSequence[0].CodeMeaning == "Document Title"
    assert {"IMAGE", "ENCAP DOC"} < set(by_type)
    assert {one.PatientID for one in records if "PatientID" in one} == {"ADA", "M", "UNKNOWN-4"}
    assert {str(one.PatientName) for one in records if "PatientName" in one} >= {"Lovelace^Ada", "Müller^Jörg"}
    assert [one.StudyDate for one in records if one.get("StudyInstanceUID") == SR] == ["19970424"]


def test_dcmtk_makes_the_same_table_of_contents_of_its_files(folder: Path, tmp_path: Path) -> None:
    command = ["dcmmkdir", "+r", "-Pfl", "+I", "+id", str(folder), "+D", str(tmp_path / "DICOMDIR"), "DICOM"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    theirs = {one.uid: one for one in dicomdir.read((tmp_path / "DICOMDIR").read_bytes())}
    ours = {one.uid: one for one in dicomdir.read((folder / "DICOMDIR").read_bytes())}

    # It leaves out the film, which that profile does not have, and the report, which lacks what a report must have.
    assert len(ours) - len(theirs) == 2
    assert all(replace(ours[uid], patient="") == replace(one, patient="") for uid, one in theirs.items())


def test_dicom3tools_find_no_contradiction_across_the_objects_of_a_study(bank: Bank, folder: Path) -> None:
    assert errors_of(*objects(folder)[:10], program="dcentvfy") == []


def test_what_media_may_not_hold_is_written_anew_and_all_else_leaves_as_it_came(bank: Bank, folder: Path) -> None:
    by_uid = {str(one.uid): one for one in bank.index.instances(Selection(), ALL)}
    for path in objects(folder):
        file, held = path.read_bytes(), by_uid[str(read(path.read_bytes()).SOPInstanceUID)]
        before = bank.blobs.read(held.location)

        assert not any(file[:128])
        if held.transfer_syntax == IMPLICIT_LE:
            assert read(file).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
            assert read(file).PixelData == read(before).PixelData
        else:
            assert file[128:] == before[128:]


def test_it_comes_in_again_as_a_medium_of_which_nothing_is_missing(folder: Path, tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as other:
        journal = Journal(tmp_path / "journal")
        tally = collect.Tally()
        collect.bring_in(other, collect.look([folder]), SOURCE, journal, tally)
        journal.close()
        held = other.index.instances(Selection(), ALL)

    assert tally.missing == []
    assert len(held) == len(objects(folder))
    assert {Path(name).name for name, _ in tally.refused} == {"README.TXT", "INDEX.HTM"}


def test_a_page_shows_what_there_is_and_says_what_it_leaves_out(folder: Path) -> None:
    index = (folder / "INDEX.HTM").read_text("utf-8")
    stack = (folder / "IHE_PDI/S0000001.HTM").read_text("utf-8")
    shown = sorted((folder / "IHE_PDI/S0000001").iterdir())

    assert "Lovelace Ada" in index
    assert "Müller Jörg" in index
    assert "4 of 7 pictures are shown here" in index
    assert "4 of 7 pictures are shown here" in stack
    assert len(shown) == 4
    assert all(path.read_bytes().startswith(b"\xff\xd8") for path in shown)
    assert stack.count('<a href="S0000001/') == 4
    assert "http:" not in index + stack + (folder / "IHE_PDI/VIEWER.JS").read_text()
    assert "CT of the head · final" in index
    assert (folder / "IHE_PDI/R0000100.TXT").read_bytes() == b"Nothing."
    assert (folder / "IHE_PDI/R0000102.PDF").read_bytes().startswith(b"%PDF")
    assert b"JavaScript" not in (folder / "IHE_PDI/D0000002.PDF").read_bytes()
    assert "Nothing was found" in (folder / "IHE_PDI/D0000001.TXT").read_text("utf-8")
    assert (folder / "IHE_PDI/F0000001.MP4").read_bytes()[4:8] == b"ftyp"
    assert (folder / "README.TXT").read_bytes().isascii()


def test_pages_are_in_the_language_that_was_asked_for(bank: Bank) -> None:
    words = {"Medical images": "Medizinische Bilder"}
    data = taken(bank, replace(Wish.parse([NOBODY]), language="de", words=words))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        index = archive.read("INDEX.HTM").decode()

    assert '<html lang="de" dir="ltr">' in index
    assert "<h1>Medizinische Bilder</h1>" in index


def test_a_disc_has_the_same_files_under_every_kind_of_name(bank: Bank, folder: Path, tmp_path: Path) -> None:
    image = tmp_path / "disc.iso"
    image.write_bytes(taken(bank, Wish.parse(every_study(bank), "iso")))
    disc = pycdlib.PyCdlib()
    disc.open(str(image))
    for path in [*objects(folder)[:3], folder / "DICOMDIR", folder / "IHE_PDI/VIEWER.JS"]:
        name = "/" + path.relative_to(folder).as_posix()
        plain = name + (";1" if "." in path.name else ".;1")
        for given in ({"iso_path": plain}, {"joliet_path": name}, {"udf_path": name}):
            content = io.BytesIO()
            disc.get_file_from_iso_fp(content, **given)
            assert content.getvalue() == path.read_bytes(), given
    disc.close()
    assert image.stat().st_size % 2048 == 0


def test_a_password_locks_every_file(bank: Bank, folder: Path) -> None:
    data = taken(bank, Wish.parse(every_study(bank), password=PASSWORD))
    with pyzipper.AESZipFile(io.BytesIO(data)) as archive:
        with pytest.raises(RuntimeError, match="password"):
            archive.read("DICOMDIR")
        archive.setpassword(b"wrong horse")
        with pytest.raises(RuntimeError, match="password"):
            archive.read("DICOMDIR")
        archive.setpassword(PASSWORD.encode())
        for path in [folder / "DICOMDIR", *objects(folder)[-6:]]:
            assert archive.read(path.relative_to(folder).as_posix()) == path.read_bytes()
    # Longer words: three letters can stand in noise by chance.
    assert b"Lovelace" not in data
    assert b"thin 1 mm" not in data


def test_pictures_are_plain_files_whose_names_say_nothing_of_the_person(bank: Bank) -> None:
    with zipfile.ZipFile(io.BytesIO(taken(bank, Wish.parse(every_study(bank), "pictures")))) as archive:
        names = archive.namelist()

    assert "2026-01-02 CT CT head/01 thin 1 mm/0007.jpg" in names
    assert "2026-01-02 CT CT head/report 1-1.txt" in names
    assert {Path(name).suffix for name in names} == {".jpg", ".txt", ".pdf", ".mp4"}
    assert not [name for name in names if "ovelace" in name or "ADA" in name]


def test_without_reports_neither_reports_nor_documents_are_in_it(bank: Bank) -> None:
    with zipfile.ZipFile(io.BytesIO(taken(bank, Wish.parse(every_study(bank), "pictures", reports=False)))) as archive:
        assert {Path(name).suffix for name in archive.namelist()} == {".jpg", ".mp4"}


def test_important_images_are_among_those_that_are_shown(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        series = a_series(9, StudyInstanceUID="1.9")
        wanted = str(read(series[1]).SOPInstanceUID)
        keep(bank, *series, key_images(wanted, StudyInstanceUID="1.9"), key_images("", StudyInstanceUID="1.9"))
        lost = key_images(wanted, StudyInstanceUID="1.9")
        keep(bank, lost)
        (one,) = bank.index.instances(Selection(instance=Uid(str(read(lost).SOPInstanceUID))), ALL)
        bank.blobs.destroy([one.location])
        plan = exporting.survey(bank, Wish.parse(["1.9"]), staff(bank))
        numbers = {item.number for item in plan.items if item.kind == "picture"}
        places = [str(uid) for _, _, uid, _ in plan.objects]

    assert places.index(wanted) in numbers
    assert len(numbers) == 4


@pytest.mark.parametrize("form", ["zip", "iso", "pictures"])
@pytest.mark.parametrize("password", ["", PASSWORD])
def test_a_part_is_what_the_whole_has_there(bank: Bank, form: str, password: str) -> None:
    if form == "iso" and password:
        return
    found = exporting.opened(bank, made(bank, Wish.parse([CT], form, password=password)).name, staff(bank))
    whole = b"".join(found.read(0, found.size))
    cuts = [0, 1, 40, 131, 132, 700, len(whole) // 2, len(whole) - 1, len(whole)]

    assert len(whole) == found.size
    for start, end in pairwise(cuts):
        assert b"".join(found.read(start, end)) == whole[start:end]
        assert b"".join(found.read(start, len(whole))) == whole[start:]


def test_the_same_content_is_the_same_file_again_after_it_is_gone(bank: Bank) -> None:
    wish = Wish.parse([MIXED])
    first = made(bank, wish)
    one = exporting.opened(bank, first.name, staff(bank))
    digest = sha256(b"".join(one.read(0, one.size))).digest()
    exporting.end(bank, first.name, staff(bank))
    again = made(bank, wish)
    other = exporting.opened(bank, again.name, staff(bank))

    assert (again.name, other.tag) == (first.name, one.tag)
    assert sha256(b"".join(other.read(0, other.size))).digest() == digest


def test_a_worker_makes_it_and_a_crash_loses_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "SLICE_S", 0.0)
    with open_test_bank(tmp_path) as bank:
        keep(bank, *a_series(3, StudyInstanceUID="1.9"))
        begun = exporting.begin(bank, Wish.parse(["1.9"]), staff(bank))
        place = export_spool.place_of(bank, begun.name, staff(bank))
        later = replace(bank, now=lambda: datetime.now(UTC) + timedelta(minutes=1))
        exporting.export_job(bank, {"who": place.parent.name, "name": begun.name})
        exporting.export_job(bank, {"who": place.parent.name, "name": begun.name})
        half = exporting.progress(bank, begun.name, staff(bank))
        with pytest.raises(Conflict, match="not ready"):
            exporting.opened(bank, begun.name, staff(bank))
        for name in ("members", "parts"):
            with (place / name).open("ab") as file:
                file.write(b"\0\0\0\4cut!" if name == "members" else b"cut")
        while worker.step(later, {exporting.JOB: exporting.export_job}):
            pass
        ready = exporting.progress(bank, begun.name, staff(bank))
        found = exporting.opened(bank, begun.name, staff(bank))
        with zipfile.ZipFile(io.BytesIO(b"".join(found.read(0, found.size)))) as archive:
            assert archive.testzip() is None

    assert (half.done, half.of, half.is_ready) == (2, 6, False)
    assert ready.is_ready
    assert ready.done == ready.of


def test_one_at_a_time_makes_it(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = exporting.begin(bank, Wish.parse([NOBODY], "iso"), staff(bank))
    place = export_spool.place_of(bank, begun.name, staff(bank))
    payload = {"who": place.parent.name, "name": begun.name}
    with export_spool.held(place):
        waiting = exporting.go_on(bank, begun.name, staff(bank), 0.01)
        exporting.export_job(bank, payload)
    assert not waiting.is_ready

    assert exporting.go_on(bank, begun.name, staff(bank), 60).is_ready
    exporting.export_job(bank, payload)
    exporting.export_job(bank, payload | {"name": "0" * 32})
    with pytest.raises(NotFound), export_spool.held(place.parent / "none"):
        pass


def test_who_takes_it_stands_in_the_ledger_before_the_first_byte_leaves(bank: Bank) -> None:
    who = staff(bank, "taker")
    found = made(bank, Wish.parse([CT, SR]), who)
    before = [one for one in bank.index.events(ALL, 1000) if one.principal == "taker"]
    exporting.opened(bank, found.name, who, "192.0.2.7")
    lines = [one for one in bank.index.events(ALL, 1000) if one.principal == "taker"]

    assert before == []
    assert {(one.act, one.study, one.detail, one.address) for one in lines} == {
        (Act.VIEWED, Uid(CT), "export as zip", "192.0.2.7"),
        (Act.VIEWED, Uid(SR), "export as zip", "192.0.2.7"),
        (Act.VIEWED, Uid(CT), "report", "192.0.2.7"),
    }
    assert {one.count for one in lines if one.detail != "report" and one.study == CT} == {7}


def test_what_is_not_there_for_a_caller_is_in_no_export_of_theirs(bank: Bank) -> None:
    stranger = rights.principal(bank, "Dr South", Role.CLINICIAN, "south")
    whose = made(bank, Wish.parse([CT]))
    for wish in (Wish.parse([CT]), Wish.parse(["9.9"])):
        with pytest.raises(NotFound, match=r"there is no such study, series or instance here"):
            exporting.begin(bank, wish, stranger)
    with pytest.raises(NotFound):
        exporting.sizes(bank, [Uid(CT)], stranger)
    for act in (exporting.progress, exporting.opened, exporting.end):
        for name in (whose.name, "x", "../../exports"):
            with pytest.raises(NotFound, match="no such export"):
                act(bank, name, stranger)


def test_who_may_not_get_objects_or_only_looks_takes_nothing(bank: Bank) -> None:
    officer = rights.principal(bank, "officer", Role.PRIVACY_OFFICER, "local")
    for who in (officer, replace(staff(bank), only_looks=True)):
        with pytest.raises(NotAllowed):
            exporting.begin(bank, Wish.parse([CT]), who)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shared(tmp_path: Path, clock: Clock) -> Iterator[Bank]:
    """A series of Ada's in north, which south may see by a consent."""
    with open_test_bank(tmp_path, organization="north") as opened:
        at_work = replace(opened, now=clock)
        keep(
            at_work,
            *a_series(5, rows=800, columns=800, PatientID="ADA", StudyInstanceUID=CT),
            source=replace(SOURCE, organization="north"),
        )
        draft = Provision("", Kind.CONSENT, True, PatientId("north", "ADA"), clock.at)
        consent.decide(
            at_work, replace(draft, organization="south"), rights.principal(at_work, "o", Role.ADMIN, "north")
        )
        yield at_work


def test_it_ends_in_the_middle_when_what_was_permitted_ends(shared: Bank, clock: Clock) -> None:
    doctor = rights.principal(shared, "Dr South", Role.CLINICIAN, "south")
    found = exporting.opened(shared, made(shared, Wish.parse([CT]), doctor).name, doctor)
    given = found.read(0, found.size)
    assert next(given)
    (permit,) = shared.index.provisions(ALL)
    consent.revoke(shared, permit.id, rights.principal(shared, "o", Role.ADMIN, "north"))
    clock.at += timedelta(seconds=1)

    with pytest.raises(NotFound, match="has ended"):
        list(given)
    name = export_spool.folder_of(shared, doctor).iterdir().__next__().name
    for act in (exporting.progress, exporting.opened):
        with pytest.raises(NotFound, match="not there for you any more"):
            act(shared, name, doctor.at(clock.at))


def test_a_report_that_may_not_be_read_any_more_leaves_in_no_export(shared: Bank) -> None:
    keeper = rights.principal(shared, "o", Role.ADMIN, "north")
    said = Body("CT of the head", "Dr. Roe", (Part("text/plain", b"Nothing."),))
    reports.keep(
        shared, Report("north", PatientId("north", "ADA"), shared.now(), "F", "R1", study=Uid(CT)), said, "RIS"
    )
    whole = made(shared, Wish.parse([CT], "pictures"), keeper)
    images = made(shared, Wish.parse([CT], "pictures", reports=False), keeper)
    begun = exporting.begin(shared, Wish.parse([CT]), keeper)
    without = replace(keeper, scope=replace(keeper.scope, reports=False))

    for name in (whole.name, begun.name):
        for act in (exporting.progress, exporting.opened):
            with pytest.raises(NotFound, match="not there for you any more"):
                act(shared, name, without)
    assert exporting.opened(shared, images.name, without).size == images.bytes


def test_an_object_that_goes_while_it_is_made_ends_it(shared: Bank) -> None:
    keeper = rights.principal(shared, "o", Role.ADMIN, "north")
    begun = exporting.begin(shared, Wish.parse([CT]), keeper)
    place = export_spool.place_of(shared, begun.name, keeper)
    (one, *_) = shared.index.instances(Selection(Uid(CT)), ALL)
    remove.remove(shared, Selection(instance=one.uid), keeper)
    with pytest.raises(NotFound, match="changed or deleted"):
        exporting.go_on(shared, begun.name, keeper, 60)

    assert not place.exists()
    exporting.export_job(shared, {"who": place.parent.name, "name": begun.name})


def test_exports_go_by_themselves_and_the_oldest_gives_way(
    shared: Bank, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = rights.principal(shared, "o", Role.ADMIN, "north")
    monkeypatch.setattr(exporting, "MOST_OF_ONE", 2)
    first = exporting.begin(shared, Wish.parse([CT]), keeper)
    exporting.begin(shared, Wish.parse([CT], "iso"), keeper)
    with pytest.raises(TooOften):
        exporting.begin(shared, Wish.parse([CT], "pictures"), keeper)
    clock.at += timedelta(hours=2)
    exporting.begin(shared, Wish.parse([CT], "pictures"), keeper)
    left = {path.name for path in export_spool.folder_of(shared, keeper).iterdir()}
    assert first.name not in left or len(left) == 2
    (export_spool.folder_of(shared, keeper) / "left-by-a-crash").mkdir()

    assert export_spool.sweep(shared) == 1
    clock.at += timedelta(hours=25)
    assert export_spool.sweep(shared) == 2
    assert export_spool.sweep(shared) == 0


def test_what_cannot_be_drawn_is_told_and_the_rest_is_made(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        keep(bank, a_file(StudyInstanceUID="1.9", Rows=60000, Columns=60000))
        found = made(bank, Wish.parse(["1.9"]))
        exported = exporting.opened(bank, found.name, staff(bank))
        with zipfile.ZipFile(io.BytesIO(b"".join(exported.read(0, exported.size)))) as archive:
            readme = archive.read("README.TXT").decode()
            index = archive.read("INDEX.HTM").decode()
        with pytest.raises(Invalid, match="no pictures"):
            made(bank, Wish.parse(["1.9"], "pictures"))

    assert len(found.troubles) == 1
    assert "WHAT COULD NOT BE DONE" in readme
    assert "Nothing of it can be shown here" in index


def test_odd_objects_go_as_they_are_and_why_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_test_bank(tmp_path) as bank:
        bare = as_file(a_dataset(StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1"), IMPLICIT_LE)
        compressed = a_dataset(StudyInstanceUID="1.9", SeriesInstanceUID="1.9.2", SOPClassUID=f"{VL}77.1.1.1")
        compressed.PixelData = encapsulate([b"no MP4 file at all, but a stream"])
        deflated = as_file(a_dataset(StudyInstanceUID="1.9", SeriesInstanceUID="1.9.3"), DEFLATED_LE)
        keep(bank, bare[read_offset(bare) :], as_file(compressed, f"{MPEG_4}102"), deflated)
        keep(bank, a_pixelless_film())
        monkeypatch.setattr(retrieve, "_MAX_REWRITTEN", 1)
        said = Body("", "", (Part("text/plain", b"x"),))
        reports.keep(
            bank, Report("local", PatientId("local", "P1"), bank.now(), "F", "R", study=Uid("1.9")), said, "RIS"
        )
        (report,) = bank.index.orders.reports(Uid("1.9"), ALL)
        assert report.location is not None
        bank.blobs.destroy([report.location])
        found = made(bank, Wish.parse(["1.9"]))
        exported = exporting.opened(bank, found.name, staff(bank))
        with zipfile.ZipFile(io.BytesIO(b"".join(exported.read(0, exported.size)))) as archive:
            archive.extractall(tmp_path / "out")
        kinds = {read(path.read_bytes()).file_meta.TransferSyntaxUID for path in objects(tmp_path / "out")}

    assert kinds == {IMPLICIT_LE, DEFLATED_LE, f"{MPEG_4}102"}
    assert sorted(words.split(": ", 1)[1] for words in found.troubles if "pictures" not in words) == [
        "it could not be written as Explicit VR Little Endian, and is as it came",
        "it could not be written as Explicit VR Little Endian, and is as it came",
        "the film is in the DICOM object alone",
        "the film is no MP4 file, and is in the DICOM object alone",
        "this report cannot be read any more",
    ]


def read_offset(file: bytes) -> int:
    """Where the data set of a file begins."""
    return 144 + int.from_bytes(file[140:144], "little")


def a_pixelless_film() -> bytes:
    ds = without_pixels(a_dataset(StudyInstanceUID="1.9", SeriesInstanceUID="1.9.4", SOPClassUID=f"{VL}77.1.1.1"))
    return as_file(ds, f"{MPEG_4}102")


def test_what_is_long_is_kept_in_blocks(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        deflated = as_file(a_dataset(StudyInstanceUID="1.9", rows=1100, columns=1100), DEFLATED_LE)
        keep(bank, deflated)
        found = exporting.opened(bank, made(bank, Wish.parse(["1.9"])).name, staff(bank))
        whole = b"".join(found.read(0, found.size))
        with zipfile.ZipFile(io.BytesIO(whole)) as archive:
            file = read(archive.read("DICOM/ST000001/SE000001/IM000001"))

    assert file.PixelData == read(deflated).PixelData
    assert len(whole) > 2 << 20


def test_a_spool_that_was_altered_or_is_gone_gives_nothing(bank: Bank, tmp_path: Path) -> None:
    who = staff(bank, "altered")
    found = made(bank, Wish.parse([SR]), who)
    place = export_spool.place_of(bank, found.name, who)
    exported = exporting.opened(bank, found.name, who)
    parts = bytearray((place / "parts").read_bytes())
    parts[20] ^= 1
    (place / "parts").write_bytes(parts)
    with pytest.raises(Invalid, match="altered"):
        list(exported.read(0, exported.size))
    (place / "parts").unlink()
    with pytest.raises(NotFound):
        list(exported.read(0, exported.size))


def test_what_cannot_be_read_any_more_is_begun_anew(bank: Bank) -> None:
    who = staff(bank, "upgraded")
    for name, content in (
        ("asked", b"sealed by another key"),
        ("asked", bank.seal.seal(zstandard.compress(msgspec.msgpack.encode({"of": "another version"})))),
    ):
        first = exporting.begin(bank, Wish.parse([NOBODY], "pictures"), who)
        place = export_spool.place_of(bank, first.name, who)
        (place / name).write_bytes(content)
        again = exporting.begin(bank, Wish.parse([NOBODY], "pictures"), who)

        assert again.name == first.name
        assert exporting.go_on(bank, again.name, who, 60).is_ready


def test_a_full_disk_is_said(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_self: Path, _mode: str = "", **_rest: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(OutOfSpace, match="to make this export"):
        exporting.begin(bank, Wish.parse([SR], "pictures"), staff(bank, "unlucky"))


@pytest.mark.parametrize(
    ("studies", "given", "why"),
    [
        ([], {}, "at least one study"),
        (["1.2"], {"form": "rar"}, "zip, iso, pictures"),
        (["1.2"] * (MOST_STUDIES + 1), {}, "500 studies at most"),
        (["1.2"], {"form": "iso", "password": PASSWORD}, "a disc cannot have a password"),
        (["1.2"], {"password": "short"}, "8 to 128"),
        (["Doe^Jane"], {}, "a UID has digits"),
    ],
)
def test_a_wish_that_cannot_be_met_says_why(studies: list[str], given: dict[str, Any], why: str) -> None:
    with pytest.raises(Invalid, match=why):
        Wish.parse(studies, **given)


def test_more_than_an_export_holds_is_refused_in_words(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, form, why in (
        ("MOST_OBJECTS", "zip", "an export holds 1; make several"),
        ("MOST_BYTES", "zip", "make several"),
        ("MOST_DISC_BYTES", "iso", "no disc holds"),
        ("MOST_FILE_ON_DISC", "iso", "more than 4 GiB"),
    ):
        with monkeypatch.context() as limit:
            limit.setattr(export_survey, name, 1)
            with pytest.raises(Invalid, match=why):
                exporting.begin(bank, Wish.parse([CT], form), staff(bank))


def test_sizes_are_told_before_anything_begins(bank: Bank) -> None:
    ct, sr = exporting.sizes(bank, [Uid(CT), Uid(SR)], staff(bank))

    assert (ct.objects, ct.reports, sr.objects, sr.reports) == (7, 1, 1, 0)
    assert ct.bytes == sum(one.location.size for one in bank.index.instances(Selection(Uid(CT)), ALL))


def test_formats_have_a_name_of_a_file_and_a_type() -> None:
    assert [(one.suffix, one.media_type) for one in Format] == [
        ("zip", "application/zip"),
        ("iso", "application/x-iso9660-image"),
        ("zip", "application/zip"),
    ]
