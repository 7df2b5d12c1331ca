"""What pixel data that comes without its description says of itself (PS3.18 table 8.7.3-3 and 10.5.1.1.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from imagebank.dicom import codestream
from imagebank.dicom.movie import read_movie, syntaxes
from imagebank.dicomweb.spool import Section
from imagebank.dicomweb.tables import FRAME_TYPES, OCTETS, OLD_NAMES
from imagebank.errors import Invalid, Mismatch, Unsupported
from imagebank.model.uid import Uid

_MAX_BOXES: Final = 256
_SOF: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_FILMS: Final = frozenset(("video/mp4", "video/h265"))
_SV1: Final = 1
_RETIRED: Final = {0xC2: "a progressive JPEG", 0xC9: "an arithmetic JPEG", 0xCA: "a progressive arithmetic JPEG"}


class BulkNotTaken(Unsupported):
    """Bulk data in a media type or transfer syntax that this bank does not take."""


@dataclass(frozen=True, slots=True)
class Coded:
    """Pixel data as it will stand in the object: its transfer syntax, and where the codestream begins in the part.

    `description` holds the Image Pixel attributes that the codestream tells, by keyword.
    """

    syntax: Uid
    start: int = 0
    description: Mapping[str, Any] = field(default_factory=dict)


def inspect(kind: str, syntax: str, content: Section) -> Coded | None:
    """Read what a part of media type `kind` says of itself; None for native pixels. `syntax` is what the part names.

    Raises BulkNotTaken for other media types, Mismatch for a film that is not in the transfer syntax that the part
    names, Invalid when the bytes are not what the type says.
    """
    kind = OLD_NAMES.get(kind, kind)
    if kind in ("", OCTETS):
        return None
    if kind not in FRAME_TYPES or kind in ("image/jxl", "application/x-deflate"):
        raise BulkNotTaken(f"pixel data is not taken as {kind}")
    if kind in _FILMS:
        return _film(syntax, content)
    if syntax and syntax not in FRAME_TYPES[kind]:
        raise BulkNotTaken(f"{kind} does not come in transfer syntax {syntax}")
    coded = _READERS[kind](next(content.pieces(), b""))
    samples = coded.description.get("SamplesPerPixel", 1)
    if samples not in (1, 3):
        # PS3.3 C.7.6.3.1.2: CMYK and ARGB are retired.
        raise BulkNotTaken(f"the picture has {samples} samples a pixel, such as CMYK; send it as RGB or as grey values")
    return Coded(Uid(syntax), coded.start, coded.description) if syntax else coded


def _film(syntax: str, content: Section) -> Coded:
    """An MP4 file, which is what both media types hold (PS3.5 8.2.7 to 8.2.11)."""
    try:
        movie = read_movie(content.read, content.size)
        allowed = syntaxes(movie)
    except Unsupported as error:
        raise BulkNotTaken(str(error)) from error
    if syntax and syntax not in allowed:
        raise Mismatch(f"the video is {movie}, which transfer syntax {syntax} does not allow")
    described = _moving((movie.columns, movie.rows)) | {"NumberOfFrames": movie.frames}
    if movie.bits > 8:
        described |= {"BitsAllocated": 16, "BitsStored": movie.bits, "HighBit": movie.bits - 1}
    return Coded(Uid(syntax) if syntax else allowed[0], 0, described)


def _jpeg(head: bytes) -> Coded:
    found = codestream.jpeg(head)
    marker, predictor = _process(head)
    if marker == 0xC0:
        number = 50
    elif marker == 0xC1:
        number = 51
    elif marker == 0xC3:
        number = 70 if predictor == _SV1 else 57
    else:
        raise BulkNotTaken(
            f"this is {_RETIRED.get(marker, 'a hierarchical or arithmetic JPEG')}, for which DICOM has no transfer syntax "
            "any more (PS3.5 8.2.1); send it as baseline JPEG, or without loss as image/jls or image/jp2"
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


def _jpegls(head: bytes) -> Coded:
    found = codestream.jpeg(head)
    # ISO 14495-1 C.2.3: the scan's parameters end in NEAR, interleave mode and point transform.
    at = head.find(b"\xff\xda")
    near = head[at + int.from_bytes(head[at + 2 : at + 4], "big") - 1] if 0 <= at < len(head) - 16 else 0
    return Coded(_uid(81 if near else 80), 0, _described(found, "MONOCHROME2" if found.samples == 1 else "RGB"))


def _jpeg2000(head: bytes) -> Coded:
    found, start, is_reversible, colour = _j2k(head)
    return Coded(_uid(90 if is_reversible else 91), start, _described(found, colour))


def _htj2k(head: bytes) -> Coded:
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


def _rle(head: bytes) -> Coded:
    if not 1 <= int.from_bytes(head[:4], "little") <= 15:
        raise Invalid("the part does not begin with an RLE header")
    return Coded(Uid("1.2.840.10008.1.2.5"))


def _mpeg2(head: bytes) -> Coded:
    at = head.find(b"\x00\x00\x01\xb3")
    if at < 0 or at + 7 > len(head):
        raise Invalid("the part is not MPEG-2 video")
    sizes = int.from_bytes(head[at + 4 : at + 7], "big")
    columns, rows = sizes >> 12, sizes & 0xFFF
    # PS3.5 8.2.5 and 8.2.6: Main Level ends at 720 by 576.
    return Coded(_uid(100 if columns <= 720 and rows <= 576 else 101), 0, _moving((columns, rows)))


_READERS: Final = {
    "image/jpeg": _jpeg,
    "image/jls": _jpegls,
    "image/jp2": _jpeg2000,
    "image/jpx": _jpeg2000,
    "image/jphc": _htj2k,
    "image/dicom-rle": _rle,
    "video/mpeg2": _mpeg2,
}


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
