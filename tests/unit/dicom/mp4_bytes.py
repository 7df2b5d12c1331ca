"""MP4 files without pictures: the boxes that say what is in them."""

import struct
from typing import Any

HIGH_41 = bytes([1, 100, 0, 41, 0xFF, 0xE1, 0, 0, 1, 0, 0])


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def large_box(kind: bytes, *content: bytes) -> bytes:
    """The same with a length of 64 bits."""
    body = b"".join(content)
    return struct.pack(">I4sQ", 1, kind, 16 + len(body)) + body


def avcc(profile: int = 100, level: int = 41, flags: int = 0) -> bytes:
    return box(b"avcC", bytes([1, profile, flags, level, 0xFF, 0xE0, 0]))


def hvcc(profile: int = 1, level: int = 153, bits: int = 8) -> bytes:
    fixed = bytes([1, profile]) + bytes(10) + bytes([level]) + bytes(3) + bytes([1, bits - 8, bits - 8]) + bytes(4)
    return box(b"hvcC", fixed)


def entry(codec: bytes = b"avc1", *boxes: bytes, rows: int = 600, columns: int = 800) -> bytes:
    fixed = bytes(6) + b"\0\1" + bytes(16) + struct.pack(">HH", columns, rows) + bytes(50)
    return box(codec, fixed, *boxes)


def sizes(frames: int, *, each: int = 0, said: int | None = None) -> bytes:
    head = struct.pack(">III", 0, each, frames if said is None else said)
    return box(b"stsz", head, b"" if each else struct.pack(f">{frames}I", *[9] * frames))


def times(frames: int) -> bytes:
    return box(b"stts", struct.pack(">IIII", 0, 1, frames, 512))


def track(*entries: bytes, handler: bytes = b"vide", frames: int = 67, **given: Any) -> bytes:
    described = box(b"stsd", struct.pack(">II", 0, len(entries)), *entries)
    table = box(b"stbl", described, times(frames), given.get("sizes", sizes(frames)))
    return box(
        b"trak",
        box(b"tkhd", bytes(84)),
        box(b"mdia", box(b"hdlr", bytes(8) + handler + bytes(13)), box(b"minf", box(b"vmhd", bytes(12)), table)),
    )


def a_movie(*tracks: bytes, moov_last: bool = False, brand: bytes = b"avc1") -> bytes:
    """An MP4 file; without tracks, one of H.264 High Profile at level 4.1."""
    moov = box(b"moov", box(b"mvhd", bytes(100)), *(tracks or (track(entry(b"avc1", avcc())),)))
    parts = [box(b"mdat", bytes(range(256)) * 8), moov] if moov_last else [moov, box(b"mdat", bytes(2048))]
    return box(b"ftyp", b"isom" + bytes(4) + b"isomiso2" + brand + b"mp41") + box(b"free") + b"".join(parts)
