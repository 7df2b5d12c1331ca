"""Attributes are changed and nothing else is, and what they were before stands in Original Attributes Sequence."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from pydicom import Dataset, Sequence

from imagebank.dicom import dicomjson
from imagebank.dicom.changes import element_of_text
from imagebank.dicom.coerce import coerce
from imagebank.dicom.read import Converted, open_header
from imagebank.errors import BankError, Invalid
from imagebank.model.correction import Modification, Reason
from make import a_file, read
from samples import sample_data, sample_files

AT = datetime(2026, 11, 29, 16, 30, tzinfo=UTC)
BY = Modification(AT, "IMAGEBANK", Reason.CORRECT, "MODALITY 1")
ANA = {"PatientName": {"vr": "PN", "Value": [{"Alphabetic": "Diaz^Ana"}]}}
FILES = [path for path in sample_files() if path.stat().st_size < 32 << 20]


def is_taken(data: bytes) -> bool:
    try:
        opened = open_header(data)
    except BankError:
        return False
    header = opened.header if isinstance(opened, Converted) else opened
    return 0x00080018 in header.elements and 0x00041220 not in header.elements


def values(data: bytes) -> dict[str, Any]:
    opened = open_header(data)
    image, header = (opened.data, opened.header) if isinstance(opened, Converted) else (data, opened)
    return dicomjson.to_json(image, header, bulk=None, skip_pixels=False)


def changed(data: bytes, changes: Mapping[str, Any] = ANA) -> Dataset:
    return read(coerce(data, changes, BY))


def former(found: Dataset, number: int = -1) -> Dataset:
    item: Dataset = found.OriginalAttributesSequence[number].ModifiedAttributesSequence[0]
    return item


@pytest.mark.parametrize("folder", sorted({path.relative_to(sample_data()).parts[0] for path in FILES}))
def test_nothing_but_the_named_attributes_differs_in_any_sample(folder: str) -> None:
    texts = {"PatientName": "Diaz^Ana", "AccessionNumber": "A-77", "StudyDescription": "Head, corrected"}
    changes = {name: element_of_text(name, text) for name, text in texts.items()}
    named = {"00100010", "00080050", "00081030", "04000561"}
    for path in FILES:
        data = path.read_bytes()
        if path.relative_to(sample_data()).parts[0] != folder or not is_taken(data):
            continue
        new = coerce(data, changes, BY)
        before, after = values(data), values(new)

        assert {k: v for k, v in before.items() if k not in named} == {
            k: v for k, v in after.items() if k not in named
        }, path
        assert after["00100010"]["Value"] == [{"Alphabetic": "Diaz^Ana"}]
        assert len(after["04000561"]["Value"]) == len(before.get("04000561", {}).get("Value", [])) + 1
        modified = after["04000561"]["Value"][-1]["04000550"]["Value"][0]
        assert modified["00100010"].get("Value") in (before.get("00100010", {}).get("Value"), None)
        assert open_header(new).transfer_syntax == open_header(data).transfer_syntax, path
        assert coerce(new, changes, BY) == new, path


@pytest.mark.parametrize("folder", sorted({path.relative_to(sample_data()).parts[0] for path in FILES}))
def test_a_text_of_another_script_changes_how_text_is_written_and_not_what_it_says(folder: str) -> None:
    changes = {"PatientName": element_of_text("PatientName", "Ivanov^Ivan=Иванов^Иван")}
    for path in FILES:
        data = path.read_bytes()
        if path.relative_to(sample_data()).parts[0] != folder or not is_taken(data):
            continue
        before, after = values(data), values(coerce(data, changes, BY))
        for tag in ("00100010", "04000561", "00080005"):
            before.pop(tag, None)
            after.pop(tag, None)

        assert before == after, path


def test_the_former_values_stand_in_original_attributes() -> None:
    found = changed(a_file(), ANA | {"AccessionNumber": None, "BodyPartExamined": {"vr": "CS", "Value": ["HEAD"]}})
    item = found.OriginalAttributesSequence[0]

    assert found.PatientName == "Diaz^Ana"
    assert "AccessionNumber" not in found
    assert former(found).PatientName == "Doe^Jane"
    assert former(found).AccessionNumber == "A1"
    assert former(found).BodyPartExamined == ""
    assert item.AttributeModificationDateTime == "20261129163000.000000+0000"
    assert (item.ModifyingSystem, item.SourceOfPreviousValues) == ("IMAGEBANK", "MODALITY 1")
    assert item.ReasonForTheAttributeModification == "CORRECT"
    assert "NonconformingModifiedAttributesSequence" not in item


@pytest.mark.parametrize(
    "name",
    [
        *("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"),
        *("TransferSyntaxUID", "SpecificCharacterSet", "Rows", "PhotometricInterpretation", "PixelData"),
        *("OriginalAttributesSequence", "EncapsulatedDocument", "00110010", "00100000", "NoSuchAttribute"),
    ],
)
def test_what_says_which_object_it_is_or_how_it_is_read_cannot_be_changed(name: str) -> None:
    with pytest.raises(Invalid):
        coerce(a_file(), {name: None}, BY)


def test_an_object_of_another_issuer_is_not_given_an_identifier_of_nobody_known() -> None:
    qualified = Sequence([Dataset()])
    data = a_file(IssuerOfPatientID="CLINIC B", IssuerOfPatientIDQualifiersSequence=qualified)
    new_id = {"PatientID": {"vr": "LO", "Value": ["4711"]}}

    with pytest.raises(Invalid, match="who issued"):
        coerce(data, new_id, BY)
    found = changed(data, new_id | {"IssuerOfPatientID": None})

    assert found.PatientID == "4711"
    assert "IssuerOfPatientID" not in found
    assert "IssuerOfPatientIDQualifiersSequence" not in found
    assert former(found).IssuerOfPatientID == "CLINIC B"
    assert len(former(found).IssuerOfPatientIDQualifiersSequence) == 1
