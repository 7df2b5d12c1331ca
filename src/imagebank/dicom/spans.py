"""Elements of a data set as the bytes that they stand in, carried over as they are, or anew: text in UTF-8, other UIDs."""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from imagebank.dicom.charset import DEFAULT, decode
from imagebank.dicom.part10 import TAG_LENGTH, explicit_head
from imagebank.dicom.values import CHARSET, Place
from imagebank.dicom.vr import LONG
from imagebank.dicom.walk import MAX_DEPTH, PIXELS, Buffer, Raw, elements, is_undefined, items
from imagebank.errors import Invalid

_TEXTS: Final = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
_SHIFTS: Final = re.compile(rb"[\x1b\x80-\xff]")
_UNDEFINED: Final = b"\xff\xff\xff\xff"
_END: Final = TAG_LENGTH(0xFFFE, 0xE0DD, 0)
_LONG_VRS: Final = frozenset(LONG.values())
NAMES: Final = frozenset((0x00080018, 0x0020000D, 0x0020000E, 0x00081155, 0x00081167, 0x00200242))
"""What names studies, series and instances, also those that an object refers to."""

Trail = tuple[tuple[int, int], ...]
"""The way down to an item: tag of each sequence and number of its item, from 1."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A text that its character set does not know; it is kept byte by byte."""

    trail: Trail
    tag: int
    value: bytes


@dataclass(slots=True)
class Rewriting:
    """A data set on its way into UTF-8, with what could not be read; or to other UIDs, which `named` gives; or to both."""

    unreadable: list[Unreadable] = field(default_factory=list)
    has_text: bool = True
    named: Callable[[str], str] | None = None


def start_of(data: Buffer, tag: int, raw: Raw) -> int:
    """Where an element begins: its tag, before the value. Raises Invalid where that cannot be told."""
    written = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    for head in (8, 12):
        if bytes(data[raw.offset - head : raw.offset - head + 4]) == written:
            return raw.offset - head
    raise Invalid("an element of the data set is written in a way that cannot be carried over")


def span(data: Buffer, tag: int, raw: Raw) -> memoryview:
    """The bytes of an element, without a copy."""
    return memoryview(data)[start_of(data, tag, raw) : raw.offset + raw.length]


def anew(place: Place, tag: int, raw: Raw, rewriting: Rewriting, trail: Trail = ()) -> bytes | None:
    """An element anew, with its text in UTF-8 and what it names by other UIDs; None where its bytes stay the same.

    Text in an item that names a character set of its own stays as it is. Raises Invalid for a broken sequence.
    """
    vr = place.vr(tag, raw)
    if tag in PIXELS:
        return None
    if vr == "SQ":
        return _sequence(place, tag, raw, rewriting, trail)
    if rewriting.named is not None and tag in NAMES:
        return _with_head(place, tag, raw, _renamed(place.value(raw), rewriting.named))
    value = place.value(raw) if rewriting.has_text and vr in _TEXTS else b""
    if not _SHIFTS.search(value):
        return None
    text, is_clean = decode(value, place.encodings, is_name=vr == "PN")
    if not is_clean or _is_guessed(place, value):
        rewriting.unreadable.append(Unreadable(trail, tag, value))
    new = text.encode("utf-8", "replace")
    return _with_head(place, tag, raw, new + b" " * (len(new) % 2))


def _renamed(value: bytes, named: Callable[[str], str]) -> bytes:
    given = (part.strip(" \0") for part in value.decode("latin-1").split("\\"))
    new = "\\".join(named(part) if part else "" for part in given).encode("ascii")
    return new + b"\0" * (len(new) % 2)


def _is_guessed(place: Place, value: bytes) -> bool:
    """Whether no character set tells what these bytes are: beyond the default repertoire, Latin-1 is but likely."""
    return place.encodings[0] == DEFAULT[0] and b"\x1b" not in value


