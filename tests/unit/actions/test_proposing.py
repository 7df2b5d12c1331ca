"""What may be so of a file: gathered, ranked, filled in where it is sure, and kept with the object."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest
from PIL import ExifTags, Image

from bank import SOURCE, open_test_bank
from imagebank.actions import media, orders, reindex, uploads
from imagebank.actions.ingest import Arrival
from imagebank.actions.proposing import told, values_of
from imagebank.bank import Bank
from imagebank.dicom import burned_in
from imagebank.dicom.kind import Kind
from imagebank.model.access import RIGHTS, Principal, Right, Role, Scope
from imagebank.model.imaging import Instance, Receipt, Selection, Source
from imagebank.model.order import Code, Order, Ordered, Patient, State
from imagebank.model.person import PatientId
from imagebank.model.proposal import OF_A_PERSON, ProposalSource
from imagebank.model.region import REGIONS
from imagebank.model.upload import About, Department, Laterality
from make import a_file
from samples import sample_data
from unit.pixels.test_document_text import CDA, a_pdf
from unit.pixels.test_file_words import PACKET

ADMIN = Principal("ada", Role.ADMIN, "local", RIGHTS[Role.ADMIN], Scope(organizations=None))
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HABITS = """
[[habit]]
who = "camera-*"
department = "dermatology"

[[habit]]
organization = "elsewhere"
department = "surgery"

