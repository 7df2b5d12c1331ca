"""Small data sets on the wire."""

from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from imagebank.dicom.keys import text_element, text_of
from imagebank.dimse.contexts import EXPLICIT_LE, IMPLICIT_LE
from imagebank.dimse.dataset import Writer, decode, encode, identity
from imagebank.errors import Invalid
from imagebank.model.imaging import DataSet

SYNTAXES = (EXPLICIT_LE, IMPLICIT_LE)
ANSWER: DataSet = {
    "00080052": text_element("CS", "STUDY"),
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}]},
    "00201208": {"vr": "IS", "Value": [12]},
    "00280010": {"vr": "US", "Value": [512]},
    "00400275": {"vr": "SQ", "Value": [{"00401001": text_element("SH", "RP1"), "00400009": {"vr": "SH"}}]},
    "0020000D": text_element("UI", "1.2.3"),
}


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_is_encoded_is_decoded_again(syntax: str) -> None:
    decoded = decode(encode(ANSWER, syntax), syntax)

    assert {key: decoded[key] for key in ANSWER} == ANSWER
    assert decoded["00080005"]["Value"] == ["ISO_IR 192"]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_one_data_set_after_another_is_written_as_each_alone(syntax: str) -> None:
    plain: DataSet = ANSWER | {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou"}]}}
    named: DataSet = plain | {"00080005": {"vr": "CS"}}
    writer = Writer(syntax)

    for one in (plain, ANSWER, plain, named, ANSWER | {"00280010": {"vr": "US", "Value": [2]}}, named):
        assert writer.write(one) == encode(one, syntax)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_pydicom_reads_what_is_encoded(syntax: str) -> None:
    found = read_dataset(BytesIO(encode(ANSWER, syntax)), syntax == IMPLICIT_LE, is_little_endian=True)

    assert str(found.PatientName) == "Yamada^Tarou=山田^太郎"
    assert (found.Rows, found.NumberOfStudyRelatedInstances) == (512, 12)
    assert found.RequestAttributesSequence[0].RequestedProcedureID == "RP1"


def test_the_default_repertoire_is_used_where_it_is_enough() -> None:
    assert "00080005" not in decode(encode({"00100020": text_element("LO", "A1")}, EXPLICIT_LE), EXPLICIT_LE)


def test_a_list_that_is_too_long_is_cut_at_a_value() -> None:
    uids = [f"1.2.840.{number:050}" for number in range(2000)]

    (element,) = decode(encode({"00080058": text_element("UI", *uids)}, EXPLICIT_LE), EXPLICIT_LE).values()
    assert 1000 < len(element["Value"]) < 2000
    assert set(element["Value"]) <= set(uids)


@given(st.binary(max_size=200), st.sampled_from(SYNTAXES))
def test_any_bytes_are_read_or_refused(data: bytes, syntax: str) -> None:
    with suppress(Invalid):
        assert isinstance(decode(data, syntax), dict)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_class_and_instance_are_seen_at_the_start(syntax: str) -> None:
    dataset = Dataset()
    dataset.SpecificCharacterSet, dataset.ImageType = "ISO_IR 100", ["ORIGINAL", "PRIMARY"]
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.StudyDate = "1.2.3", "4.5.6", "20260101"
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, syntax == IMPLICIT_LE
    write_dataset(stream, dataset)

    assert identity(stream.getvalue(), syntax) == {0x00080016: "1.2.3", 0x00080018: "4.5.6"}


@given(st.binary(max_size=100), st.sampled_from(SYNTAXES))
def test_any_start_shows_something_or_nothing(data: bytes, syntax: str) -> None:
    assert len(identity(data, syntax)) <= 2


def test_a_name_is_one_text() -> None:
    assert text_of(ANSWER["00100010"]) == "Yamada^Tarou=山田^太郎"
