"""Opening any DICOM file: by the scanner, and otherwise through an image of it that the scanner knows."""

import struct
import warnings
import zlib
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Final

import numpy as np
import pydicom

from imagebank.dicom.part10 import head_with
from imagebank.dicom.scan import (
    DEFLATED_LE,
    EXPLICIT_BE,
    EXPLICIT_LE,
    TRANSFER_SYNTAX,
    UNNAMED,
    Header,
    file_meta,
    scan,
)
from imagebank.dicom.vr import LONG, SHORT
from imagebank.dicom.walk import UNDEFINED, Buffer, More, Odd
from imagebank.errors import Invalid
from imagebank.model.uid import Uid

# An image is held in memory, twice while its head is put before it; what anybody deflates is far shorter.
MAX_INFLATED: Final = 512 << 20
# zlib reaches 1,032 at most; data sets of real images stay below 100.
MAX_RATIO: Final = 200
# Below this, any ratio is harmless: a black image deflates extremely well.
FREE_INFLATED: Final = 64 << 20
# What has to be written anew before it can be read takes memory several times over.
MAX_REWRITTEN: Final = 256 << 20

# The width in bytes of the numbers in a value, for those VRs that hold numbers wider than a byte (PS3.5 7.3).
_WIDTH: Final = {
    **dict.fromkeys(("US", "SS", "AT", "OW"), 2),
    **dict.fromkeys(("UL", "SL", "FL", "OF", "OL"), 4),
    **dict.fromkeys(("FD", "SV", "UV", "OD", "OV"), 8),
}


@dataclass(frozen=True, slots=True)
class Converted:
    """An Explicit VR Little Endian image of a file in a coding that cannot be scanned, and the image's header.

    `transfer_syntax` and `dataset_offset` are those of the file as it is stored.
    """

    data: bytes
    header: Header
    transfer_syntax: Uid
    dataset_offset: int


def open_header(data: Buffer, *, size: int | None = None) -> Header | Converted:
    """The header of a file in any coding. Raises Invalid, and More when a leading part does not reach."""
    try:
        return scan(data, size=size)
    except Odd as reason:
        if size is not None and size > len(data):
            raise More from reason
        if len(data) > MAX_REWRITTEN:
            raise Invalid(
                "big endian, deflated and oddly nested objects may have {most} bytes",
                most=MAX_REWRITTEN,
            ) from reason
        return _converted(bytes(data), reason.args[0])


def normalise(data: bytes) -> tuple[bytes, Header]:
    """The file as Explicit VR Little Endian when it is deflated or big endian, else the same bytes; and its header."""
    opened = open_header(data)
    return (opened.data, opened.header) if isinstance(opened, Converted) else (data, opened)


def _converted(data: bytes, reason: str) -> Converted:
    """`reason` is the transfer syntax that could not be scanned, or what was odd about a data set in any other."""
    meta, offset = file_meta(data, len(data))
    if reason == DEFLATED_LE:
        image = head_with(data, meta, EXPLICIT_LE) + inflate(data[offset:])
    elif reason == EXPLICIT_BE:
        image = head_with(data, meta, EXPLICIT_LE) + little_endian(data[offset:])
    else:
        image = _rewritten(data)
    try:
        header = scan(image)
        if TRANSFER_SYNTAX not in meta:
            header = replace(header, warnings=(UNNAMED, *header.warnings))
        stored = Uid(reason) if reason in (DEFLATED_LE, EXPLICIT_BE) else header.transfer_syntax
        return Converted(image, header, stored, offset)
    except (Odd, More) as exc:
        raise Invalid("the data set is broken: {exc}", exc=exc) from exc


def inflate(data: bytes) -> bytes:
    """Undo raw deflate (PS3.5 A.5) within bounds. Raises Invalid when it is damaged, too long or a bomb."""
    limit = min(MAX_INFLATED, max(FREE_INFLATED, MAX_RATIO * len(data)))
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        found = stream.decompress(data, limit)
    except zlib.error as exc:
        raise Invalid("the deflated data set is damaged") from exc
    if stream.eof:
        return found
    if len(found) >= limit:
        raise Invalid("the deflated data set would be longer than {limit} bytes", limit=limit)
    raise Invalid("the file ends within the deflated data set")


def little_endian(data: bytes) -> bytes:
    """An Explicit VR Big Endian data set with every number turned round; all lengths stay. Raises Invalid."""
    return _turned(data, ">", "<")


def big_endian(data: bytes) -> bytes:
    """What `little_endian` undoes. Raises Invalid for what has no big-endian form."""
    return _turned(data, "<", ">")


def deflated(data: bytes) -> bytes:
    """A data set under raw deflate, of even length (PS3.5 A.5); what `inflate` undoes."""
    squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    found = squeezer.compress(data) + squeezer.flush()
    return found + b"\0" * (len(found) % 2)


def _turned(data: bytes, source: str, target: str) -> bytes:
    """The walk is flat: sequences and items are entered, never skipped, so nesting costs nothing."""
    image = bytearray(data)
    position, end = 0, len(data)
    while position + 8 <= end:
        group, element, code, length = struct.unpack_from(f"{source}HH2sH", data, position)
        at = position + 8
        if group == 0xFFFE:
            struct.pack_into(f"{target}HHI", image, position, *struct.unpack_from(f"{source}HHI", data, position))
            position = at
            continue
        vr = SHORT.get(code)
        if vr is not None:
            struct.pack_into(f"{target}HH2sH", image, position, group, element, code, length)
        elif code in LONG and at + 4 <= end:
            vr, length, at = LONG[code], struct.unpack_from(f"{source}I", data, at)[0], at + 4
            struct.pack_into(f"{target}HH2sHI", image, position, group, element, code, 0, length)
        elif not any(data[position:]):
            break
        else:
            raise Invalid("the big endian data set is broken at byte {position}", position=position)
        if vr == "SQ":
            position = at
            continue
        if length == UNDEFINED:
            raise Invalid(
                "({group:04X},{element:04X}) has no length, which only sequences may have in big endian",
                group=group,
                element=element,
            )
        if at + length > end:
            raise Invalid("the file ends within ({group:04X},{element:04X})", group=group, element=element)
        _turn(image, at, length, _WIDTH.get(vr, 1))
        position = at + length
    return bytes(image)


def _turn(image: bytearray, start: int, length: int, width: int) -> None:
    count = length // width
    if width > 1 and count:
        np.frombuffer(image, f"u{width}", count, start).byteswap(inplace=True)


def _rewritten(data: bytes) -> bytes:
    """What pydicom makes of a file with nesting that the scanner does not know. Raises Invalid when it cannot either."""
    out = BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = pydicom.dcmread(BytesIO(data), force=True)
            found.save_as(out, implicit_vr=False, little_endian=True, force_encoding=True)
    except Exception as exc:
        raise Invalid("a sequence in the data set is broken") from exc
    return out.getvalue()
