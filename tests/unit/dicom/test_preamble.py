"""What hides before or behind a DICOM file is told of, and does not leave."""

import struct

import pytest

from imagebank.dicom.preamble import disguise, neutral
from make import a_file

FILE = a_file()
BODY = FILE[128:]
AT = FILE.index(b"\x08\x00", 132)

KINDS = {
    b"MZ\x90\0": "Windows",
    b"\x7fELF\2\1\1": "Linux",
    b"\xcf\xfa\xed\xfe": "macOS",
    b"\xfe\xed\xfa\xce": "macOS",
    b"#!/bin/sh\necho no": "script",
    b"<!DOCTYPE html>": "web page",
    b"\n\n  <Script>alert(1)</Script>": "web page",
    b"PK\3\4": "ZIP",
    b"%PDF-1.7\n": "PDF",
    b"junk before %PDF-1.4": "PDF",
}


def disguised(preamble: bytes, file: bytes = FILE) -> bytes:
    return preamble.ljust(128, b"\0")[:128] + file[128:]


@pytest.mark.parametrize("start", KINDS)
def test_a_preamble_of_another_kind_is_told_and_goes_out_as_zeros(start: bytes) -> None:
    file = disguised(start)

    assert KINDS[start] in disguise(file, AT)
    assert neutral(file, len(file)) == bytes(128) + BODY


def test_a_pdf_that_begins_behind_the_preamble_is_told() -> None:
    file = FILE[:AT] + b"%PDF-1.4\n" + FILE[AT:]

    assert "PDF" in disguise(file, AT + 9)
    assert "PDF" not in disguise(file, AT), "a document in the data set is what it is for"


@pytest.mark.parametrize("comment", [b"", b"a comment"])
@pytest.mark.parametrize("pad", [b"", b"\0"])
def test_an_archive_at_the_end_is_told(comment: bytes, pad: bytes) -> None:
    end = b"PK\5\6" + bytes(16) + struct.pack("<H", len(comment)) + comment

    assert "ZIP" in disguise(FILE + b"PK\5\6 not yet" + end + pad, AT)
    assert disguise(FILE + end + bytes(9), AT) == ""
    assert disguise(FILE + b"PK\5\6", AT) == ""


def test_ordinary_files_say_nothing() -> None:
    assert disguise(FILE, AT) == ""
    assert disguise(disguised(b"made by a scanner"), AT) == ""
    assert disguise(FILE[AT:], 0) == ""
    assert disguise(b"", 0) == ""


def test_words_of_a_scanner_go_out_as_zeros_too() -> None:
    file = disguised(b"made by a scanner")

    assert neutral(file, len(file)) == bytes(128) + BODY


@pytest.mark.parametrize(
    "header",
    [b"II*\0" + struct.pack("<I", 200), b"MM\0*" + struct.pack(">I", 200), b"II+\0\x08\0\0\0" + struct.pack("<Q", 200)],
)
def test_a_tiff_of_the_same_image_stays_one(header: bytes) -> None:
    file = disguised(header)

    assert disguise(file, AT) == ""
    assert neutral(file, len(file)) == file


@pytest.mark.parametrize(
    "header",
    [
        b"II*\0" + struct.pack("<I", 1 << 30) + b"and more",
        b"II*\0" + struct.pack("<I", 0) + b"and more",
        b"MM*\0" + struct.pack(">I", 200),
        b"II+\0\x08\0\1\0" + struct.pack("<Q", 200),
        b"II+\0\x08\0\0\0" + struct.pack("<Q", 1 << 40) + b"and more",
        b"II*\0" + struct.pack("<I", 200) + b"<html>",
    ],
)
def test_what_only_begins_as_a_tiff_goes_out_as_zeros(header: bytes) -> None:
    file = disguised(header)

    assert neutral(file, len(file)) == bytes(128) + BODY


def test_the_header_of_a_tiff_that_was_cut_stays_where_it_is_all_that_there_is() -> None:
    for header in (b"II*\0" + struct.pack("<I", 1 << 30), b"II+\0\x08\0\0\0" + struct.pack("<Q", 1 << 40)):
        file = disguised(header)

        assert neutral(file, len(file)) == file


@pytest.mark.parametrize("file", [FILE, FILE[AT:], b"MZ", b""])
def test_what_has_no_preamble_or_an_empty_one_is_as_it_was(file: bytes) -> None:
    assert neutral(file, len(file)) == file
