"""Stepping over the elements of a data set without reading their values (PS3.5 chapter 7)."""

import struct
from collections.abc import Iterator
from enum import Enum
from mmap import mmap
from typing import Final, NamedTuple

from imagebank.dicom.vr import LONG, SHORT, STANDARD, name_of, standard_vr
from imagebank.errors import Invalid

Buffer = bytes | bytearray | memoryview | mmap

ITEM: Final = 0xFFFEE000
ITEM_END: Final = 0xFFFEE00D
SEQUENCE_END: Final = 0xFFFEE0DD
_DELIMITERS: Final = frozenset((ITEM, ITEM_END, SEQUENCE_END))
UNDEFINED: Final = 0xFFFFFFFF
PIXELS: Final = frozenset([0x7FE00008, 0x7FE00009, 0x7FE00010])

# Real data nests at most six deep or so; 32 keeps every later walk clear of Python's recursion limit.
MAX_DEPTH: Final = 32
# The largest real headers have a few thousand elements at one level; each costs some 200 bytes of memory.
MAX_ELEMENTS: Final = 100_000
# A whole-slide image may have 100,000 items of a dozen elements; a step takes about 0.3 µs and no memory.
MAX_STEPS: Final = 5_000_000

_EXPLICIT: Final = struct.Struct("<HH2sH").unpack_from
# VRs as numbers: comparing those is quicker than making and comparing bytes.
_NUMBERED: Final = struct.Struct("<HHHH").unpack_from
_SHORT_NUMBERS: Final = {int.from_bytes(code, "little"): vr for code, vr in SHORT.items()}
_LONG_NUMBERS: Final = {int.from_bytes(code, "little"): vr for code, vr in LONG.items()}
_IMPLICIT: Final = struct.Struct("<HHI").unpack_from
_LENGTH: Final = struct.Struct("<I").unpack_from


class Odd(Exception):
    """Bytes that this scanner does not know and a full reader may: see `read.open_header`."""


class More(Exception):
    """The leading part that was given ends within the header; scan again with more of the file."""


class Raw(NamedTuple):
    """One element's value field: its VR as far as the bytes or the standard tell, its offset and length in bytes.

    `UN` or `??` stands where they do not, and the standard may leave a choice, as `US or SS`: see `values.Place.vr`.

    The length of a value that was written with undefined length counts its delimiter, too.
    """

    vr: str
    offset: int
    length: int


