"""Photographs of phones (HEIC, ISO 23008-12) to plain cells. Runs in a sandbox child.

The boxes are read here, and every tile is decoded as the one HEVC picture that it is: the usual library starts threads,
which a sandbox has none of. Needs the package `av`, which comes with `imagebank[video]`.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagebank.dicom.open_media import MAX_CELLS, exif_said
from imagebank.errors import Invalid, Unsupported, noted

Cells = NDArray[np.uint8]

_MAX_BOXES: Final = 4_096
_MAX_TILES: Final = 2_048
_FULL: Final = 4
_DAMAGED: Final = noted("it ends too early or is damaged; nothing of it can be shown, send it anew")


@dataclass(slots=True)
class _Item:
    """One item of the file: what it is, where its bytes lie, and what it has been given."""

    kind: bytes = b""
    data: bytes = b""
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)

    def of(self, kind: bytes) -> bytes | None:
        return next((body for name, body in self.properties if name == kind), None)


def picture(_header: dict[str, Any], payload: memoryview) -> tuple[dict[str, Any], Sequence[memoryview]]:
    """Sandbox task: the first picture of the file, upright, with the answer of `open_media.picture`."""
    try:
        items, primary, parts = _items(bytes(payload))
        cells = _upright(_decoded(items, primary, parts), items[primary])
    except (struct.error, KeyError, IndexError) as error:
        raise Invalid(_DAMAGED) from error
    said = next((exif_said(one.data[4:]) for one in items.values() if one.kind == b"Exif"), {})
    answer = {
        "rows": cells.shape[0],
        "columns": cells.shape[1],
        "samples": 3,
        "bits": 8,
        "frames": 1,
        "frame_ms": 0,
        "is_turned": False,
        "said": said,
    }
    return answer, [np.ascontiguousarray(cells).data.cast("B")]


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of a piece, one after the other (ISO 14496-12 4.2). Raises Invalid where one breaks off."""
    at = 0
    for _ in range(_MAX_BOXES):
        if at + 8 > len(data):
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        body = 8
        if size == 1:
            size, body = struct.unpack_from(">Q", data, at + 8)[0], 16
        elif size == 0:
            size = len(data) - at
        if size < body or at + size > len(data):
            raise Invalid(_DAMAGED)
        yield kind, data[at + body : at + size]
        at += size
    raise Invalid(_DAMAGED)


def _items(data: bytes) -> tuple[dict[int, _Item], int, Mapping[int, Sequence[int]]]:
    """Every item by its number, which of them is the picture, and of which others each is put together."""
    meta = next((body for kind, body in _boxes(data) if kind == b"meta"), None)
    if meta is None:
        raise Invalid("there is no picture in it")
    inside = dict(_boxes(meta[_FULL:]))
    items: dict[int, _Item] = {}
    for body in _entries(inside[b"iinf"]):
        # ISO 14496-12 8.11.6: version 2 has short numbers, version 3 long ones.
        number, _, kind = struct.unpack_from(">IH4s" if body[0] >= 3 else ">HH4s", body, _FULL)
        items[number] = _Item(kind)
    _place(items, inside[b"iloc"], data, inside.get(b"idat", b""))
    _describe(items, inside[b"iprp"])
    primary = inside[b"pitm"]
    number = struct.unpack_from(">I" if primary[0] else ">H", primary, _FULL)[0]
    return items, number, _parts(inside.get(b"iref", b""))


def _entries(iinf: bytes) -> Iterator[bytes]:
    at = _FULL + (4 if iinf[0] else 2)
    return (body for kind, body in _boxes(iinf[at:]) if kind == b"infe")


def _place(items: Mapping[int, _Item], iloc: bytes, data: bytes, idat: bytes) -> None:
    """Where the bytes of each item lie (ISO 14496-12 8.11.3)."""
    version = iloc[0]
    sizes, more, at = iloc[4], iloc[5], 6
    offset_size, length_size, base_size, index_size = sizes >> 4, sizes & 15, more >> 4, more & 15

    def take(size: int) -> int:
        nonlocal at
        if at + size > len(iloc):
            raise Invalid(_DAMAGED)
        at += size
        return int.from_bytes(iloc[at - size : at], "big")

    for _ in range(take(2 if version < 2 else 4)):
        number = take(2 if version < 2 else 4)
        source = idat if version and take(2) & 15 == 1 else data
        take(2)
        base = take(base_size)
        pieces = []
        for _ in range(take(2)):
            take(index_size if version else 0)
            start = base + take(offset_size)
            length = take(length_size)
            if start + length > len(source):
                raise Invalid(_DAMAGED)
            pieces.append(source[start : start + length])
        if number in items:
            items[number].data = b"".join(pieces)
            if len(items[number].data) > len(data):
                raise Invalid(_DAMAGED)


