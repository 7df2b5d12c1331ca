"""Where each element of a DICOM file lies, by one walk over its bytes (PS3.5 chapter 7, PS3.10 7.1)."""

import struct
from dataclasses import dataclass
from enum import Enum
from mmap import mmap
from typing import Final, NamedTuple

from imagebank.dicom.vr import KNOWN, LONG, SHORT, STANDARD, name_of, standard_vr
from imagebank.errors import Invalid
from imagebank.model.uid import Uid

Buffer = bytes | bytearray | memoryview | mmap

IMPLICIT_LE: Final = Uid("1.2.840.10008.1.2")
EXPLICIT_LE: Final = Uid("1.2.840.10008.1.2.1")
DEFLATED_LE: Final = Uid("1.2.840.10008.1.2.1.99")
EXPLICIT_BE: Final = Uid("1.2.840.10008.1.2.2")

ITEM: Final = 0xFFFEE000
ITEM_END: Final = 0xFFFEE00D
SEQUENCE_END: Final = 0xFFFEE0DD
UNDEFINED: Final = 0xFFFFFFFF
PIXELS: Final = frozenset([0x7FE00008, 0x7FE00009, 0x7FE00010])
TRANSFER_SYNTAX: Final = 0x00020010

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

    The length of a value that was written with undefined length counts its delimiter, too.
    """

    vr: str
    offset: int
    length: int


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


class _Overrun(Exception):
    """A value or an item runs past the end of the file."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


def scan(data: Buffer, *, size: int | None = None) -> Header:
    """Find every top-level element of a file with or without the Part 10 header.

    `data` is the file or its leading part, `size` the length of the file in bytes. Only the value of pixel data may lie
    outside a leading part, and is then taken to reach to the end where its length is undefined: otherwise raises More. Raises Invalid with the reason in words, and Odd for
    what needs a full reader.
    """
    have = len(data)
    size = have if size is None else size
    if size < 8:
        raise Invalid(f"not DICOM: the file has {size} bytes only")
    meta, offset = file_meta(data, size)
    if offset >= size:
        raise Invalid("the file ends after its header: there is no data set")
    syntax, explicit, warnings = _coding(data, meta, offset)
    if not offset:
        _require_plausible(data, explicit=explicit)
    found: dict[int, Raw] = {}
    warnings += _top_level(data, offset, have, size, found, explicit=explicit)
    if not found:
        raise Invalid("not DICOM: there is no data set in the file")
    return Header(syntax, offset, meta, found, explicit, size, tuple(warnings))


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
            raise Invalid(f"the file ends within {name_of(group << 16 | element)}")
        vr = (SHORT.get(code) or LONG.get(code)) or standard_vr(group << 16 | element)
        found[group << 16 | element] = Raw(vr, at, length)
        position = at + length
    if position + 8 > have and have < size:
        raise More
    return found, position


def _coding(data: Buffer, meta: dict[int, Raw], offset: int) -> tuple[Uid, bool, list[str]]:
    """The transfer syntax, whether VRs are explicit, and warnings; what the bytes say wins over what was declared."""
    raw = meta.get(TRANSFER_SYNTAX)
    text = bytes(data[raw.offset : raw.offset + raw.length]).decode("latin-1") if raw else ""
    written = bytes(data[offset + 4 : offset + 6])
    explicit = written.isalpha() and written.isupper()
    if not text.strip("\0 "):
        if explicit and not data[offset] and data[offset + 1]:
            raise Odd("big endian")
        warnings = ["the file does not name its transfer syntax; it was recognised from the bytes"]
        return EXPLICIT_LE if explicit else IMPLICIT_LE, explicit, warnings
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
        raise Invalid("not DICOM: there is neither a DICM mark nor a data set at the start")


def _top_level(data: Buffer, offset: int, have: int, size: int, found: dict[int, Raw], *, explicit: bool) -> list[str]:
    """Walk the data set; the warnings about how it ends."""
    walk = _walk_explicit if explicit else _walk_implicit
    try:
        position = walk(data, offset, have, size, found)
    except _Overrun as stop:
        position = stop.position
    last = next(reversed(found), None)
    if position > size:
        return _end_of_overrun(found, size)
    if have < size and position + 8 > have:
        if last in PIXELS and position == size:
            return []
        raise More
    rest = size - position
    if not rest:
        return []
    if not any(data[position:have]) or _ends_with_pixels(found):
        return [f"{rest} bytes after the end of the data set were not read"]
    raise Invalid(f"the data set breaks off at byte {position}: the {rest} bytes that follow are no elements")


