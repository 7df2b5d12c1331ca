"""DICOM files from metadata and bulk data."""

import io
from itertools import accumulate
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import generate_frames

from imagebank.dicomweb.bulk_types import BulkNotTaken, inspect
from imagebank.dicomweb.compose import BulkData, compose
from imagebank.errors import BankError, Invalid, Mismatch
from imagebank.http.spool import Section
from make import a_dataset
from unit.dicom.mp4_bytes import a_movie, avcc, entry, hvcc, track

GREY = (np.arange(64 * 48, dtype=np.uint8) % 251).reshape(48, 64)
COLOUR = np.dstack([GREY, GREY[::-1], GREY[:, ::-1]])
_4 = "1.2.840.10008.1.2.4."
PIXELS = (
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)


def sections(*contents: bytes | bytearray) -> tuple[Section, ...]:
    """Parts as they wait in one file together."""
    shared = io.BytesIO(b"".join(contents))
    ends = list(accumulate(map(len, contents)))
    return tuple(Section(shared, end - len(content), len(content)) for end, content in zip(ends, contents, strict=True))


def metadata(**changes: Any) -> dict[str, Any]:
    """The metadata of a small image without what its codestream tells, with a BulkDataURI for its pixels."""
    left_out: dict[str, Any] = dict.fromkeys((*PIXELS, "PixelData"))
    found = a_dataset(**left_out, **changes).to_json_dict()
    return {**found, "7FE00010": {"vr": "OB", "BulkDataURI": "pixels"}}


def composed(data_set: dict[str, Any], folder: Path, **bulk: BulkData) -> pydicom.Dataset:
    content, size = compose(data_set, bulk, folder)
    data = content.read()
    assert len(data) == size
    return pydicom.dcmread(io.BytesIO(data))


@pytest.mark.parametrize(
    ("kind", "content", "syntax", "colour"),
    [
        ("image/jpeg", imagecodecs.jpeg8_encode(GREY), "50", "MONOCHROME2"),
        ("image/jpeg", imagecodecs.jpeg8_encode(COLOUR), "50", "YBR_FULL_422"),
        ("image/jpeg", imagecodecs.jpeg8_encode(GREY, lossless=True, predictor=1), "70", "MONOCHROME2"),
        ("image/jpeg", imagecodecs.jpeg8_encode(GREY, lossless=True, predictor=4), "57", "MONOCHROME2"),
        ("image/jls", imagecodecs.jpegls_encode(GREY), "80", "MONOCHROME2"),
        ("image/jls", imagecodecs.jpegls_encode(GREY, level=3), "81", "MONOCHROME2"),
        ("image/jp2", imagecodecs.jpeg2k_encode(GREY, codecformat="j2k", reversible=True), "90", "MONOCHROME2"),
        ("image/jp2", imagecodecs.jpeg2k_encode(COLOUR, codecformat="jp2", reversible=True), "90", "YBR_RCT"),
        (
            "image/jp2",
            imagecodecs.jpeg2k_encode(GREY, codecformat="jp2", level=40, reversible=False),
            "91",
            "MONOCHROME2",
        ),
        ("image/jphc", imagecodecs.htj2k_encode(GREY, reversible=True), "201", "MONOCHROME2"),
    ],
)
def test_a_codestream_describes_itself(kind: str, content: bytes, syntax: str, colour: str, tmp_path: Path) -> None:
    ds = composed(metadata(), tmp_path, pixels=BulkData(kind, "", sections(content)))

    assert ds.file_meta.TransferSyntaxUID == _4 + syntax
    assert (ds.Rows, ds.Columns, ds.BitsAllocated, ds.PhotometricInterpretation) == (48, 64, 8, colour)
    (frame,) = generate_frames(ds.PixelData, number_of_frames=1)
    assert content.endswith(frame.rstrip(b"\0")[-40:])
    assert frame[:2] in (b"\xff\xd8", b"\xff\x4f")


def test_a_lossless_codestream_gives_the_same_pixels(tmp_path: Path) -> None:
    content = imagecodecs.jpeg2k_encode(GREY, codecformat="jp2", reversible=True)

    ds = composed(metadata(), tmp_path, pixels=BulkData("image/jp2", "", sections(content)))

    assert np.array_equal(ds.pixel_array, GREY)


