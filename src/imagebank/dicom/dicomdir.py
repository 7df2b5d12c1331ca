"""The table of contents of a medium (PS3.3 annex F, PS3.10 8): which files it names, and whose they are said to be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from imagebank.dicom.dicomjson import element_of
from imagebank.dicom.read import Converted, open_header
from imagebank.dicom.scan import Buffer, Header
from imagebank.dicom.values import Place
from imagebank.dicom.walk import elements, items
from imagebank.errors import Invalid

MAX_BYTES: Final = 64 << 20
"""Hundreds of thousands of records; whatever is longer is no table of contents."""
_CLASS: Final = b"1.2.840.10008.1.3.10"
_MARK: Final = b"\x02\x00\x02\x00UI"
_ROOT, _RECORDS, _NEXT, _LOWER = 0x00041200, 0x00041220, 0x00041400, 0x00041420
_IN_USE, _TYPE, _FILE, _UID = 0x00041410, 0x00041430, 0x00041500, 0x00041511
_TOLD: Final[Mapping[str, tuple[tuple[int, str, str], ...]]] = {
    "PATIENT": ((0x00100020, "LO", "patient"), (0x00100021, "LO", "issuer")),
    "STUDY": ((0x0020000D, "UI", "study"),),
    "SERIES": ((0x0020000E, "UI", "series"),),
}
_DEPTHS: Final[Mapping[str, int]] = {"PATIENT": 0, "STUDY": 1, "SERIES": 2}


@dataclass(frozen=True, slots=True)
class Named:
    """One file that a table of contents names: the parts of its path, and what its records say; empty where unsaid."""

    file: tuple[str, ...]
    uid: str = ""
    series: str = ""
    study: str = ""
    patient: str = ""
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class _Record:
    kind: str
    next: int
    lower: int
    file: tuple[str, ...]
    said: Mapping[str, str]


def is_one(head: bytes) -> bool:
    """Whether a file that begins so is a DICOMDIR: its Media Storage SOP Class says so."""
    place = head.find(_MARK)
    return place >= 0 and head[place + len(_MARK) + 2 :].startswith(_CLASS)


def read(data: Buffer) -> list[Named]:
    """The files that a DICOMDIR names, in its order. Raises Invalid for one that cannot be read.

    Records are followed by their offsets (PS3.3 F.2.2); where these lead nowhere, as some writers have it, they are
    taken in the order in which they stand. Records that are not in use are passed over.
    """
    if len(data) > MAX_BYTES:
        raise Invalid("it is too long for the table of contents of a medium")
    opened = open_header(data)
    image, header = (opened.data, opened.header) if isinstance(opened, Converted) else (data, opened)
    shift = header.dataset_offset - opened.dataset_offset if isinstance(opened, Converted) else 0
    top = Place.top(image, header)
    records = dict(_records(top, header, shift))
    wanted = sum(bool(one.file) for one in records.values())
    found = list(_by_offsets(records, _number(top, _ROOT)))
    return found if len(found) == wanted else list(_as_they_stand(records))


def _records(top: Place, header: Header, shift: int) -> Iterator[tuple[int, _Record]]:
    """Every record in use, by the offset of its item in the file as it came."""
    raw = header.elements.get(_RECORDS)
    if raw is None:
        return
    for start, end, coded in items(top.data, raw, explicit=header.is_explicit):
        place = top.item(elements(top.data, start, end, explicit=coded)[0], is_explicit=coded)
        if _IN_USE in place.elements and not _number(place, _IN_USE):
            continue
        kind = _text(place, _TYPE, "CS")
        said = {name: text for tag, vr, name in _TOLD.get(kind, ()) if (text := _text(place, tag, vr))}
        if text := _text(place, _UID, "UI"):
            said["uid"] = text
        yield start - 8 - shift, _Record(kind, _number(place, _NEXT), _number(place, _LOWER), _file(place), said)


def _by_offsets(records: Mapping[int, _Record], first: int) -> Iterator[Named]:
    """Down before along. Every record is met once, however its offsets are tangled."""
    left = dict(records)
    todo: list[tuple[int, Mapping[str, str]]] = [(first, {})]
    while todo:
        offset, above = todo.pop()
        record = left.pop(offset, None)
        if record is None:
            continue
        around = {**above, **record.said}
        todo += [(record.next, above), (record.lower, around)]
        if record.file:
            yield Named(record.file, **around)


def _as_they_stand(records: Mapping[int, _Record]) -> Iterator[Named]:
    above: list[Mapping[str, str]] = [{}, {}, {}]
    for record in records.values():
        depth = _DEPTHS.get(record.kind)
        if depth is not None:
            above[depth:] = [record.said, {}, {}][: 3 - depth]
        if record.file:
            yield Named(record.file, **{**above[0], **above[1], **above[2], **record.said})


def _number(place: Place, tag: int) -> int:
    raw = place.elements.get(tag)
    return int.from_bytes(place.value(raw), "little") if raw is not None and raw.length <= 8 else 0


def _values(place: Place, tag: int, vr: str) -> list[Any]:
    return element_of(place, tag, vr).get("Value", []) if tag in place.elements else []


def _text(place: Place, tag: int, vr: str) -> str:
    return next((value.strip() for value in _values(place, tag, vr) if isinstance(value, str)), "")


def _file(place: Place) -> tuple[str, ...]:
    return tuple(value.strip() for value in _values(place, _FILE, "CS") if isinstance(value, str) and value.strip())
