"""The same data set however it is written, and nothing else."""

import io
from typing import Any

import pytest
from pydicom import Dataset, dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from imagebank.dicom.same import is_same
from make import a_dataset, as_file, read


def a_nested(**attributes: Any) -> Dataset:
    inner, outer = Dataset(), Dataset()
    inner.CodeValue, inner.CodeMeaning = "1", "one"
    outer.CodeValue = "2"
    outer.AnatomicRegionSequence = [inner, Dataset()]
    ds = a_dataset(**attributes)
    ds.AnatomicRegionSequence = Sequence([outer])
    return ds


def with_lengths(ds: Dataset, *, undefined: bool) -> bytes:
    """The file with every sequence and item written with a length, or with none."""
    for element in ds:
        if element.VR == "SQ":
            element.is_undefined_length = undefined
            for item in element.value:
                item.is_undefined_length_sequence_item = undefined
                with_lengths(item, undefined=undefined)
    return as_file(ds) if "SOPClassUID" in ds else b""


@pytest.fixture
def uids() -> dict[str, Any]:
    return {"SOPInstanceUID": "1.2.3", "StudyInstanceUID": "1.2.4", "SeriesInstanceUID": "1.2.5", "InstanceNumber": 1}


def anew(uids: dict[str, Any], syntax: str, **attributes: Any) -> bytes:
    ds = a_nested(**(uids | attributes))
    ds.PixelData = b"\1\2" * 64
    if syntax == ExplicitVRBigEndian:
        ds.PixelData = b"\2\1" * 64
    return as_file(ds, syntax)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_another_uncompressed_coding_is_the_same(uids: dict[str, Any], syntax: str) -> None:
    assert is_same(anew(uids, "1.2.840.10008.1.2.1"), anew(uids, syntax))


def test_lengths_of_sequences_do_not_matter(uids: dict[str, Any]) -> None:
    ds = a_nested(**uids)
    with_lengths_, without = with_lengths(ds, undefined=False), with_lengths(ds, undefined=True)

    assert with_lengths_ != without
    assert is_same(with_lengths_, without)


def test_group_lengths_and_padding_do_not_matter(uids: dict[str, Any]) -> None:
    plain = a_dataset(**uids)
    padded = read(as_file(plain))
    padded.add_new(0x00080000, "UL", 4711)
    padded.add_new(0xFFFCFFFC, "OB", bytes(20))

    assert is_same(as_file(plain), as_file(padded))


@pytest.mark.parametrize(
    "change", [{"PatientID": "P2"}, {"PatientID": None}, {"PatientComments": "new"}, {"PixelData": b"\1\3" * 64}]
)
def test_another_value_is_another_data_set(uids: dict[str, Any], change: dict[str, Any]) -> None:
    ds = a_nested(**uids)

    assert not is_same(as_file(ds), as_file(a_nested(**uids, **change)))


BRIGHT, DARK = b"\5\0" * 63, b"\5\0"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"PixelData": BRIGHT + b"\5\x20"}, {"PixelData": BRIGHT + b"\5\0"}),
        ({"SmallestImagePixelValue": 1}, {"SmallestImagePixelValue": 0x2001}),
        ({"ICCProfile": b"ab\1\0"}, {"ICCProfile": b"ab\1\x20"}),
    ],
)
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", ImplicitVRLittleEndian])
def test_the_last_byte_of_a_binary_value_counts(
    uids: dict[str, Any], one: dict[str, Any], other: dict[str, Any], syntax: str
) -> None:
    files = [as_file(a_dataset(**uids | {"PixelData": BRIGHT + DARK} | change), syntax) for change in (one, other)]

    assert not is_same(*files)


def test_the_last_byte_of_a_private_value_counts_whatever_it_is(uids: dict[str, Any]) -> None:
    files = []
    for value in (b"ab\1\0", b"ab\1\x20"):
        ds = a_dataset(**uids, PixelData=bytes(128))
        ds.private_block(0x0009, "ACME", create=True).add_new(1, "UN", value)
        files += [as_file(ds), as_file(ds, ImplicitVRLittleEndian)]

    assert [is_same(files[0], file) for file in files] == [True, True, False, False]


def test_text_is_the_same_however_it_is_padded(uids: dict[str, Any]) -> None:
    file = as_file(a_dataset(**uids, PixelData=bytes(128), StudyDescription="odd"))
    private = a_dataset(**uids, PixelData=bytes(128), StudyDescription="odd")
    private.private_block(0x0009, "ACME", create=True).add_new(1, "LO", "odd")

    assert is_same(file, file.replace(b"odd ", b"odd\0"))
    assert is_same(as_file(private), as_file(private, ImplicitVRLittleEndian))


def test_what_moved_between_items_is_another_data_set(uids: dict[str, Any]) -> None:
    first, second = a_nested(**uids), a_nested(**uids)
    items = second.AnatomicRegionSequence[0].AnatomicRegionSequence
    items.reverse()

    assert not is_same(as_file(first), as_file(second))


def test_compressed_pixels_are_not_those_that_they_stand_for(uids: dict[str, Any]) -> None:
    ds = a_dataset(**uids)
    plain = as_file(ds)
    ds.compress(RLELossless, generate_instance_uid=False)
    with io.BytesIO() as stream:
        dcmwrite(stream, ds, enforce_file_format=True)
        packed = stream.getvalue()

    assert not is_same(plain, packed)
    assert is_same(packed, packed)


def test_what_cannot_be_understood_is_the_same_as_nothing() -> None:
    assert not is_same(b"not DICOM at all", b"not DICOM at all")
