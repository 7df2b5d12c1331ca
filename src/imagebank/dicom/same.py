"""Whether two files hold the same data set, however it is written.

Software on the way writes a data set anew without changing a value: sequences get their lengths or lose them, group
lengths go, odd values are padded, the transfer syntax becomes another of the uncompressed ones.
"""

from collections.abc import Mapping
from typing import Final

from blake3 import blake3

from imagebank.dicom.layout import NATIVE
from imagebank.dicom.read import Converted, open_header
from imagebank.dicom.scan import PIXELS, Buffer, Raw, elements, is_undefined, items
from imagebank.dicom.vr import standard_vr
from imagebank.errors import Invalid
from imagebank.model.uid import Uid

_PADDING: Final = frozenset(b"\0 ")
_TEXTS: Final = frozenset(
    (*("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT"), *("PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"))
)
_UNSAID: Final = frozenset(["UN", "??"])
_BYTES: Final = frozenset(["OB", "OW", "OB or OW", "UN"])
_DATA_SET_TRAILING_PADDING: Final = 0xFFFCFFFC


def is_same(one: Buffer, other: Buffer, *, but: frozenset[int] = frozenset()) -> bool:
    """Whether every value is the same and pixel data is coded alike. False where either cannot be understood.

    What the tags in `but` say, outside of sequences, does not count.
    """
    try:
        return _digest(one, but) == _digest(other, but)
    except Invalid:
        return False


def _digest(file: Buffer, but: frozenset[int]) -> tuple[Uid | None, bytes]:
    """The transfer syntax where it is a compressed one, and a digest of the values."""
    opened = open_header(file)
    syntax = opened.transfer_syntax
    data, header = (opened.data, opened.header) if isinstance(opened, Converted) else (file, opened)
    hasher = blake3()
    found = {tag: raw for tag, raw in header.elements.items() if tag not in but}
    _add(hasher, data, found, explicit=header.is_explicit)
    return (None if syntax in NATIVE else syntax), hasher.digest()


def _add(hasher: blake3, data: Buffer, found: Mapping[int, Raw], *, explicit: bool) -> None:
    """Digest one level of a data set. The scanner bounds how deep it nests."""
    for tag in sorted(found):
        raw = found[tag]
        if not tag & 0xFFFF or tag == _DATA_SET_TRAILING_PADDING:
            # PS3.5 7.2: group lengths are retired and say nothing.
            continue
        hasher.update(tag.to_bytes(4, "big"))
        if tag in PIXELS or (raw.vr != "SQ" and not is_undefined(data, raw)):
            _add_value(hasher, data, tag, raw)
            continue
        for start, end, coded in items(data, raw, explicit=explicit):
            hasher.update(b"item")
            _add(hasher, data, elements(data, start, end, explicit=coded)[0], explicit=coded)
        hasher.update(b"end")


def _add_value(hasher: blake3, data: Buffer, tag: int, raw: Raw) -> None:
    """Digest a value with its length; the byte that makes a length even is not counted (PS3.5 6.2, 7.1.1)."""
    start, end, padding = raw.offset, raw.offset + raw.length, b""
    # The standard's VR, as implicit coding has no other: a value must count the same however it is coded.
    vr = standard_vr(tag)
    if vr in _TEXTS and raw.vr in _TEXTS | _UNSAID:
        if raw.length and not raw.length % 2 and data[end - 1] in _PADDING:
            end -= 1
    elif raw.length % 2 and (tag in PIXELS or vr in _BYTES):
        # Never the other way: the last byte of an even value may be a part of it.
        padding = b"\0"
    hasher.update((end - start + len(padding)).to_bytes(8, "big"))
    with memoryview(data) as view:
        hasher.update(view[start:end])
    hasher.update(padding)
