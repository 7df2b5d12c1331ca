"""The DICOM file format (PS3.10 7.1), and data sets written again in another coding (PS3.5 A.1, A.2)."""

import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from imagebank.dicom.scan import EXPLICIT_LE, IMPLICIT_LE, Header
from imagebank.dicom.values import Place
from imagebank.dicom.vr import LONG
from imagebank.dicom.walk import MAX_DEPTH, PIXELS, Buffer, Raw, elements, is_undefined, items
from imagebank.errors import Invalid, Unsupported
from imagebank.model.uid import Uid

implementation_class_uid: Final = Uid("2.25.245653897330949401184089747254879367998")
"""Names this software in files that it writes (PS3.7 D.3.3.2); from a random UUID, once and for all (PS3.5 B.2)."""

implementation_version: Final = "IMAGEBANK_0_1"

TAG_LENGTH: Final = struct.Struct("<HHI").pack
_SHORT_FORM: Final = struct.Struct("<HH2sH").pack
_LONG_FORM: Final = struct.Struct("<HH2sHI").pack
_LONG_VRS: Final = frozenset(LONG.values())
# PS3.5 6.2.2, note 7: what a 16-bit length cannot tell goes as UN; the length is even, so 65,534 is the largest.
_MAX_SHORT: Final = 0xFFFE
# Sequence and item lengths are written down, never left undefined: they have to fit (PS3.5 7.5).
_MAX_LONG: Final = 0xFFFFFFFE


def wrap(dataset: Buffer, *, sop_class: str, sop_uid: str, transfer_syntax: str, calling_aet: str = "") -> bytes:
    """The preamble and File Meta Information to put before a data set that came without a file, as DIMSE brings it."""
    del dataset
    before, behind = _around(sop_class, transfer_syntax, calling_aet)
    body = before + explicit_element(0x00020003, "UI", sop_uid.encode("ascii")) + behind
    return _head(body)


@lru_cache(maxsize=256)
def _around(sop_class: str, transfer_syntax: str, calling_aet: str) -> tuple[bytes, bytes]:
    """What stands before and behind the instance's UID: the same for all objects of one kind from one sender."""
    before = {0x00020001: ("OB", b"\0\1"), 0x00020002: ("UI", sop_class.encode("ascii"))}
    behind = {
        0x00020010: ("UI", transfer_syntax.encode("ascii")),
        0x00020012: ("UI", implementation_class_uid.encode("ascii")),
        0x00020013: ("SH", implementation_version.encode("ascii")),
        0x00020016: ("AE", calling_aet.encode("ascii", "replace")[:16]),
    }
    return _meta(before), _meta(behind)


def file_head(meta: Mapping[int, tuple[str, bytes]]) -> bytes:
    """A preamble of zeros, the mark, and group 2 with its length; empty values are left out."""
    return _head(_meta(meta))


def _meta(meta: Mapping[int, tuple[str, bytes]]) -> bytes:
    return b"".join(explicit_element(tag, vr, value) for tag, (vr, value) in sorted(meta.items()) if value)


def _head(body: bytes) -> bytes:
    return bytes(128) + b"DICM" + explicit_element(0x00020000, "UL", len(body).to_bytes(4, "little")) + body


def head_with(data: Buffer, meta: Mapping[int, Raw], syntax: str) -> bytes:
    """The head of a file again, for another transfer syntax of its data set."""
    kept = {
        tag: (raw.vr, bytes(data[raw.offset : raw.offset + raw.length]))
        for tag, raw in meta.items()
        if tag not in (0x00020000, 0x00020010)
    }
    return file_head({**kept, 0x00020010: ("UI", syntax.encode("ascii"))})


def explicit_element(tag: int, vr: str, value: bytes) -> bytes:
    """One element in explicit coding, padded to even length."""
    return explicit_head(tag, vr, len(value) + len(value) % 2) + _even(vr, value)


def _even(vr: str, value: bytes) -> bytes:
    if not len(value) % 2:
        return value
    return value + (b" " if vr in _SPACE_PADDED else b"\0")


_SPACE_PADDED: Final = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT")
)


