"""Attributes are changed and nothing else is, and what they were before stands in Original Attributes Sequence."""

import io
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, Sequence, dcmwrite
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from imagebank.dicom import dicomjson
from imagebank.dicom.changes import element_of_text, keyword_of, text_of_element
from imagebank.dicom.coerce import coerce, coerced, differences, renamed
from imagebank.dicom.read import Converted, open_header
from imagebank.errors import BankError, Invalid
from imagebank.model.correction import Modification, Reason
from make import a_dataset, a_file, as_file, read
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


FOLDERS = sorted({path.relative_to(sample_data()).parts[0] for path in FILES})


def taken_of(folder: str) -> Iterator[tuple[Path, bytes]]:
    for path in FILES:
        if path.relative_to(sample_data()).parts[0] == folder and is_taken(data := path.read_bytes()):
            yield path, data


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_but_the_named_attributes_differs_in_any_sample(folder: str) -> None:
    """And where the new text does not fit, text is written in another way and says what it said."""
    texts = {"PatientName": "Diaz^Ana", "AccessionNumber": "A-77", "StudyDescription": "Head, corrected"}
    changes = {name: element_of_text(name, text) for name, text in texts.items()}
    russian = {"PatientName": element_of_text("PatientName", "Ivanov^Ivan=Иванов^Иван")}
    named = {"00100010", "00080050", "00081030", "04000561"}
    written = {"00100010", "04000561", "00080005"}
    for path, data in taken_of(folder):
        new = coerce(data, changes, BY)
        before, after, other = values(data), values(new), values(coerce(data, russian, BY))

        assert without(before, named) == without(after, named), path
        assert without(before, written) == without(other, written), path
        assert after["00100010"]["Value"] == [{"Alphabetic": "Diaz^Ana"}]
        assert len(after["04000561"]["Value"]) == len(before.get("04000561", {}).get("Value", [])) + 1
        modified = after["04000561"]["Value"][-1]["04000550"]["Value"][0]
        assert modified["00100010"].get("Value") in (before.get("00100010", {}).get("Value"), None)
        assert open_header(new).transfer_syntax == open_header(data).transfer_syntax, path
        assert coerce(new, changes, BY) == new, path


def without(found: dict[str, Any], keys: set[str]) -> dict[str, Any]:
    return {key: element for key, element in found.items() if key not in keys}


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


SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian)


def in_syntax(ds: Dataset, syntax: str) -> bytes:
    if syntax != ExplicitVRBigEndian:
        return as_file(ds, syntax)
    with io.BytesIO() as stream:
        as_file(ds)
        ds.file_meta.TransferSyntaxUID = UID(syntax)
        ds["PixelData"].VR = "OW"
        dcmwrite(stream, ds, implicit_vr=False, little_endian=False)
        return stream.getvalue()


