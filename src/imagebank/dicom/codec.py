"""One frame of pixel data to an array and back, in every transfer syntax that a free codec knows.

Runs in a sandbox child. Only named codecs are called, and only after the codestream's own header has been compared with
what the data set declares.
"""

import math
import struct
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import imagecodecs
import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagebank.dicom import codestream
from imagebank.dicom.layout import (
    DEFLATED_FRAMES,
    EXPLICIT,
    HTJ2K,
    HTJ2K_RPCL,
    J2K,
    J2K_FAMILY,
    JPEG_BASELINE,
    JPEG_FAMILY,
    JPEG_SV1,
    JPEGLS,
    JPEGLS_FAMILY,
    JPEGXL_FAMILY,
    NATIVE,
    RLE,
    Layout,
)
from imagebank.errors import Invalid, Mismatch, Unsupported

_FREE_CELLS = 32 << 20
_CELLS_PER_BYTE = 64

Cells = NDArray[Any]
"""Pixel cells of one frame: (rows, columns, samples)."""

_CHROMA = frozenset({"YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "YBR_PARTIAL_420", "YBR_PARTIAL_422"})


@dataclass(frozen=True, slots=True)
class Frame:
    """Decoded cells and the photometric interpretation that they are in now."""

    cells: Cells
    photometric: str


def decode(data: bytes | memoryview, layout: Layout) -> Frame:
    """The cells of one frame, as Explicit VR Little Endian would hold them, upsampled to three samples if in colour.

    Raises Mismatch when the codestream is not of the declared shape, Unsupported for a transfer syntax without a free
    decoder; a codec raises whatever it likes.
    """
    layout.check()
    syntax = layout.transfer_syntax
    if syntax in NATIVE:
        return _native(data, layout)
    # Codecs work in up to eight bytes a cell: a small codestream must not ask for much memory.
    if layout.pixels * layout.samples > max(_FREE_CELLS, _CELLS_PER_BYTE * len(data)):
        raise Unsupported(
            "a frame of {columns} x {rows} in {size} bytes is not decoded",
            columns=layout.columns,
            rows=layout.rows,
            size=len(data),
        )
    for family, decoder in _DECODERS:
        if syntax in family:
            return decoder(bytes(data), layout)
    raise Unsupported("pixel data in transfer syntax {syntax} cannot be decoded here", syntax=syntax)


def _native(data: bytes | memoryview, layout: Layout) -> Frame:
    if len(data) < layout.frame_bytes:
        raise Mismatch("the pixel data is shorter than Rows, Columns and BitsAllocated say")
    shape = (layout.rows, layout.columns, layout.samples)
    if layout.bits_allocated == 1:
        bits = np.unpackbits(np.frombuffer(data, np.uint8), count=layout.frame_bits, bitorder="little")
        return Frame(bits.reshape(shape), layout.photometric)
    count = layout.pixels * layout.cells_per_pixel
    cells = np.frombuffer(data, layout.dtype, count)
    if layout.samples == 3 and layout.cells_per_pixel == 2:
        return Frame(_doubled(cells, layout), "YBR_FULL")
    if layout.samples == 3 and layout.is_planar:
        return Frame(cells.reshape(3, layout.rows, layout.columns).transpose(1, 2, 0), layout.photometric)
    return Frame(cells.reshape(shape), layout.photometric)


def _doubled(cells: Cells, layout: Layout) -> Cells:
    """Native YBR_FULL_422 with each chroma pair repeated for its second pixel."""
    if layout.columns % 2:
        raise Invalid("YBR_FULL_422 asks for an even number of columns")
    quads = cells.reshape(layout.rows, layout.columns // 2, 4)
    full = np.empty((layout.rows, layout.columns, 3), cells.dtype)
    full[:, 0::2, 0], full[:, 1::2, 0] = quads[..., 0], quads[..., 1]
    full[..., 1:] = np.repeat(quads[..., 2:], 2, axis=1)
    return full


def _jpeg(data: bytes, layout: Layout) -> Frame:
    found = codestream.jpeg(data)
    _compare(found, layout)
    if layout.samples == 1:
        return Frame(_fit(_any_jpeg(data, found), layout, found.precision), layout.photometric)
    if found.is_lossless:
        cells = _any_jpeg(data, found, "RGB", "RGB")
        return Frame(_fit(cells, layout, found.precision), _upsampled(layout.photometric))
    source = "RGB" if _is_rgb(found, layout.photometric) else "YCBCR"
    cells = _any_jpeg(data, found, source, "RGB")
    return Frame(_fit(cells, layout, found.precision), "RGB")


def _any_jpeg(data: bytes, found: codestream.Header, source: str | None = None, shown: str | None = None) -> Cells:
    try:
        return imagecodecs.jpeg8_decode(data, colorspace=source, outcolorspace=shown)
    except imagecodecs.Jpeg8Error:
        # libjpeg-turbo knows neither all predictors at all precisions nor every odd restart interval.
        if not found.is_lossless:
            raise
        return imagecodecs.ljpeg_decode(data)


def _is_rgb(found: codestream.Header, photometric: str) -> bool:
    """Whether a lossy colour JPEG holds red, green and blue: the codestream's own word counts before the data set's."""
    if found.adobe_transform is not None:
        return found.adobe_transform == 0
    if found.is_subsampled:
        return False
    if found.component_ids == b"RGB":
        return True
    return photometric == "RGB" and not found.is_jfif


def _jpeg2000(data: bytes, layout: Layout) -> Frame:
    found = codestream.jpeg2000(data)
    _compare(found, layout)
    # Left to themselves, the codecs give planes where the codestream has no colour transform.
    planar = False if layout.samples == 3 else None
    # OpenJPH is ten times faster, but lets a lossy sample that overshoots wrap around: white turns black.
    is_exact = layout.transfer_syntax in (HTJ2K, HTJ2K_RPCL) and found.is_lossless
    if is_exact and found.is_high_throughput:
        known = imagecodecs.htj2k_decode(data, planar=planar)
    else:
        known = imagecodecs.jpeg2k_decode(data, planar=planar, numthreads=1)
    photometric = layout.photometric
    if layout.samples == 3 and photometric in ("YBR_RCT", "YBR_ICT"):
        photometric = "RGB"
    return Frame(_fit(known, layout, found.precision), _upsampled(photometric))


def _jpegls(data: bytes, layout: Layout) -> Frame:
    found = codestream.jpeg(data)
    _compare(found, layout)
    return Frame(_fit(imagecodecs.jpegls_decode(data), layout, found.precision), _upsampled(layout.photometric))


def _jpegxl(data: bytes, layout: Layout) -> Frame:
    shape = (layout.rows, layout.columns, 3)[: 2 if layout.samples == 1 else 3]
    # The given array makes the decoder refuse another size before it decodes.
    out = np.empty(shape, np.uint8 if layout.bits_allocated == 8 else np.uint16)
    cells = imagecodecs.jpegxl_decode(data, numthreads=1, out=out)
    return Frame(_fit(cells, layout, layout.bits_allocated), "RGB" if layout.samples == 3 else layout.photometric)


def _deflated(data: bytes, layout: Layout) -> Frame:
    raw = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, layout.frame_bytes + 1)
    return _native(raw, layout)


def _rle(data: bytes, layout: Layout) -> Frame:
    """PS3.5 annex G: one segment a byte plane, most significant first."""
    if layout.bits_allocated == 1:
        raise Unsupported("RLE of single bits is not supported")
    size = layout.bits_allocated // 8
    count = int.from_bytes(data[:4], "little")
    if len(data) < 64 or count != size * layout.samples:
        raise Mismatch("the RLE segments are not those of the declared image")
    starts = [*struct.unpack_from(f"<{count}I", data, 4), len(data)]
    planes = np.zeros((layout.samples, size, layout.pixels), np.uint8)
    for n in range(count):
        segment = bytes(data[starts[n] : starts[n + 1]])
        plane = imagecodecs.packbits_decode(segment, out=layout.pixels)
        planes[n // size, size - 1 - n % size, : len(plane)] = np.frombuffer(plane, np.uint8)
        if len(plane) < layout.pixels:
            raise Mismatch("an RLE segment is shorter than the declared image")
    cells = np.ascontiguousarray(planes.transpose(2, 0, 1)).view(layout.dtype)
    return Frame(cells.reshape(layout.rows, layout.columns, layout.samples), _upsampled(layout.photometric))


_DECODERS: tuple[tuple[Collection[str], Callable[[bytes, Layout], Frame]], ...] = (
    (JPEG_FAMILY, _jpeg),
    (JPEGLS_FAMILY, _jpegls),
    (J2K_FAMILY, _jpeg2000),
    (JPEGXL_FAMILY, _jpegxl),
    ((RLE,), _rle),
    ((DEFLATED_FRAMES,), _deflated),
)


def _compare(found: codestream.Header, layout: Layout) -> None:
    if (found.rows, found.columns, found.samples) != (layout.rows, layout.columns, layout.samples):
        holds = f"{found.columns} x {found.rows} x {found.samples}"
        declared = f"{layout.columns} x {layout.rows} x {layout.samples}"
        raise Mismatch("the codestream holds {holds}, the data set declares {declared}", holds=holds, declared=declared)
    if found.precision > layout.bits_allocated:
        raise Mismatch(
            "the codestream has {precision} bits, the data set {bits_allocated}",
            precision=found.precision,
            bits_allocated=layout.bits_allocated,
        )


def _fit(cells: Cells, layout: Layout, precision: int) -> Cells:
    """Decoded samples in the declared cell: sign taken from the data set where the codestream says otherwise."""
    cells = cells.reshape(layout.rows, layout.columns, layout.samples)
    if (cells.dtype.kind == "i") == layout.is_signed:
        return cells.astype(layout.dtype, copy=False)
    spare = layout.bits_allocated - precision
    unsigned = cells.astype(f"<u{layout.dtype.itemsize}")
    if not layout.is_signed:
        unsigned &= np.array((1 << precision) - 1, unsigned.dtype)
        return unsigned
    signed: Cells = (unsigned << spare).view(layout.dtype) >> spare
    return signed


def _upsampled(photometric: str) -> str:
    return "YBR_FULL" if photometric == "YBR_FULL_422" else photometric


def encode(frame: Frame, layout: Layout, target: str) -> tuple[bytes, str]:
    """One frame in another transfer syntax, and its photometric interpretation there.

    Everything but JPEG Baseline is reversible. Raises Unsupported for cells that the target cannot hold.
    """
    if layout.value != "int" or layout.bits_allocated == 1 or target not in _ENCODERS:
        raise Unsupported("these pixels cannot be encoded in transfer syntax {target}", target=target)
    cells = frame.cells.squeeze(axis=2) if layout.samples == 1 else frame.cells
    data, photometric = _ENCODERS[target](np.ascontiguousarray(cells), frame.photometric)
    return bytes(data), photometric


def _as_unsigned(cells: Cells) -> Cells:
    """The same bits without a sign, for codestreams that know none (PS3.5 8.2.1, 8.2.3)."""
    if cells.dtype.itemsize > 2:
        raise Unsupported("this transfer syntax holds at most 16 bits a sample")
    return cells.view(f"<u{cells.dtype.itemsize}")


def _encode_rle(cells: Cells, photometric: str) -> tuple[bytes | bytearray, str]:
    size = cells.dtype.itemsize
    rows, columns = cells.shape[:2]
    planes = cells.reshape(rows, columns, -1).view(np.uint8).reshape(rows, columns, -1, size)
    segments = []
    for sample in range(planes.shape[2]):
        for byte in reversed(range(size)):
            # PS3.5 G.3.1: a run never crosses the end of a row; the codec sees each row by itself.
            packed = imagecodecs.packbits_encode(planes[:, :, sample, byte].copy(), axis=-1)
            segments.append(bytes(packed) + b"\0" * (len(packed) % 2))
    if len(segments) > 15:
        raise Unsupported("RLE holds at most 15 byte planes")
    starts = [64 + sum(map(len, segments[:n])) for n in range(len(segments))]
    return struct.pack("<16I", len(segments), *starts, *[0] * (15 - len(starts))) + b"".join(segments), photometric


def _encode_sv1(cells: Cells, photometric: str) -> tuple[bytes | bytearray, str]:
    # Named alike on both sides, the colours are left as they are.
    plain = "RGB" if cells.ndim == 3 else None
    data = imagecodecs.jpeg8_encode(
        _as_unsigned(cells),
        lossless=True,
        predictor=1,
        bitspersample=8 * cells.dtype.itemsize,
        colorspace=plain,
        outcolorspace=plain,
    )
    return data, photometric


def _encode_jpegls(cells: Cells, photometric: str) -> tuple[bytes | bytearray, str]:
    return imagecodecs.jpegls_encode(_as_unsigned(cells), 0), photometric


def _is_mixed(cells: Cells, photometric: str) -> bool:
    return cells.ndim == 3 and photometric == "RGB"


def _encode_j2k(cells: Cells, photometric: str) -> tuple[bytes | bytearray, str]:
    if cells.dtype.itemsize > 2:
        raise Unsupported("this transfer syntax holds at most 16 bits a sample")
    mixed = _is_mixed(cells, photometric)
    # A level more than the picture has octaves would be refused.
    levels = max(1, min(6, int(math.log2(min(cells.shape[:2]))) + 1))
    data = imagecodecs.jpeg2k_encode(
        cells, level=0, codecformat="J2K", reversible=True, mct=mixed, resolutions=levels, numthreads=1
    )
    return data, "YBR_RCT" if mixed else photometric


def _encode_htj2k(cells: Cells, photometric: str) -> tuple[bytes | bytearray, str]:
    if cells.dtype.itemsize > 2:
        raise Unsupported("this transfer syntax holds at most 16 bits a sample")
    mixed = _is_mixed(cells, photometric)
    data = imagecodecs.htj2k_encode(cells, reversible=True, rgb=mixed, tlm=True)
    return data, "YBR_RCT" if mixed else photometric


def _encode_baseline(cells: Cells, photometric: str) -> tuple[bytes | bytearray, str]:
    if cells.dtype != np.uint8:
        raise Unsupported("JPEG Baseline holds 8 unsigned bits a sample")
    if cells.ndim == 2:
        return imagecodecs.jpeg8_encode(cells, 90), photometric
    cells = to_rgb(cells, photometric)
    return imagecodecs.jpeg8_encode(
        cells, 90, colorspace="RGB", outcolorspace="YCBCR", subsampling="422"
    ), "YBR_FULL_422"


_ENCODERS: dict[str, Callable[[Cells, str], tuple[bytes | bytearray, str]]] = {
    RLE: _encode_rle,
    JPEG_SV1: _encode_sv1,
    JPEGLS: _encode_jpegls,
    J2K: _encode_j2k,
    HTJ2K: _encode_htj2k,
    HTJ2K_RPCL: _encode_htj2k,
    JPEG_BASELINE: _encode_baseline,
}


def to_rgb(cells: Cells, photometric: str) -> Cells:
    """Eight-bit colour cells as red, green and blue (PS3.3 C.7.6.3.1.2)."""
    if photometric not in _CHROMA:
        return cells
    if photometric.startswith("YBR_PARTIAL"):
        cells = _stretched(cells)
    return np.asarray(Image.fromarray(np.ascontiguousarray(cells), "YCbCr").convert("RGB"))


def _stretched(cells: Cells) -> Cells:
    """Partial range, 16 to 235 and 16 to 240, brought to the full one."""
    steps = np.arange(256, dtype=np.float32)
    luma, chroma = (steps - 16) * (255 / 219), (steps - 128) * (255 / 224) + 128
    tables = [np.clip(np.rint(table), 0, 255).astype(np.uint8) for table in (luma, chroma, chroma)]
    return np.stack([table[cells[..., n]] for n, table in enumerate(tables)], axis=-1)


def stored_values(cells: Cells, layout: Layout) -> Cells:
    """Stored values: the bits between High Bit and Bits Stored, with their sign (PS3.5 8.1.1)."""
    is_bare = layout.transfer_syntax in NATIVE or layout.transfer_syntax == RLE
    # The other codecs hold samples, not cells: there is nothing above them but what a lossy one overshot.
    if not is_bare or layout.value != "int" or layout.bits_stored == layout.bits_allocated:
        return cells
    up = layout.bits_allocated - 1 - layout.high_bit
    values: Cells = (cells << up) >> (layout.bits_allocated - layout.bits_stored)
    return values


def native_bytes(frame: Frame, layout: Layout) -> bytes:
    """A frame as the value of a native Pixel Data element holds it; single bits are packed."""
    if layout.bits_allocated == 1:
        return np.packbits(frame.cells.ravel(), bitorder="little").tobytes()
    return frame.cells.astype(layout.dtype, copy=False).tobytes()


def recode(header: dict[str, Any], payload: memoryview) -> tuple[dict[str, Any], Sequence[bytes]]:
    """Sandbox task: frames of the given `sizes` decoded, and encoded in `target` unless that is native."""
    layout = msgspec.convert(header["layout"], Layout)
    target = header["target"]
    frames, photometric, at = [], layout.photometric, 0
    for size in header["sizes"]:
        frame = decode(payload[at : at + size], layout)
        at += size
        if target in NATIVE:
            photometric = frame.photometric
            frames.append(native_bytes(frame, layout))
        else:
            data, photometric = encode(frame, layout, target)
            frames.append(data)
    return {"sizes": [len(f) for f in frames], "photometric": photometric}, frames


def warm() -> None:
    """Touch every codec once, so that nothing is imported after the sandbox has closed itself."""
    tiny = np.zeros((16, 16, 1), np.uint8)
    plain = Layout(EXPLICIT, 16, 16, 1, 8, 8, 7)
    for target in _ENCODERS:
        data, photometric = encode(Frame(tiny, "MONOCHROME2"), plain, target)
        decode(data, replace(plain, transfer_syntax=target, photometric=photometric))
    sv1, _ = _encode_sv1(tiny[..., 0], "MONOCHROME2")
    imagecodecs.ljpeg_decode(sv1)
    imagecodecs.jpegxl_decode(imagecodecs.jpegxl_encode(tiny[..., 0], lossless=True, numthreads=1))
    msgspec.convert(asdict(plain), Layout)