def _ends_with_pixels(found: dict[int, Raw]) -> bool:
    return not PIXELS.isdisjoint(found)


def _end_of_overrun(found: dict[int, Raw], size: int) -> list[str]:
    """The last element found runs past the end: junk after the pixel data, or a file cut short."""
    tag, raw = found.popitem()
    if _ends_with_pixels(found) and tag not in PIXELS:
        return ["what follows the pixel data is not DICOM and was not read"]
    missing = raw.offset + raw.length - size
    raise Invalid(f"the file ends within {name_of(tag)}: {missing} bytes are missing")


def elements(data: Buffer, start: int, end: int, *, explicit: bool) -> tuple[dict[int, Raw], int]:
    """The elements of one item from `start`, and the position after it. Stops at its delimiter or at `end`.

    Raises Invalid when a value runs past `end`.
    """
    found: dict[int, Raw] = {}
    walk = _walk_explicit if explicit else _walk_implicit
    try:
        position = walk(data, start, end, end, found)
    except _Overrun as stop:
        position = stop.position
    except Odd as exc:
        raise Invalid(str(exc)) from exc
    if position > end:
        raise Invalid(f"an item ends within {name_of(next(reversed(found)))}")
    return found, position


def items(data: Buffer, raw: Raw, *, explicit: bool) -> list[tuple[int, int, bool]]:
    """The items of a sequence: (start, end, explicit) each, where `end` is before any delimiter.

    An item in an explicit data set may be coded implicitly (PS3.5 6.2.2, note 2). Raises Invalid when it is broken.
    """
    found = []
    position, end = raw.offset, raw.offset + raw.length
    while position + 8 <= end:
        group, element, length = _IMPLICIT(data, position)
        if group << 16 | element == SEQUENCE_END:
            break
        if group << 16 | element != ITEM:
            raise Invalid(f"a sequence has something else than an item at byte {position}")
        start = position + 8
        coded = explicit and has_explicit_vr(data, start)
        if length == UNDEFINED:
            _, stop = elements(data, start, end, explicit=coded)
            position = stop + 8
        else:
            position = stop = start + length
        if stop > end:
            raise Invalid(f"an item at byte {start} is longer than its sequence")
        found.append((start, stop, coded))
        if len(found) > MAX_STEPS:
            raise Invalid(f"a sequence has more than {MAX_STEPS} items")
    return found


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
        elif not tag or tag in (ITEM_END, SEQUENCE_END):
            return position
        else:
            vr, at, length = _strange(data, position, length, (tag, have, size, found))
        found[tag] = make(Raw, (vr, at, length))
        position = at + length
    raise Invalid(f"the data set has more than {MAX_ELEMENTS} elements at one level")


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
    length = _LENGTH(data, position + 4)[0]
    if length == UNDEFINED:
        length = _past_items(data, at, have, size, (tag, vr, found), explicit=True) - at
    return vr, at, length


def _walk_implicit(data: Buffer, position: int, have: int, size: int, found: dict[int, Raw]) -> int:
    header, known, make, last = _IMPLICIT, STANDARD.get, tuple.__new__, have - 8
    for _ in range(MAX_ELEMENTS):
        if position > last:
            return position
        group, element, length = header(data, position)
        tag = group << 16 | element
        vr = known(tag)
        if vr is None:
            if not tag or tag in (ITEM_END, SEQUENCE_END):
                return position
            vr = standard_vr(tag)
        at = position + 8
        if length == UNDEFINED:
            if vr == "UN":
                vr = "SQ"  # only a sequence has undefined length beside pixel data
            length = _past_items(data, at, have, size, (tag, vr, found), explicit=False) - at
        found[tag] = make(Raw, (vr, at, length))
        position = at + length
    raise Invalid(f"the data set has more than {MAX_ELEMENTS} elements at one level")


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
    raise Invalid(f"{name_of(tag)} has more than {MAX_STEPS} elements")


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
        if element != 0xE00D:
            raise Odd(f"an item is not closed at byte {position}")
        return position + 8, _Step.END
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
        raise Invalid(f"sequences are nested more than {MAX_DEPTH} deep in {name_of(tag)}")
