"""Where each element of a DICOM file lies, by one walk over its bytes (PS3.5 chapter 7, PS3.10 7.1)."""

import struct
from dataclasses import dataclass
from typing import Final

from imagebank.dicom.vr import KNOWN, LONG, SHORT, name_of, standard_vr
from imagebank.dicom.walk import PIXELS, Buffer, More, Odd, Raw, elements, is_undefined, items, walk
from imagebank.errors import Invalid, noted
from imagebank.model.uid import Uid

__all__ = [
    "DEFLATED_LE",
    "EXPLICIT_BE",
    "EXPLICIT_LE",
    "IMPLICIT_LE",
    "NOT_DICOM",
    "PIXELS",
    "TRANSFER_SYNTAX",
    "UNKNOWN",
    "UNNAMED",
    "Buffer",
    "Header",
    "More",
    "Odd",
    "Raw",
    "coding",
    "elements",
    "file_meta",
    "is_undefined",
    "items",
    "scan",
    "scan_ahead",
]

IMPLICIT_LE: Final = Uid("1.2.840.10008.1.2")
EXPLICIT_LE: Final = Uid("1.2.840.10008.1.2.1")
DEFLATED_LE: Final = Uid("1.2.840.10008.1.2.1.99")
EXPLICIT_BE: Final = Uid("1.2.840.10008.1.2.2")
TRANSFER_SYNTAX: Final = 0x00020010
NOT_DICOM: Final = noted("not DICOM: there is neither a DICM mark nor a data set at the start")
UNNAMED: Final = "the file does not name its transfer syntax; it was recognised from the bytes"

_EXPLICIT: Final = struct.Struct("<HH2sH").unpack_from
_LENGTH: Final = struct.Struct("<I").unpack_from
_STRAYS: Final = frozenset(bytes.fromhex(f"feff{element}00000000") for element in ("00e0", "0de0", "dde0"))
_MAX_STRAYS: Final = 1_000
_BLOCK: Final = 1 << 20
# Longer than any value can say that it is: nothing overruns.
UNKNOWN: Final = 1 << 48


@dataclass(frozen=True, slots=True)
class Header:
    """What one walk finds: top-level elements by tag. Offsets count from the start of the file."""

    transfer_syntax: Uid
    dataset_offset: int
    meta: dict[int, Raw]
    elements: dict[int, Raw]
    is_explicit: bool
    size: int
    warnings: tuple[str, ...] = ()


def scan(data: Buffer, *, size: int | None = None) -> Header:
    """Find every top-level element of a file with or without the Part 10 header.

    `data` is the file or its leading part, `size` the length of the file in bytes. Only the value of pixel data may lie
    outside a leading part, and is then taken to reach to the end where its length is undefined: otherwise raises More. Raises Invalid with the reason in words, and Odd for
    what needs a full reader.
    """
    have = len(data)
    size = have if size is None else size
    if size < 8:
        length = f"{size} byte{'s' * (size != 1)}"
        raise Invalid("not DICOM: the file is too short, with {length}", length=length)
    if have < min(size, 140):
        raise More
    meta, offset = file_meta(data, size)
    if offset >= size:
        raise Invalid("the file ends after its header: there is no data set")
    syntax, explicit, warnings = coding(data, meta, offset)
    if not offset:
        _require_plausible(data, explicit=explicit)
    found: dict[int, Raw] = {}
    warnings += _top_level(data, offset, have, size, found, explicit=explicit)
    if not found:
        raise Invalid("not DICOM: there is no data set in the file")
    return Header(syntax, offset, meta, found, explicit, size, tuple(warnings))


def scan_ahead(data: Buffer) -> Header:
    """The header of a file of which the leading part is here, if that ends within its pixel data, or with it.

    What `size` says holds only if the file then ends where its pixel data does; nobody knows yet, and everything else
    of a longer file may be other. Raises More where that cannot be said, Invalid and Odd as `scan` does.
    """
    have = len(data)
    meta, offset = file_meta(data, UNKNOWN)
    if not offset or offset + 8 > have:
        raise More
    syntax, explicit, warnings = coding(data, meta, offset)
    found: dict[int, Raw] = {}
    end = walk(data, offset, have, UNKNOWN, found, explicit=explicit)
    if not have <= end < UNKNOWN or next(reversed(found)) not in PIXELS:
        raise More
    return Header(syntax, offset, meta, found, explicit, end, tuple(warnings))


def file_meta(data: Buffer, size: int) -> tuple[dict[int, Raw], int]:
    """The File Meta Information and where it ends; its group length is not relied on, as it is often wrong."""
    found: dict[int, Raw] = {}
    have = len(data)
    position = 132 if bytes(data[128:132]) == b"DICM" else 0
    while position + 8 <= have:
        group, element, code, length = _EXPLICIT(data, position)
        if group != 2:
            break
        at = position + 8
        if code in LONG:
            if at + 4 > have:
                break
            length, at = _LENGTH(data, at)[0], at + 4
        elif code not in SHORT:
            # PS3.10 asks for explicit coding here; some writers use implicit all the same.
            length = _LENGTH(data, position + 4)[0]
        if at + length > size:
            raise Invalid("the file ends within {attribute}", attribute=name_of(group << 16 | element))
        vr = (SHORT.get(code) or LONG.get(code)) or standard_vr(group << 16 | element)
        found[group << 16 | element] = Raw(vr, at, length)
        position = at + length
    if position + 8 > have and have < size:
        raise More
    return found, position


