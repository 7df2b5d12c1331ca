"""Photographs of an order and of a visit, with nothing typed but a number (IHE Encounter-Based Imaging Workflow)."""

import io
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from PIL import Image

from bank import SOURCE
from checked import errors_of
from hl7 import Client, adt, calling, code, listening, msh, pid, segments
from imagebank.actions import media
from imagebank.actions.ingest import Arrival
from imagebank.bank import Bank
from imagebank.model.access import Scope
from imagebank.model.imaging import Selection
from imagebank.model.upload import read_about
from samples import sample_data

ALL = Scope(None)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Bank, Client]]:
    with listening(tmp_path) as (bank, server), calling(server.port) as his:
        yield bank, his


def take(bank: Bank, photo: bytes, **said: str) -> pydicom.Dataset:
    (receipt,) = media.receive(bank, [Arrival(io.BytesIO(photo), len(photo), "DSC_0001.JPG")], SOURCE, read_about(said))
    assert receipt.is_kept, receipt.error
    assert receipt.uid is not None
    (instance,) = bank.index.instances(Selection(instance=receipt.uid), ALL)
    return pydicom.dcmread(io.BytesIO(b"".join(bank.blobs.stream(instance.location))))


def a_photo(colour: str) -> bytes:
    with io.BytesIO() as stream:
        Image.new("RGB", (64, 48), colour).save(stream, "JPEG")
        return stream.getvalue()


def test_a_fundus_photograph_is_filed_by_the_number_of_its_order(site: tuple[Bank, Client], tmp_path: Path) -> None:
    bank, ris = site
    ordered = segments(
        msh("OMI^O23^OMI_O23"),
        pid("P7", "Kovacs^Anna^^^", "19610412"),
        "PV1|1|O|EYE^1^2|||||REF^House^Gregory|||||||||||V77",
        "ORC|NW|PL77|F77||SC||||20260301120000",
        "TQ1|1||||||202603021030||S",
        "OBR|1|PL77|F77|FUN^Fundus photography^LOCAL|||||||||blurred vision|||||||||||OP",
        "IPC|A77|RP77|1.2.3.77|S77|OP|TWO^Two fields^L|EYE1|R1^Room 1|CAM1",
    )
    assert code(ris.send(ordered)) == "AA"
    photo = (sample_data() / "non-dicom" / "jpeg" / "fundus-retina.jpg").read_bytes()
    made = take(bank, photo, order="PL77", department="ophthalmology", laterality="R")

    assert (made.PatientID, made.PatientName, made.PatientBirthDate) == ("P7", "Kovacs^Anna", "19610412")
    assert (made.StudyInstanceUID, made.AccessionNumber, made.AdmissionID) == ("1.2.3.77", "A77", "V77")
    assert (made.Modality, made.StudyDescription, made.ImageLaterality) == ("OP", "Fundus photography", "R")
    assert made.ReferringPhysicianName == "House^Gregory"
    assert made.ProcedureCodeSequence[0].CodeValue == "FUN"
    assert made.RequestAttributesSequence[0].RequestedProcedureID == "RP77"
    assert made.AnatomicRegionSequence[0].CodingSchemeDesignator == "SCT"
    made.save_as(tmp_path / "made.dcm")
    assert errors_of(tmp_path / "made.dcm") == []


def test_a_wound_is_filed_by_the_number_of_the_visit(site: tuple[Bank, Client]) -> None:
    bank, adt_system = site
    visit = "PV1|1|E|ER^1^2||||||||||||||||V78" + "|" * 25 + "20260301100000"
    assert code(adt_system.send(adt("A01", visit, patient=pid("P8", "Roe^Jo^^^")))) == "AA"
    made = take(bank, a_photo("red"), encounter="V78", department="surgery", body_part="foot", laterality="L")

    assert (made.PatientID, made.PatientName, made.PatientBirthDate) == ("P8", "Roe^Jo", "19700101")
    assert (made.AdmissionID, made.AccessionNumber) == ("V78", "")
    assert (made.Modality, made.AnatomicRegionSequence[0].CodeMeaning) == ("XC", "Foot")


def test_a_photograph_without_a_number_that_is_known_is_of_nobody(site: tuple[Bank, Client]) -> None:
    bank, _ = site

    assert take(bank, a_photo("blue"), order="F99").PatientID == ""