def a_rich_dataset(**attributes: Any) -> Dataset:
    """With items, private attributes and numbers of every width, and text in two places of nesting."""
    ds = a_dataset(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg", **attributes)
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99X", "Schädel"
    step = Dataset()
    step.ScheduledProcedureStepDescription = "Größe"
    step.ScheduledProtocolCodeSequence = Sequence([code])
    ds.RequestAttributesSequence = Sequence([step])
    block = ds.private_block(0x0019, "ACME 1.1", create=True)
    block.add_new(0x10, "LO", "privé")
    block.add_new(0x11, "FD", [1.5, -2.25])
    ds.SliceThickness, ds.ImagePositionPatient = 2.5, [1, 2, 3]
    return ds


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_transfer_syntax_stays_and_so_does_all_that_is_not_named(syntax: str) -> None:
    data = in_syntax(a_rich_dataset(), syntax)
    new = coerce(data, ANA, BY)
    found = read(new)

    assert found.file_meta.TransferSyntaxUID == syntax
    assert (found.PatientName, found.SpecificCharacterSet) == ("Diaz^Ana", "ISO_IR 100")
    assert former(found).PatientName == "Müller^Jörg"
    assert found.PixelData == read(data).PixelData
    for keyword in ("RequestAttributesSequence", "SliceThickness", "ImagePositionPatient"):
        assert found[keyword] == read(data)[keyword]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_text_that_does_not_fit_puts_the_whole_object_into_utf_8(syntax: str) -> None:
    found = changed(in_syntax(a_rich_dataset(), syntax), {"PatientName": element_of_text("PatientName", "Ивáнов^Иван")})
    step = found.RequestAttributesSequence[0]

    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert found.PatientName == "Ивáнов^Иван"
    assert step.ScheduledProcedureStepDescription == "Größe"
    assert step.ScheduledProtocolCodeSequence[0].CodeMeaning == "Schädel"
    if syntax != ImplicitVRLittleEndian:  # where nothing tells the VR of a private attribute of an unknown creator
        assert found[0x0019, 0x1010].value == "privé"
    assert former(found).SpecificCharacterSet == "ISO_IR 100"
    assert former(found).PatientName == "Müller^Jörg"


def test_a_second_change_comes_behind_the_first() -> None:
    first = coerce(as_file(a_rich_dataset()), ANA, BY)
    second = coerce(first, {"StudyID": None}, Modification(AT, "OTHER", Reason.COERCE))
    found = changed(second, {"PatientName": element_of_text("PatientName", "田中^花子")})

    assert [item.ModifyingSystem for item in found.OriginalAttributesSequence] == ["IMAGEBANK", "OTHER", "IMAGEBANK"]
    assert [item.ReasonForTheAttributeModification for item in found.OriginalAttributesSequence][1] == "COERCE"
    assert former(found, 0).PatientName == "Müller^Jörg"
    assert former(found, 1).StudyID == "S1"
    assert former(found, 2).PatientName == "Diaz^Ana"


def test_an_item_that_names_its_own_character_set_stays_as_it_is() -> None:
    ds = a_rich_dataset()
    ds.RequestAttributesSequence[0].SpecificCharacterSet = "ISO_IR 100"
    found = changed(as_file(ds), {"PatientName": element_of_text("PatientName", "Иван")})

    assert found.RequestAttributesSequence[0].SpecificCharacterSet == "ISO_IR 100"
    assert found.RequestAttributesSequence[0].ScheduledProcedureStepDescription == "Größe"


def test_what_no_character_set_tells_is_kept_byte_by_byte() -> None:
    """In a text of the object, and in one that a sequence holds; the second of its items."""
    ds = a_dataset(SpecificCharacterSet=None, PatientName="Doe^Jane", StudyDescription="Sch#del")
    ds.RequestAttributesSequence = Sequence([Dataset(), Dataset()])
    ds.RequestAttributesSequence[1].ScheduledProcedureStepDescription = "Gr##e"
    data = as_file(ds).replace(b"Sch#del", b"Sch\xe4del").replace(b"Gr##e", b"Gr\xf6\xdfe")
    found = changed(data, {"PatientName": element_of_text("PatientName", "Иван")})
    odd = found.OriginalAttributesSequence[0].NonconformingModifiedAttributesSequence

    assert found.StudyDescription == "Schädel"
    assert {int(item.SelectorAttribute): item.NonconformingDataElementValue for item in odd} == {
        0x00081030: b"Sch\xe4del ",
        0x00400007: b"Gr\xf6\xdfe ",
    }
    assert odd[1].SelectorSequencePointer == 0x00400275
    assert odd[1].SelectorSequencePointerItems == 2


def test_a_former_value_that_is_none_stands_among_those_that_do_not_conform() -> None:
    data = a_file(StudyDate="20260102").replace(b"20260102", b"2/1/2026")
    found = changed(data, {"StudyDate": element_of_text("StudyDate", "20260102")})
    item = found.OriginalAttributesSequence[0]

    assert found.StudyDate == "20260102"
    assert item.ModifiedAttributesSequence[0].StudyDate == ""
    assert item.NonconformingModifiedAttributesSequence[0].NonconformingDataElementValue == b"2/1/2026"
    assert item.NonconformingModifiedAttributesSequence[0].SelectorAttribute == 0x00080020


def test_numbers_sequences_and_private_attributes_are_changed_as_a_whole() -> None:
    item = {"00080100": {"vr": "SH", "Value": ["T-A0100"]}, "00080102": {"vr": "SH", "Value": ["SRT"]}}
    changes = {
        "AnatomicRegionSequence": {"vr": "SQ", "Value": [item]},
        "SliceThickness": {"vr": "DS", "Value": [0.1 + 0.2]},
        "WindowCenter": {"vr": "DS", "Value": [40, 400]},
        "SeriesNumber": {"vr": "IS", "Value": [7]},
        "00191010": {"vr": "LO", "Value": ["other"]},
        "RequestAttributesSequence": None,
        "AcquisitionDateTime": {"vr": "DT", "Value": ["20260102101500"]},
    }
    found = changed(as_file(a_rich_dataset()), changes)

    assert found.AnatomicRegionSequence[0].CodeValue == "T-A0100"
    assert (float(found.SliceThickness), found.WindowCenter, found.SeriesNumber) == (0.3, [40, 400], 7)
    assert found[0x0019, 0x1010].value == "other"
    assert "RequestAttributesSequence" not in found
    assert len(former(found).RequestAttributesSequence) == 1
    assert former(found)[0x0019, 0x0010].value == "ACME 1.1"
    assert former(found)[0x0019, 0x1010].value == "privé"
    assert former(found).SliceThickness == 2.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PatientBirthDate", {"vr": "DA", "Value": ["19700231x"]}),
        ("PatientBirthDate", {"vr": "DA", "Value": ["19701301"]}),
        ("PatientSex", {"vr": "LO", "Value": ["F"]}),
        ("PatientSex", "F"),
        ("PatientName", {"vr": "PN", "Value": [{"Roman": "A"}]}),
        ("PatientName", {"vr": "PN", "Value": ["x" * 65]}),
        ("StudyDescription", {"vr": "LO", "Value": ["a\nb"]}),
        ("StudyDescription", {"vr": "LO", "Value": ["a\\b"]}),
        ("StudyDescription", {"vr": "LO", "Value": "no array"}),
        ("StudyDescription", {"vr": "LO", "BulkDataURI": "http://elsewhere.example/"}),
        ("SliceThickness", {"vr": "DS", "Value": ["thick"]}),
        ("PatientComments", {"vr": "LT", "Value": ["a", "b"]}),
        ("AnatomicRegionSequence", {"vr": "SQ", "Value": ["no item"]}),
        ("AnatomicRegionSequence", {"vr": "SQ", "Value": [{"CodeValue": {"vr": "SH"}}]}),
        ("PatientComments", {"vr": "LT", "Value": ["x" * 10241]}),
        ("00191010", {"vr": "LO", "Value": ["no such block"]}),
        ("00191010", {"Value": ["no VR"]}),
        ("ReferencedFrameNumber", {"vr": "IS", "Value": [1.5]}),
        ("AcquisitionMatrix", {"vr": "US", "Value": ["many"]}),
        ("PatientName", {"vr": "PN", "InlineBinary": "AAAA"}),
        ("00191010", {"vr": "OB", "InlineBinary": 7}),
        ("StudyDate", {"vr": "DA", "Value": ["20260101-20260102"]}),
        ("StudyTime", {"vr": "TM", "Value": ["1000-1100"]}),
        ("SliceThickness", {"vr": "DS", "Value": [True]}),
    ],
)
def test_a_value_that_is_none_is_refused_and_not_repeated(name: str, value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        coerce(a_file(), {name: value}, BY)

    assert "x" * 65 not in str(refused.value)


def test_an_attribute_is_named_once_and_a_system_in_64_characters() -> None:
    with pytest.raises(Invalid, match="twice"):
        coerce(a_file(), {"StudyID": None, "00200010": None}, BY)
    for system in ("", "x" * 65, "a\\b"):
        with pytest.raises(Invalid, match="64"):
            coerce(a_file(), ANA, Modification(AT, system))


def test_what_says_so_already_is_given_back_itself() -> None:
    data = a_file(PatientName="Diaz^Ana")

    assert coerced(data, ANA | {"PatientComments": None}, BY) == [data]
    assert differences(data, ANA) == ({}, {})
    assert differences(a_file(), ANA)[1] == {"00100010": ANA["PatientName"]}


def test_nothing_large_is_copied() -> None:
    data = a_file(rows=512, columns=512)
    pieces = coerced(data, ANA, BY)
    views = [piece for piece in pieces if isinstance(piece, memoryview)]

    assert sum(map(len, views)) > 512 * 512 * 2
    assert all(view.obj is data for view in views)


def test_what_hides_in_a_preamble_does_not_come_along() -> None:
    data = a_file()
    new = coerce(b"II*\0" + data[4:], ANA, BY)

    assert new[:128] == bytes(128)


def test_a_bare_data_set_becomes_a_file() -> None:
    data = a_file()
    bare = data[open_header(data).dataset_offset :]
    found = changed(bare)

    assert found.file_meta.MediaStorageSOPInstanceUID == found.SOPInstanceUID
    assert found.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_group_lengths_of_what_changed_go() -> None:
    data = a_file()
    for first in (b"\x10\x00\x10\x00PN", b"\x28\x00\x02\x00US"):
        length = first[:2] + b"\0\0UL\x04\0" + (4711).to_bytes(4, "little")
        data = data.replace(first, length + first)
    elements = changed(data)

    assert 0x00100000 not in elements
    assert elements[0x0028, 0x0000].value == 4711


@pytest.mark.parametrize("seed", range(20))
def test_any_text_attribute_of_any_script_comes_out_as_it_was_put_in(seed: int) -> None:
    choose = random.Random(seed)
    charset = choose.choice(["", "ISO_IR 100", "ISO_IR 144", "ISO 2022 IR 6\\ISO 2022 IR 87", "ISO_IR 192", "GB18030"])
    names = choose.sample(["PatientName", "StudyDescription", "SeriesDescription", "InstitutionName", "StudyID"], 3)
    texts = {name: choose.choice(["plain", "é", "Ж", "花", "~", "한", "🙂"]) * choose.randint(1, 3) for name in names}
    data = a_file(SpecificCharacterSet=charset.split("\\"))
    found = changed(data, {name: element_of_text(name, text) for name, text in texts.items()})

    assert {name: str(found[name].value) for name in names} == texts
    assert found.PixelData == read(data).PixelData
    assert former(found).get(names[0]) == read(data).get(names[0], "")


def test_a_value_is_read_as_it_is_written() -> None:
    for text, name in (
        ("A^B=C^D", "PatientName"),
        ("1\\2", "WindowCenter"),
        ("a=b", "PatientComments"),
        ("", "StudyID"),
    ):
        assert text_of_element(element_of_text(name, text)) == text
    with pytest.raises(Invalid):
        element_of_text("AnatomicRegionSequence", "1")
    assert text_of_element({"vr": "SQ", "Value": [{}]}) == "(1 items)"
    assert text_of_element({"vr": "OB", "InlineBinary": "AA=="}) == "(binary)"
    assert text_of_element(None) == ""
    assert (keyword_of("00100010"), keyword_of("00191010")) == ("PatientName", "00191010")


def errors_of(file: Path) -> list[str]:
    """What `dciodvfy` says is wrong with an object."""
    command = [str(Path(sys.executable).with_name("dciodvfy")), "-new", str(file)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    lines = (run.stdout + run.stderr).splitlines()

    assert lines, "the checker said nothing at all"
    return [line for line in lines if line.startswith("Error")]


@pytest.mark.parametrize(
    "folder", ["ct-head-current", "us-multiframe", "charsets", "objects", "rt-small", "ophthalmic"]
)
def test_a_corrected_object_has_no_error_that_it_had_not(folder: str, tmp_path: Path) -> None:
    texts = {
        "PatientName": "Díaz^Ana=田中^花子",
        "PatientID": "4711",
        "PatientBirthDate": "19800203",
        "PatientSex": "F",
    }
    changes = {name: element_of_text(name, text) for name, text in texts.items()} | {"IssuerOfPatientID": None}
    path, data = next(taken_of(folder))
    (tmp_path / "old.dcm").write_bytes(data)
    (tmp_path / "new.dcm").write_bytes(coerce(data, changes, BY))

    assert set(errors_of(tmp_path / "new.dcm")) <= set(errors_of(tmp_path / "old.dcm")), path


def with_references(nested: int = 0) -> Dataset:
    """An object that refers to another, in a name's own character set, and to itself at the top."""
    inner, outer = Dataset(), Dataset()
    inner.ReferencedSOPClassUID, inner.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.9"
    inner.PurposeOfReferenceCodeSequence = Sequence([Dataset()])
    outer.SpecificCharacterSet, outer.StudyInstanceUID = "ISO_IR 100", "1.2.3"
    outer.ManufacturerModelName = "Müller"
    outer.ReferencedSOPSequence = Sequence([inner, Dataset()])
    ds = a_dataset(StudyInstanceUID="1.2.3", SOPInstanceUID="1.2.3.4", PatientName="Müller^Ada")
    ds.CurrentRequestedProcedureEvidenceSequence = Sequence([outer])
    ds["CurrentRequestedProcedureEvidenceSequence"].is_undefined_length = bool(nested)
    outer.is_undefined_length_sequence_item = bool(nested)
    return ds


@pytest.mark.parametrize("undefined", [0, 1])
@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian],
)
def test_other_uids_go_to_references_too(syntax: UID, undefined: int) -> None:
    given = with_references(undefined)
    with io.BytesIO() as stream:
        given.file_meta = read(as_file(a_dataset())).file_meta
        given.file_meta.TransferSyntaxUID = syntax
        given.file_meta.MediaStorageSOPInstanceUID = given.SOPInstanceUID
        if syntax == ExplicitVRBigEndian:
            given.PixelData = bytes(128)
        dcmwrite(stream, given, enforce_file_format=True)
        file = stream.getvalue()

    made = read(b"".join(renamed(file, ANA, BY, lambda uid: f"{uid}.7")))

    assert (made.StudyInstanceUID, made.SOPInstanceUID) == ("1.2.3.7", "1.2.3.4.7")
    assert made.file_meta.MediaStorageSOPInstanceUID == "1.2.3.4.7"
    assert made.file_meta.TransferSyntaxUID == syntax
    outer = made.CurrentRequestedProcedureEvidenceSequence[0]
    assert (outer.StudyInstanceUID, outer.ManufacturerModelName) == ("1.2.3.7", "Müller")
    assert outer.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3.9.7"
    assert outer.ReferencedSOPSequence[0].ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    before = former(made)
    assert (before.StudyInstanceUID, before.SOPInstanceUID) == ("1.2.3", "1.2.3.4")
    assert str(before.PatientName) == "Müller^Ada"
    assert made.PixelData == given.PixelData


def test_other_uids_go_into_a_data_set_without_a_head_and_beside_text_that_changes_its_character_set() -> None:
    given = with_references()
    given.SpecificCharacterSet = "ISO_IR 100"
    with io.BytesIO() as stream:
        dcmwrite(stream, given, implicit_vr=True, little_endian=True, enforce_file_format=False)
        bare = stream.getvalue()
    name = {"PatientName": {"vr": "PN", "Value": [{"Alphabetic": "Чехов^Антон"}]}}

    made = read(b"".join(renamed(bare, name, BY, lambda uid: f"{uid}.7")))

    assert (str(made.PatientName), made.SOPInstanceUID) == ("Чехов^Антон", "1.2.3.4.7")
    outer = made.CurrentRequestedProcedureEvidenceSequence[0]
    assert (outer.StudyInstanceUID, outer.ManufacturerModelName) == ("1.2.3.7", "Müller")
