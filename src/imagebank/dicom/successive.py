"""Objects that come one after another, each described by how it differs from the one before.

The slices of a series have the same elements, and nearly all of them the same bytes. Stretches that are equal are
compared whole, and only what stands between them is read. Whatever is not exactly so is read as any other object, so
that always the same comes out as `describe` and `describe_ahead` say, at a sixth of the price. That is worth its own
module, as reading headers was the largest part of taking objects in.
"""

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from imagebank.dicom.describe import CHECKED, check_head, described, first_of, uid_in
from imagebank.dicom.dicomjson import element_of
from imagebank.dicom.preamble import disguise
from imagebank.dicom.read import open_header
from imagebank.dicom.scan import UNKNOWN, Header, coding, file_meta, scan_ahead
from imagebank.dicom.sop_class import is_report
from imagebank.dicom.values import SETTLED, Place
from imagebank.dicom.vr import LONG, SHORT
from imagebank.dicom.walk import PIXELS, Buffer, More, Odd, Raw
from imagebank.errors import Invalid
from imagebank.model.attribute import MAIN, Attribute, Catalogue, Level
from imagebank.model.comparison import is_comparable
from imagebank.model.imaging import DataSet, Description
from imagebank.model.uid import MAX_LENGTH

_LONGEST: Final = 64 << 10
_SLACK: Final = 2 << 10
"""Bytes of a header that is worth keeping, and by how many the next one may be longer."""
_MOST_DIFFERENT: Final = 64
_SHORT_LENGTH: Final = struct.Struct("<H").unpack_from
_LENGTH: Final = struct.Struct("<I").unpack_from
_SOP_INSTANCE: Final = 0x00080018
_PIXEL_DATA: Final = 0x7FE00010
# What may differ and is read then: attributes of single instances that nothing else of a description depends on.
_READ: Final[Mapping[int, Attribute]] = {
    one.tag: one
    for one in MAIN
    if one.level is Level.INSTANCE and not one.computed and one.tag >> 16 != 0x0028 and one.tag != 0x00080016
}
_CHECKED: Final = frozenset(one.tag for one, _ in CHECKED)
# Beside what the catalogue names: character set, time zone, directories, and what says how pixels lie.
_CODES: Final = frozenset((*LONG, *SHORT))
_ALONE: Final = frozenset((0x00080005, 0x00080201))
_GROUPS: Final = frozenset((0x0004, 0x0028, 0x7FE0))


class Successive:
    """Describes objects of one sender, one after another; one thread at a time.

    It holds the header of the last object, and so patient data: one for an association or a request, no longer.
    """

    def __init__(self) -> None:
        self._last: _Last | _Pattern | None = None
        self.repeated = 0
        """How many were described by the one before."""

    def describe(self, data: Buffer, *, catalogue: Catalogue, organization: str) -> Description:
        """What `describe.describe` says of a whole object. Raises as that."""
        found = self._by_last(data, len(data), catalogue, organization)
        if found is not None and found[1] == len(data):
            self.repeated += 1
            return found[0]
        opened = open_header(data, size=len(data))
        description = described(data, opened, catalogue, organization)
        if isinstance(opened, Header):
            self._last = _Last(data, opened, description, catalogue, organization)
        return description

    def describe_ahead(self, data: Buffer, *, catalogue: Catalogue, organization: str) -> tuple[Description, int]:
        """What `describe.describe_ahead` says of a leading part. Raises as that."""
        found = self._by_last(data, UNKNOWN, catalogue, organization)
        if found is not None and len(data) <= found[1]:
            self.repeated += 1
            return found
        header = scan_ahead(data)
        description = described(data, header, catalogue, organization, is_whole=False)
        self._last = _Last(data, header, description, catalogue, organization)
        return description, header.size

    def _by_last(
        self, data: Buffer, size: int, catalogue: Catalogue, organization: str
    ) -> tuple[Description, int] | None:
        """The description of what is like the last object, and where its pixel data ends; None for anything else."""
        if isinstance(self._last, _Last):
            self._last = self._last.pattern()
        pattern = self._last
        if pattern is None or pattern.catalogue is not catalogue or pattern.organization != organization:
            return None
        with suppress(Invalid, Odd, More):  # who reads it all will say so
            return pattern.described(data, size)
        return None


