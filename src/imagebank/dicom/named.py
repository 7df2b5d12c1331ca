"""Attributes that a site's rules name, and their values as rules see and write them."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_for_tag, tag_for_keyword

from imagebank.dicom.changes import parsed
from imagebank.dicom.dicomjson import children, element_of
from imagebank.dicom.read import Converted, open_header
from imagebank.dicom.values import BINARY, Place
from imagebank.dicom.vr import creator_tag, private_vr
from imagebank.dicom.walk import Buffer
from imagebank.errors import Invalid
from imagebank.model.imaging import DataSet, Element

_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_PRIVATE: Final = re.compile(r"([0-9A-Fa-f]{4})xx([0-9A-Fa-f]{2})@(.+)")
WHOLE: Final = frozenset(("IS", "US", "SS", "UL", "SL", "UV", "SV"))
DECIMAL: Final = frozenset(("DS", "FL", "FD"))
_LONGEST: Final = 16_384
_MOST_ITEMS: Final = 256
"""So many values or items of one attribute are shown to rules, and so many characters of a text."""
_BEYOND: Final = 2**63
"""The least number that expressions cannot hold."""

Value = str | int | float | list[Any]
"""What a rule sees: a text, a number, or a list of them; items of a sequence by keyword."""


Spot = tuple[tuple[int, ...], str]
"""Where an attribute stands: the tags down to it, and the creator of a private one."""


@dataclass(frozen=True, slots=True)
class Named:
    """An attribute as a site wrote it: the way to it, its VR, and whether it has several values.

    `creator` is that of a private attribute, whose block is known only from each object: 0x10 stands for it.
    """

    text: str
    path: tuple[int, ...]
    vr: str
    is_list: bool
    creator: str = ""

    @property
    def spot(self) -> "Spot":
        """By which two ways of writing the same attribute are known as one."""
        return self.path, self.creator

    @property
    def tag(self) -> int:
        return self.path[-1]

    @property
    def key(self) -> str:
        """As the DICOM JSON model has it."""
        return f"{self.tag:08X}"

    @property
    def name(self) -> str:
        """By which people know it: the keyword, or what was written where it has none."""
        return ".".join(keyword_for_tag(tag) for tag in self.path) if not self.creator else self.text

    @property
    def nothing(self) -> Value | None:
        """What rules see where an object does not have it; None for a number, for which there is no such value."""
        if self.is_list:
            return []
        return None if self.vr in WHOLE | DECIMAL else ""


def named(text: str) -> Named:
    """`AccessionNumber`, `00080050`, `RequestAttributesSequence.AccessionNumber`, or `0019xx10@ACME 1.1`.

    Raises Invalid, with what was probably meant, and for what rules cannot read: bytes and pixel data.
    """
    if private := _PRIVATE.fullmatch(text):
        group, element, creator = private.groups()
        if not int(group, 16) % 2:
            raise Invalid("{text}: a private tag has an odd group", text=text)
        tag = int(f"{group}10{element}", 16)
        vr = private_vr(tag, creator)
        return Named(text, (tag,), "LO" if vr in BINARY else vr, False, creator)
    tags = tuple(_tag(part) for part in text.split("."))
    if any(dictionary_VR(tag) != "SQ" for tag in tags[:-1]):
        raise Invalid("{text}: only a sequence has attributes in it", text=text)
    vr = dictionary_VR(tags[-1]).replace("US or SS", "SS")
    if vr in BINARY or " or " in vr:
        raise Invalid("{text} holds bytes, which rules cannot read", text=text)
    return Named(text, tags, vr, len(tags) > 1 or vr == "SQ" or dictionary_VM(tags[-1]) != "1")


def _tag(part: str) -> int:
    tag = int(part, 16) if _TAG.fullmatch(part) else tag_for_keyword(part)
    if tag is None or not keyword_for_tag(tag):
        near = get_close_matches(part, _keywords(), 1)
        if near:
            raise Invalid("the standard knows no attribute {part}; did you mean {near}?", part=part, near=near[0])
        raise Invalid("the standard knows no attribute {part}", part=part)
    return int(tag)


def _keywords() -> list[str]:
    return [row[4] for row in DicomDictionary.values() if row[4]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What rules see of one object: the elements that they name, and which private creators there are."""

    elements: Mapping[Spot, Element]
    creators: frozenset[str]
    has_private: bool


def seen(data: Buffer, wanted: Iterable[Named], *, size: int | None = None) -> Seen:
    """Read these attributes of a file; those that it does not have are left out. Raises Invalid and More."""
    opened = open_header(data, size=size)
    image, header = (opened.data, opened.header) if isinstance(opened, Converted) else (data, opened)
    place = Place.top(image, header)
    found: dict[Spot, Element] = {}
    for one in wanted:
        element = _element(place, one)
        if element is not None:
            found[one.spot] = element
    odd = [tag for tag in place.elements if tag >> 16 & 1]
    creators = {_text(place, tag) for tag in odd if 0x10 <= tag & 0xFFFF <= 0xFF}
    return Seen(found, frozenset(creators - {""}), bool(odd))


def private_tags(data: Buffer, keep: frozenset[str]) -> list[str]:
    """The private attributes of a file outside of sequences, by tag, but those whose creator is to be kept.

    The elements that name creators stay: they hold nothing. Raises Invalid.
    """
    opened = open_header(data)
    image, header = (opened.data, opened.header) if isinstance(opened, Converted) else (data, opened)
    place = Place.top(image, header)
    return [f"{tag:08X}" for tag in place.elements if _is_dropped(place, tag, keep)]