def explicit_head(tag: int, vr: str, length: int) -> bytes:
    group, element = tag >> 16, tag & 0xFFFF
    if length > _MAX_LONG:
        raise Unsupported("a value is too long to be written with an explicit length")
    if vr in _LONG_VRS:
        return _LONG_FORM(group, element, vr.encode("ascii"), 0, length)
    if length > _MAX_SHORT:
        return _LONG_FORM(group, element, b"UN", 0, length)
    return _SHORT_FORM(group, element, vr.encode("ascii"), length)


def as_explicit(data: Buffer, header: Header) -> bytes:
    """An implicit file as Explicit VR Little Endian, and an explicit one as it is; pixel bytes are the same.

    A file whose header is missing or names a syntax that its bytes do not have gets a true one. Raises Invalid when a sequence in it is broken.
    """
    if header.is_explicit:
        if _value(data, header.meta.get(0x00020010)) == header.transfer_syntax:
            return bytes(data)
        return head_for(data, header, header.transfer_syntax) + bytes(data[header.dataset_offset :])
    syntax = EXPLICIT_LE if header.transfer_syntax == IMPLICIT_LE else header.transfer_syntax
    return head_for(data, header, syntax) + b"".join(_written(data, Place.top(data, header), explicit=True))


def as_implicit(data: Buffer, header: Header) -> bytes:
    """The file as Implicit VR Little Endian. Raises Unsupported for encapsulated pixel data, which it cannot hold."""
    pixels = header.elements.get(0x7FE00010)
    if pixels is not None and is_undefined(data, pixels):
        raise Unsupported("compressed pixel data has no implicit form; it has to be decompressed first")
    return head_for(data, header, IMPLICIT_LE) + b"".join(_written(data, Place.top(data, header), explicit=False))


def head_for(data: Buffer, header: Header, syntax: str) -> bytes:
    """The file's head for another syntax; a bare data set is given what a head has to name."""
    if not header.meta:
        sop_class, sop_uid = (_value(data, header.elements.get(tag)) for tag in (0x00080016, 0x00080018))
        return wrap(data, sop_class=sop_class, sop_uid=sop_uid, transfer_syntax=syntax)
    named = {
        tag: header.elements[source]
        for tag, source in ((0x00020002, 0x00080016), (0x00020003, 0x00080018))
        if source in header.elements
    }
    return head_with(data, named | header.meta, syntax)


def _value(data: Buffer, raw: Raw | None) -> str:
    return bytes(data[raw.offset : raw.offset + raw.length]).decode("latin-1").strip(" \0") if raw else ""


def _written(data: Buffer, place: Place, *, explicit: bool) -> Iterator[bytes]:
    """The elements of one data set or item, written again."""
    for tag, raw in sorted(place.elements.items()):
        if tag & 0xFFFF == 0 and tag != 0:
            continue  # group lengths are retired, and would be wrong now (PS3.5 7.2)
        vr = place.vr(tag, raw)
        if vr == "SQ":
            value = b"".join(written_items(data, place, raw, explicit=explicit))
        elif tag in PIXELS and is_undefined(data, raw):
            group, element = tag >> 16, tag & 0xFFFF
            yield _LONG_FORM(group, element, b"OB", 0, 0xFFFFFFFF)
            yield bytes(data[raw.offset : raw.offset + raw.length])
            continue
        else:
            value = _even(vr, bytes(data[raw.offset : raw.offset + raw.length]))
        if explicit:
            yield explicit_head(tag, vr, len(value))
        else:
            yield TAG_LENGTH(tag >> 16, tag & 0xFFFF, len(value))
        yield value


def written_items(data: Buffer, place: Place, raw: Raw, *, explicit: bool) -> Iterator[bytes]:
    if place.depth >= MAX_DEPTH:
        raise Invalid("sequences are nested more than {most} deep", most=MAX_DEPTH)
    for start, end, coded in items(data, raw, explicit=place.is_explicit):
        found, _ = elements(data, start, end, explicit=coded)
        body = b"".join(_written(data, place.item(found, is_explicit=coded), explicit=explicit))
        yield TAG_LENGTH(0xFFFE, 0xE000, len(body)) + body
