"""What pixel data that comes without its description says of itself, without anything being decoded.

Each reader takes the beginning of a codestream, and raises Invalid when it is none, Unsupported when DICOM has no
transfer syntax for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from imagebank.dicom import codestream
from imagebank.dicom.movie import Movie
from imagebank.errors import Invalid, Unsupported
from imagebank.model.uid import Uid

_MAX_BOXES: Final = 256
_SOF: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SV1: Final = 1
_RETIRED: Final = {0xC2: "a progressive JPEG", 0xC9: "an arithmetic JPEG", 0xCA: "a progressive arithmetic JPEG"}


@dataclass(frozen=True, slots=True)
class Coded:
    """Pixel data as it will stand in the object: its transfer syntax, and where the codestream begins in the part.

    `description` holds the Image Pixel attributes that the codestream tells, by keyword.
    """

    syntax: Uid
    start: int = 0
    description: Mapping[str, Any] = field(default_factory=dict)


def film(movie: Movie, syntax: Uid) -> Coded:
    """The video of an MP4 file, which is what both media types hold (PS3.5 8.2.7 to 8.2.11)."""
    described = _moving((movie.columns, movie.rows)) | {"NumberOfFrames": movie.frames}
    if movie.bits > 8:
        described |= {"BitsAllocated": 16, "BitsStored": movie.bits, "HighBit": movie.bits - 1}
    return Coded(syntax, 0, described)


def jpeg(head: bytes) -> Coded:
    """ISO 10918-1, and where the transfer syntax is told by its process (PS3.5 8.2.1)."""
    found = codestream.jpeg(head)
    marker, predictor = _process(head)
    if marker == 0xC0:
        number = 50
    elif marker == 0xC1:
        number = 51
    elif marker == 0xC3:
        number = 70 if predictor == _SV1 else 57
    else:
        raise Unsupported(
            "this is {kind}, for which DICOM has no transfer syntax "
            "any more (PS3.5 8.2.1); send it as baseline JPEG, or without loss as image/jls or image/jp2",
            kind=_RETIRED.get(marker, "a hierarchical or arithmetic JPEG"),
        )
    return Coded(_uid(number), 0, _described(found, _jpeg_colour(found)))


def _process(head: bytes) -> tuple[int, int]:
    """The frame marker of a JPEG codestream, and the predictor of its first scan (ISO 10918-1 B.2.2, B.2.3)."""
    at, marker = 2, 0
    while at + 4 <= len(head) and head[at] == 0xFF:
        if head[at + 1] == 0xFF:
            at += 1
            continue
        if head[at + 1] in _SOF or head[at + 1] == 0xF7:
            marker = head[at + 1]
        size = int.from_bytes(head[at + 2 : at + 4], "big")
        if head[at + 1] == 0xDA:
            return marker, head[at + size - 1] if at + size - 1 < len(head) else 0
        at += 2 + size
    raise Invalid("the JPEG codestream has no scan")


def _jpeg_colour(found: codestream.Header) -> str:
    if found.samples == 1:
        return "MONOCHROME2"
    if found.is_lossless or found.adobe_transform == 0 or (not found.is_jfif and found.component_ids == b"RGB"):
        return "RGB"
    return "YBR_FULL_422" if found.is_subsampled else "YBR_FULL"


def jpegls(head: bytes) -> Coded:
    """ISO 14495-1 (PS3.5 8.2.3)."""
    found = codestream.jpeg(head)
    # ISO 14495-1 C.2.3: the scan's parameters end in NEAR, interleave mode and point transform.
    at = head.find(b"\xff\xda")
    near = head[at + int.from_bytes(head[at + 2 : at + 4], "big") - 1] if 0 <= at < len(head) - 16 else 0
    return Coded(_uid(81 if near else 80), 0, _described(found, "MONOCHROME2" if found.samples == 1 else "RGB"))


def jpeg2000(head: bytes) -> Coded:
    """ISO 15444-1, bare or in a JP2 file (PS3.5 8.2.4)."""
    found, start, is_reversible, colour = _j2k(head)
    return Coded(_uid(90 if is_reversible else 91), start, _described(found, colour))


def htj2k(head: bytes) -> Coded:
    """ISO 15444-15 (PS3.5 8.2.14)."""
    found, start, is_reversible, colour = _j2k(head)
    return Coded(_uid(201 if is_reversible else 203), start, _described(found, colour))


def _j2k(head: bytes) -> tuple[codestream.Header, int, bool, str]:
    start = _first_codestream(head)
    found = codestream.jpeg2000(head[start:])
    at = head.find(b"\xff\x52", start)
    if at < 0 or at + 14 > len(head):
        raise Invalid("the JPEG 2000 codestream has no coding style")
    # ISO 15444-1 A.6.1: component transformation at 8, wavelet (1 is reversible) at 13.
    is_mixed, is_reversible = bool(head[at + 8]), head[at + 13] == 1
    if found.samples == 1:
        colour = "MONOCHROME2"
    elif is_mixed:
        colour = "YBR_RCT" if is_reversible else "YBR_ICT"
    else:
        colour = "RGB"
    return found, start, is_reversible, colour


def _first_codestream(head: bytes) -> int:
    """Where the codestream lies in a JP2 file, of which DICOM keeps nothing else (PS3.5 8.2.4)."""
    at = 0
    for _ in range(_MAX_BOXES):
        if head[at : at + 2] == b"\xff\x4f":
            return at
        size, kind = int.from_bytes(head[at : at + 4], "big"), head[at + 4 : at + 8]
        body = 16 if size == 1 else 8
        if kind == b"jp2c":
            at += body
            continue
        length = int.from_bytes(head[at + 8 : at + 16], "big") if size == 1 else size
        if length < body:
            break
        at += length
    raise Invalid("the part is not JPEG 2000")


def rle(head: bytes) -> Coded:
    """PS3.5 annex G: it tells nothing but that it is one."""
    if not 1 <= int.from_bytes(head[:4], "little") <= 15:
        raise Invalid("the part does not begin with an RLE header")
    return Coded(Uid("1.2.840.10008.1.2.5"))


def mpeg2(head: bytes) -> Coded:
    """ISO 13818-2 (PS3.5 8.2.5 and 8.2.6)."""
    at = head.find(b"\x00\x00\x01\xb3")
    if at < 0 or at + 7 > len(head):
        raise Invalid("the part is not MPEG-2 video")
    sizes = int.from_bytes(head[at + 4 : at + 7], "big")
    columns, rows = sizes >> 12, sizes & 0xFFF
    # PS3.5 8.2.5 and 8.2.6: Main Level ends at 720 by 576.
    return Coded(_uid(100 if columns <= 720 and rows <= 576 else 101), 0, _moving((columns, rows)))


def _uid(number: int) -> Uid:
    return Uid(f"1.2.840.10008.1.2.4.{number}")


def _described(found: codestream.Header, colour: str) -> dict[str, Any]:
    described = {
        "SamplesPerPixel": found.samples,
        "PhotometricInterpretation": colour,
        "Rows": found.rows,
        "Columns": found.columns,
        "BitsAllocated": 8 if found.precision <= 8 else 16,
        "BitsStored": found.precision,
        "HighBit": found.precision - 1,
        "PixelRepresentation": 0,
    }
    return described | ({"PlanarConfiguration": 0} if found.samples > 1 else {})


def _moving(shape: tuple[int, int]) -> dict[str, Any]:
    return {
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "YBR_PARTIAL_420",
        "Rows": shape[1],
        "Columns": shape[0],
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "PlanarConfiguration": 0,
    }
