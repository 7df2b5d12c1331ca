"""SCP-ECG, the files of many electrocardiographs (EN 1064): sections one after the other, values in a Huffman code."""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from imagebank.dicom.ecg import LEADS, MAX_LEADS, MAX_SAMPLES, Lead, Recording, recording
from imagebank.errors import Invalid, Unsupported

_HEADER: Final = 16
_MAX_SECTIONS: Final = 64
_NAMES: Final = {int(code.partition(":")[2]): name for name, code in LEADS.items()}
_DEFAULT_TABLE: Final = 19_999
_DATE, _TIME, _END = 25, 26, 255


class _Code(NamedTuple):
    """One structure of a code table (EN 1064 5.5.4): bits of the prefix and of the whole, and what it stands for.

    Where `is_value` is 0, another table follows, whose number is in `value`.
    """

    prefix_bits: int
    bits: int
    is_value: int
    value: int
    prefix: int


def _default() -> list[_Code]:
    """The table of EN 1064 5.5.5: so many ones, a zero and a sign; longer values are written as they are."""
    codes = [_Code(1, 1, 1, 0, 0b0)]
    for value in range(1, 9):
        ones = ((1 << value) - 1) << 2
        codes += [_Code(value + 2, value + 2, 1, value, ones), _Code(value + 2, value + 2, 1, -value, ones | 1)]
    return [*codes, _Code(10, 18, 1, 0, 0b1111111110), _Code(10, 26, 1, 0, 0b1111111111)]


def read(data: bytes) -> Recording:
    """The recording in a file. Raises Invalid for a broken one, Unsupported for a form that is not read."""
    try:
        sections = _sections(data)
        if 3 not in sections or 6 not in sections:
            raise Unsupported("there is no rhythm in it, only what was found in one")
        names, size, is_subtracted = _leads(sections[3])
        step, interval_us, columns = _rhythm(sections, len(names), is_subtracted=is_subtracted)
        leads = [(name, column[:size], step) for name, column in zip(names, columns, strict=True)]
        return recording(leads, 1e6 / interval_us, _taken_at(sections.get(1, b"")), {})
    except (struct.error, IndexError, ZeroDivisionError) as error:
        raise Invalid("the electrocardiogram ends too early or is damaged; send it anew from the device") from error


def _sections(data: bytes) -> dict[int, bytes]:
    """The sections that hold something, by their number, without their headers (EN 1064 5.2, 5.3)."""
    pointers = data[6 + _HEADER :][: struct.unpack_from("<I", data, 10)[0] - _HEADER]
    found = {}
    for number, size, start in struct.iter_unpack(
        "<HII", pointers[: min(len(pointers), 10 * _MAX_SECTIONS) // 10 * 10]
    ):
        # Places are counted from one.
        if size > _HEADER:
            body = data[start - 1 : start - 1 + size]
            if start < 1 or len(body) < size:
                raise Invalid("the electrocardiogram ends too early; send it anew from the device")
            found[number] = body[_HEADER:]
    return found


def _leads(section: bytes) -> tuple[list[str], int, bool]:
    """Names and length of the leads, and whether a mean beat was taken out of them (EN 1064 5.6)."""
    count, flags = section[0], section[1]
    if not 1 <= count <= MAX_LEADS:
        raise Unsupported("it has {count} leads", count=count)
    told = [struct.unpack_from("<IIB", section, 2 + 9 * place) for place in range(count)]
    if len({first for first, _, _ in told}) != 1:
        raise Unsupported("its leads were not recorded at the same time")
    size = min(last - first + 1 for first, last, _ in told)
    return [_NAMES.get(number, str(number)) for _, _, number in told], max(size, 0), bool(flags & 1)


def _rhythm(sections: Mapping[int, bytes], count: int, *, is_subtracted: bool) -> tuple[float, int, list[Lead]]:
    """Microvolts of one step, microseconds between two values, and the values of every lead (EN 1064 5.9)."""
    decode = _decoder(sections.get(2))
    rhythm = sections[6]
    nanovolts, interval_us, differences, is_bimodal = struct.unpack_from("<HHBB", rhythm)
    if is_bimodal:
        raise Unsupported("it is pressed with loss between the beats; have the device write it without")
    columns = _columns(rhythm, count, decode, differences)
    if is_subtracted:
        _give_back(columns, sections, decode, (nanovolts, interval_us))
    return nanovolts / 1000, interval_us, columns


def _columns(section: bytes, count: int, decode: Callable[[bytes], Lead], differences: int) -> list[Lead]:
    sizes = struct.unpack_from(f"<{count}H", section, 6)
    at, columns = 6 + 2 * count, []
    for size in sizes:
        if at + size > len(section):
            raise Invalid("the electrocardiogram ends too early; send it anew from the device")
        columns.append(_summed(decode(section[at : at + size]), differences))
        at += size
    if sum(map(len, columns)) > MAX_SAMPLES:
        raise Unsupported("it is longer than is taken in one file")
    return columns


def _summed(values: Lead, differences: int) -> Lead:
    """Values from their first or second differences; the first one or two stand as they are (EN 1064 5.9.3)."""
    if differences == 1:
        return values.cumsum()
    if differences == 2 and len(values) > 1:
        slopes = np.concatenate(([values[1] - values[0]], values[2:])).cumsum()
        return np.concatenate((values[:1], values[0] + slopes.cumsum()))
    return values


def _give_back(
    columns: Sequence[Lead], sections: Mapping[int, bytes], decode: Callable[[bytes], Lead], scale: tuple[int, int]
) -> None:
    """Add the mean beat where it was taken out (EN 1064 5.7, 5.8)."""
    if 4 not in sections or 5 not in sections:
        raise Invalid("the mean beat is not in it, which was taken out of the rhythm")
    section = sections[5]
    if struct.unpack_from("<HH", section) != scale:
        raise Unsupported("its mean beat has another scale than its rhythm")
    beats = _columns(section, len(columns), decode, section[4])
    _, middle, count = struct.unpack_from("<HHH", sections[4])
    for place in range(count):
        kind, first, at, last = struct.unpack_from("<HIII", sections[4], 6 + 14 * place)
        if kind != 0:
            continue
        for column, beat in zip(columns, beats, strict=True):
            # Samples are counted from one.
            start, end = max(first - 1, 0), min(last, len(column))
            offset = middle - at
            whole = slice(max(start, -offset), max(start, -offset, min(end, len(beat) - offset)))
            column[whole] += beat[whole.start + offset : whole.stop + offset]


def _decoder(section: bytes | None) -> Callable[[bytes], Lead]:
    """How the values of a lead are read: as they are, or by code tables (EN 1064 5.5)."""
    if section is None:
        return lambda data: np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int64)
    count = struct.unpack_from("<H", section)[0]
    tables = [_default()] if count == _DEFAULT_TABLE else _tables(section, count)
    return lambda data: _huffman(data, tables)


