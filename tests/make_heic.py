"""A photograph as phones write it: one HEVC picture in a HEIF file (ISO 23008-12)."""

import struct
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

_START_CODE = b"\0\0\1"


def a_heic(cells: NDArray[np.uint8], *, brand: bytes = b"heic", turned: int = 0) -> bytes:
    """The picture of red, green and blue, turned by so many quarters against the clock by whoever shows it."""
    units = _coded(cells)
    kinds = [unit[0] >> 1 & 0x3F for unit in units]
    sets = [unit for unit, kind in zip(units, kinds, strict=True) if kind in (32, 33, 34)]
    picture = b"".join(
        struct.pack(">I", len(unit)) + unit for unit, kind in zip(units, kinds, strict=True) if kind < 32
    )
    rows, columns = cells.shape[:2]
    head = _box(b"ftyp", brand + bytes(4) + b"mif1" + brand)
    # The place of the picture is written with a fixed length, so that the first pass tells how long the boxes are.
    size = len(head) + len(_meta(sets, rows, columns, turned, 0, len(picture))) + 8
    return head + _meta(sets, rows, columns, turned, size, len(picture)) + _box(b"mdat", picture)


def _coded(cells: NDArray[np.uint8]) -> list[bytes]:
    context = av.CodecContext.create("libx265", "w")
    context.height, context.width = cells.shape[:2]
    context.pix_fmt, context.time_base = "yuv420p", Fraction(1, 25)
    context.options = {"x265-params": "log-level=none:info=0:keyint=1:pools=none:frame-threads=1", "crf": "5"}
    frame = av.VideoFrame.from_ndarray(cells, format="rgb24").reformat(format="yuv420p")
    frame.pts = 0
    stream = b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))
    return [unit.rstrip(b"\0") for unit in stream.split(_START_CODE) if unit.strip(b"\0")]


def _meta(sets: list[bytes], rows: int, columns: int, turned: int, at: int, size: int) -> bytes:
    arrays = b"".join(
        bytes((0x80 | unit[0] >> 1 & 0x3F,)) + struct.pack(">HH", 1, len(unit)) + unit for unit in sets
    )
    # ISO 14496-15 8.3.3.1; profile and level are repeated from the sequence parameter set.
    sps = next(unit for unit in sets if unit[0] >> 1 & 0x3F == 33)
    config = b"\1" + sps[3:15] + struct.pack(">HBBBBHBB", 0xF000, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0x0F, len(sets)) + arrays
    properties = (
        _box(b"hvcC", config)
        + _full(b"ispe", struct.pack(">II", columns, rows))
        + _box(b"irot", bytes((turned,)))
    )
    owns = _full(b"ipma", struct.pack(">IHB3B", 1, 1, 3, 0x81, 2, 0x83))
    return _full(
        b"meta",
        _full(b"hdlr", bytes(4) + b"pict" + bytes(13))
        + _full(b"pitm", struct.pack(">H", 1))
        + _full(b"iloc", struct.pack(">BBHHHHII", 0x44, 0, 1, 1, 0, 1, at, size))
        + _full(b"iinf", struct.pack(">H", 1) + _full(b"infe", struct.pack(">HH4s", 1, 0, b"hvc1") + b"\0", version=2))
        + _box(b"iprp", _box(b"ipco", properties) + owns),
    )


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, body: bytes, version: int = 0) -> bytes:
    return _box(kind, bytes((version, 0, 0, 0)) + body)
