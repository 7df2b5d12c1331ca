"""Writing the table of contents of a medium: a DICOMDIR, whose records lead from patients to files (PS3.3 annex F)."""

import struct
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from imagebank.dicom.dicomjson import children, element_of
from imagebank.dicom.part10 import explicit_element, file_head, implementation_class_uid, implementation_version
from imagebank.dicom.record_keys import KEYS, OTHERWISE, TYPES, Key, Need
from imagebank.dicom.scan import EXPLICIT_LE, Buffer, Header
from imagebank.dicom.values import Place
from imagebank.model.imaging import Element

_CLASS: Final = "1.2.840.10008.1.3.10"
_UTF_8: Final = explicit_element(0x00080005, "CS", b"ISO_IR 192")
_ITEM: Final = struct.Struct("<HHL").pack
_OFFSET, _FLAG = struct.Struct("<L"), struct.Struct("<H")
_NUMBERS: Final = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
_LEVELS: Final = ("PATIENT", "STUDY", "SERIES")
_CONCEPT_MOD: Final = "HAS CONCEPT MOD"
# What a report is called that has no title (PS3.16, CID 7000).
_TITLE: Final = {
    "00080100": {"vr": "SH", "Value": ["121144"]},
    "00080102": {"vr": "SH", "Value": ["DCM"]},
    "00080104": {"vr": "LO", "Value": ["Document Title"]},
}


@dataclass(frozen=True, slots=True)
class Described:
    """What the records say that lead to an object: the type of the last, and the keys of all four, encoded."""

    kind: str
    keys: tuple[bytes, bytes, bytes, bytes]


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a medium: the parts of its path, what it holds, and the records that lead to it.

    `above` names its patient, its study and its series: files that agree share these records.
    """

    file: tuple[str, ...]
    sop_class: str
    sop_uid: str
    transfer_syntax: str
    above: tuple[str, str, str]
    described: Described


def describe(data: Buffer, header: Header, sop_class: str, otherwise: Mapping[str, str]) -> Described:
    """The keys of an object's records, from its header.

    What a record must have and the object lacks is taken from `otherwise`, by keyword, else from what is customary.
    """
    place = Place.top(data, header)
    kind = TYPES.get(sop_class, "IMAGE")
    levels = tuple(_keys(place, KEYS[level], otherwise) for level in (*_LEVELS, kind))
    return Described(kind, (levels[0], levels[1], levels[2], levels[3]))


def _keys(place: Place, keys: Sequence[Key], otherwise: Mapping[str, str]) -> bytes:
    found = {key.tag: element for key in keys if (element := _key(place, key, otherwise)) is not None}
    body = b"".join(_encoded(tag, element) for tag, element in sorted(found.items()))
    # Whatever the object was in, the JSON model is UTF-8; ASCII alone needs no name.
    return body if str(found).isascii() else _UTF_8 + body


def _key(place: Place, key: Key, otherwise: Mapping[str, str]) -> Element | None:
    """One key; None where the object has none and need not have."""
    element: Element = element_of(place, key.tag, key.vr) if key.tag in place.elements else {"vr": key.vr}
    if key.vr == "SQ":
        element = _modifiers(place, key.tag, element) if key.name == "ContentSequence" else element
    has_value = any(value not in (None, "", {}) for value in element.get("Value", ())) or "InlineBinary" in element
    if not has_value and key.need is Need.MAY:
        return None
    if not has_value and key.need is Need.MUST:
        value = _TITLE if key.vr == "SQ" else otherwise.get(key.name) or OTHERWISE.get(key.name, "UNKNOWN")
        element = {"vr": key.vr, "Value": [value]}
    return element


def _modifiers(place: Place, tag: int, element: Element) -> Element:
    """Of a report's content only what modifies its title (PS3.3 F.5.17)."""
    if tag not in place.elements or place.vr(tag, place.elements[tag]) != "SQ":
        return {"vr": "SQ"}
    kept = []
    for item, child in zip(element.get("Value", ()), children(place, tag), strict=False):
        said = element_of(child, 0x0040A010, "CS").get("Value", []) if 0x0040A010 in child.elements else []
        kept += [item] if said == [_CONCEPT_MOD] else []
    return {"vr": "SQ", "Value": kept}


