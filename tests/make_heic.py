"""A photograph as phones write it: one HEVC picture in a HEIF file (ISO 23008-12)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

_START_CODE = b"\0\0\1"


Cells = NDArray[np.uint8]


@dataclass(frozen=True)
class _Item:
    kind: bytes
    data: bytes
    properties: Sequence[int] = ()
    parts: Sequence[int] = ()


def a_heic(
    cells: Cells, *, brand: bytes = b"heic", turned: int = 0, tile: tuple[int, int] | None = None, taken_at: str = ""
) -> bytes:
    """The picture of red, green and blue, turned by so many quarters against the clock by whoever shows it.

    With `tile` it is a grid of tiles of so many rows and columns.
    """
    rows, columns = cells.shape[:2]
    tall, wide = tile or (rows, columns)
    down, across = -(-rows // tall), -(-columns // wide)
    padded = np.pad(cells, ((0, down * tall - rows), (0, across * wide - columns), (0, 0)), mode="edge")
    units = [
        _coded(np.ascontiguousarray(padded[y * tall : (y + 1) * tall, x * wide : (x + 1) * wide]))
        for y in range(down)
        for x in range(across)
    ]
    properties = [_config(units[0]), _shape(tall, wide), _shape(rows, columns), _box(b"irot", bytes((turned,)))]
    items = [_Item(b"hvc1", _picture(one), (1, 2) if down * across > 1 else (1, 2, 4)) for one in units]
    if len(items) > 1:
        grid = struct.pack(">BBBBHH", 0, 0, down - 1, across - 1, columns, rows)
        items.append(_Item(b"grid", grid, (3, 4), range(1, len(items) + 1)))
    primary = len(items)
    if taken_at:
        items.append(_Item(b"Exif", bytes(4) + _exif(taken_at)))
    return _file(brand, properties, items, primary)


def _exif(taken_at: str) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Acme"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken_at
    return exif.tobytes()


def _coded(cells: Cells) -> list[bytes]:
    context = av.CodecContext.create("libx265", "w")
    context.height, context.width = cells.shape[:2]
    context.pix_fmt, context.time_base = "yuv420p", Fraction(1, 25)
    context.options = {"x265-params": "log-level=none:info=0:keyint=1:pools=none:frame-threads=1", "crf": "5"}
    frame = av.VideoFrame.from_ndarray(cells, format="rgb24").reformat(format="yuv420p")
    frame.pts = 0
    stream = b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))
    return [unit.rstrip(b"\0") for unit in stream.split(_START_CODE) if unit.strip(b"\0")]


def _kind(unit: bytes) -> int:
    return unit[0] >> 1 & 0x3F


def _picture(units: Sequence[bytes]) -> bytes:
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in units if _kind(unit) < 32)


def _config(units: Sequence[bytes]) -> bytes:
    """ISO 14496-15 8.3.3.1; profile and level are repeated from the sequence parameter set."""
    sets = [unit for unit in units if _kind(unit) in (32, 33, 34)]
    arrays = b"".join(bytes((0x80 | _kind(unit),)) + struct.pack(">HH", 1, len(unit)) + unit for unit in sets)
    told = next(unit for unit in sets if _kind(unit) == 33)[3:15]
    head = b"\1" + told + struct.pack(">HBBBBHBB", 0xF000, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0x0F, len(sets))
    return _box(b"hvcC", head + arrays)


def _shape(rows: int, columns: int) -> bytes:
    return _full(b"ispe", struct.pack(">II", columns, rows))


def _file(brand: bytes, properties: Sequence[bytes], items: Sequence[_Item], primary: int) -> bytes:
    head = _box(b"ftyp", brand + bytes(4) + b"mif1heic")
    # Places are written with a fixed length, so that the first pass tells how long the boxes are.
    at = len(head) + len(_meta(properties, items, primary, 0)) + 8
    return head + _meta(properties, items, primary, at) + _box(b"mdat", b"".join(one.data for one in items))


def _meta(properties: Sequence[bytes], items: Sequence[_Item], primary: int, at: int) -> bytes:
    places = entries = owns = parts = b""
    for number, one in enumerate(items, 1):
        places += struct.pack(">HHHII", number, 0, 1, at, len(one.data))
        at += len(one.data)
        entries += _full(b"infe", struct.pack(">HH4s", number, 0, one.kind) + b"\0", version=2)
        owns += struct.pack(f">HB{len(one.properties)}B", number, len(one.properties), *one.properties)
        if one.parts:
            parts += _box(b"dimg", struct.pack(f">HH{len(one.parts)}H", number, len(one.parts), *one.parts))
    return _full(
        b"meta",
        _full(b"hdlr", bytes(4) + b"pict" + bytes(13))
        + _full(b"pitm", struct.pack(">H", primary))
        + _full(b"iloc", struct.pack(">BBH", 0x44, 0, len(items)) + places)
        + _full(b"iinf", struct.pack(">H", len(items)) + entries)
        + _full(b"iref", parts)
        + _box(b"iprp", _box(b"ipco", b"".join(properties)) + _full(b"ipma", struct.pack(">I", len(items)) + owns)),
    )


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, body: bytes, version: int = 0) -> bytes:
    return _box(kind, bytes((version, 0, 0, 0)) + body)
