"""What the index keeps of one object, read from its header."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Final

from imagebank.dicom.dicomjson import children, element_of
from imagebank.dicom.frames import pixels_of
from imagebank.dicom.preamble import disguise
from imagebank.dicom.read import Converted, open_header
from imagebank.dicom.scan import Header, scan_ahead
from imagebank.dicom.sop_class import is_report
from imagebank.dicom.values import Place
from imagebank.dicom.vr import KNOWN, creator_tag, name_of
from imagebank.dicom.walk import Buffer, Raw
from imagebank.errors import Invalid, Unsupported
from imagebank.model.attribute import MAIN, Attribute, Catalogue, Level, Path
from imagebank.model.comparison import comparison, is_comparable
from imagebank.model.delay import DEPARTMENT, UNNAMED, type_words
from imagebank.model.imaging import DataSet, Description, Element
from imagebank.model.person import PatientId
from imagebank.model.uid import MAX_LENGTH, Uid

_MEDIA_STORAGE_DIRECTORY: Final = "1.2.840.10008.1.3.10"
_DATES: Final = (0x00080020, 0x00080030)
_TIMEZONE: Final = 0x00080201
_TITLE_CODE: Final = 0x0040A043
_NAMES: Final = (0x00080100, 0x00080104)
_OFFSET: Final = re.compile(r"[+-]\d{4}$", re.ASCII)
# As many as anybody would search for; the others are not lost: the object has them.
_MAX_VALUES: Final = 1000
_UIDS: Final = ((Level.STUDY, "0020000D"), (Level.SERIES, "0020000E"), (Level.INSTANCE, "00080018"))
CHECKED: Final = tuple((one, one.key) for one in MAIN if one.vr in ("DA", "TM", "IS") and not one.computed)


def describe(data: Buffer, *, size: int | None = None, catalogue: Catalogue, organization: str) -> Description:
    """Read the identifiers, the indexed attributes and the place of the pixel data.

    The data set's UIDs count: where the file's header (group 2) names another SOP instance, that is a warning, as
    every reader of the object sees the data set. The issuer of the patient's identifier is the one in the data set,
    else `organization`.

    Raises Invalid for what cannot be read or lacks a Study, Series or SOP Instance UID or SOP Class UID, Unsupported
    for a media directory, and More when a leading part does not reach.
    """
    return described(data, open_header(data, size=size), catalogue, organization)


def describe_ahead(data: Buffer, *, catalogue: Catalogue, organization: str) -> tuple[Description, int]:
    """The same of a leading part that reaches into the pixel data, and how long the file has to be for that to hold.

    It holds, too, only of a file that does not end as something else than DICOM (`preamble.ends_as`). Raises as
    `describe` does, and whatever reading beyond the end of `data` raises.
    """
    header = scan_ahead(data)
    return described(data, header, catalogue, organization, is_whole=False), header.size


def described(
    data: Buffer, opened: Header | Converted, catalogue: Catalogue, organization: str, *, is_whole: bool = True
) -> Description:
    image, header = (opened.data, opened.header) if isinstance(opened, Converted) else (data, opened)
    place = Place.top(image, header)
    warnings: dict[str, None] = dict.fromkeys(header.warnings)
    _refuse_directory(image, header)
    study, series, uid, sop_class = (uid_in(place, tag) for tag in (0x0020000D, 0x0020000E, 0x00080018, 0x00080016))
    levels = _levels(place, catalogue)
    pixels = pixels_of(image, header, warnings)
    if pixels and isinstance(opened, Converted):
        pixels = replace(pixels, offset=0, length=0, frame_table=b"", direct=False)
    declared = _declared(place, catalogue, warnings)
    check_head(image, header.meta, uid, sop_class, warnings)
    if hidden := disguise(data, opened.dataset_offset, is_whole=is_whole):
        warnings[hidden] = None
    _check(place, levels, warnings)
    return Description(
        study=study,
        series=series,
        uid=uid,
        sop_class=sop_class,
        transfer_syntax=opened.transfer_syntax,
        patient=_patient(levels, organization),
        levels=levels,
        declared=declared,
        dataset_offset=opened.dataset_offset,
        pixels=pixels,
        warnings=(*warnings, *place.warnings),
        catalogue_version=catalogue.version,
        types=_types(place, sop_class),
    )


def said(
    data: Buffer, header: Header, catalogue: Catalogue
) -> tuple[tuple[DataSet, DataSet, DataSet, DataSet], Mapping[Path, tuple[str, ...]]]:
    """The attributes of each level and the comparison forms of declared ones, from a header that was read."""
    place = Place.top(data, header)
    return _levels(place, catalogue), _declared(place, catalogue, {})


def uids_of(data: Buffer, *, size: int | None = None) -> tuple[Uid, Uid, Uid]:
    """Study, Series and SOP Instance UID. Raises Invalid, and More when a leading part does not reach."""
    opened = open_header(data, size=size)
    image, header = (opened.data, opened.header) if isinstance(opened, Converted) else (data, opened)
    place = Place.top(image, header)
    return uid_in(place, 0x0020000D), uid_in(place, 0x0020000E), uid_in(place, 0x00080018)


def _refuse_directory(data: Buffer, header: Header) -> None:
    raw = header.meta.get(0x00020002)
    kind = _plain(bytes(data[raw.offset : raw.offset + raw.length])) if raw else ""
    # PS3.3 F.3.2.2: only a directory has a Directory Record Sequence.
    if kind == _MEDIA_STORAGE_DIRECTORY or 0x00041220 in header.elements:
        raise Unsupported("this is a DICOMDIR, the table of contents of a medium; deposit the files that it lists")


def _plain(value: bytes) -> str:
    return value.decode("latin-1").strip(" \0")


def uid_in(place: Place, tag: int) -> Uid:
    """An identifier that nothing may guess. Raises Invalid."""
    raw = place.elements.get(tag)
    text = _plain(place.value(raw)) if raw and raw.length <= 256 else ""
    if not text:
        raise Invalid("the object has no {attribute}", attribute=name_of(tag))
    try:
        return Uid.parse(text)
    except Invalid as exc:
        raise Invalid("{attribute} is not a UID: {exc}", attribute=name_of(tag), exc=exc) from None


def _patient(levels: tuple[DataSet, ...], organization: str) -> PatientId:
    patient = levels[Level.PATIENT]
    issuer, identifier = (first_of(patient.get(key)) for key in ("00100021", "00100020"))
    return PatientId(issuer or organization, identifier)


def first_of(element: Element | None) -> str:
    values = (element or {}).get("Value") or [""]
    return "" if values[0] is None else str(values[0])


def _levels(place: Place, catalogue: Catalogue) -> tuple[DataSet, DataSet, DataSet, DataSet]:
    """The attributes of each level as far as the object has them; of sequences only what the catalogue names."""
    levels: tuple[DataSet, DataSet, DataSet, DataSet] = ({}, {}, {}, {})
    inner: dict[tuple[Level, int], list[Attribute]] = {}
    elements = place.elements
    for attribute in catalogue.held:
        tag: int | None = attribute.path[0]
        if len(attribute.path) > 1:
            # A private one within a sequence is matched and not given out: its block may be another's there.
            if not attribute.creator and tag in elements:
                inner.setdefault((attribute.level, attribute.path[0]), []).append(attribute)
            continue
        if attribute.creator:
            tag = _actual(place, attribute.path[0], attribute.creator)
        if tag in elements:
            levels[attribute.level][attribute.key] = element_of(place, tag, attribute.vr)
    for (level, tag), attributes in inner.items():
        levels[level][f"{tag:08X}"] = _narrowed(place, tag, [(a.path[1:], a.vr) for a in attributes])
    for level in {level for level, _ in inner}:
        ordered = sorted(levels[level].items())
        levels[level].clear()
        levels[level].update(ordered)
    return levels


def _types(place: Place, sop_class: Uid) -> tuple[str, ...]:
    """What kind of report a document is: the code of its title, the title, and its department; of an image nothing.

    Concept Name Code Sequence (PS3.3 C.17.3 and C.24.2), Document Title (C.24.2).
    """
    if not is_report(sop_class):
        return ()
    coded = islice(children(place, _TITLE_CODE), 1) if _TITLE_CODE in place.elements else ()
    codes = [_read(item, tag) for item in coded for tag in _NAMES]
    department = _read(place, 0x00081040)
    found = type_words([*codes, _read(place, 0x00420010), department and DEPARTMENT + department])
    return found or (UNNAMED,)


def _read(place: Place, tag: int) -> str:
    return first_of(element_of(place, tag, "LO")) if tag in place.elements else ""


def _narrowed(place: Place, tag: int, paths: list[tuple[Path, str]]) -> Element:
    """A sequence with nothing in its items but the attributes at `paths`."""
    values: list[DataSet] = []
    for item in islice(children(place, tag), _MAX_VALUES):
        found: DataSet = {}
        for path, vr in sorted(paths):
            if path[0] not in item.elements:
                continue
            key = f"{path[0]:08X}"
            if len(path) == 1:
                found[key] = element_of(item, path[0], vr)
            elif key not in found:
                found[key] = _narrowed(item, path[0], [(p[1:], v) for p, v in paths if p[0] == path[0] and len(p) > 1])
        values.append(found)
    return {"vr": "SQ", "Value": values} if values else {"vr": "SQ"}


def _declared(place: Place, catalogue: Catalogue, warnings: dict[str, None]) -> Mapping[Path, tuple[str, ...]]:
    found: dict[Path, tuple[str, ...]] = {}
    zone = _zone(place)
    for attribute in catalogue.declared:
        if attribute.computed:
            continue
        values: dict[str, None] = {}
        for held in _elements(place, attribute, attribute.path):
            element = _in_zone(held, zone) if zone and attribute.vr == "DT" else held
            values.update(dict.fromkeys(comparison(attribute, element)))
            if not is_comparable(attribute, element):
                warnings[f"{attribute.keyword} has a value that cannot be searched for"] = None
        if values:
            found[attribute.path] = tuple(values)[:_MAX_VALUES]
    return found


def _zone(place: Place) -> str:
    """TimezoneOffsetFromUTC, where the object has one."""
    raw = place.elements.get(_TIMEZONE)
    text = _plain(place.value(raw)) if raw and raw.length <= 16 else ""
    return text if _OFFSET.fullmatch(text) else ""


def _in_zone(element: Element, zone: str) -> Element:
    """A DT without an offset of its own is in the time zone of its object (PS3.3 C.12.1.1)."""
    values = [str(value or "").strip(" \0") for value in element.get("Value") or ()]
    return {"vr": "DT", "Value": [value if not value or _OFFSET.search(value) else value + zone for value in values]}


def _elements(place: Place, attribute: Attribute, path: Path) -> Iterable[Element]:
    """Every element at a path, in all items on the way."""
    tag = _actual(place, path[0], attribute.creator)
    if tag is None or tag not in place.elements:
        return
    if len(path) == 1:
        yield element_of(place, tag, attribute.vr)
        return
    for item in islice(children(place, tag), _MAX_VALUES):
        yield from _elements(item, attribute, path[1:])


def _actual(place: Place, tag: int, creator: str) -> int | None:
    """Where a private tag is in this object: the block is the one that its creator reserved (PS3.5 7.8.1)."""
    if not creator or creator_tag(tag) is None:
        return tag
    group = tag & 0xFFFF0000
    for block in range(0x10, 0x100):
        raw = place.elements.get(group | block)
        if raw is not None and _plain(place.value(raw)) == creator:
            return group | block << 8 | tag & 0xFF
    return None


def check_head(data: Buffer, meta: Mapping[int, Raw], uid: Uid, sop_class: Uid, warnings: dict[str, None]) -> None:
    """Say where the file's header contradicts the data set."""
    for tag, held in ((0x00020003, uid), (0x00020002, sop_class)):
        raw = meta.get(tag)
        told = _plain(bytes(data[raw.offset : raw.offset + raw.length])) if raw else ""
        if told and told != held:
            warnings[f"{name_of(tag)} in the file's header differs from the data set's, which counts"] = None


def _check(place: Place, levels: tuple[DataSet, ...], warnings: dict[str, None]) -> None:
    """Say what was tolerated in the data set."""
    if not first_of(levels[Level.PATIENT].get("00100020")):
        warnings["PatientID is missing; the object cannot be found by patient until somebody assigns it"] = None
    for tag in _DATES:
        if not first_of(levels[Level.STUDY].get(f"{tag:08X}")):
            warnings[f"{name_of(tag)} is missing"] = None
    if any(len(first_of(levels[level].get(key))) > MAX_LENGTH for level, key in _UIDS):
        warnings[f"a UID has more than {MAX_LENGTH} characters"] = None
    if 1 in {raw.length % 2 for raw in place.elements.values()}:
        warnings["some values have an odd length"] = None
    if any(len(vr) == 2 for vr in {raw.vr for raw in place.elements.values()} - KNOWN):
        warnings["some values have a VR that DICOM does not know"] = None
    for attribute, key in CHECKED:
        element = levels[attribute.level].get(key)
        if element and not is_comparable(attribute, element):
            warnings[f"{attribute.keyword} has a value that cannot be searched for"] = None
