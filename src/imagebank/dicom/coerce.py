"""Changing attributes of a kept object: a new file, with the former values in Original Attributes Sequence.

PS3.3 C.12.1.1.9. Pixel data and whatever else is not named are carried over byte by byte, in the same transfer syntax.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import Final

from imagebank.dicom.changes import (
    CHARSET,
    ISSUER,
    ISSUER_QUALIFIERS,
    ORIGINAL_ATTRIBUTES,
    PATIENT_ID,
    UTF_8,
    encoded,
    fits,
    is_line,
    is_valid,
    parsed,
    texts_of,
)
from imagebank.dicom.dicomjson import INLINE, element_json
from imagebank.dicom.part10 import TAG_LENGTH, head_for, wrap, written_items
from imagebank.dicom.read import Converted, big_endian, deflated, open_header
from imagebank.dicom.scan import DEFLATED_LE, EXPLICIT_BE, TRANSFER_SYNTAX, Header
from imagebank.dicom.spans import NAMES, Rewriting, Unreadable, anew, items_anew, span, spliced
from imagebank.dicom.values import Place
from imagebank.dicom.vr import KNOWN, creator_tag, name_of
from imagebank.dicom.walk import PIXELS, Buffer, Raw, is_undefined
from imagebank.errors import Invalid
from imagebank.model.correction import Changes, Modification
from imagebank.model.imaging import DataSet, Element

_SEQUENCE_END: Final = TAG_LENGTH(0xFFFE, 0xE0DD, 0)
_SOP_CLASS: Final = 0x00080016
_SOP_INSTANCE: Final = 0x00080018
_MODIFIED: Final = 0x04000550
_NONCONFORMING: Final = 0x04000551
_NONCONFORMING_VALUE: Final = 0x04000552
_AT: Final = 0x04000562
_SYSTEM: Final = 0x04000563
_SOURCE: Final = 0x04000564
_REASON: Final = 0x04000565
Told = dict[str, Element | None]
"""Values by tag; None for what is not there."""

_UTF_8_TERM: Final = "ISO_IR 192"
_SELECTOR: Final = 0x00720026
_SELECTOR_NUMBER: Final = 0x00720028
_SELECTOR_POINTER: Final = 0x00720052
_SELECTOR_CREATOR: Final = 0x00720056
_SELECTOR_ITEMS: Final = 0x00741057


def coerce(data: Buffer, changes: Changes, modification: Modification) -> bytes:
    """The file with other values for some attributes. See `coerced`."""
    return b"".join(coerced(data, changes, modification))


def coerced(data: Buffer, changes: Changes, modification: Modification) -> list[Buffer]:
    """The new Part 10 file in pieces, of which the large ones are parts of `data`: nothing large is copied.

    The former values become a new item of Original Attributes Sequence; a value that no character set or value
    representation can tell stands in Nonconforming Modified Attributes Sequence, byte by byte. Where a new text does
    not fit the object's character set, all of its text is written in UTF-8. Where nothing would differ, `data` itself
    is given back. Qualifiers of an issuer go with the issuer that they are of.

    Raises Invalid for attributes that cannot be changed, values that are none, an object that cannot be read, and a new
    Patient ID where the object names an issuer and the changes do not say whose the new one is.
    """
    wanted = parsed(changes)
    opened = open_header(data)
    image, header = (opened.data, opened.header) if isinstance(opened, Converted) else (data, opened)
    place = Place.top(image, header)
    wanted = _with_issuer(place, wanted)
    wanted = {tag: element for tag, element in wanted.items() if _differs(place, tag, element)}
    if not wanted:
        return [data]
    body = _data_set(place, header, wanted, modification)
    return _whole(data, opened, image, header, body)


def renamed(data: Buffer, changes: Changes, modification: Modification, named: Callable[[str], str]) -> list[Buffer]:
    """The same, and the object, its study and series, and whatever it refers to have the UIDs that `named` gives them.

    The former UIDs of the object stand with its other former values; the file's head is written anew. Raises as
    `coerced` does.
    """
    wanted = parsed(changes)
    opened = open_header(data)
    image, header = (opened.data, opened.header) if isinstance(opened, Converted) else (data, opened)
    place = Place.top(image, header)
    for tag in NAMES & place.elements.keys():
        former = place.value(place.elements[tag]).decode("latin-1").strip(" \0")
        wanted[tag] = {"vr": "UI", "Value": [named(former)]}
    wanted = _with_issuer(place, wanted)
    wanted = {tag: element for tag, element in wanted.items() if _differs(place, tag, element)}
    body = _data_set(place, header, wanted, modification, named)
    sop_class, uid = place.value(place.elements[_SOP_CLASS]).decode("latin-1").strip(" \0"), wanted[_SOP_INSTANCE]
    assert uid is not None
    head = wrap(b"", sop_class=sop_class, sop_uid=uid["Value"][0], transfer_syntax=opened.transfer_syntax)
    return _coded(opened, head, body)


def differences(data: Buffer, changes: Changes) -> tuple[Told, Told]:
    """What an object says and what it would say, by tag, of the attributes that would differ. Raises as `coerced` does."""
    place = _place(data)
    wanted = _with_issuer(place, parsed(changes))
    tags = sorted(tag for tag, element in wanted.items() if _differs(place, tag, element))
    return {f"{tag:08X}": _held(place, tag) for tag in tags}, {f"{tag:08X}": wanted[tag] for tag in tags}


def values_of(data: Buffer, names: Iterable[str]) -> Told:
    """What an object says of attributes, as changes to another version of it; an identifier goes with its issuer.

    Raises Invalid for an attribute that cannot be changed.
    """
    place = _place(data)
    tags = set(parsed(dict.fromkeys(names)))
    tags |= {ISSUER} if PATIENT_ID in tags else set()
    tags |= {ISSUER_QUALIFIERS} if ISSUER in tags else set()
    return {f"{tag:08X}": _held(place, tag) for tag in sorted(tags)}


def _place(data: Buffer) -> Place:
    opened = open_header(data)
    return Place.top(opened.data, opened.header) if isinstance(opened, Converted) else Place.top(data, opened)


def _with_issuer(place: Place, wanted: Mapping[int, Element | None]) -> dict[int, Element | None]:
    found = dict(wanted)
    issuer = _held(place, ISSUER)
    if PATIENT_ID in found and ISSUER not in found and issuer is not None and issuer.get("Value"):
        raise Invalid(
            "the object names who issued its patient identifier: say who issued the new one, or that none did"
        )
    if ISSUER in found and ISSUER_QUALIFIERS in place.elements and _differs(place, ISSUER, found[ISSUER]):
        found.setdefault(ISSUER_QUALIFIERS, None)
    return found


def _held(place: Place, tag: int) -> Element | None:
    raw = place.elements.get(tag)
    return None if raw is None else element_json(place, tag, raw, INLINE, "")


def _differs(place: Place, tag: int, element: Element | None) -> bool:
    held = _held(place, tag)
    if held is None or element is None:
        return held is not element
    return any(held.get(part) != element.get(part) for part in ("Value", "InlineBinary"))


def _data_set(
    place: Place,
    header: Header,
    wanted: Mapping[int, Element | None],
    modification: Modification,
    named: Callable[[str], str] | None = None,
) -> list[Buffer]:
    texts = [modification.system, modification.source]
    texts += [text for element in wanted.values() if element is not None for text in texts_of(element)]
    becomes_utf8 = not all(fits(text, place.encodings) for text in texts)
    rewriting = Rewriting(has_text=becomes_utf8, named=named)
    encodings = UTF_8 if becomes_utf8 else place.encodings
    new: dict[int, bytes | None] = {}
    for tag, raw in place.elements.items() if becomes_utf8 or named else ():
        if tag not in wanted and tag != ORIGINAL_ATTRIBUTES and (written := anew(place, tag, raw, rewriting)):
            new[tag] = written
    if becomes_utf8:
        charset = {CHARSET: {"vr": "CS", "Value": [_UTF_8_TERM]}}
        new[CHARSET] = encoded(charset, explicit=place.is_explicit, encodings=UTF_8)
    for tag, element in wanted.items():
        if tag >> 16 & 1 and element is not None and creator_tag(tag) not in place.elements:
            raise Invalid(
                "no private creator has reserved the block of {attribute} in the object", attribute=name_of(tag)
            )
        one = None if element is None else {tag: element}
        new[tag] = encoded(one, explicit=place.is_explicit, encodings=encodings) if one else None
    item = _Item(place, becomes_utf8, replace(rewriting, named=None), modification)
    new[ORIGINAL_ATTRIBUTES] = item.appended(wanted)
    return spliced(place.data, header.elements, new)


@dataclass(slots=True)
class _Item:
    """The item of Original Attributes Sequence about one change."""

    place: Place
    becomes_utf8: bool
    rewriting: Rewriting
    modification: Modification
    odd: list[Unreadable] = field(default_factory=list)

    def appended(self, wanted: Mapping[int, Element | None]) -> bytes:
        """The sequence with this item after those that are there."""
        earlier = self._earlier()
        modified = self._sequence(_MODIFIED, [self._modified(wanted)])
        self.odd += self.rewriting.unreadable
        body = modified + self._nonconforming() + self._said()
        return self._sequence(ORIGINAL_ATTRIBUTES, [body], earlier)

    def _sequence(self, tag: int, items: list[bytes], before: bytes = b"") -> bytes:
        body = before + b"".join(TAG_LENGTH(0xFFFE, 0xE000, len(item)) + item for item in items)
        head = self._encoded({tag: {"vr": "SQ"}})
        return head[:-4] + len(body).to_bytes(4, "little") + body

    def _encoded(self, elements: Mapping[int, Element]) -> bytes:
        encodings = UTF_8 if self.becomes_utf8 else self.place.encodings
        return encoded(elements, explicit=self.place.is_explicit, encodings=encodings)

    def _earlier(self) -> bytes:
        """The items that are there already."""
        place, raw = self.place, self.place.elements.get(ORIGINAL_ATTRIBUTES)
        if raw is None:
            return b""
        if place.vr(ORIGINAL_ATTRIBUTES, raw) != "SQ":
            raise Invalid("what the object has as Original Attributes Sequence is no sequence")
        if self.becomes_utf8:
            parts = items_anew(place, ORIGINAL_ATTRIBUTES, raw, self.rewriting)
            return b"".join(part for _, part in parts)
        if raw.vr != "SQ":
            return b"".join(written_items(place.data, place, raw, explicit=place.is_explicit))
        value = place.value(raw)
        return value.removesuffix(_SEQUENCE_END) if is_undefined(place.data, raw) else value

    def _modified(self, wanted: Mapping[int, Element | None]) -> bytes:
        """The attributes as they were. What was not there has no length, and so has what cannot stand there."""
        place = self.place
        tags = set(wanted) | {creator for tag in wanted if (creator := creator_tag(tag)) is not None}
        if self.becomes_utf8:
            # It says what the bytes of the others are, and what the object's were.
            tags.add(CHARSET)
        former = b""
        for tag in sorted(tags):
            raw = place.elements.get(tag)
            if raw is not None and _conforms(place, tag, raw):
                former += span(place.data, tag, raw)
                continue
            if raw is not None:
                self.odd.append(Unreadable((), tag, place.value(raw)))
            former += self._encoded({tag: {"vr": self._vr(tag, raw, wanted)}})
        return former

    def _vr(self, tag: int, raw: Raw | None, wanted: Mapping[int, Element | None]) -> str:
        element = wanted.get(tag)
        if element is not None:
            return str(element["vr"])
        vr = self.place.vr(tag, raw) if raw is not None else "CS"  # only a character set is added without being named
        return vr if vr in KNOWN else "UN"

    def _nonconforming(self) -> bytes:
        items = [self._encoded(self._selected(one)) for one in self.odd]
        return self._sequence(_NONCONFORMING, items) if items else b""

    def _selected(self, one: Unreadable) -> dict[int, Element]:
        """Which attribute it is, and its bytes (PS3.3 table 10-20)."""
        found: dict[int, Element] = {
            _SELECTOR: {"vr": "AT", "Value": [f"{one.tag:08X}"]},
            _SELECTOR_NUMBER: {"vr": "US", "Value": [0 if b"\\" in one.value else 1]},
            _NONCONFORMING_VALUE: {"vr": "OB", "InlineBinary": _base64(one.value)},
        }
        if one.trail:
            found[_SELECTOR_POINTER] = {"vr": "AT", "Value": [f"{tag:08X}" for tag, _ in one.trail]}
            found[_SELECTOR_ITEMS] = {"vr": "IS", "Value": [number for _, number in one.trail]}
        creator = creator_tag(one.tag)
        if creator is not None and not one.trail and creator in self.place.elements:
            text = self.place.value(self.place.elements[creator]).decode("ascii", "replace").strip(" \0")
            found[_SELECTOR_CREATOR] = {"vr": "LO", "Value": [text]}
        return found

    def _said(self) -> bytes:
        one = self.modification
        at = one.at.astimezone(UTC).strftime("%Y%m%d%H%M%S.%f+0000")
        said: DataSet = {
            f"{_AT:08X}": {"vr": "DT", "Value": [at]},
            f"{_SYSTEM:08X}": {"vr": "LO", "Value": [one.system]},
            f"{_SOURCE:08X}": {"vr": "LO", "Value": [one.source]} if one.source else {"vr": "LO"},
            f"{_REASON:08X}": {"vr": "CS", "Value": [one.reason.value]},
        }
        if not one.system or not all(map(is_line, (one.system, one.source))):
            raise Invalid("who modifies an object, and whose values it had, are named in 64 characters")
        return self._encoded({int(tag, 16): element for tag, element in said.items()})


def _base64(value: bytes) -> str:
    return b64encode(value).decode("ascii")


def _conforms(place: Place, tag: int, raw: Raw) -> bool:
    """Whether a former value is one that its attribute can have, so that it can stand where values do."""
    vr = place.vr(tag, raw)
    if tag in PIXELS or vr == "SQ":
        return True
    held = element_json(place, tag, raw, INLINE, "")
    if held["vr"] != vr:
        return False
    if vr in ("IS", "DS"):
        return all(is_valid(vr, part.strip(" \0")) for part in place.value(raw).decode("latin-1").split("\\"))
    return all(is_valid(vr, text) for text in _plain(held) if isinstance(text, str))


def _plain(element: Element) -> list[object]:
    values = element.get("Value") or []
    return ["=".join(value.values()) if isinstance(value, dict) else value for value in values]


def _whole(data: Buffer, opened: Header | Converted, image: Buffer, header: Header, body: list[Buffer]) -> list[Buffer]:
    """The file again: head and data set in the coding that it had. What hides in a preamble does not come along."""
    is_named = TRANSFER_SYNTAX in header.meta and bytes(data[128:132]) == b"DICM"
    is_as_stored = isinstance(opened, Header) or opened.transfer_syntax in (DEFLATED_LE, EXPLICIT_BE)
    if is_named and is_as_stored:
        # Other places than before: a second table of contents, as TIFF has one, would be wrong.
        head = bytes(128) + bytes(data[128 : opened.dataset_offset])
    else:
        head = head_for(image, header, opened.transfer_syntax)
    return _coded(opened, head, body)


def _coded(opened: Header | Converted, head: bytes, body: list[Buffer]) -> list[Buffer]:
    if isinstance(opened, Header) or opened.transfer_syntax not in (DEFLATED_LE, EXPLICIT_BE):
        return [head, *body]
    turned = deflated if opened.transfer_syntax == DEFLATED_LE else big_endian
    return [head, turned(b"".join(body))]