def _describe(items: Mapping[int, _Item], iprp: bytes) -> None:
    """What each item has been given (ISO 14496-12 8.11.14)."""
    inside = list(_boxes(iprp))
    properties = list(_boxes(next(body for kind, body in inside if kind == b"ipco")))
    for owns in (body for kind, body in inside if kind == b"ipma"):
        is_long, at = owns[3] & 1, 8
        for _ in range(struct.unpack_from(">I", owns, _FULL)[0]):
            layout = ">IB" if owns[0] else ">HB"
            number, count = struct.unpack_from(layout, owns, at)
            at += struct.calcsize(layout)
            given = struct.unpack_from(f">{count}{'H' if is_long else 'B'}", owns, at)
            at += count * (2 if is_long else 1)
            if number in items:
                # The highest bit says that a reader has to know it; none counts from one.
                places = [one & (0x7FFF if is_long else 0x7F) for one in given]
                items[number].properties = [properties[place - 1] for place in places if place]


def _parts(iref: bytes) -> dict[int, Sequence[int]]:
    """Of which items an item is derived (ISO 14496-12 8.11.12)."""
    if not iref:
        return {}
    number = "I" if iref[0] else "H"
    found: dict[int, Sequence[int]] = {}
    for kind, body in _boxes(iref[_FULL:]):
        if kind == b"dimg":
            of, count = struct.unpack_from(f">{number}H", body)
            found[of] = struct.unpack_from(f">{count}{number}", body, struct.calcsize(f">{number}H"))
    return found


def _decoded(items: Mapping[int, _Item], primary: int, parts: Mapping[int, Sequence[int]]) -> Cells:
    """The picture: one, or a grid of tiles (ISO 23008-12 6.6.2.3)."""
    whole = items[primary]
    shape = whole.of(b"ispe")
    columns, rows = struct.unpack_from(">II", shape, _FULL) if shape else (0, 0)
    _bounded(rows, columns)
    if whole.kind != b"grid":
        return _tile(whole)
    layout = ">II" if whole.data[1] & 1 else ">HH"
    down, across = whole.data[2] + 1, whole.data[3] + 1
    columns, rows = struct.unpack_from(layout, whole.data, 4)
    _bounded(rows, columns)
    tiles = parts.get(primary, ())
    if down * across > min(_MAX_TILES, len(tiles)):
        raise Invalid(_DAMAGED)
    cells = np.zeros((rows, columns, 3), np.uint8)
    for place, number in enumerate(tiles[: down * across]):
        tile = _tile(items[number])
        top, left = place // across * tile.shape[0], place % across * tile.shape[1]
        room = cells[top : top + tile.shape[0], left : left + tile.shape[1]]
        room[:] = tile[: room.shape[0], : room.shape[1]]
    return cells


def _bounded(rows: int, columns: int) -> None:
    if not 0 < rows * columns <= MAX_CELLS // 4:
        raise Unsupported(
            "it has a picture of {columns} x {rows}, more than is taken in one file", columns=columns, rows=rows
        )


def _tile(item: _Item) -> Cells:
    import av
    from av.error import FFmpegError

    config = item.of(b"hvcC")
    if item.kind != b"hvc1" or config is None:
        raise Unsupported("its picture is not coded as HEVC; send it as JPEG, which every phone can be told to write")
    try:
        context = av.CodecContext.create("hevc", "r")
        # No thread can be started in here.
        context.thread_count = 1
        context.extradata = config
        frames = [*context.decode(av.Packet(item.data)), *context.decode(None)]
        _bounded(frames[0].height, frames[0].width)
        return np.asarray(frames[0].reformat(format="rgb24", threads=1).to_ndarray())
    except (FFmpegError, IndexError) as error:
        raise Invalid(_DAMAGED) from error


def _upright(cells: Cells, item: _Item) -> Cells:
    """Turned and mirrored in the order in which it is said (ISO 23008-12 6.5.10, 6.5.12)."""
    for kind, body in item.properties:
        if kind == b"irot":
            cells = np.rot90(cells, body[0] & 3)
        elif kind == b"imir":
            cells = cells[:, ::-1] if body[0] & 1 else cells[::-1]
    return cells


def warm() -> None:
    """Load the decoder, so that nothing is loaded after the sandbox has closed itself."""
    import av

    exif_said(Image.Exif().tobytes())
    frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
    frame.reformat(format="yuv420p", threads=1).reformat(format="rgb24", threads=1).to_ndarray()
    av.CodecContext.create("hevc", "r")