def _is_dropped(place: Place, tag: int, keep: frozenset[str]) -> bool:
    creator = creator_tag(tag)
    if creator is None or tag >> 16 < 8:
        return False
    return creator not in place.elements or _text(place, creator) not in keep


def _element(place: Place, one: Named) -> Element | None:
    if len(one.path) > 1:
        values = [value for each in _below(place, one.path) for value in each.get("Value", ())]
        return {"vr": one.vr, "Value": values[:_MOST_ITEMS]} if values else None
    tag = _actual(place, one)
    return element_of(place, tag, one.vr) if tag is not None and tag in place.elements else None


def _below(place: Place, path: tuple[int, ...]) -> Iterable[Element]:
    if path[0] not in place.elements:
        return
    if len(path) == 1:
        yield element_of(place, path[0], "UN")
        return
    for item in islice(children(place, path[0]), _MOST_ITEMS):
        yield from _below(item, path[1:])


def _actual(place: Place, one: Named) -> int | None:
    """Where a private attribute is in this object: the block is the one that its creator reserved (PS3.5 7.8.1)."""
    if not one.creator or creator_tag(one.tag) is None:
        return one.tag
    group = one.tag & 0xFFFF0000
    for block in range(0x10, 0x100):
        if group | block in place.elements and _text(place, group | block) == one.creator:
            return group | block << 8 | one.tag & 0xFF
    return None


def _text(place: Place, tag: int) -> str:
    return place.value(place.elements[tag])[:64].decode("latin-1").strip(" \0")


def value_of(one: Named, element: Element | None) -> Value | None:
    """What rules see of an element; None where there is nothing that it could be."""
    values = [value for value in (element or {}).get("Value", ()) if value is not None]
    if one.vr == "SQ":
        return [_item(item) for item in values[:_MOST_ITEMS]]
    plain = [found for value in values[:_MOST_ITEMS] if (found := _plain(one.vr, value)) is not None]
    if one.is_list:
        return plain
    if not plain:
        return one.nothing
    if one.vr in WHOLE | DECIMAL or len(plain) == 1:
        return plain[0]
    return "\\".join(str(each) for each in plain)[:_LONGEST]


def _plain(vr: str, value: Any) -> str | int | float | None:
    if vr in WHOLE:
        return value if isinstance(value, int) and abs(value) < _BEYOND else None
    if vr in DECIMAL:
        return float(value) if isinstance(value, int | float) else None
    if vr == "PN":
        return person_name(value)
    return str(value)[:_LONGEST]


def person_name(value: Mapping[str, str]) -> str:
    """A name as a data set has it: its groups with `=` between them (PS3.5 6.2.1)."""
    groups = (value.get(key, "") for key in ("Alphabetic", "Ideographic", "Phonetic"))
    return "=".join(groups).rstrip("=")


def _item(item: DataSet) -> dict[str, Any]:
    """An item of a sequence by keyword, or by tag where an attribute has none."""
    found: dict[str, Any] = {}
    for key, element in item.items():
        tag = int(key, 16)
        vr = element["vr"]
        if vr in BINARY:
            continue
        one = Named(key, (tag,), vr, _is_list(tag, vr))
        value = value_of(one, element)
        if value is not None:
            found[keyword_for_tag(tag) or key] = value
    return found


def _is_list(tag: int, vr: str) -> bool:
    try:
        return vr == "SQ" or dictionary_VM(tag) != "1"
    except KeyError:
        return False


def shown(one: Named, element: Element | None) -> str:
    """A value as people read it; empty where there is none."""
    if one.vr == "SQ":
        return f"{len((element or {}).get('Value', ()))} items" if element else ""
    value = value_of(one, element)
    return "\\".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def element_for(one: Named, value: Value) -> Element:
    """A value of a rule as an element; empty for an empty text or list. Raises Invalid for what its VR does not allow."""
    values = [part for part in (value if isinstance(value, list) else [value]) if part != ""]
    if len(values) > 1 and not one.is_list:
        raise Invalid("{name} has one value only", name=one.name)
    written = [_written(one, part) for part in values]
    element: Element = {"vr": one.vr, "Value": written} if written else {"vr": one.vr}
    parsed({one.key: element})
    return element


def require_writable(one: Named) -> None:
    """Raises Invalid for what rules do not change: identity, how pixels are read, and what is in sequences or private."""
    if len(one.path) > 1 or one.creator or one.vr == "SQ":
        raise Invalid(
            "{text} is read only: rules change attributes of the standard that are not in sequences", text=one.text
        )
    parsed({one.key: None})


def _written(one: Named, value: Any) -> Any:
    if one.vr not in WHOLE | DECIMAL:
        return _groups(str(value)) if one.vr == "PN" else str(value)
    try:
        number = int(value) if one.vr in WHOLE else float(value)
    except (ValueError, OverflowError):
        raise Invalid("{name} takes numbers, as its VR is {vr}", name=one.name, vr=one.vr) from None
    low, high = _BOUNDS.get(one.vr, (-math.inf, math.inf))
    if not low <= number <= high or not math.isfinite(number):
        raise Invalid(
            "{name} takes numbers from {low} to {high}, as its VR is {vr}", name=one.name, low=low, high=high, vr=one.vr
        )
    return number


def _groups(text: str) -> dict[str, str]:
    parts = zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False)
    return {key: part for key, part in parts if part}


_BOUNDS: Final = {
    "IS": (-(2**31), 2**31 - 1),
    "US": (0, 2**16 - 1),
    "SS": (-(2**15), 2**15 - 1),
    "UL": (0, 2**32 - 1),
    "SL": (-(2**31), 2**31 - 1),
    "UV": (0, 2**63 - 1),
    "SV": (-(2**63), 2**63 - 1),
}
