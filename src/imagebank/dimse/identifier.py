"""C-FIND, C-MOVE and C-GET identifiers: what they ask for, and what answers them (PS3.4 C.4)."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from imagebank.dicom.keys import CHARSET, returned, text_element, text_of
from imagebank.dimse.contexts import PATIENT_ROOT
from imagebank.errors import Mismatch
from imagebank.model.attribute import Catalogue, Level, Path, is_private
from imagebank.model.imaging import DataSet, Element, Found
from imagebank.model.query import Condition, Query, condition
from imagebank.model.uid import Uid

QUERY_LEVEL: Final = "00080052"
RETRIEVE_AET: Final = "00080054"
AVAILABILITY: Final = "00080056"
TIME_ZONE: Final = "00080201"
PATIENT_ID: Final = "00100020"
ISSUER: Final = "00100021"
STUDY_UID: Final = "0020000D"
SERIES_UID: Final = "0020000E"
INSTANCE_UID: Final = "00080018"

LEVELS: Final[Mapping[str, Level]] = {
    "PATIENT": Level.PATIENT,
    "STUDY": Level.STUDY,
    "SERIES": Level.SERIES,
    "IMAGE": Level.INSTANCE,
}
UNIQUE_KEYS: Final = (PATIENT_ID, STUDY_UID, SERIES_UID, INSTANCE_UID)
"""The unique key of each level (PS3.4 C.6.1.1, C.6.2.1)."""

_KEYWORDS: Final = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")

# Not keys: they describe the identifier or its answer (PS3.4 C.4.1.1.3).
_NO_KEYS: Final = frozenset((CHARSET, QUERY_LEVEL, RETRIEVE_AET, AVAILABILITY, TIME_ZONE))

RELATIONAL, COMBINED, FUZZY = 0, 1, 2
SUPPORTED_FIND_OPTIONS: Final = (1, 1, 1, 0, 0)
"""Relational queries, combined date and time, fuzzy names; no time zone adjustment, no enhanced conversion."""

SUPPORTED_RETRIEVE_OPTIONS: Final = (1, 0)


class _Key(NamedTuple):
    """A key of an identifier: under which key its attribute is held, and what it is where nothing is known of it.

    `narrowing` is there for a sequence key that names attributes.
    """

    key: str
    held: str
    nothing: Element
    narrowing: Element | None


@dataclass(frozen=True, slots=True)
class Question:
    """A C-FIND identifier, understood. `is_supported` is false when it has keys that the bank does not know.

    Of its answers, all have `keys` and the elements in `same`, and of `further` keys what is held.
    """

    query: Query
    is_supported: bool
    keys: tuple[_Key, ...]
    further: tuple[str, ...]
    same: DataSet


def negotiated(asked: bytes, supported: tuple[int, ...]) -> bytes:
    """The answer to an extended negotiation item: what was asked for and is offered (PS3.4 C.5.1.1)."""
    return bytes(a == 1 and b for a, b in zip(asked, supported, strict=False))


def is_on(options: bytes, option: int) -> bool:
    return len(options) > option and options[option] == 1


def level_of(root: str, identifier: DataSet) -> Level:
    """The query/retrieve level. Raises Mismatch when there is none, or none of this information model."""
    text = text_of(identifier.get(QUERY_LEVEL, {"vr": "CS"})).strip()
    level = LEVELS.get(text)
    if level is None or (level is Level.PATIENT and root not in PATIENT_ROOT):
        raise Mismatch("QueryRetrieveLevel (0008,0052) is missing or not one of the model")
    return level


def question(catalogue: Catalogue, root: str, identifier: DataSet, options: bytes) -> Question:
    """Understand a C-FIND identifier. Raises Mismatch when a unique key is missing, Invalid for an impossible value."""
    level = level_of(root, identifier)
    if not is_on(options, RELATIONAL):
        _require_keys_above(root, level, identifier)
    fuzzy = is_on(options, FUZZY)
    conditions: list[Condition] = []
    is_supported = True
    creators = dict(_creators(identifier))
    held: dict[str, str] = {}
    for path, element in _keys(identifier):
        attribute = catalogue.find(path, creators)
        if attribute is None or attribute.level > level:
            is_supported = False
            continue
        if attribute.creator and len(path) == 1:
            held[f"{path[0]:08X}"] = attribute.key
        found = condition(attribute, _text(element), fuzzy=fuzzy)
        if found is not None:
            conditions.append(found)
            # Not all that came before has been read for it yet.
            is_supported = is_supported and not attribute.is_partial
    query = Query(level, tuple(conditions), combined=is_on(options, COMBINED))
    return Question(query, is_supported, *_answered(root, level, identifier, held))


def _answered(
    root: str, level: Level, identifier: DataSet, held: Mapping[str, str]
) -> tuple[tuple[_Key, ...], tuple[str, ...], DataSet]:
    """What the answers to an identifier have: see `Question`. `held` is under which keys private attributes are held."""
    asked = [key for key in identifier if key not in _NO_KEYS and not _is_creator(key)]
    top = Level.PATIENT if root in PATIENT_ROOT else Level.STUDY
    unique = [key for key in UNIQUE_KEYS[top : level + 1] if key not in asked]
    same = {key: wanted for key, wanted in identifier.items() if key == QUERY_LEVEL or _is_creator(key)}
    return (
        tuple(_key(key, held.get(key, key), identifier[key]) for key in asked),
        (*unique, *(key for key in (TIME_ZONE,) if key in identifier)),
        same | ({CHARSET: {"vr": "CS"}} if CHARSET in identifier else {}),
    )


def _key(key: str, held: str, wanted: Element) -> _Key:
    items = wanted.get("Value") or []
    is_narrowing = wanted["vr"] == "SQ" and bool(items) and isinstance(items[0], dict) and bool(items[0])
    return _Key(key, held, {"vr": wanted["vr"]}, wanted if is_narrowing else None)


def _is_creator(key: str) -> bool:
    """PS3.5 7.8.1: (gggg,0010-00FF) of an odd group names the creator of private elements."""
    return key[4:6] == "00" and key[6:] >= "10" and is_private(int(key, 16))


def _creators(identifier: DataSet) -> Iterator[tuple[int, str]]:
    """The creators that an identifier names for blocks of private tags, also within sequences."""
    for key, element in identifier.items():
        if _is_creator(key):
            yield int(key, 16), _text(element)
        for item in element.get("Value") or () if element["vr"] == "SQ" else ():
            yield from _creators(item)


def _text(element: Element) -> str:
    """The text of a key. Without explicit VR a private one comes as bytes."""
    inline = element.get("InlineBinary")
    return base64.b64decode(inline).decode("utf-8", "replace").strip(" \0") if inline else text_of(element)


def _keys(identifier: DataSet, above: Path = ()) -> Iterator[tuple[Path, Element]]:
    """Every key with its path; a sequence key asks by the attributes of its one item (PS3.4 C.2.2.2.6)."""
    for key, element in identifier.items():
        if (not above and key in _NO_KEYS) or _is_creator(key):
            continue
        path = (*above, int(key, 16))
        items = element.get("Value") or [] if element["vr"] == "SQ" else []
        if items and isinstance(items[0], dict) and items[0]:
            yield from _keys(items[0], path)
        elif element["vr"] != "SQ":
            yield path, element


def _require_keys_above(root: str, level: Level, identifier: DataSet) -> None:
    """A hierarchical query names one value for each level above (PS3.4 C.4.1.3.1)."""
    top = Level.PATIENT if root in PATIENT_ROOT else Level.STUDY
    for above in range(top, level):
        value = text_of(identifier.get(UNIQUE_KEYS[above], {"vr": "UI"})).strip(" \0")
        is_single = value and not any(c in value for c in ("\\", "*", "?") if above or c != "?")
        if not is_single:
            raise Mismatch(f"a query at this level needs one {_KEYWORDS[above]}; relational queries are negotiated")


def answer(asked: Question, found: Found, ae_title: str) -> DataSet:
    """One match: the keys that were asked for, empty where nothing is known, and those that every answer has.

    What answers have in common is the same element in all.
    """
    attributes = found.attributes
    dataset: DataSet = {}
    for key, held, nothing, narrowing in asked.keys:
        element = attributes.get(held, nothing)
        dataset[key] = element if narrowing is None else returned(narrowing, element)
    for key in asked.further:
        if key in attributes:
            dataset[key] = attributes[key]
    return dataset | asked.same | _at_hand(ae_title)


@cache
def _at_hand(ae_title: str) -> DataSet:
    """By whom each match can be retrieved, and that it is there at once."""
    return {RETRIEVE_AET: text_element("AE", ae_title), AVAILABILITY: text_element("CS", "ONLINE")}


@dataclass(frozen=True, slots=True)
class Target:
    """What a C-MOVE or C-GET identifier points at. Empty parts do not narrow."""

    level: Level
    patient_id: str = ""
    issuer: str = ""
    studies: tuple[Uid, ...] = ()
    series: tuple[Uid, ...] = ()
    instances: tuple[Uid, ...] = ()


def target(root: str, identifier: DataSet, options: bytes) -> Target:
    """Understand a C-MOVE or C-GET identifier. Raises Mismatch when a unique key is missing, Invalid for no UID."""
    level = level_of(root, identifier)
    if not is_on(options, RELATIONAL):
        _require_keys_above(root, level, identifier)
    own = text_of(identifier.get(UNIQUE_KEYS[level], {"vr": "UI"})).strip(" \0")
    if not own:
        raise Mismatch(f"a retrieval at this level needs {_KEYWORDS[level]}")
    patient_id, issuer = (
        text_of(identifier.get(key, {"vr": "LO"})).strip() if root in PATIENT_ROOT else ""
        for key in (PATIENT_ID, ISSUER)
    )
    uids = [_uids(identifier, key) if depth <= level else () for depth, key in enumerate(UNIQUE_KEYS)]
    return Target(level, patient_id, issuer, *uids[1:])


def _uids(identifier: DataSet, key: str) -> tuple[Uid, ...]:
    if key == PATIENT_ID:
        return ()
    text = text_of(identifier.get(key, {"vr": "UI"}))
    return tuple(Uid.parse(part) for part in text.split("\\") if part.strip(" \0"))