def _encoded(tag: int, element: Element) -> bytes:
    vr, values = element["vr"], element.get("Value", [])
    if vr == "SQ":
        items = [
            b"".join(_encoded(int(inner, 16), one) for inner, one in sorted((item or {}).items())) for item in values
        ]
        return explicit_element(tag, "SQ", b"".join(_ITEM(0xFFFE, 0xE000, len(item)) + item for item in items))
    if "InlineBinary" in element:
        return explicit_element(tag, vr, b64decode(element["InlineBinary"]))
    if vr in _NUMBERS or vr == "AT":
        return explicit_element(tag, vr, _numbers(vr, values))
    texts = [_text(value) for value in values]
    if vr in ("DA", "TM"):
        # As ACR-NEMA 2.0 wrote them: 1997.04.24 and 14:04:38.
        texts = [text.replace(".", "") if vr == "DA" else text.replace(":", "") for text in texts]
    return explicit_element(tag, vr, "\\".join(texts).encode())


def _numbers(vr: str, values: Sequence[Any]) -> bytes:
    """Numbers packed; nothing for what is no number of this VR."""
    try:
        if vr == "AT":
            return b"".join(struct.pack("<HH", *divmod(int(value, 16), 1 << 16)) for value in values)
        numbers = [int(value) if vr[0] in "US" else float(value) for value in values]
        return struct.pack(f"<{len(numbers)}{_NUMBERS[vr]}", *numbers)
    except (TypeError, ValueError, struct.error):
        return b""


def _text(value: Any) -> str:
    if isinstance(value, dict):
        groups = [value.get(name, "") for name in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    return "" if value is None else str(value)


@dataclass(slots=True)
class _Record:
    """One record while the tree is made; `offset` is where its item begins in the file."""

    kind: str
    keys: bytes
    refers: bytes = b""
    below: "dict[str, _Record]" = field(default_factory=dict)
    offset: int = 0

    def encoded(self, following: int) -> bytes:
        lower = next((record.offset for record in self.below.values()), 0)
        body = (
            explicit_element(0x00041400, "UL", _OFFSET.pack(following))
            + explicit_element(0x00041410, "US", _FLAG.pack(0xFFFF))
            + explicit_element(0x00041420, "UL", _OFFSET.pack(lower))
            + explicit_element(0x00041430, "CS", self.kind.encode())
            + self.refers
            + self.keys
        )
        return _ITEM(0xFFFE, 0xE000, len(body)) + body


def write(entries: Sequence[Entry], uid: str, label: str) -> bytes:
    """The DICOMDIR of a medium with these files, in their order; `uid` names it, `label` is its file-set's."""
    roots: dict[str, _Record] = {}
    for entry in entries:
        _add(roots, entry)
    head = _head(uid, label)
    end = _place(roots.values(), len(head))
    offsets = [record.offset for record in roots.values()] or [0]
    body = b"".join(_written(list(roots.values())))
    assert len(head) + len(body) == end
    return _head(uid, label, offsets[0], offsets[-1], len(body)) + body


def _add(roots: dict[str, _Record], entry: Entry) -> None:
    level = roots
    for kind, name, keys in zip(_LEVELS, entry.above, entry.described.keys, strict=False):
        level = level.setdefault(name, _Record(kind, keys)).below
    level[entry.sop_uid] = _Record(entry.described.kind, entry.described.keys[3], _refers(entry))


def _refers(entry: Entry) -> bytes:
    return (
        explicit_element(0x00041500, "CS", "\\".join(entry.file).encode())
        + explicit_element(0x00041510, "UI", entry.sop_class.encode())
        + explicit_element(0x00041511, "UI", entry.sop_uid.encode())
        + explicit_element(0x00041512, "UI", entry.transfer_syntax.encode())
    )


def _place(records: Iterable[_Record], at: int) -> int:
    """Give every record its offset, each before those below it; where the last one ends."""
    for record in records:
        record.offset = at
        at = _place(record.below.values(), at + len(record.encoded(0)))
    return at


def _written(records: Sequence[_Record]) -> Iterable[bytes]:
    for record, following in pairwise([*records, None]):
        assert record is not None
        yield record.encoded(0 if following is None else following.offset)
        yield from _written(list(record.below.values()))


def _head(uid: str, label: str, first: int = 0, last: int = 0, length: int = 0) -> bytes:
    """All of the file before its first record."""
    meta = {
        0x00020001: ("OB", b"\0\1"),
        0x00020002: ("UI", _CLASS.encode()),
        0x00020003: ("UI", uid.encode()),
        0x00020010: ("UI", EXPLICIT_LE.encode()),
        0x00020012: ("UI", implementation_class_uid.encode()),
        0x00020013: ("SH", implementation_version.encode()),
    }
    return (
        file_head(meta)
        + explicit_element(0x00041130, "CS", label.encode())
        + explicit_element(0x00041200, "UL", _OFFSET.pack(first))
        + explicit_element(0x00041202, "UL", _OFFSET.pack(last))
        + explicit_element(0x00041212, "US", _FLAG.pack(0))
        + struct.pack("<HH2sHL", 0x0004, 0x1220, b"SQ", 0, length)
    )
