"""Where each frame of an image lies in its file, so that one frame is one range read (PS3.5 A.4, PS3.3 C.7.6.3)."""

import struct
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from imagebank.dicom.scan import DEFLATED_LE, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, Header
from imagebank.dicom.walk import ITEM, SEQUENCE_END, Buffer, More, Raw, is_undefined
from imagebank.errors import NotFound
from imagebank.model.imaging import Pixels
from imagebank.model.uid import Uid

Span = tuple[int, int]
"""Offset and length in the file, in bytes."""

Frame = Sequence[Span]
"""The fragments of one frame, in order."""

_ITEM: Final = struct.Struct("<HHI").unpack_from
_SPAN: Final = struct.Struct("<QI")
_SHORT: Final = struct.Struct("<H").unpack_from
_COUNT: Final = struct.Struct("<I")
_ONE_EACH: Final = b"\1"
_SEVERAL: Final = b"\2"

_NATIVE: Final = frozenset((IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE, DEFLATED_LE, Uid("1.2.840.113619.5.2")))
_VIDEO: Final = tuple(f"1.2.840.10008.1.2.4.{n}" for n in range(100, 109))
_RLE: Final = "1.2.840.10008.1.2.5"
# How a codestream begins: JPEG and JPEG-LS, JPEG 2000 and HTJ2K bare and boxed, JPEG XL bare and boxed.
_STARTS: Final = (b"\xff\xd8", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ", b"\xff\x0a", b"\0\0\0\x0cJXL ")
_ENDS: Final = b"\xff\xd9"
# More frames than anything real; it bounds the frame table, not the file.
MAX_FRAMES: Final = 10_000_000


def pixels_of(data: Buffer, header: Header, warnings: dict[str, None] | None = None) -> Pixels | None:
    """Where the pixel data lies and how it divides into frames; None for an object without.

    Numbers that lie are no error: `direct` is false then, and `warnings` says why. Raises More when `data` is a
    leading part that ends within encapsulated pixel data.
    """
    told: dict[str, None] = {} if warnings is None else warnings
    tag = next((tag for tag in (0x7FE00010, 0x7FE00008, 0x7FE00009) if tag in header.elements), None)
    if tag is None:
        return None
    raw = header.elements[tag]
    shape = Pixels(
        raw.offset,
        raw.length,
        encapsulated=is_undefined(data, raw),
        frames=_frames(data, header, told),
        rows=_number(data, header, 0x00280010),
        columns=_number(data, header, 0x00280011),
        samples=_number(data, header, 0x00280002) or 1,
        bits_allocated=_number(data, header, 0x00280100),
    )
    return _encapsulated(data, header, raw, shape, told) if shape.encapsulated else _native(data, header, shape, told)


def _number(data: Buffer, header: Header, tag: int) -> int:
    raw = header.elements.get(tag)
    return int(_SHORT(data, raw.offset)[0]) if raw is not None and raw.length >= 2 else 0


def _frames(data: Buffer, header: Header, told: dict[str, None]) -> int:
    text = _text(data, header, 0x00280008)
    try:
        count = int(text) if text else 1
    except ValueError:
        count = 0
    if 0 < count <= MAX_FRAMES:
        return count
    told["the number of frames is no sensible number; one was assumed"] = None
    return 1


def _text(data: Buffer, header: Header, tag: int) -> str:
    raw = header.elements.get(tag)
    return bytes(data[raw.offset : raw.offset + min(raw.length, 64)]).decode("latin-1").strip(" \0") if raw else ""


def _changed(
    shape: Pixels, *, frames: int, length: int | None = None, table: bytes = b"", direct: bool = True
) -> Pixels:
    return replace(
        shape,
        frames=frames,
        length=shape.length if length is None else length,
        frame_table=table,
        direct=direct,
    )


def _native(data: Buffer, header: Header, shape: Pixels, told: dict[str, None]) -> Pixels:
    if header.transfer_syntax not in _NATIVE:
        told[f"the pixel data is not encapsulated, as transfer syntax {header.transfer_syntax} asks"] = None
        return _changed(shape, frames=shape.frames, direct=False)
    is_halved = _text(data, header, 0x00280004) == "YBR_FULL_422"
    # PS3.3 C.7.6.3.1.2: Y Y Cb Cr stand for two pixels of three samples.
    samples = 2 if is_halved and shape.samples == 3 else shape.samples
    bits = shape.rows * shape.columns * samples * shape.bits_allocated
    if not bits:
        told["the pixel data has no rows, columns or bits, so its frames cannot be told apart"] = None
        return _changed(shape, frames=shape.frames and 1, direct=False)
    size = (bits + 7) // 8
    if (bits * shape.frames + 7) // 8 > shape.length:
        told[
            f"frames of {shape.rows} x {shape.columns} need {size} bytes each, "
            f"but the pixel data has {shape.length} for {shape.frames}"
        ] = None
        return _changed(shape, frames=max(1, shape.length * 8 // bits), direct=False)
    if bits % 8 and shape.frames > 1:
        # PS3.5 8.1.1: the next frame begins within a byte.
        return _changed(shape, frames=shape.frames, direct=False)
    if samples == shape.samples:
        return shape
    spans = [[(shape.offset + size * number, size)] for number in range(shape.frames)]
    return _changed(shape, frames=shape.frames, table=pack(spans))


def _encapsulated(data: Buffer, header: Header, raw: Raw, shape: Pixels, told: dict[str, None]) -> Pixels:
    if raw.offset + raw.length > len(data):
        raise More
    fragments, end = _items(data, raw)
    length = end - raw.offset
    if length == raw.length:
        told["the pixel data is not closed by a delimiter; the file may have been cut short"] = None
    if not fragments or len(fragments) == 1:
        told["the pixel data is encapsulated, but holds no fragment"] = None
        return _changed(shape, frames=0, length=length, direct=False)
    table, fragments = fragments[0], fragments[1:]
    if header.transfer_syntax.startswith(_VIDEO) or shape.frames == 1:
        # A video is one stream, whatever the number of its pictures (PS3.5 8.2.5 to 8.2.8).
        return _changed(shape, frames=1, length=length, table=pack([fragments]))
    found = (
        _by_extended_table(data, header, fragments, shape.frames)
        or _by_basic_table(data, table, fragments, shape.frames)
        or _by_fragments(data, header, fragments, shape.frames)
    )
    if found:
        return _changed(shape, frames=shape.frames, length=length, table=pack(found))
    told[f"the header tells of {shape.frames} frames, which {len(fragments)} fragments do not make up"] = None
    return _changed(shape, frames=min(shape.frames, len(fragments)), length=length, direct=False)


def _items(data: Buffer, raw: Raw) -> tuple[list[Span], int]:
    """The items of an encapsulated value, the offset table first, and where the last one ends."""
    found: list[Span] = []
    position, end = raw.offset, raw.offset + raw.length
    while position + 8 <= end:
        group, element, length = _ITEM(data, position)
        tag = group << 16 | element
        if tag == SEQUENCE_END or tag != ITEM or position + 8 + length > end:
            break
        found.append((position + 8, length))
        position += 8 + length
    return found, position


def _by_extended_table(data: Buffer, header: Header, fragments: list[Span], frames: int) -> list[Frame] | None:
    """PS3.3 C.7.6.3.1.8: one fragment a frame; the length leaves padding out."""
    offsets, lengths = header.elements.get(0x7FE00001), header.elements.get(0x7FE00002)
    if offsets is None or lengths is None or offsets.length != frames * 8 or lengths.length != frames * 8:
        return None
    starts = struct.unpack_from(f"<{frames}Q", data, offsets.offset)
    sizes = struct.unpack_from(f"<{frames}Q", data, lengths.offset)
    known = dict(fragments)
    base = fragments[0][0]
    found = [((base + start, size),) for start, size in zip(starts, sizes, strict=True)]
    is_true = all(at in known and known[at] >= size for ((at, size),) in found)
    return list(found) if is_true and _ascends(starts) else None


def _by_basic_table(data: Buffer, table: Span, fragments: list[Span], frames: int) -> list[Frame] | None:
    """PS3.5 A.4: the offset of each frame's first item, from the first item after the table."""
    if table[1] != frames * 4:
        return None
    starts = struct.unpack_from(f"<{frames}I", data, table[0])
    if starts[0] != 0 or not _ascends(starts):
        return None
    base = fragments[0][0]
    places = {offset - base: number for number, (offset, _) in enumerate(fragments)}
    if any(start not in places for start in starts):
        return None
    cuts = [places[start] for start in starts]
    return _cut(fragments, cuts)


def _by_fragments(data: Buffer, header: Header, fragments: list[Span], frames: int) -> list[Frame] | None:
    """Without a table that is true: one fragment a frame, or else what the codestreams tell."""
    if len(fragments) == frames:
        return _cut(fragments, list(range(frames)))
    if len(fragments) < frames or header.transfer_syntax == _RLE:
        return None  # PS3.5 A.4.2: an RLE frame is one fragment
    starts = [n for n, (at, _) in enumerate(fragments) if bytes(data[at : at + 8]).startswith(_STARTS)]
    if len(starts) == frames and starts[0] == 0:
        return _cut(fragments, starts)
    # A codestream's last bytes may be followed by padding.
    ends = [n + 1 for n, (at, size) in enumerate(fragments) if _ENDS in bytes(data[at + max(0, size - 4) : at + size])]
    if len(ends) == frames and ends[-1] == len(fragments):
        return _cut(fragments, [0, *ends[:-1]])
    return None


def _ascends(numbers: Sequence[int]) -> bool:
    return all(low < high for low, high in pairwise(numbers))


def _cut(fragments: list[Span], starts: list[int]) -> list[Frame]:
    return [fragments[start:stop] for start, stop in zip(starts, [*starts[1:], len(fragments)], strict=True)]


def pack(frames: Sequence[Frame]) -> bytes:
    """The frame table as the index keeps it: 12 bytes a fragment, found by arithmetic."""
    spans = b"".join(_SPAN.pack(*span) for frame in frames for span in frame)
    if all(len(frame) == 1 for frame in frames):
        return _ONE_EACH + spans
    ends, total = [], 0
    for frame in frames:
        total += len(frame)
        ends.append(total)
    return _SEVERAL + _COUNT.pack(len(frames)) + struct.pack(f"<{len(ends)}I", *ends) + spans


def spans(pixels: Pixels, frame: int) -> list[Span]:
    """The pieces of one frame, counted from 0, in the file. Raises NotFound when there is no such frame."""
    if not 0 <= frame < pixels.frames or not pixels.direct:
        raise NotFound("there is no frame {frame} that can be cut from the stored bytes", frame=frame + 1)
    table = pixels.frame_table
    if not table:
        size = (pixels.rows * pixels.columns * pixels.samples * pixels.bits_allocated + 7) // 8
        return [(pixels.offset + size * frame, size)]
    if table[:1] == _ONE_EACH:
        return [_SPAN.unpack_from(table, 1 + _SPAN.size * frame)]
    first = _COUNT.unpack_from(table, 1 + _COUNT.size * frame)[0] if frame else 0
    stop = _COUNT.unpack_from(table, 1 + _COUNT.size * (frame + 1))[0]
    base = 1 + _COUNT.size * (1 + _COUNT.unpack_from(table, 1)[0])
    return [_SPAN.unpack_from(table, base + _SPAN.size * number) for number in range(first, stop)]