def _tables(section: bytes, count: int) -> list[list[_Code]]:
    tables, at = [], 2
    for _ in range(count):
        size = struct.unpack_from("<H", section, at)[0]
        at += 2
        table = []
        for _ in range(size):
            prefix_bits, bits, is_value, value, code = struct.unpack_from("<BBBhI", section, at)
            # Codes are written with their first bit lowest.
            prefix = int(f"{code:032b}"[::-1][:prefix_bits] or "0", 2)
            table.append(_Code(prefix_bits, bits, is_value, value, prefix))
            at += 9
        tables.append(table)
    if not tables:
        raise Invalid("its code table is empty")
    return tables


def _huffman(data: bytes, tables: Sequence[Sequence[_Code]]) -> Lead:
    """The values of one lead. A code that is longer than its prefix ends in the value itself; what is left is padding."""
    known = [{(code.prefix_bits, code.prefix): code for code in table} for table in tables]
    bits, left = int.from_bytes(data, "big"), 8 * len(data)
    text = f"{bits:0{left}b}" if left else ""
    table, at, values = known[0], 0, []
    longest = max(code.prefix_bits for one in tables for code in one)
    while at < left:
        found = None
        for length in range(1, longest + 1):
            found = table.get((length, int(text[at : at + length], 2))) if at + length <= left else None
            if found is not None:
                break
        if found is None or at + found.bits > left:
            break
        at += found.prefix_bits
        extra = found.bits - found.prefix_bits
        if not found.is_value:
            table = known[found.value - 1]
            continue
        values.append(_signed(text[at : at + extra]) if extra else found.value)
        at += extra
        if len(values) > MAX_SAMPLES:
            raise Unsupported("it is longer than is taken in one file")
    return np.array(values, np.int64)


def _signed(text: str) -> int:
    return int(text, 2) - (1 << len(text) if text[0] == "1" else 0)


def _taken_at(section: bytes) -> str:
    """When it was recorded, of what the first section says (EN 1064 5.4.5); who was recorded is never taken from it."""
    found, at = {}, 0
    while at + 3 <= len(section) and section[at] != _END:
        tag, size = struct.unpack_from("<BH", section, at)
        found[tag] = section[at + 3 : at + 3 + size]
        at += 3 + size
    if len(found.get(_DATE, b"")) != 4 or len(found.get(_TIME, b"")) != 3:
        return ""
    year, month, day = struct.unpack("<HBB", found[_DATE])
    return f"{year:04}{month:02}{day:02}" + "".join(f"{one:02}" for one in found[_TIME])