[[pattern]]
name = "ours"
expression = '(?P<patient_id>\\d{4})_(?P<laterality>[LR])'
confidence = 1
"""


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(Path(tmp_path_factory.mktemp("proposing"))) as bank:
        yield bank


def a_jpeg(shade: int, taken_at: str = "2026:03:01 10:15:00", **words: str) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken_at
    for name, text in words.items():
        exif[ExifTags.Base[name]] = text
    with io.BytesIO() as stream:
        Image.new("RGB", (48, 32), (shade, 0, 0)).save(stream, "JPEG", exif=exif)
        return stream.getvalue()


def take(bank: Bank, data: bytes, name: str, about: About | None = None, source: Source = SOURCE) -> Receipt:
    (receipt,) = media.receive(bank, [Arrival(io.BytesIO(data), len(data), name)], source, about)
    assert receipt.is_kept, receipt.error
    return receipt


def kept(bank: Bank, receipt: Receipt) -> tuple[Instance, pydicom.Dataset]:
    assert receipt.uid is not None
    (instance,) = bank.index.instances(Selection(instance=receipt.uid), ADMIN.scope)
    content = b"".join(bank.blobs.stream(instance.location))
    return instance, pydicom.dcmread(io.BytesIO(content))


def proposed(receipt: Receipt) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for one in receipt.proposals:
        found.setdefault(one.field, (one.value, str(one.source)))
    return found


def test_what_is_sure_is_filled_in_and_what_is_likely_is_kept_as_a_proposal(bank: Bank) -> None:
    receipt = take(bank, a_jpeg(1, Artist="Jo Roe"), "Augenklinik/4711_2026-02-28_OD.jpg")
    instance, ds = kept(bank, receipt)

    assert instance.patient == PatientId("local", "")
    assert (ds.StudyDate, ds.StudyTime) == ("20260301", "101500")
    assert proposed(receipt) == {
        "patient_id": ("4711", "name"),
        "department": ("ophthalmology", "folder"),
        "taken_at": ("2026-03-01T10:15:00", "exif"),
        "laterality": ("R", "name"),
        "operator": ("Roe^Jo", "exif"),
    }
    assert bank.index.proposals.of([instance.uid], ADMIN.scope) == {instance.uid: receipt.proposals}


def test_nothing_is_ever_assigned_to_a_person_on_a_guess(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(HABITS, "utf-8")
    pdf = a_pdf("Patient ID: 4712\nPatient: Diaz, Ana\nAccession: A1\nVisit: V1\nOrder: O1\nSex: F\nDOB: 1980-02-03")
    with open_test_bank(tmp_path, proposals_file=file) as bank:
        for data, name in ((a_jpeg(1), "4711_R.jpg"), (pdf, "x.pdf")):
            receipt = take(bank, data, name)
            instance, ds = kept(bank, receipt)

            assert instance.patient.identifier == ""
            assert (ds.PatientName, ds.AccessionNumber, ds.get("AdmissionID")) == ("", "", None)
            assert not any(one.is_sure for one in receipt.proposals if one.field in OF_A_PERSON)
        # The side of a site's own pattern is nobody's identity.
        assert kept(bank, take(bank, a_jpeg(2), "4711_L.jpg"))[1].ImageLaterality == "L"


def test_what_was_said_wins_and_what_contradicts_it_is_there_to_be_looked_at(bank: Bank) -> None:
    about = About(PatientId("", "4711"), laterality=Laterality.LEFT, region=REGIONS["EYE"])
    receipt = take(bank, a_jpeg(3), "4711_2026-02-28_OD.jpg", about)
    instance, ds = kept(bank, receipt)

    assert instance.patient == PatientId("local", "4711")
    assert (ds.ImageLaterality, ds.BodyPartExamined) == ("L", "EYE")
    assert "patient_id" not in proposed(receipt)
    assert proposed(receipt)["laterality"] == ("R", "name")


def test_an_order_that_was_named_makes_the_object_whole(bank: Bank) -> None:
    ana = Patient(PatientId("local", "4713"), "Diaz^Ana", "19800203", "F")
    ordered = Ordered(Code("FUN", "Fundus photography", "L"), referring="Who^Doctor", admission="V7", reason="blurred")
    heard = Order("local", ana, NOW, State.SCHEDULED, "PL7", "F7", "A7", "", "RP7", "S7", None, "OP", ordered=ordered)
    orders.hear(bank, [heard], "RIS")
    receipt = take(bank, a_jpeg(4), "IMG_1.jpg", About(order="PL7", department=Department.OPHTHALMOLOGY))
    instance, ds = kept(bank, receipt)

    assert instance.patient == ana.id
    assert (ds.PatientName, ds.PatientBirthDate, ds.PatientSex) == ("Diaz^Ana", "19800203", "F")
    assert (ds.AccessionNumber, ds.AdmissionID, ds.ReferringPhysicianName) == ("A7", "V7", "Who^Doctor")
    assert (ds.StudyDescription, ds.ReasonForVisit) == ("Fundus photography", "blurred")
    assert (ds.ProcedureCodeSequence[0].CodeValue, ds.ProcedureCodeSequence[0].CodingSchemeDesignator) == (
        "FUN",
        "99LOCAL",
    )
    request = ds.RequestAttributesSequence[0]
    assert (request.RequestedProcedureID, request.ScheduledProcedureStepID, request.AccessionNumber) == (
        "RP7",
        "S7",
        "A7",
    )
    known = bank.index.orders.order_of("local", "PL7", "F7")
    assert known is not None
    assert ds.StudyInstanceUID == known.study == request.StudyInstanceUID
    assert ds.AnatomicRegionSequence[0].CodingSchemeDesignator == "SCT"


def test_a_pdf_tells_whose_it_may_be(bank: Bank) -> None:
    data = (sample_data() / "non-dicom" / "pdf" / "ecg-12-lead-report.pdf").read_bytes()
    receipt = take(bank, data, "ecg.pdf")

    found = proposed(receipt)
    assert found["birth_date"] == ("1971-01-23", "document")
    assert found["sex"] == ("F", "document")
    assert found["taken_at"] == ("2013-01-25T09:54:00", "document")
    assert found["department"] == ("cardiology", "name")


def test_info_of_a_pdf_is_less_than_its_text(bank: Bank) -> None:
    receipt = take(bank, a_pdf("nothing to see", title="Knee of somebody", author="Jo Roe"), "a.pdf")

    found = proposed(receipt)
    assert found["description"] == ("Knee of somebody", "document")
    assert found["operator"] == ("Roe^Jo", "document")
    assert found["body_part"] == ("KNEE", "document")
    assert "taken_at" in found


def test_the_header_of_a_clinical_document_fills_in_what_is_of_no_person(bank: Bank) -> None:
    receipt = take(bank, CDA.format(encoding="utf-8").encode(), "report.xml")
    instance, ds = kept(bank, receipt)

    assert instance.patient.identifier == ""
    assert ds.StudyDescription == "Befund Müller"
    assert proposed(receipt)["patient_id"] == ("4711", "document")


def test_a_document_that_cannot_be_read_says_nothing(bank: Bank) -> None:
    assert look_at(bank, a_pdf("MRN: 4711", password="x"), "locked.pdf").proposals == ()


def test_habits_of_who_uploads_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(HABITS, "utf-8")
    with open_test_bank(tmp_path, proposals_file=file) as bank:
        receipt = take(bank, a_jpeg(1), "x.jpg", source=replace(SOURCE, principal="camera-3"))
        other = take(bank, a_jpeg(2), "x.jpg")

    assert proposed(receipt)["department"] == ("dermatology", "department")
    assert "department" not in proposed(other)


def test_a_sites_procedures_say_what_is_taken_for_them(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    procedures = "[[procedure]]\ncode = 'FUN'\ndepartment = 'ophthalmology'\nbody_part = 'RETINA'\n"
    file.write_text(f"{procedures}[[procedure]]\ncode = 'KN'\nbody_part = 'KNEE'\n", "utf-8")
    ana = Patient(PatientId("local", "4715"), "Diaz^Ana")
    asked = Order(
        "local", ana, NOW, State.SCHEDULED, filler="F9", ordered=Ordered(Code("FUN", "Fundus of the eye", "L"))
    )
    with open_test_bank(tmp_path, proposals_file=file) as bank:
        orders.hear(bank, [asked], "RIS")
        _, ds = kept(bank, take(bank, a_jpeg(1), "x.jpg", About(order="F9")))

    assert (ds.Modality, ds.AnatomicRegionSequence[0].CodeMeaning) == ("OP", "Retina")


def test_the_words_of_a_procedure_are_likely(bank: Bank) -> None:
    ana = Patient(PatientId("local", "4716"), "Diaz^Ana")
    asked = Order(
        "local", ana, NOW, State.SCHEDULED, filler="F10", ordered=Ordered(Code("KN", "Photo of left knee", "L"))
    )
    orders.hear(bank, [asked], "RIS")
    receipt = take(bank, a_jpeg(10), "x.jpg", About(order="F10"))

    assert {
        (one.field, one.value): one.is_sure for one in receipt.proposals if one.field in ("body_part", "laterality")
    } == {
        ("body_part", "KNEE"): False,
        ("laterality", "L"): False,
    }


def test_the_device_of_a_file_is_said_also_where_it_stands_in_xmp(bank: Bank) -> None:
    packet = PACKET.format(format="image/jpeg").replace("Scope 9", "Scope\\9")
    with io.BytesIO() as stream:
        Image.new("RGB", (48, 32), "teal").save(stream, "JPEG", xmp=packet.encode())
        _, ds = kept(bank, take(bank, stream.getvalue(), "x.jpg"))

    assert (ds.Manufacturer, ds.ManufacturerModelName) == ("Acme", "Scope 9")


def test_the_offset_of_a_clock_is_said_with_its_times(bank: Bank) -> None:
    exif = Image.Exif()
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    inner[ExifTags.Base.DateTimeOriginal], inner[ExifTags.Base.OffsetTimeOriginal] = "2026:03:01 00:15:00", "+01:00"
    with io.BytesIO() as stream:
        Image.new("RGB", (48, 32), "navy").save(stream, "JPEG", exif=exif)
        _, ds = kept(bank, take(bank, stream.getvalue(), "x.jpg"))

    assert (ds.StudyDate, ds.StudyTime, ds.TimezoneOffsetFromUTC) == ("20260301", "001500", "+0100")


def test_proposals_come_back_with_a_rebuilt_index(bank: Bank) -> None:
    receipt = take(bank, a_jpeg(5), "4711_2026-02-28_OD.jpg")
    assert receipt.uid is not None
    reindex.reindex(bank)

    assert bank.index.proposals.of([receipt.uid], ADMIN.scope) == {receipt.uid: receipt.proposals}


def test_what_an_order_says_is_for_those_who_may_find_patients(bank: Bank) -> None:
    ana = Patient(PatientId("local", "4714"), "Diaz^Ana")
    orders.hear(bank, [Order("local", ana, NOW, State.SCHEDULED, filler="F8")], "RIS")
    receipt = take(bank, a_jpeg(6), "4711_2026-02-28_OD.jpg", About(order="F8"))
    blind = replace(ADMIN, rights=frozenset({Right.STORE}))

    assert told(ADMIN, [receipt]) == [receipt]
    (less,) = told(blind, [receipt])
    assert {one.source for one in less.proposals} == {ProposalSource.NAME, ProposalSource.EXIF}


def test_an_answer_that_was_kept_has_its_proposals(bank: Bank) -> None:
    data = a_jpeg(7)
    began = uploads.begin(bank, ADMIN, len(data), "4711_2026-02-28_OD.jpg", {"order": "none"})
    uploads.append(bank, began.name, ADMIN, 0, data)
    (first,) = uploads.deposit(bank, began.name, ADMIN)

    assert first.receipt.proposals
    assert first.receipt.warnings[-1] == "there is no order none here yet"
    assert uploads.deposit(bank, began.name, ADMIN) == [first]


PLUGIN = """
def read(cells):
    assert cells.shape == (32, 48, 3) and cells.dtype == "uint8", cells.shape
    yield "MRN: 4711", (1, 2, 30, 12), 0.8
    yield "a line of nothing", (1.0, 2, 3, 4), 7


