"""Files and frames in another transfer syntax.

Only pixel data and the attributes that describe its coding change; every other value keeps its bytes.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Final

from imagebank.dicom import part10
from imagebank.dicom.layout import (
    DECODABLE,
    EXPLICIT,
    HTJ2K,
    HTJ2K_RPCL,
    IMPLICIT,
    J2K,
    JPEG_BASELINE,
    JPEG_FAMILY,
    JPEG_SV1,
    JPEGLS,
    LOSSY,
    NATIVE,
    RLE,
    Layout,
    frames_of,
    layout_of,
    pixel_element,
    text,
)
from imagebank.dicom.read import Converted, open_header
from imagebank.dicom.sandbox import Sandbox
from imagebank.dicom.scan import Buffer, Header, scan
from imagebank.errors import Invalid, Unsupported
from imagebank.model.uid import Uid

REVERSIBLE: Final = (EXPLICIT, IMPLICIT, HTJ2K, HTJ2K_RPCL, J2K, JPEGLS, JPEG_SV1, RLE)
"""Transfer syntaxes that can be produced without losing anything."""

TARGETS: Final[Mapping[Uid, tuple[Uid, ...]]] = {
    source: REVERSIBLE if source in LOSSY else (*REVERSIBLE, JPEG_BASELINE) for source in sorted(DECODABLE)
}
"""What each stored transfer syntax can be turned into, beside itself. What is lossy already is not compressed with a
second loss."""

_BATCH_BYTES: Final = 32 << 20
_MAX_NATIVE_BYTES: Final = (1 << 32) - 2
_PIXEL_DATA, _OFFSETS, _LENGTHS = 0x7FE00010, 0x7FE00001, 0x7FE00002
_PHOTOMETRIC, _PLANAR = 0x00280004, 0x00280006
_IS_LOSSY, _RATIO, _METHOD = 0x00282110, 0x00282112, 0x00282114
_RECODE: Final = "imagebank.dicom.codec:recode"


def transcode(sandbox: Sandbox, file: bytes, target: Uid) -> bytes:
    """The whole file in another transfer syntax.

    Raises Unsupported where `TARGETS` has no such way or the object cannot take it, Invalid and Mismatch when the file
    or its pixels cannot be understood, Unavailable when no decoder is free.
    """
    opened = open_header(file)
    data, header = (opened.data, opened.header) if isinstance(opened, Converted) else (file, opened)
    source = opened.transfer_syntax
    if source == target:
        return file
    if target not in TARGETS.get(source, ()):
        raise Unsupported(
            "an object in transfer syntax {source} cannot be given as {target}", source=source, target=target
        )
    if header.transfer_syntax == IMPLICIT:
        data = part10.as_explicit(data, header)
        header = scan(data)
    if pixel_element(header) is None:
        if target not in NATIVE:
            raise Unsupported("an object without pixel data has no compressed form")
    elif target not in NATIVE or header.transfer_syntax not in NATIVE:
        data = _with_pixels(sandbox, data, header, target)
        header = scan(data)
    return part10.as_implicit(data, header) if target == IMPLICIT else _headed(data, header, target)


def recode(sandbox: Sandbox, layout: Layout, frames: Sequence[bytes], target: Uid) -> tuple[list[bytes], str]:
    """Frames as they are stored under `layout`, in another transfer syntax, with their photometric interpretation there.

    For callers who read frames from the store by themselves; raises as `transcode` does.
    """
    layout.check()
    if layout.transfer_syntax in NATIVE and target in NATIVE:
        return list(frames), layout.photometric
    if layout.transfer_syntax not in DECODABLE:
        raise Unsupported(
            "pixel data in transfer syntax {transfer_syntax} cannot be decoded here",
            transfer_syntax=layout.transfer_syntax,
        )
    done: list[bytes] = []
    photometric = layout.photometric
    for batch in _batches(frames, layout.frame_bytes):
        asked = {"layout": asdict(layout), "target": target, "sizes": [len(f) for f in batch]}
        answer, payload = sandbox.call(_RECODE, asked, *batch)
        done.extend(_cut(answer.get("sizes"), payload, len(batch)))
        photometric = str(answer.get("photometric"))[:16]
    return done, photometric


def _batches(frames: Sequence[bytes], frame_bytes: int) -> Iterator[Sequence[bytes]]:
    size = max(1, _BATCH_BYTES // max(frame_bytes, 1))
    for start in range(0, len(frames), size):
        yield frames[start : start + size]


def _cut(sizes: object, payload: memoryview, count: int) -> Iterator[bytes]:
    """The frames of an answer. A child that was taken over may say anything."""
    if not isinstance(sizes, list) or len(sizes) != count or not all(isinstance(s, int) and s >= 0 for s in sizes):
        raise Invalid("the pixel data cannot be decoded")
    if sum(sizes) != len(payload):
        raise Invalid("the pixel data cannot be decoded")
    at = 0
    for size in sizes:
        yield bytes(payload[at : at + size])
        at += size


def _with_pixels(sandbox: Sandbox, data: bytes, header: Header, target: Uid) -> bytes:
    """The explicit file with its pixel data, and what describes it, replaced."""
    layout = layout_of(data, header)
    if target not in NATIVE and layout.value != "int":
        raise Unsupported("floating point pixels have no compressed form here")
    frames = frames_of(data, header, layout)
    if target in NATIVE and layout.frame_bytes * len(frames) > _MAX_NATIVE_BYTES:
        # PS3.5 A.1: a native value has a 32-bit length.
        raise Unsupported("the uncompressed pixel data would be longer than a native object can hold")
    coded, photometric = recode(sandbox, layout, frames, target)
    native_bytes = layout.frame_bytes * len(frames)
    changed = {_PHOTOMETRIC: _element(_PHOTOMETRIC, "CS", photometric)}
    changed |= _lossy(data, header, layout, target, native_bytes / max(sum(map(len, coded)), 1))
    if layout.samples > 1:
        changed[_PLANAR] = _element(_PLANAR, "US", b"\0\0")
    changed[_PIXEL_DATA] = _native(coded, layout) if target in NATIVE else _encapsulated(coded)
    return _spliced(data, header, changed, {_OFFSETS, _LENGTHS, 0x7FE00000, 0x00280000}, target)


def _element(tag: int, vr: str, value: str | bytes) -> bytes:
    return part10.explicit_element(tag, vr, value.encode("ascii", "replace") if isinstance(value, str) else value)


def _lossy(data: Buffer, header: Header, layout: Layout, target: Uid, ratio: float) -> dict[int, bytes]:
    """Lossy Image Compression and its companions (PS3.3 C.7.6.1.1.5), which outlive the compression itself."""
    elements = header.elements
    if target == JPEG_BASELINE:
        ratios = "\\".join(filter(None, [text(data, elements, _RATIO), f"{ratio:.2f}"]))
        methods = "\\".join(filter(None, [text(data, elements, _METHOD), "ISO_10918_1"]))
        return {
            _IS_LOSSY: _element(_IS_LOSSY, "CS", "01"),
            _RATIO: _element(_RATIO, "DS", ratios),
            _METHOD: _element(_METHOD, "CS", methods),
        }
    # Only the lossy JPEG processes are sure to have lost something; others under LOSSY may be reversible.
    if layout.transfer_syntax in LOSSY & JPEG_FAMILY and text(data, elements, _IS_LOSSY) != "01":
        return {_IS_LOSSY: _element(_IS_LOSSY, "CS", "01")}
    return {}


def _native(frames: Sequence[bytes], layout: Layout) -> bytes:
    value = b"".join(frames)
    return part10.explicit_element(_PIXEL_DATA, "OW" if layout.bits_allocated > 8 else "OB", value)


def _encapsulated(frames: Sequence[bytes]) -> bytes:
    """One fragment a frame, with a Basic Offset Table where its 32 bits reach (PS3.5 A.4)."""
    even = [frame + b"\0" * (len(frame) % 2) for frame in frames]
    offsets, at = [], 0
    for frame in even:
        offsets.append(at)
        at += 8 + len(frame)
    table = struct.pack(f"<{len(offsets)}I", *offsets) if at < 1 << 32 else b""
    pieces = [struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF), _item(table)]
    pieces += [_item(frame) for frame in even]
    return b"".join([*pieces, struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)])


def _item(value: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value


def _spliced(data: bytes, header: Header, changed: Mapping[int, bytes], dropped: set[int], target: Uid) -> bytes:
    """The file with some top-level elements replaced or added; the bytes of all others as they are."""
    syntax = EXPLICIT if target in NATIVE else target
    pieces = [part10.head_with(data, header.meta, syntax)]
    for tag in sorted({*header.elements, *changed} - dropped):
        if tag in changed:
            pieces.append(changed[tag])
        else:
            raw = header.elements[tag]
            pieces.append(data[_start(data, tag, raw.offset) : raw.offset + raw.length])
    return b"".join(pieces)


def _start(data: bytes, tag: int, offset: int) -> int:
    """Where an element of explicit VR begins, from the offset of its value: the short form has 8 bytes before it."""
    return offset - 8 if data[offset - 8 : offset - 4] == struct.pack("<HH", tag >> 16, tag & 0xFFFF) else offset - 12


def _headed(data: bytes, header: Header, target: Uid) -> bytes:
    """The explicit file under the name of its transfer syntax; a preamble would speak of the bytes that it had before."""
    return part10.head_with(data, header.meta, target) + data[header.dataset_offset :]