def test_native_pixels_and_what_lies_behind_them_keep_their_places(tmp_path: Path) -> None:
    source = a_dataset()
    data_set = source.to_json_dict()
    data_set["7FE00010"] = {"vr": "OW", "BulkDataURI": "pixels"}
    data_set["7FE10010"] = {"vr": "LO", "Value": ["VENDOR"]}

    ds = composed(data_set, tmp_path, pixels=BulkData("application/octet-stream", "", sections(source.PixelData)))

    assert ds.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert ds.PixelData == source.PixelData
    assert ds[0x7FE10010].value == "VENDOR"
    assert ds.PatientName == source.PatientName


def test_frames_come_in_a_part_each(tmp_path: Path) -> None:
    frames = [imagecodecs.jpegls_encode(GREY), imagecodecs.jpegls_encode(255 - GREY)]

    ds = composed(metadata(NumberOfFrames=2), tmp_path, pixels=BulkData("image/jls", "", sections(*frames)))

    assert np.array_equal(ds.pixel_array[1], 255 - GREY)


def test_a_document_states_its_media_type_and_length(tmp_path: Path) -> None:
    data_set = a_dataset(PixelData=None).to_json_dict()
    data_set["00420011"] = {"vr": "OB", "BulkDataURI": "doc"}

    ds = composed(data_set, tmp_path, doc=BulkData("application/pdf", "", sections(b"%PDF-1.7 x y")))

    assert ds.MIMETypeOfEncapsulatedDocument == "application/pdf"
    assert ds.EncapsulatedDocument[: ds.EncapsulatedDocumentLength] == b"%PDF-1.7 x y"


def test_names_in_any_script_survive(tmp_path: Path) -> None:
    data_set = a_dataset(PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう").to_json_dict()

    assert composed(data_set, tmp_path).PatientName.ideographic == "山田^太郎"


def test_a_codestream_that_contradicts_the_data_set_is_refused(tmp_path: Path) -> None:
    data_set = metadata() | {"00280010": {"vr": "US", "Value": [999]}}

    with pytest.raises(Mismatch, match="Rows"):
        composed(data_set, tmp_path, pixels=BulkData("image/jpeg", "", sections(imagecodecs.jpeg8_encode(GREY))))


@pytest.mark.parametrize(
    ("kind", "syntax", "content", "refusal"),
    [
        ("image/tiff", "", b"II*\0", BulkNotTaken),
        ("image/jpeg", _4 + "90", b"\xff\xd8", BulkNotTaken),
        ("image/jpeg", "", b"no picture", Invalid),
        ("image/jpeg", "", b"\xff\xd8", Invalid),
        ("image/jp2", "", b"\0\0\0\x0cjP  ", Invalid),
        ("image/jls", "", b"", Invalid),
        ("image/dicom-rle", "", b"\0" * 64, Invalid),
        ("video/mp4", "", b"no film", Invalid),
        ("video/mpeg", "", b"no film", Invalid),
    ],
)
def test_pixel_data_that_is_not_what_it_says_is_refused(
    kind: str, syntax: str, content: bytes, refusal: type[BankError]
) -> None:
    with pytest.raises(refusal):
        inspect(kind, syntax, *sections(content))


@pytest.mark.parametrize("moov_last", [False, True])
@pytest.mark.parametrize(
    ("kind", "named", "film", "syntax", "bits"),
    [
        ("video/mp4", "", entry(b"avc1", avcc(100, 41)), "102", 8),
        ("video/mp4", "", entry(b"avc1", avcc(100, 42)), "104", 8),
        ("video/mp4", "105", entry(b"avc1", avcc(100, 42)), "105", 8),
        ("video/mp4", "", entry(b"avc1", avcc(128, 41)), "106", 8),
        ("video/mp4", "", entry(b"hvc1", hvcc(1, 153)), "107", 8),
        ("video/h265", "", entry(b"hvc1", hvcc(2, 153, 10)), "108", 10),
    ],
)
def test_a_film_describes_itself(
    kind: str, named: str, film: bytes, syntax: str, bits: int, moov_last: bool, tmp_path: Path
) -> None:
    content = a_movie(track(film), moov_last=moov_last)

    ds = composed(metadata(), tmp_path, pixels=BulkData(kind, named and _4 + named, sections(b"before", content)[1:]))

    assert ds.file_meta.TransferSyntaxUID == _4 + syntax
    assert (ds.Rows, ds.Columns, ds.NumberOfFrames, ds.PhotometricInterpretation) == (600, 800, 67, "YBR_PARTIAL_420")
    assert (ds.BitsStored, ds.BitsAllocated, ds.LossyImageCompression) == (bits, 8 if bits == 8 else 16, "01")
    assert content in ds.PixelData


@pytest.mark.parametrize(
    ("named", "parts", "refusal", "reason"),
    [
        ("", [a_movie(track(entry(b"avc1", avcc(77, 41))))], BulkNotTaken, "Main Profile"),
        ("102", [a_movie(track(entry(b"avc1", avcc(100, 42))))], Mismatch, "level 4.2"),
        ("", [a_movie(), a_movie()], Mismatch, "one part"),
        ("", [a_movie(track(handler=b"soun"))], Invalid, "no video track"),
    ],
)
def test_a_film_that_no_object_can_hold_is_refused_with_the_reason(
    named: str, parts: list[bytes], refusal: type[BankError], reason: str, tmp_path: Path
) -> None:
    film = BulkData("video/mp4", named and _4 + named, sections(*parts))

    with pytest.raises(refusal, match=reason):
        composed(metadata(), tmp_path, pixels=film)


def test_a_film_that_contradicts_the_data_set_is_refused(tmp_path: Path) -> None:
    data_set = metadata() | {"00280010": {"vr": "US", "Value": [999]}}

    with pytest.raises(Mismatch, match="Rows"):
        composed(data_set, tmp_path, pixels=BulkData("video/mp4", "", sections(a_movie())))


def saved(mode: str, **options: Any) -> bytes:
    with io.BytesIO() as file:
        Image.new(mode, (16, 16)).save(file, "JPEG", **options)
        return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (saved("CMYK"), "4 samples a pixel, such as CMYK; send it as RGB"),
        (saved("RGB", progressive=True), "progressive JPEG, for which DICOM has no transfer syntax any more"),
        (saved("L", progressive=True), "send it as baseline JPEG"),
    ],
)
@pytest.mark.parametrize("syntax", ["", _4 + "50"])
def test_a_jpeg_that_no_object_can_hold_is_refused_with_a_way_out(content: bytes, reason: str, syntax: str) -> None:
    with pytest.raises(BulkNotTaken, match=reason):
        inspect("image/jpeg", syntax, *sections(content))


