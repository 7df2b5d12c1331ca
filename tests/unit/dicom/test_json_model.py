"""Data sets from the DICOM JSON model: what JSON says more loosely than DICOM does."""

import json
import struct
from typing import Any

import pytest
from pydicom import Dataset

from imagebank.dicom.json_model import data_set_of
from imagebank.errors import Invalid
from make import a_dataset, as_file, read

PRIVATE = {"00090010": {"vr": "LO", "Value": ["VENDOR"]}}


def written(elements: dict[str, Any]) -> bytes:
    """A data set from JSON, as a file would hold it."""
    ds = a_dataset(PixelData=None)
    ds.update(data_set_of(json.loads(json.dumps(elements)), no_bulk))
    return as_file(ds)


def no_bulk(_tag: str, _vr: str, _uri: str) -> Any:
    raise AssertionError("there is no bulk data")


def value_of(vr: str, *values: Any, tag: int = 0x00181151) -> bytes:
    """The value field that JSON values become, without its padding."""
    file = written({**PRIVATE, f"{tag:08X}": {"vr": vr, "Value": list(values)}})
    at = file.rindex(struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())) + 8
    (length,) = struct.unpack_from("<H", file, at - 2)
    return file[at : at + length].rstrip(b" \0")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ((None,), b""),
        (("",), b""),
        ((1.5, None, "2"), b"1.5\\\\2"),
        ((None, None), b"\\"),
        (("1.50", " 2 "), b"1.50\\2"),
        ((5, -7), b"5\\-7"),
        ((0.1 + 0.2,), b"0.30000000000000"),
        ((1e300, -1.2345678901234567e-300), b"1e+300\\-1.23456789e-300"),
        ((12345678901234567890,), b"1.2345678901e+19"),
        (("3.14159265358979323846",), b"3.14159265358979"),
    ],
)
@pytest.mark.parametrize("tag", [0x00181151, 0x00091001])
def test_a_decimal_is_written_in_sixteen_characters(values: tuple[Any, ...], field: bytes, tag: int) -> None:
    assert value_of("DS", *values, tag=tag) == field
    assert all(len(one) <= 16 for one in field.split(b"\\"))


@pytest.mark.parametrize(
    ("values", "field"), [((None,), b""), ((1, None, 2.0), b"1\\\\2"), (("007", ""), b"007\\"), ((-5,), b"-5")]
)
def test_an_integer_is_written_as_it_is(values: tuple[Any, ...], field: bytes) -> None:
    assert value_of("IS", *values) == field


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        ("DS", "NaN"),
        ("DS", "-Infinity"),
        ("DS", "inf"),
        ("DS", "many"),
        ("DS", "1\\2"),
        ("DS", "1_000.5"),
        ("DS", "9e999999999999999"),
        ("DS", True),
        ("DS", [1]),
        ("DS", {"a": 1}),
        ("IS", "1.5"),
        ("IS", 1.5),
        ("IS", 1e30),
        ("IS", False),
        ("IS", "٣"),
        ("IS", 10**13),
    ],
)
def test_what_is_no_number_is_refused_by_its_tag(vr: str, value: Any) -> None:
    with pytest.raises(Invalid, match=r"\(0018,1151\)"):
        value_of(vr, value)


def test_lists_of_texts_keep_their_empty_places() -> None:
    elements = {
        "00081070": {"vr": "PN", "Value": [None, {"Alphabetic": "Doe^Jane"}, {}]},
        "00080008": {"vr": "CS", "Value": ["ORIGINAL", None, "AXIAL"]},
        "00080021": {"vr": "DA", "Value": [None]},
    }

    ds = read(written(elements))

    assert [str(one) for one in ds.OperatorsName] == ["", "Doe^Jane", ""]
    assert list(ds.ImageType) == ["ORIGINAL", "", "AXIAL"]
    assert ds.SeriesDate == ""


def test_sequences_keep_their_empty_items_and_the_numbers_in_them() -> None:
    spacing = {"00280030": {"vr": "DS", "Value": [1 / 3, None]}}
    elements = {
        "00400275": {"vr": "SQ", "Value": [{}, None, {"00400008": {"vr": "SQ", "Value": [spacing]}}]},
        "00081140": {"vr": "SQ"},
        "00081115": {"vr": "SQ", "Value": []},
    }

    ds = read(written(elements))

    assert [len(item) for item in ds.RequestAttributesSequence] == [0, 0, 1]
    (inner,) = ds.RequestAttributesSequence[2].ScheduledProtocolCodeSequence
    assert list(inner.PixelSpacing) == [0.33333333333333, ""]
    assert len(ds.ReferencedImageSequence) == len(ds.ReferencedSeriesSequence) == 0


@pytest.mark.parametrize("values", [[1, None], [None, None]])
def test_binary_numbers_have_no_empty_places(values: list[Any]) -> None:
    with pytest.raises(Invalid, match=r"\(0028,0009\)"):
        data_set_of({"00280009": {"vr": "US", "Value": values}}, no_bulk)


def test_what_pydicom_writes_is_read_again_as_it_was() -> None:
    ds = a_dataset(PixelSpacing=[0.5, 0.25], SliceThickness="1.250", SeriesNumber="12")

    assert data_set_of(ds.to_json_dict(), no_bulk) == Dataset(ds)
