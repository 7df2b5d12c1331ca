"""How the pixel data of a file is laid out, and where its frames are cut.

This is arithmetic on the header; no frame is decoded here.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from pydicom.encaps import generate_frames

from imagebank.dicom.frames import pixels_of, spans
from imagebank.dicom.scan import DEFLATED_LE, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, Buffer, Header, Raw, is_undefined
from imagebank.errors import Invalid, Mismatch, NotFound, Unsupported
from imagebank.model.uid import Uid

FRAME_BYTES: Final = 512 << 20
"""Largest frame that is decoded, in native bytes."""

EXPLICIT: Final = EXPLICIT_LE
IMPLICIT: Final = IMPLICIT_LE
_4: Final = "1.2.840.10008.1.2.4."
RLE: Final = Uid("1.2.840.10008.1.2.5")
DEFLATED_FRAMES: Final = Uid("1.2.840.10008.1.2.8.1")
JPEG_BASELINE: Final = Uid(f"{_4}50")
JPEG_SV1: Final = Uid(f"{_4}70")
JPEGLS: Final = Uid(f"{_4}80")
J2K: Final = Uid(f"{_4}90")
HTJ2K: Final = Uid(f"{_4}201")
HTJ2K_RPCL: Final = Uid(f"{_4}202")

AS_KEPT: Final = frozenset({HTJ2K, HTJ2K_RPCL})
"""Transfer syntaxes under which a frame that is kept compressed at rest goes out as it is."""

NATIVE: Final = frozenset({IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE, DEFLATED_LE})
"""Transfer syntaxes whose pixel data is not encapsulated."""

JPEG_FAMILY: Final = frozenset(Uid(f"{_4}{n}") for n in (50, 51, 52, 53, 54, 55, 56, 57, 58, 70))
JPEGLS_FAMILY: Final = frozenset({JPEGLS, Uid(f"{_4}81")})
J2K_FAMILY: Final = frozenset(Uid(f"{_4}{n}") for n in (90, 91, 92, 93, 201, 202, 203))
JPEGXL_FAMILY: Final = frozenset(Uid(f"{_4}{n}") for n in (110, 111, 112))

DECODABLE: Final = NATIVE | JPEG_FAMILY | JPEGLS_FAMILY | J2K_FAMILY | JPEGXL_FAMILY | {RLE, DEFLATED_FRAMES}
"""Transfer syntaxes whose frames can be decoded."""

LOSSY: Final = frozenset(Uid(f"{_4}{n}") for n in (50, 51, 52, 53, 54, 55, 56, 81, 91, 93, 111, 112, 203))
"""Transfer syntaxes whose pixels may have lost something already."""

_PIXEL_DATA, _FLOAT, _DOUBLE = 0x7FE00010, 0x7FE00008, 0x7FE00009
_SHORT: Final = struct.Struct("<H").unpack_from


@dataclass(frozen=True, slots=True)
class Layout:
    """How the frames of an image are laid out, as its data set declares it (PS3.3 C.7.6.3).

    `value` is the kind of cell: `int`, `float` or `double`.
    """

    transfer_syntax: str
    rows: int
    columns: int
    samples: int = 1
    bits_allocated: int = 16
    bits_stored: int = 16
    high_bit: int = 15
    is_signed: bool = False
    photometric: str = "MONOCHROME2"
    is_planar: bool = False
    value: str = "int"

    @property
    def pixels(self) -> int:
        return self.rows * self.columns

    @property
    def cells_per_pixel(self) -> int:
        # PS3.3 C.7.6.3.1.2: native YBR_FULL_422 holds Y Y Cb Cr for each two pixels.
        halves = self.photometric == "YBR_FULL_422" and self.transfer_syntax in NATIVE
        return 2 if halves else self.samples

    @property
    def frame_bits(self) -> int:
        """Size of one native frame, in bits."""
        return self.pixels * self.cells_per_pixel * self.bits_allocated

    @property
    def frame_bytes(self) -> int:
        """Size of one native frame that starts on a byte."""
        return -(-self.frame_bits // 8)

    @property
    def dtype(self) -> np.dtype[Any]:
        if self.value != "int":
            return np.dtype("<f4" if self.value == "float" else "<f8")
        size = max(self.bits_allocated // 8, 1)
        return np.dtype(f"<{'i' if self.is_signed else 'u'}{size}")

    def check(self) -> None:
        """Raise Invalid or Unsupported for a declaration that cannot be, before any memory is taken."""
        if self.rows < 1 or self.columns < 1 or self.samples not in (1, 3):
            raise Invalid("the image declares no usable Rows, Columns or SamplesPerPixel")
        if self.value == "int" and self.bits_allocated not in (1, 8, 16, 32):
            raise Unsupported(
                "pixel cells of {bits_allocated} bits are not supported", bits_allocated=self.bits_allocated
            )
        if self.value == "int" and (
            not 1 <= self.bits_stored <= self.bits_allocated or not 0 <= self.high_bit < self.bits_allocated
        ):
            raise Invalid("BitsStored, HighBit and BitsAllocated contradict each other")
        if self.pixels * self.samples * max(self.bits_allocated, 8) // 8 > FRAME_BYTES:
            raise Unsupported(
                "a frame of {columns} x {rows} is larger than this bank decodes", columns=self.columns, rows=self.rows
            )


def text(data: Buffer, elements: dict[int, Raw], tag: int) -> str:
    """The value of a top-level string element, without padding; empty when there is none."""
    raw = elements.get(tag)
    return "" if raw is None else bytes(data[raw.offset : raw.offset + raw.length]).decode("latin-1").strip(" \0")


def number(data: Buffer, elements: dict[int, Raw], tag: int, otherwise: int) -> int:
    """The first value of a top-level US element."""
    raw = elements.get(tag)
    return otherwise if raw is None or raw.length < 2 else int(_SHORT(data, raw.offset)[0])


def pixel_element(header: Header) -> tuple[int, Raw] | None:
    """Tag and value field of the pixel data, of whichever kind."""
    return next(((tag, header.elements[tag]) for tag in (_PIXEL_DATA, _FLOAT, _DOUBLE) if tag in header.elements), None)


def layout_of(data: Buffer, header: Header, tag: int | None = None) -> Layout:
    """The layout that a little-endian file declares; `tag` names the pixel data where `header` ends before it.

    Raises Unsupported when it has no pixel data, Invalid for a declaration that cannot be.
    """
    found = pixel_element(header)
    tag = found[0] if found else tag
    if tag is None:
        raise Unsupported("this object has no pixel data")
    elements = header.elements
    bits = number(data, elements, 0x00280100, 0)
    bits = {_FLOAT: 32, _DOUBLE: 64}.get(tag, bits)
    stored = number(data, elements, 0x00280101, bits)
    samples = number(data, elements, 0x00280002, 1)
    layout = Layout(
        transfer_syntax=header.transfer_syntax,
        rows=number(data, elements, 0x00280010, 0),
        columns=number(data, elements, 0x00280011, 0),
        samples=samples,
        bits_allocated=bits,
        bits_stored=stored,
        high_bit=number(data, elements, 0x00280102, stored - 1),
        is_signed=number(data, elements, 0x00280103, 0) == 1,
        photometric=text(data, elements, 0x00280004).upper() or ("MONOCHROME2" if samples == 1 else "RGB"),
        is_planar=number(data, elements, 0x00280006, 0) == 1,
        value={_FLOAT: "float", _DOUBLE: "double"}.get(tag, "int"),
    )
    if not layout.is_planar and layout.photometric == "YBR_FULL_422" and _is_full(layout, data, header):
        # Some writers keep the word of the JPEG that they expanded.
        layout = replace(layout, photometric="YBR_FULL")
    layout.check()
    return layout


def _is_full(layout: Layout, data: Buffer, header: Header) -> bool:
    """Whether native pixel data that claims to be subsampled has three whole samples a pixel."""
    found = pixel_element(header)
    if layout.transfer_syntax not in NATIVE or found is None:
        return False
    return found[1].length >= layout.pixels * 3 * layout.bits_allocated // 8 * frame_count(data, header)


def frame_count(data: Buffer, header: Header) -> int:
    """Number of Frames, 1 where it is absent or unreadable."""
    digits = text(data, header.elements, 0x00280008).split("\\")[0].strip()
    return max(int(digits), 1) if digits.isascii() and digits.isdigit() else 1


def frames_of(data: Buffer, header: Header, layout: Layout, numbers: Sequence[int] | None = None) -> list[bytes]:
    """The stored bytes of frames, counted from 1; of all without `numbers`.

    Frames of single bits come aligned to bytes. Raises NotFound for a frame that is not there, Mismatch when the pixel
    data is too short for what is declared.
    """
    found = pixel_element(header)
    if found is None:
        raise Unsupported("this object has no pixel data")
    raw, count = found[1], frame_count(data, header)
    if numbers is not None and any(not 1 <= n <= count for n in numbers):
        raise NotFound("the image has frames 1 to {count}", count=count)
    wanted = range(1, count + 1) if numbers is None else numbers
    if is_undefined(data, raw):
        return _encapsulated(data, header, raw, count, wanted)
    if raw.length * 8 < layout.frame_bits * count:
        raise Mismatch("the pixel data is shorter than Rows, Columns, BitsAllocated and NumberOfFrames say")
    return [_native_frame(data, raw, layout, n) for n in wanted]


def _native_frame(data: Buffer, raw: Raw, layout: Layout, frame: int) -> bytes:
    first = (frame - 1) * layout.frame_bits
    last = first + layout.frame_bits
    piece = bytes(data[raw.offset + first // 8 : raw.offset - (-last // 8)])
    if first % 8 == 0:
        return piece
    bits = np.unpackbits(np.frombuffer(piece, np.uint8), bitorder="little")[first % 8 :][: layout.frame_bits]
    return np.packbits(bits, bitorder="little").tobytes()


def _encapsulated(data: Buffer, header: Header, raw: Raw, count: int, wanted: Sequence[int]) -> list[bytes]:
    pixels = pixels_of(data, header)
    if pixels is not None and pixels.direct and pixels.frames == count:
        return [b"".join(bytes(data[at : at + size]) for at, size in spans(pixels, n - 1)) for n in wanted]
    # The numbers contradict each other. The frames that are there may be had all the same.
    kept: dict[int, bytes] = {}
    value = bytes(data[raw.offset : raw.offset + raw.length])
    try:
        found = generate_frames(value, number_of_frames=count, extended_offsets=_offsets(data, header))
        for n, frame in enumerate(found, 1):
            if n > max(wanted):
                break
            kept[n] = frame
    except (ValueError, struct.error, IndexError, EOFError) as error:
        raise Invalid("the encapsulated pixel data is broken; the frames cannot be told apart") from error
    if any(n not in kept for n in wanted):
        raise Mismatch("there are fewer encapsulated frames than NumberOfFrames says")
    return [kept[n] for n in wanted]


def _offsets(data: Buffer, header: Header) -> tuple[bytes, bytes] | None:
    """Extended Offset Table and its lengths (PS3.3 C.7.6.3.1.8)."""
    table, lengths = header.elements.get(0x7FE00001), header.elements.get(0x7FE00002)
    if table is None or lengths is None:
        return None
    return (
        bytes(data[table.offset : table.offset + table.length]),
        bytes(data[lengths.offset : lengths.offset + lengths.length]),
    )
