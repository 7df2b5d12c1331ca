"""Files written by the bank: headers for data sets that came without, and other codings of the same object."""

import struct
from io import BytesIO

import pydicom
import pytest
from hypothesis import given, settings

from imagebank.dicom.dicomjson import to_json
from imagebank.dicom.part10 import as_explicit, as_implicit, explicit_element, implementation_class_uid, wrap
from imagebank.dicom.read import normalise
from imagebank.dicom.scan import IMPLICIT_LE, is_undefined, scan
from imagebank.errors import Invalid, Unsupported
from unit.dicom.dicom_bytes import (
    CT,
    EXPLICIT,
    IMPLICIT,
    a_file,
    by_pydicom,
    encapsulated,
    every_file,
    head,
    image,
    value,
)
from unit.dicom.test_scan import data_sets, written


def test_a_data_set_from_the_network_becomes_a_file() -> None:
    body = a_file()[len(head(EXPLICIT)) :]

    start = wrap(body, sop_class=CT, sop_uid="1.2.3.3", transfer_syntax=EXPLICIT, calling_aet="CT_1")

    read = pydicom.dcmread(BytesIO(start + body))
    assert read.file_meta.MediaStorageSOPClassUID == CT
    assert read.file_meta.TransferSyntaxUID == EXPLICIT
    assert read.file_meta.SourceApplicationEntityTitle == "CT_1"
    assert str(read.file_meta.ImplementationClassUID) == str(implementation_class_uid)
    assert read.file_meta.FileMetaInformationGroupLength == len(start) - 144
    assert scan(start + body).dataset_offset == len(start)


def test_odd_values_are_padded_as_their_vr_asks() -> None:
    assert explicit_element(0x00080018, "UI", b"1.2") == b"\x08\0\x18\0UI\4\x001.2\0"
    assert explicit_element(0x00081030, "LO", b"abc") == b"\x08\0\x30\x10LO\4\0abc "


def test_a_value_too_long_for_its_vr_is_written_as_unknown() -> None:
    # PS3.5 6.2.2
    long = struct.pack("<HHI", 0x0018, 0x1152, 70_000) + b"1" * 70_000
    data = head(IMPLICIT) + struct.pack("<HHI", 8, 0x18, 4) + b"1.2\0" + long

    written_again = as_explicit(data, scan(data))

    raw = scan(written_again).elements[0x00181152]
    assert (raw.vr, raw.length) == ("UN", 70_000)


def test_every_implicit_file_is_the_same_object_in_explicit_coding() -> None:
    compared = 0
    for path, data in every_file():
        try:
            file, header = normalise(data)
        except Invalid:
            continue
        if header.is_explicit:
            assert as_explicit(file, header).endswith(file[header.dataset_offset :]), path
            continue
        compared += 1
        again = as_explicit(file, header)
        found = scan(again)

        assert found.is_explicit, path
        assert to_json(again, found, bulk=str) == to_json(file, header, bulk=str), path
        for tag in (0x7FE00010, 0x7FE00008, 0x7FE00009):
            if tag in header.elements:
                one, two = header.elements[tag], found.elements[tag]
                pixels = file[one.offset : one.offset + one.length]
                assert again[two.offset : two.offset + two.length][: len(pixels)] == pixels, path
        assert len(by_pydicom(again)) > 0

    assert compared > 10


def test_every_native_file_has_an_implicit_form_with_the_same_pixels() -> None:
    for path, data in every_file():
        try:
            file, header = normalise(data)
            again = as_implicit(file, header)
        except (Invalid, Unsupported):
            continue
        found = scan(again)

        assert (found.is_explicit, found.transfer_syntax) == (False, IMPLICIT_LE), path
        if 0x7FE00010 in header.elements:
            one, two = header.elements[0x7FE00010], found.elements[0x7FE00010]
            pixels = file[one.offset : one.offset + one.length]
            assert again[two.offset : two.offset + two.length][: len(pixels)] == pixels, path


@settings(max_examples=100, deadline=None)
@given(data_sets())
def test_any_data_set_survives_the_way_to_explicit_and_back(data_set: pydicom.Dataset) -> None:
    data = written(data_set, implicit=True)
    header = scan(data)

    explicit = as_explicit(data, header)
    implicit = as_implicit(explicit, scan(explicit))

    expected = to_json(data, header, bulk=None)
    assert to_json(explicit, scan(explicit), bulk=None) == expected
    assert to_json(implicit, scan(implicit), bulk=None) == expected


def test_compressed_pixel_data_has_no_implicit_form() -> None:
    data = a_file(*image(), encapsulated(b"ab"), syntax="1.2.840.10008.1.2.4.50")

    with pytest.raises(Unsupported, match="decompressed first"):
        as_implicit(data, scan(data))


def test_compressed_pixel_data_in_implicit_coding_stays_compressed() -> None:
    start = struct.pack("<HHI", 8, 0x18, 4) + b"1.2\0"
    data = head("1.2.840.10008.1.2.4.50") + start + encapsulated(b"ab")[:4] + encapsulated(b"ab")[8:]

    again = as_explicit(data, scan(data))

    found = scan(again)
    raw = found.elements[0x7FE00010]
    assert found.transfer_syntax == "1.2.840.10008.1.2.4.50"
    assert is_undefined(again, raw)
    assert raw.vr == "OB"


def test_a_bare_data_set_becomes_a_file_that_names_its_object() -> None:
    bare = a_file()[len(head(EXPLICIT)) :]

    again = as_explicit(bare, scan(bare))

    meta = pydicom.dcmread(BytesIO(again)).file_meta
    assert again.endswith(bare)
    assert (meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID) == (EXPLICIT, CT)
    assert meta.MediaStorageSOPInstanceUID == "1.2.3.3"


def test_a_syntax_that_the_bytes_do_not_have_is_corrected() -> None:
    data = a_file(syntax=IMPLICIT)

    again = as_explicit(data, scan(data))

    assert (scan(again).transfer_syntax, scan(again).warnings) == (EXPLICIT, ())
    assert again.endswith(a_file()[len(head(EXPLICIT)) :])


def test_our_identifier_is_a_uuid_of_ours() -> None:
    assert implementation_class_uid.startswith("2.25.")
    assert int(implementation_class_uid.removeprefix("2.25.")) < 1 << 128
    assert value(0x00020012, "UI", implementation_class_uid)