class _Last:
    """What is needed to make a pattern of an object, should another one come."""

    def __init__(
        self, data: Buffer, header: Header, description: Description, catalogue: Catalogue, organization: str
    ) -> None:
        pixels = description.pixels
        start, end = header.dataset_offset, pixels.offset if pixels else 0
        self.head = bytes(data[start:end]) if start < end <= start + _LONGEST else b""
        self.header, self.description = header, description
        self.catalogue, self.organization = catalogue, organization

    def pattern(self) -> "_Pattern | None":
        """The pattern; None where nothing was usual enough.

        It has native pixel data in one piece at its end, its elements lie side by side, and nothing was tolerated.
        """
        pixels, header = self.description.pixels, self.header
        if not self.head or pixels is None or pixels.encapsulated or pixels.frame_table:
            return None
        if self.description.warnings or is_report(self.description.sop_class):
            return None
        ends = _side_by_side(header)
        last = next(reversed(header.elements))
        if not ends or last != _PIXEL_DATA or pixels.offset + pixels.length != header.size:
            return None
        return _Pattern(self, [*ends[:-1], len(self.head)])


def _side_by_side(header: Header) -> list[int]:
    """Where each element ends, counted from the data set, if each begins where the one before ends; otherwise nothing."""
    ends, end = [], header.dataset_offset
    for raw in header.elements.values():
        if raw.offset - (_head_bytes(raw) if header.is_explicit else 8) != end:
            return []
        end = raw.offset + raw.length
        ends.append(end - header.dataset_offset)
    return ends


def _head_bytes(raw: Raw) -> int:
    """The bytes before a value in explicit coding (PS3.5 7.1.2)."""
    return 12 if raw.vr.encode() in LONG else 8