@pytest.mark.parametrize(
    "data_set",
    [
        {"00080018": {"vr": "UI", "Value": 5}},
        {"00080018": {"vr": "XX", "Value": ["1.2"]}},
        {"nonsense": {"vr": "UI", "Value": ["1.2"]}},
        {"00080018": {}},
        {"00280010": {"vr": "US", "Value": ["many"]}},
        {"00280010": {"vr": "US", "Value": [-1]}},
        {"00280010": {"vr": "US", "Value": [1.5]}},
        {"00280010": {"vr": "FD", "Value": [10**400]}},
        {"00720026": {"vr": "AT", "Value": ["xyz"]}},
        {"00081140": {"vr": "SQ", "Value": 5}},
        {"00081140": {"vr": "SQ", "Value": [5]}},
        {"00080018": {"vr": "OB", "InlineBinary": "***"}},
        {"00080018": {"vr": "OB", "InlineBinary": 5}},
        {"00100010": {"vr": "PN", "Value": [{"Alphabetic": 5}]}},
        {"00100010": {"vr": "PN", "Value": {"Alphabetic": "Doe"}}},
        {"7FE00010": {"vr": "OW", "BulkDataURI": ["1"]}},
        {"7FE00010": 5},
        {"00420011": 5},
    ],
)
def test_a_data_set_that_is_not_in_the_model_is_refused_or_made_whole(data_set: dict[str, Any], tmp_path: Path) -> None:
    try:
        content, size = compose(data_set, {}, tmp_path)
    except Invalid:
        return

    assert len(content.read()) == size


@pytest.mark.parametrize("bits", [{"vr": "US", "Value": [8, 16]}, {"vr": "LO", "Value": ["many"]}])
def test_native_pixels_of_no_depth_are_refused(bits: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        compose(metadata() | {"00280100": bits}, {"pixels": BulkData("", "", sections(b"\0\0"))}, tmp_path)