def fail(cells):
    raise RuntimeError("MRN 4711")
"""
POINTS = """[imagebank.ocr]
good = letters_of_a_test:read
bad = letters_of_a_test:fail
none = letters_of_a_test:nothing
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with plug-ins, as `pip install` leaves one."""
    info = tmp_path / "site" / "letters_of_a_test-1.0.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: letters-of-a-test\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text(POINTS)
    info.with_name("letters_of_a_test.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(info.parent)
    burned_in.readers.cache_clear()
    yield
    burned_in.readers.cache_clear()


def test_letters_in_a_picture_are_read_by_a_plug_in(bank: Bank, plugin: None, caplog: pytest.LogCaptureFixture) -> None:
    receipt = take(bank, a_jpeg(8), "x.jpg")

    (found,) = (one for one in receipt.proposals if one.source is ProposalSource.BURNED_IN)
    assert (found.field, found.value, round(found.confidence, 3)) == ("patient_id", "4711", 0.612)
    assert found.evidence == "letters in the picture at 1-30, 2-12: MRN: 4711"
    assert not found.is_sure
    # What a plug-in says of its failure may tell what stands in the picture.
    assert "a plug-in of imagebank.ocr failed: RuntimeError" in caplog.text
    assert "cannot be loaded: AttributeError" in caplog.text
    assert "4711" not in caplog.text


def test_what_is_no_picture_has_no_letters(bank: Bank, plugin: None) -> None:
    assert list(burned_in.letters_of(bank.sandbox, b"%PDF-1.7", Kind.PDF)) == []
    assert list(burned_in.letters_of(bank.sandbox, b"\xff\xd8\xff broken", Kind.JPEG)) == []


def test_no_plug_in_comes_with_the_bank() -> None:
    assert burned_in.readers() == ()


def test_what_is_known_is_told_by_field() -> None:
    about = About(
        PatientId("north", "4711"), "Diaz^Ana", department=Department.DENTAL, region=REGIONS["KNEE"], order="O1"
    )

    assert values_of(about) == {
        "patient_id": "4711",
        "patient_issuer": "north",
        "patient_name": "Diaz^Ana",
        "department": "dental",
        "body_part": "KNEE",
        "order": "O1",
    }


def look_at(bank: Bank, data: bytes, name: str, about: About | None = None) -> media.Look:
    return media.look_at(bank, Arrival(io.BytesIO(data), len(data), name), SOURCE, about)


def test_a_dry_run_tells_what_would_become_of_each_proposal_and_keeps_nothing(bank: Bank) -> None:
    before = len(list(bank.index.locations(ADMIN.scope)))
    look = look_at(bank, a_jpeg(9), "right and left 4711_2026-02-28.jpg", About(order="none"))

    assert {(one.field, one.value): look.becomes(one) for one in look.proposals} == {
        ("taken_at", "2026-03-01T10:15:00"): "filled in",
        ("laterality", "R"): "shown",
        ("laterality", "L"): "shown",
    }
    assert look.warnings == ("there is no order none here yet",)
    (likely,) = (one for one in look_at(bank, a_jpeg(9), "knee.jpg").proposals if one.field == "body_part")
    assert look.becomes(likely) == "proposed"
    assert len(list(bank.index.locations(ADMIN.scope))) == before


def test_dicom_says_itself_what_it_is(bank: Bank) -> None:
    assert look_at(bank, a_file(), "4711_OD.dcm") == media.Look(Kind.DICOM, About())
    assert look_at(bank, b"anything", "4711_OD.bin").proposals == ()
