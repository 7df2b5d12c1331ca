"""Codings that cannot be scanned are read through an image of the file."""

import struct
import zlib

import pytest

from imagebank.dicom import read
from imagebank.dicom.dicomjson import to_json
from imagebank.dicom.read import Converted, normalise, open_header
from imagebank.dicom.scan import Header, More, Odd, scan
from imagebank.errors import Invalid
from samples import sample_data
from unit.dicom.dicom_bytes import (
    DEFLATED,
    EXPLICIT,
    a_file,
    by_pydicom,
    head,
    item,
    sequence,
    value,
)

BIG = "1.2.840.10008.1.2.2"


def deflated(data: bytes) -> bytes:
    body = data[len(head(EXPLICIT)) :]
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return head(DEFLATED) + stream.compress(body) + stream.flush()


def test_a_file_that_can_be_scanned_stays_as_it_is() -> None:
    data = a_file()

    image, header = normalise(data)

    assert image is data
    assert isinstance(open_header(data), Header)
    assert header.transfer_syntax == EXPLICIT


def test_a_deflated_file_is_inflated() -> None:
    plain = a_file(value(0x00100010, "PN", "Doe^Jane"))

    opened = open_header(deflated(plain))

    assert isinstance(opened, Converted)
    assert (opened.transfer_syntax, opened.dataset_offset) == (DEFLATED, len(head(DEFLATED)))
    assert opened.data == plain


def test_padding_after_deflated_bytes_does_no_harm() -> None:
    assert normalise(deflated(a_file()) + b"\0")[0] == a_file()


@pytest.mark.parametrize("cut", [1, 20, 100])
def test_a_deflated_file_that_is_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(Invalid, match="ends within the deflated"):
        normalise(deflated(a_file(value(0x7FE00010, "OW", bytes(range(256)) * 4)))[:-cut])


def test_a_deflated_file_that_is_damaged_is_refused() -> None:
    with pytest.raises(Invalid, match="damaged"):
        normalise(head(DEFLATED) + b"\xff" * 100)


def test_a_bomb_is_refused_before_it_goes_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "FREE_INFLATED", 1 << 20)

    with pytest.raises(Invalid, match="longer than"):
        normalise(deflated(a_file(value(0x7FE00010, "OW", bytes(16 << 20)))))


def test_a_leading_part_of_a_deflated_file_asks_for_more() -> None:
    data = deflated(a_file())

    with pytest.raises(More):
        open_header(data[:-5], size=len(data))


def big(tag: int, vr: str, body: bytes, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    start = struct.pack(">HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    is_long = vr in ("OB", "OW", "SQ", "OF", "OD", "UN", "UT")
    return start + (struct.pack(">HI", 0, size) if is_long else struct.pack(">H", size)) + body


def test_every_number_of_a_big_endian_file_is_turned_round() -> None:
    inner = big(0x00400007, "LO", b"Head") + big(0x00280010, "US", b"\2\0")
    entry = struct.pack(">HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + inner + struct.pack(">HHI", 0xFFFE, 0xE00D, 0)
    data = head(BIG) + b"".join(
        (
            big(0x00080018, "UI", b"1.2\0"),
            big(0x00189087, "FD", struct.pack(">d", 1.5)),
            big(0x00280009, "AT", b"\x00\x18\x10\x63"),
            big(0x00400275, "SQ", entry + struct.pack(">HHI", 0xFFFE, 0xE0DD, 0), 0xFFFFFFFF),
            big(0x7FE00010, "OW", b"\1\2\3\4"),
        )
    )

    image, header = normalise(data)

    found = to_json(image, header, bulk=None, skip_pixels=False)
    assert found["00189087"]["Value"] == [1.5]
    assert found["00280009"]["Value"] == ["00181063"]
    assert found["00400275"]["Value"] == [
        {"00280010": {"vr": "US", "Value": [512]}, "00400007": {"vr": "LO", "Value": ["Head"]}}
    ]
    assert found["7FE00010"]["InlineBinary"] == "AgEEAw=="


def test_bytes_of_a_big_endian_file_are_left_alone() -> None:
    image, header = normalise(head(BIG) + big(0x00080018, "UI", b"1.2\0") + big(0x7FE00010, "OB", b"\1\2\3\4"))

    raw = header.elements[0x7FE00010]
    assert image[raw.offset :] == b"\1\2\3\4"


def test_a_big_endian_file_equals_its_little_endian_twin() -> None:
    folder = sample_data().rglob("MR_small_bigendian.dcm")
    data = next(folder).read_bytes()

    image, header = normalise(data)

    raw = header.elements[0x7FE00010]
    theirs = by_pydicom(data)
    turned = b"".join(bytes((b, a)) for a, b in zip(*[iter(theirs.PixelData)] * 2, strict=True))
    assert image[raw.offset : raw.offset + raw.length] == turned


@pytest.mark.parametrize("cut", [1, 3, 9, 20])
def test_a_big_endian_file_that_is_cut_short_is_refused(cut: int) -> None:
    data = head(BIG) + big(0x00080018, "UI", b"1.2\0") + big(0x7FE00010, "OW", bytes(16))
    with pytest.raises(Invalid):
        normalise(data[:-cut])


def test_a_sequence_without_items_is_refused() -> None:
    data = a_file(sequence(0x00400275, value(0x00400007, "LO", "no item"), item(), defined=False))

    with pytest.raises(Invalid, match="sequence"):
        normalise(data)


def test_odd_nesting_that_pydicom_understands_is_read_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = a_file(sequence(0x00400275, item(value(0x00400007, "LO", "x"), defined=False), defined=False))
    real = scan
    answers = iter([Odd("odd nesting")])

    def scan_once(data: bytes, *, size: int | None = None) -> Header:
        if answer := next(answers, None):
            raise answer
        return real(data, size=size)

    monkeypatch.setattr(read, "scan", scan_once)
    opened = open_header(plain)

    assert isinstance(opened, Converted)
    assert opened.transfer_syntax == EXPLICIT
    assert to_json(opened.data, opened.header, bulk=None) == to_json(plain, real(plain), bulk=None)
