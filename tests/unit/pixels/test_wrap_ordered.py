"""Objects of an order and of a visit are objects of the standard, too."""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydicom
import pytest

from checked import errors_of
from imagebank.dicom.kind import HEAD, kind_of
from imagebank.dicom.sandbox import Sandbox
from imagebank.dicom.wrap import wrap
from imagebank.model.order import Code, Order, Ordered, Patient
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.model.upload import About, Department
from samples import sample_data

NOW = datetime(2026, 11, 5, 8, 30, tzinfo=UTC)
ANA = Patient(PatientId("local", "4711"), "Diaz^Ana", "19800203", "F")
WHOLE = Ordered(
    *(Code("FUN", "Fundus photography", "L"), Code("F2", "Two fields", "99EYE"), "blurred vision", "R"),
    *("Asks^Doctor", "Who^Doctor", "Does^Doctor", "V-9", "Eye clinic", "CAM1"),
)
FILES = (
    "jpeg/fundus-retina.jpg",
    "pdf/ecg-12-lead-report.pdf",
    "mp4/echo-cardiac.mp4",
    "jpeg/endoscopy-oesophagus.jpg",
)


def made(sandbox: Sandbox, file: str, about: About) -> bytes:
    data = (sample_data() / "non-dicom" / file).read_bytes()
    return wrap(sandbox, data, kind_of(data[:HEAD]), about, NOW).file


def about(ordered: Ordered = WHOLE, **given: Any) -> About:
    order = Order("local", ANA, NOW, placer="PL1", filler="F1", accession="A1", ordered=ordered, **given)
    return About(ANA.id, ANA.name, department=Department.OPHTHALMOLOGY, accession="A1", asked=order)


@pytest.mark.parametrize("file", FILES)
def test_an_object_of_an_order_is_one_of_the_standard(sandbox: Sandbox, tmp_path: Path, file: str) -> None:
    path = tmp_path / "made.dcm"
    path.write_bytes(
        made(sandbox, file, about(procedure_id="RP1", step_id="S1", study=Uid("1.2.3"), accession_issuer="RIS"))
    )
    ds = pydicom.dcmread(path)

    assert errors_of(path) == []
    assert (ds.StudyInstanceUID, ds.AdmissionID, ds.ReferringPhysicianName) == ("1.2.3", "V-9", "Who^Doctor")
    assert ds.IssuerOfAdmissionIDSequence[0].LocalNamespaceEntityID == "local"
    assert ds.IssuerOfAccessionNumberSequence[0].LocalNamespaceEntityID == "RIS"
    request = ds.RequestAttributesSequence[0]
    assert (request.RequestedProcedureID, request.ScheduledProcedureStepID) == ("RP1", "S1")
    assert request.ScheduledProtocolCodeSequence[0].CodingSchemeDesignator == "99EYE"


@pytest.mark.parametrize(
    ("ordered", "expected"),
    [
        (Ordered(), None),
        (Ordered(Code("", "Fundus photography", "")), None),
        (Ordered(Code("C" * 17, "Too long a code", "L")), None),
        (Ordered(Code("FUN", "Fundus photography", "")), "99LOCAL"),
    ],
)
def test_what_an_order_does_not_say_is_not_there(
    sandbox: Sandbox, tmp_path: Path, ordered: Ordered, expected: str | None
) -> None:
    path = tmp_path / "made.dcm"
    path.write_bytes(made(sandbox, FILES[0], about(ordered)))
    ds = pydicom.dcmread(path)

    assert errors_of(path) == []
    codes = ds.get("ProcedureCodeSequence") or []
    assert [one.CodingSchemeDesignator for one in codes] == ([expected] if expected else [])
    assert ("RequestAttributesSequence" in ds) is (ordered != Ordered())


def test_a_visit_alone_is_said_by_its_number(sandbox: Sandbox) -> None:
    ds = pydicom.dcmread(io.BytesIO(made(sandbox, FILES[0], About(encounter="V-9"))))

    assert ds.AdmissionID == "V-9"
    assert "IssuerOfAdmissionIDSequence" not in ds
    assert "ProcedureCodeSequence" not in ds