def coding(data: Buffer, meta: dict[int, Raw], offset: int) -> tuple[Uid, bool, list[str]]:
    """The transfer syntax, whether VRs are explicit, and warnings; what the bytes say wins over what was declared."""
    raw = meta.get(TRANSFER_SYNTAX)
    text = bytes(data[raw.offset : raw.offset + raw.length]).decode("latin-1") if raw else ""
    written = bytes(data[offset + 4 : offset + 6])
    explicit = written.isalpha() and written.isupper()
    if not text.strip("\0 "):
        if explicit and not data[offset] and data[offset + 1]:
            raise Odd(EXPLICIT_BE)
        return EXPLICIT_LE if explicit else IMPLICIT_LE, explicit, [UNNAMED]
    try:
        declared = Uid.parse(text)
    except Invalid:
        raise Invalid("the transfer syntax in the file's header is not a UID") from None
    if declared in (DEFLATED_LE, EXPLICIT_BE):
        raise Odd(declared)
    if explicit == (declared != IMPLICIT_LE):
        return declared, explicit, []
    found = EXPLICIT_LE if explicit else IMPLICIT_LE
    told = "explicit" if explicit else "implicit"
    warnings = [f"the header declares transfer syntax {declared}, but the data set has {told} VRs"]
    return (found if declared in (IMPLICIT_LE, EXPLICIT_LE) else declared), explicit, warnings


def _require_plausible(data: Buffer, *, explicit: bool) -> None:
    """Refuse a file without any DICOM header unless its first element could be one of a data set."""
    group, _, code, length = _EXPLICIT(data, 0)
    if not explicit:
        length = _LENGTH(data, 4)[0]
    # The first group of a real data set is 0008 nearly always; a value of a first element is short.
    if not 4 <= group <= 0x20 or group & 1 or length > 1024 or (explicit and code.decode("latin-1") not in KNOWN):
        raise Invalid(NOT_DICOM)


def _top_level(data: Buffer, offset: int, have: int, size: int, found: dict[int, Raw], *, explicit: bool) -> list[str]:
    """Walk the data set; the warnings about how it ends."""
    position = walk(data, offset, have, size, found, explicit=explicit)
    strays = 0
    while bytes(data[position : position + 8]) in _STRAYS and strays < _MAX_STRAYS:
        strays += 1
        position = walk(data, position + 8, have, size, found, explicit=explicit)
    warnings = ["delimiters that belong to no sequence were passed over"] if strays else []
    return warnings + _rest(data, offset, (position, have, size), found, explicit=explicit)


def _rest(
    data: Buffer, offset: int, place: tuple[int, int, int], found: dict[int, Raw], *, explicit: bool
) -> list[str]:
    """What is wrong with what follows the last element, in words. Raises Invalid when it is no mere padding."""
    position, have, size = place
    if position > size:
        return _overrun(data, offset, size, found, explicit=explicit)
    if have < size and position + 8 > have:
        if position == size and next(reversed(found)) in PIXELS:
            return []
        raise More
    rest = size - position
    if not rest:
        return []
    if not PIXELS.isdisjoint(found) or _is_blank(data, position, have):
        return [f"{rest} bytes after the end of the data set were not read"]
    raise Invalid(
        "the data set breaks off at byte {position}: the {rest} bytes that follow are no elements",
        position=position,
        rest=rest,
    )


def _is_blank(data: Buffer, start: int, end: int) -> bool:
    return not any(bytes(data[at : min(at + _BLOCK, end)]).strip(b"\0") for at in range(start, end, _BLOCK))


def _overrun(data: Buffer, offset: int, size: int, found: dict[int, Raw], *, explicit: bool) -> list[str]:
    """An element runs past the end: the file was cut short, or junk follows its pixel data."""
    tag, raw = next((tag, raw) for tag, raw in found.items() if raw.offset + raw.length > size)
    pixels = [found[pixel] for pixel in PIXELS if pixel in found and pixel != tag]
    if not pixels or raw.offset < pixels[0].offset:
        missing = raw.offset + raw.length - size
        raise Invalid(
            "the file ends within {attribute}: {missing} bytes are missing", attribute=name_of(tag), missing=missing
        )
    # The junk may have passed for elements that were there before, so all is read again up to the pixels' end.
    end = pixels[0].offset + pixels[0].length
    found.clear()
    walk(data, offset, end, end, found, explicit=explicit)
    return [f"{size - end} bytes after the pixel data are not DICOM and were not read"]