class _Pattern:
    """A header in stretches that every object like it has, and the elements in between, which may have other values.

    Those are found out as they turn up: each `cut` is a stretch and the number of the element behind it.
    """

    def __init__(self, last: _Last, ends: list[int]) -> None:
        self.catalogue, self.organization = last.catalogue, last.organization
        self._description, self._head, self._ends = last.description, last.head, ends
        self._elements = list(last.header.elements.items())
        self._is_explicit = last.header.is_explicit
        self._syntax = last.header.transfer_syntax
        moved = {tag: Raw(raw.vr, raw.offset - last.header.dataset_offset, raw.length) for tag, raw in self._elements}
        # The charset lies before the pixel data, whose value is not here.
        self._encodings = Place.top(self._head, replace(last.header, elements=moved)).encodings
        self._cuts: list[tuple[bytes, int, int | None]] = [(self._head, 0, None)]
        self._read_elsewhere = {one.path[0] for one in self.catalogue.attributes if not one.computed}
        self._has_private = any(one.creator for one in self.catalogue.attributes)

    def described(self, data: Buffer, size: int) -> tuple[Description, int] | None:
        """The description of an object like this, and where its pixel data ends. Raises Invalid, Odd and More."""
        meta, offset = file_meta(data, size)
        if not offset or coding(data, meta, offset) != (self._syntax, self._is_explicit, []):
            return None
        header = bytes(data[offset : offset + len(self._head) + _SLACK])
        found: dict[int, Raw] = {}
        at = self._match(header, found)
        if at is None:
            return None
        place = Place(header, found, self._is_explicit, self._encodings)
        levels = self._levels(place)
        if levels is None:
            return None
        old = self._description
        uid = uid_in(place, _SOP_INSTANCE) if _SOP_INSTANCE in found else old.uid
        check_head(data, meta, uid, old.sop_class, place.warnings)
        if place.warnings or disguise(data, offset, is_whole=size == len(data)):
            return None
        assert old.pixels is not None, "a pattern has pixel data"
        pixels = replace(old.pixels, offset=offset + at)
        new = replace(old, uid=uid, levels=levels, dataset_offset=offset, pixels=pixels)
        return new, offset + at + pixels.length

    def _match(self, header: bytes, found: dict[int, Raw]) -> int | None:
        """Enter what may differ into `found`; where the value of the pixel data begins, or None when more differs."""
        at = number = 0
        while True:
            stretch, begin, element = self._cuts[number]
            if not header.startswith(stretch, at):
                if not self._cut(number, begin, header, at):
                    return None
                continue
            at += len(stretch)
            if element is None:
                return at
            raw = self._raw(element, header, at)
            if raw is None:
                return None
            found[self._elements[element][0]] = raw
            at = raw.offset + raw.length
            number += 1

    def _cut(self, number: int, begin: int, header: bytes, at: int) -> bool:
        """Cut a stretch around its first element that is other in a header; false where none may be."""
        stretch, _, element = self._cuts[number]
        ends, head = self._ends, self._head
        numbers = range(bisect_right(ends, begin), bisect_left(ends, begin + len(stretch)) + 1)
        other = numbers[
            bisect_left(
                numbers, True, hi=len(numbers) - 1, key=lambda n: not _is_equal(head, begin, ends[n], header, at)
            )
        ]
        if len(self._cuts) > _MOST_DIFFERENT or not self._may_differ(other):
            return False
        start, end = ends[other - 1] if other else 0, ends[other]
        self._cuts[number : number + 1] = [
            (head[begin:start], begin, other),
            (head[end : begin + len(stretch)], end, element),
        ]
        return True

    def _may_differ(self, number: int) -> bool:
        """Whether the value of an element may be another one: nothing depends on it, or only what is read anew."""
        tag, raw = self._elements[number]
        if tag in PIXELS or not self._is_well_coded(number):
            return False
        if tag in _READ:
            return raw.vr in SETTLED
        if tag in self._read_elsewhere or tag in _ALONE or tag >> 16 in _GROUPS:
            return False
        return not (self._has_private and tag >> 16 & 1)

    def _is_well_coded(self, number: int) -> bool:
        """Whether an element's VR stands where explicit coding has it; some writers leave it out (`walk._strange`)."""
        start, code = self._ends[number - 1] if number else 0, self._elements[number][1].vr.encode()
        return not self._is_explicit or (code in _CODES and self._head.startswith(code, start + 4))

    def _raw(self, number: int, header: bytes, at: int) -> Raw | None:
        """The element at a place in a header, if it is this one with a value of even, defined length."""
        _, raw = self._elements[number]
        start = self._ends[number - 1] if number else 0
        is_long = not self._is_explicit or _head_bytes(raw) == 12
        begin = at + (_head_bytes(raw) if self._is_explicit else 8)
        same = 6 if self._is_explicit else 4
        if begin > len(header) or not header.startswith(self._head[start : start + same], at):
            return None
        (length,) = _LENGTH(header, begin - 4) if is_long else _SHORT_LENGTH(header, begin - 2)
        if length % 2 or begin + length > len(header):
            return None  # an undefined length is odd, too
        return Raw(raw.vr, begin, length)

    def _levels(self, place: Place) -> tuple[DataSet, DataSet, DataSet, DataSet] | None:
        """The attributes of each level with those that may differ read; None where one has to be told of."""
        patient, study, series, own = self._description.levels
        own = own.copy()
        for tag in place.elements:
            attribute = _READ.get(tag)
            if attribute is None:
                continue
            element = own[attribute.key] = element_of(place, tag, attribute.vr)
            if tag in _CHECKED and not is_comparable(attribute, element):
                return None
            if tag == _SOP_INSTANCE and len(first_of(element)) > MAX_LENGTH:
                return None
        return patient, study, series, own


def _is_equal(head: bytes, begin: int, end: int, header: bytes, at: int) -> bool:
    return header[at : at + end - begin] == head[begin:end]
