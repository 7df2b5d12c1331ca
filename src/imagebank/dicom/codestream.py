"""What a compressed frame says of itself, read from its first markers without decoding anything."""

import re
import struct
from dataclasses import dataclass

from imagebank.errors import Invalid

_JPEG_MARKERS = 4096
# APP1 and APP3 to APP13 and APP15, and the comment; APP0, APP2 and APP14 tell how to decode.
_WORDS = frozenset({0xE1, *range(0xE3, 0xEE), 0xEF, 0xFE})
_MORE_PICTURES = b"MPF\0"  # CIPA DC-007: where the other pictures of the file lie
# ISO 10918-1 B.1.1.5: within coded data, a byte of ones is followed by zero, or begins a restart.
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]", re.DOTALL)
_SIZ = b"\xff\x4f\xff\x51"


@dataclass(frozen=True, slots=True)
class Header:
    """Shape and nature of one codestream. `adobe_transform` is None without an Adobe marker."""

    rows: int
    columns: int
    samples: int
    precision: int
    is_lossless: bool = False
    is_high_throughput: bool = False
    is_subsampled: bool = False
    is_jfif: bool = False
    adobe_transform: int | None = None
    component_ids: bytes = b""


def jpeg(data: bytes | memoryview) -> Header:
    """The header of a JPEG or JPEG-LS codestream (ISO 10918-1 annex B). Raises Invalid."""
    try:
        return _jpeg(bytes(data[: 1 << 20]))
    except (IndexError, struct.error):
        raise Invalid("the JPEG codestream ends within its header") from None


def _jpeg(data: bytes) -> Header:
    if data[:2] != b"\xff\xd8":
        raise Invalid("the frame is not a JPEG codestream")
    at, is_jfif, adobe = 2, False, None
    for _ in range(_JPEG_MARKERS):
        while data[at] == 0xFF and data[at + 1] == 0xFF:
            at += 1
        if data[at] != 0xFF:
            raise Invalid("the JPEG codestream has no frame header")
        marker = data[at + 1]
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + size]
        if marker == 0xE0 and body[:4] == b"JFIF":
            is_jfif = True
        elif marker == 0xEE and body[:5] == b"Adobe" and len(body) > 11:
            adobe = body[11]
        elif marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            return _frame(marker, body, is_jfif=is_jfif, adobe=adobe)
        at += 2 + size
    raise Invalid("the JPEG codestream has no frame header")


def _frame(marker: int, body: bytes, *, is_jfif: bool, adobe: int | None) -> Header:
    precision, rows, columns, samples = struct.unpack_from(">BHHB", body)
    components = [body[6 + 3 * n : 9 + 3 * n] for n in range(samples)]
    return Header(
        rows=rows,
        columns=columns,
        samples=samples,
        precision=precision,
        is_lossless=marker in (0xC3, 0xC7, 0xCB, 0xCF, 0xF7),
        is_subsampled=len({c[1] for c in components}) > 1,
        is_jfif=is_jfif,
        adobe_transform=adobe,
        component_ids=bytes(c[0] for c in components),
    )


def without_words(data: bytes) -> bytes:
    """A JPEG without what cameras and programs write beside the picture: Exif (with the place), XMP, IPTC, comments.

    What decoding needs stays (JFIF, ICC profile, Adobe), and every byte of the coded picture; what lies behind it goes:
    phones put more pictures there, each with the place, and others a page or an archive. Raises Invalid.
    """
    kept, at = [data[:2]], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xDA:
            return b"".join([*kept, data[at : _end_of_picture(data, at)]])
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker not in _WORDS and data[at + 4 : at + 8] != _MORE_PICTURES:
            kept.append(data[at:end])
        at = end
    raise Invalid("the JPEG codestream has no scan")


def _end_of_picture(data: bytes, at: int) -> int:
    """Where the picture ends whose first scan begins at `at`; the end of the data where nothing says so."""
    while at + 4 <= len(data):
        # A scan, or a segment between two of them (ISO 10918-1 B.1.1.4).
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        found = _MARKER.search(data, at)
        if found is None:
            break
        at = found.end() - 2
        if data[at + 1] == 0xD9:
            return at + 2
    return len(data)


def jpeg2000(data: bytes | memoryview) -> Header:
    """The header of a JPEG 2000 codestream, bare or in a JP2 file (ISO 15444-1 annex A). Raises Invalid."""
    data = bytes(data[: 1 << 16])
    start = data.find(_SIZ)
    if start < 0:
        raise Invalid("the frame is not a JPEG 2000 codestream")
    try:
        capabilities, right, bottom, left, top = struct.unpack_from(">HIIII", data, start + 6)
        samples = int.from_bytes(data[start + 40 : start + 42], "big")
        depth = data[start + 42]
    except (IndexError, struct.error):
        raise Invalid("the JPEG 2000 codestream ends within its header") from None
    if right < left or bottom < top:
        # ISO 15444-1 A.5.1: the offset of the image lies before its end.
        raise Invalid("the image of the JPEG 2000 codestream ends before it begins")
    return Header(
        rows=bottom - top,
        columns=right - left,
        samples=samples,
        precision=(depth & 0x7F) + 1,
        is_lossless=_is_reversible(data, start + 2),
        # ISO 15444-15: bit 14 of Rsiz announces the capabilities marker of high throughput.
        is_high_throughput=bool(capabilities & 0x4000),
    )


def _is_reversible(data: bytes, at: int) -> bool:
    """Whether the default coding style has the 5/3 wavelet, whose samples never leave their range (A.6.1)."""
    for _ in range(_JPEG_MARKERS):
        marker, size = data[at : at + 2], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == b"\xff\x52":
            return data[at + 13 : at + 14] == b"\1"
        if marker in (b"\xff\x90", b"") or size < 2:
            return False
        at += 2 + size
    return False
