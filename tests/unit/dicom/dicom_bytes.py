"""DICOM bytes for tests: built by hand where they have to be wrong, and every file that lies on this machine."""

import hashlib
import struct
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
from pydicom.data import get_testdata_files

from imagebank.dicom.part10 import explicit_element, file_head
from samples import sample_files

STUDY, SERIES, INSTANCE = "1.2.3.1", "1.2.3.2", "1.2.3.3"
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, IMPLICIT, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"
UNDEFINED = 0xFFFFFFFF


def every_file() -> Iterator[tuple[Path, bytes]]:
    """Every sample file and every file that pydicom has with it, with its bytes; equal files once."""
    seen = set()
    bundled = sorted(Path(name) for name in get_testdata_files() if Path(name).is_file())
    for path in [*sample_files(), *bundled]:
        data = path.read_bytes()
        digest = hashlib.sha256(data).digest()
        if digest not in seen:
            seen.add(digest)
            yield path, data


def by_pydicom(data: bytes) -> Any:
    """What pydicom reads, however odd the bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(BytesIO(data), force=True)


def value(tag: int, vr: str, text: str | bytes) -> bytes:
    return explicit_element(tag, vr, text.encode("utf-8") if isinstance(text, str) else text)


def identity(patient: str = "P1", study: str = STUDY, series: str = SERIES, uid: str = INSTANCE) -> dict[int, bytes]:
    """The elements without which nothing is kept, and a few that spare warnings."""
    return {
        0x00080016: value(0x00080016, "UI", CT),
        0x00080018: value(0x00080018, "UI", uid),
        0x00080020: value(0x00080020, "DA", "20260101"),
        0x00080030: value(0x00080030, "TM", "101112"),
        0x00100020: value(0x00100020, "LO", patient),
        0x0020000D: value(0x0020000D, "UI", study),
        0x0020000E: value(0x0020000E, "UI", series),
    }


def a_file(*elements: bytes, syntax: str = EXPLICIT, without: tuple[int, ...] = ()) -> bytes:
    """An explicit little endian file with an identity and these elements, in ascending order."""
    parts = {tag: part for tag, part in identity().items() if tag not in without}
    parts.update({_tag(part): part for part in elements})
    return head(syntax) + b"".join(part for _, part in sorted(parts.items()))


def _tag(element: bytes) -> int:
    group, number = struct.unpack("<HH", element[:4])
    return int(group << 16 | number)


def head(syntax: str, uid: str = INSTANCE) -> bytes:
    return file_head({0x00020003: ("UI", uid.encode()), 0x00020010: ("UI", syntax.encode())})


def item(*elements: bytes, defined: bool = True) -> bytes:
    body = b"".join(elements)
    if defined:
        return struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body
    return struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED) + body + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)


def sequence(tag: int, *items: bytes, defined: bool = True) -> bytes:
    body = b"".join(items)
    if defined:
        return explicit_element(tag, "SQ", body)
    return long_head(tag, "SQ", UNDEFINED) + body + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def long_head(tag: int, vr: str, length: int) -> bytes:
    return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr.encode(), 0, length)


def short_head(tag: int, vr: str, length: int) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), length)


def encapsulated(*fragments: bytes, table: bytes = b"") -> bytes:
    """Pixel data in fragments, an offset table first (PS3.5 A.4)."""
    parts = [struct.pack("<HHI", 0xFFFE, 0xE000, len(part)) + part for part in (table, *fragments)]
    return long_head(0x7FE00010, "OB", UNDEFINED) + b"".join(parts) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def image(rows: int = 2, columns: int = 2, bits: int = 8, frames: int | None = None, samples: int = 1) -> list[bytes]:
    """The elements that give pixel data its shape."""
    numbers = {0x00280002: samples, 0x00280010: rows, 0x00280011: columns, 0x00280100: bits}
    found = [value(tag, "US", struct.pack("<H", number)) for tag, number in numbers.items()]
    return found if frames is None else [*found, value(0x00280008, "IS", str(frames))]