class _Overrun(Exception):
    """A value or an item runs past the end of the file."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


def walk(data: Buffer, position: int, have: int, size: int, found: dict[int, Raw], *, explicit: bool) -> int:
    """Enter the elements from `position` into `found`; the position after them, beyond `size` when the last overruns.

    Stops at a delimiter, at a run of zeros, and when fewer bytes than an element's head are left of the `have` bytes
    of `data`. Raises Invalid, Odd and More.
    """
    try:
        return (_walk_explicit if explicit else _walk_implicit)(data, position, have, size, found)
    except _Overrun as stop:
        return stop.position


def elements(data: Buffer, start: int, end: int, *, explicit: bool) -> tuple[dict[int, Raw], int]:
    """The elements of one item from `start`, and the position after it. Stops at its delimiter or at `end`.

    Raises Invalid when a value runs past `end`.
    """
    found: dict[int, Raw] = {}
    try:
        position = walk(data, start, end, end, found, explicit=explicit)
    except Odd as exc:
        raise Invalid(str(exc)) from exc
    if position > end:
        raise Invalid("an item ends within {attribute}", attribute=name_of(next(reversed(found))))
    return found, position


def items(data: Buffer, raw: Raw, *, explicit: bool) -> Iterator[tuple[int, int, bool]]:
    """The items of a sequence: (start, end, explicit) each, where `end` is before any delimiter.

    An item in an explicit data set may be coded implicitly (PS3.5 6.2.2, note 2). Raises Invalid when it is broken.
    """
    position, end = raw.offset, raw.offset + raw.length
    while position + 8 <= end:
        group, element, length = _IMPLICIT(data, position)
        if group << 16 | element == SEQUENCE_END:
            break
        if group << 16 | element != ITEM:
            raise Invalid("a sequence has something else than an item at byte {position}", position=position)
        start = position + 8
        coded = explicit and has_explicit_vr(data, start)
        if length == UNDEFINED:
            _, stop = elements(data, start, end, explicit=coded)
            # Some writers do not close an item: what comes next does.
            position = stop + 8 if bytes(data[stop : stop + 4]) == b"\xfe\xff\x0d\xe0" else stop
        else:
            position = stop = start + length
        if stop > end:
            raise Invalid("an item at byte {start} is longer than its sequence", start=start)
        yield start, stop, coded


def has_explicit_vr(data: Buffer, start: int) -> bool:
    """Whether the element at `start` is written with its VR, or whether there is none that could tell."""
    code = bytes(data[start + 4 : start + 6])
    return len(code) < 2 or (code.isalpha() and code.isupper()) or bytes(data[start : start + 2]) == b"\xfe\xff"


def is_undefined(data: Buffer, raw: Raw) -> bool:
    """Whether a value was written with undefined length: pixel data written so is encapsulated (PS3.5 A.4)."""
    return bytes(data[raw.offset - 4 : raw.offset]) == b"\xff\xff\xff\xff"


def _walk_explicit(data: Buffer, position: int, have: int, size: int, found: dict[int, Raw]) -> int:
    header, short, make, last = _NUMBERED, _SHORT_NUMBERS.get, tuple.__new__, have - 8
    for _ in range(MAX_ELEMENTS):
        if position > last:
            return position
        group, element, code, length = header(data, position)
        tag = group << 16 | element
        vr = short(code)
        if vr is not None:
            at = position + 8
        elif code in _LONG_NUMBERS:
            if position + 12 > have:
                return position
            vr, at = _LONG_NUMBERS[code], position + 12
            length = _LENGTH(data, position + 8)[0]
            if length == UNDEFINED:
                length = _past_items(data, at, have, size, (tag, vr, found), explicit=True) - at
        elif not tag or tag in _DELIMITERS:
            return position
        else:
            vr, at, length = _strange(data, position, length, (tag, have, size, found))
        found[tag] = make(Raw, (vr, at, length))
        position = at + length
    raise Invalid("the data set has more than {most} elements at one level", most=MAX_ELEMENTS)


def _strange(
    data: Buffer, position: int, length: int, place: tuple[int, int, int, dict[int, Raw]]
) -> tuple[str, int, int]:
    """An element whose VR is none that we know: one with a short length, or one written as in implicit coding."""
    tag, have, size, found = place
    at = position + 8
    code = bytes(data[position + 4 : position + 6])
    if code.isalpha() and code.isupper():
        return code.decode("ascii"), at, length
    vr = standard_vr(tag)
    whole = _LENGTH(data, position + 4)[0]
    if whole == UNDEFINED:
        return vr, at, _past_items(data, at, have, size, (tag, vr, found), explicit=True) - at
    if at + whole <= size:
        return vr, at, whole
    # Some writers leave blanks where they do not know the VR: then the length has 16 bits.
    return "??", at, length


def _walk_implicit(data: Buffer, position: int, have: int, size: int, found: dict[int, Raw]) -> int:
    header, known, make, last = _IMPLICIT, STANDARD.get, tuple.__new__, have - 8
    for _ in range(MAX_ELEMENTS):
        if position > last:
            return position
        group, element, length = header(data, position)
        tag = group << 16 | element
        vr = known(tag)
        if vr is None:
            if not tag or tag in _DELIMITERS:
                return position
            vr = standard_vr(tag)
        at = position + 8
        if length == UNDEFINED:
            if vr == "UN":
                vr = "SQ"  # only a sequence has undefined length beside pixel data
            length = _past_items(data, at, have, size, (tag, vr, found), explicit=False) - at
        found[tag] = make(Raw, (vr, at, length))
        position = at + length
    raise Invalid("the data set has more than {most} elements at one level", most=MAX_ELEMENTS)


def _past_items(
    data: Buffer, start: int, have: int, size: int, place: tuple[int, str, dict[int, Raw]], *, explicit: bool
) -> int:
    """The position after a value of undefined length. No recursion: a list holds the coding of each open sequence."""
    tag = place[0]
    open_sequences = [explicit]
    coding: bool | None = None  # that of the item we are in
    position = start
    for _ in range(MAX_STEPS):
        if position + 8 > have:
            return _unfinished(start, position, have, size, place)
        if coding is not None:
            position, step = _past_element(data, position, have, explicit=coding)
            if step is _Step.DEEPER:
                open_sequences.append(coding)
                _require_shallow(tag, len(open_sequences))
            coding = coding if step is _Step.NEXT else None
            continue
        group, element, length = _IMPLICIT(data, position)
        position += 8
        match group << 16 | element:
            case 0xFFFEE000 if length == UNDEFINED:
                coding = open_sequences[-1] and has_explicit_vr(data, position)
            case 0xFFFEE000:
                position += length
            case 0xFFFEE0DD:
                # The coding of a nested sequence is that of the item around it, where we are again.
                coding = open_sequences.pop()
                if not open_sequences:
                    return position
            case _:
                raise Odd(f"{name_of(tag)} has something else than an item at byte {position - 8}")
    raise Invalid("{attribute} has more than {most} elements", attribute=name_of(tag), most=MAX_STEPS)


def _unfinished(start: int, position: int, have: int, size: int, place: tuple[int, str, dict[int, Raw]]) -> int:
    """A value of undefined length that runs to the end of the file without its delimiter."""
    tag, vr, found = place
    if have < size:
        if tag in PIXELS:
            return size  # a leading part may end within the pixel data: it is the last element nearly always
        raise More
    if tag in PIXELS and position == size:
        return position  # nothing else is missing
    found[tag] = Raw(vr, start, max(position, size) + 8 - start)
    raise _Overrun(size + 1)


class _Step(Enum):
    NEXT = "an element was passed"
    DEEPER = "a sequence of undefined length begins"
    END = "the item ended"


def _past_element(data: Buffer, position: int, have: int, *, explicit: bool) -> tuple[int, _Step]:
    """Pass one element of an item of undefined length."""
    group, element, code, short = _EXPLICIT(data, position)
    length = _LENGTH(data, position + 4)[0]
    if group == 0xFFFE:
        # Some writers do not close an item; the next one, or the end of the sequence, does.
        return position + 8 if element == 0xE00D else position, _Step.END
    at = position + 8
    if explicit and code in LONG:
        if at + 4 > have:
            return have + 1, _Step.NEXT
        length, at = _LENGTH(data, at)[0], at + 4
    elif explicit and code.isalpha() and code.isupper():
        length = short
    return (at, _Step.DEEPER) if length == UNDEFINED else (at + length, _Step.NEXT)


def _require_shallow(tag: int, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Invalid(
            "sequences are nested more than {most} deep in {attribute}",
            most=MAX_DEPTH,
            attribute=name_of(tag),
        )