def _with_head(place: Place, tag: int, raw: Raw, value: bytes) -> bytes:
    if not place.is_explicit:
        return TAG_LENGTH(tag >> 16, tag & 0xFFFF, len(value)) + value
    is_long = raw.vr in _LONG_VRS or len(raw.vr) != 2
    return explicit_head(tag, raw.vr if is_long and len(raw.vr) == 2 else place.vr(tag, raw), len(value)) + value


def _sequence(place: Place, tag: int, raw: Raw, rewriting: Rewriting, trail: Trail) -> bytes | None:
    parts = list(items_anew(place, tag, raw, rewriting, trail))
    if not any(is_new for is_new, _ in parts):
        return None
    body = b"".join(part for _, part in parts)
    if is_undefined(place.data, raw):
        # As it was: what it is told apart by, too, where its VR was not known (PS3.5 6.2.2).
        return bytes(memoryview(place.data)[start_of(place.data, tag, raw) : raw.offset]) + body + _END
    return _with_head(place, tag, raw, body)


def items_anew(
    place: Place, tag: int, raw: Raw, rewriting: Rewriting, trail: Trail = ()
) -> Iterator[tuple[bool, bytes]]:
    """Every item of a sequence, and whether it differs from what it was."""
    if place.depth >= MAX_DEPTH:
        raise Invalid("sequences are nested more than {most} deep", most=MAX_DEPTH)
    data = place.data
    for number, (start, end, coded) in enumerate(items(data, raw, explicit=place.is_explicit), 1):
        found, _ = elements(data, start, end, explicit=coded)
        inner = place.item(found, is_explicit=coded)
        new = {}
        within = rewriting if CHARSET not in found else replace(rewriting, has_text=False)
        for one, its in found.items() if within.has_text or within.named else ():
            written = anew(inner, one, its, within, (*trail, (tag, number)))
            if written is not None:
                new[one] = written
        body = b"".join(new.get(one) or span(data, one, its) for one, its in in_order(found) if _stays(one, new))
        yield bool(new), TAG_LENGTH(0xFFFE, 0xE000, len(body)) + body


def _stays(tag: int, new: dict[int, bytes]) -> bool:
    """Group lengths are retired, and would be wrong in an item that changed (PS3.5 7.2)."""
    return bool(tag & 0xFFFF) or not new


def in_order(found: dict[int, Raw]) -> list[tuple[int, Raw]]:
    """Elements in the order in which they stand."""
    return sorted(found.items(), key=lambda pair: pair[1].offset)


def spliced(data: Buffer, found: dict[int, Raw], new: dict[int, bytes | None]) -> list[Buffer]:
    """The data set with some elements in the place of others, or taken out; what stays is not copied.

    Group lengths of groups that change go: they are retired, and would be wrong (PS3.5 7.2).
    """
    touched = {tag >> 16 for tag in new}
    waiting = sorted((tag, value) for tag, value in new.items() if value)
    pieces: list[Buffer] = []
    at = end = 0
    for tag, raw in in_order(found):
        if waiting and waiting[0][0] <= tag:
            pieces += [memoryview(data)[at:end]] if end > at else []
            at = end
            while waiting and waiting[0][0] <= tag:
                pieces.append(waiting.pop(0)[1])
        start = start_of(data, tag, raw)
        is_gone = tag in new or (not tag & 0xFFFF and tag >> 16 in touched)
        if is_gone or start != end:
            pieces += [memoryview(data)[at:end]] if end > at else []
            at = end = start
        if is_gone:
            at = end = raw.offset + raw.length
        else:
            end = raw.offset + raw.length
    pieces += [memoryview(data)[at:end]] if end > at else []
    return [*pieces, *(value for _, value in waiting), *_rest(data, end)]


def _rest(data: Buffer, end: int) -> list[Buffer]:
    """What follows the last element: padding, or what a sender left there."""
    return [memoryview(data)[end:]] if end < len(data) else []
