"""Rows of a query → attributes in the DICOM JSON model."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson

from imagebank.model.attribute import INSTANCE, PATIENT, SERIES, STUDY, Level
from imagebank.model.imaging import DataSet, Element, Found
from imagebank.storage.rows import INSTANCE_NAMES, instance_dataset, unpack_set
from imagebank.storage.select import INSTANCE_RETURNED, SERIES_RETURNED, STUDY_RETURNED

# PS3.18 10.6.3.3: a required return attribute is there even when empty. An empty ModalitiesInStudy is left out,
# because viewers take it for a list.
_REQUIRED: Final[tuple[DataSet, ...]] = tuple(
    {a.key: {"vr": a.vr} for a in level if a.required and len(a.path) == 1 and a.keyword != "ModalitiesInStudy"}
    for level in (PATIENT, STUDY, SERIES, INSTANCE)
)
_PATIENT_KEYS: Final = frozenset(a.key for a in PATIENT)
_ONLINE: Final[DataSet] = {"00080056": {"vr": "CS", "Value": ["ONLINE"]}}
_SERIES_AT: Final = len(STUDY_RETURNED)
_INSTANCE_AT: Final = _SERIES_AT + len(SERIES_RETURNED)
_VALUES_AT: Final = _INSTANCE_AT + len(INSTANCE_RETURNED) - len(INSTANCE_NAMES)


def found(rows: Iterable[tuple[Any, ...]], level: Level) -> Iterator[Found]:
    """Each match with the attributes of its level and of those above. Elements may be shared between matches."""
    study_id = series_id = None
    study: DataSet = {}
    above: DataSet = {}
    order: dict[str, None] = {}
    known: dict[tuple[str, Any], Element] = {}
    for row in rows:
        if row[0] != study_id:
            study_id, study, series_id = row[0], _study(row, level), None
            above = study
        if level >= Level.SERIES and row[_SERIES_AT] != series_id:
            series_id = row[_SERIES_AT]
            above = study | _series(row)
        attributes = above | _instance(row, known) if level is Level.INSTANCE else above
        # The instances of a series mostly have the same attributes: then the order of the last one serves again.
        if attributes.keys() != order.keys():
            order = dict.fromkeys(sorted(attributes))
        yield Found({key: attributes[key] for key in order})


def _study(row: tuple[Any, ...], level: Level) -> DataSet:
    _, text, series_count, instance_count, modalities, classes = row[:_SERIES_AT]
    own: DataSet = orjson.loads(text)
    if level is Level.PATIENT:
        return _REQUIRED[0] | {key: element for key, element in own.items() if key in _PATIENT_KEYS}
    counted: DataSet = {"00201206": _whole(series_count), "00201208": _whole(instance_count)}
    if modalities:
        counted["00080061"] = {"vr": "CS", "Value": unpack_set(modalities)}
    if classes:
        counted["00080062"] = {"vr": "UI", "Value": unpack_set(classes)}
    return _REQUIRED[0] | _REQUIRED[1] | _ONLINE | own | counted


def _series(row: tuple[Any, ...]) -> DataSet:
    _, text, count = row[_SERIES_AT:_INSTANCE_AT]
    own: DataSet = orjson.loads(text)
    return _REQUIRED[2] | own | {"00201209": _whole(count)}


def _instance(row: tuple[Any, ...], known: dict[tuple[str, Any], Element]) -> DataSet:
    name = row[_INSTANCE_AT]
    syntax = known.setdefault(("00083002", name), {"vr": "UI", "Value": [name]})
    return _REQUIRED[3] | instance_dataset(row[_VALUES_AT:], row[_INSTANCE_AT + 1], known) | {"00083002": syntax}


def _whole(number: int) -> Element:
    return {"vr": "IS", "Value": [int(number)]}
