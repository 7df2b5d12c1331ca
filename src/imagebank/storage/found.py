"""Rows of a query → attributes in the DICOM JSON model."""

from collections.abc import Iterable, Iterator
from itertools import compress
from operator import ne
from typing import Any, Final

import orjson

from imagebank.model.attribute import INSTANCE, PATIENT, SERIES, STUDY, Level
from imagebank.model.imaging import DataSet, Element, Found
from imagebank.storage.rows import PLAIN, instance_dataset, is_told, unpack_set
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
_SYNTAX: Final = "00083002"
_TOLD_BY: Final = ((_SYNTAX, "UI"), ("", ""), *PLAIN)
"""Key and VR of what each of an instance's columns says; of `rest`, which has many, none."""
_COLUMNS: Final = range(len(INSTANCE_RETURNED))


def found(rows: Iterable[tuple[Any, ...]], level: Level) -> Iterator[Found]:
    """Each match with the attributes of its level and of those above. Elements may be shared between matches."""
    study_id = series_id = None
    study: DataSet = {}
    above: DataSet = {}
    order = _Order()
    instances = _Instances(above, order)
    for row in rows:
        if row[0] != study_id:
            study_id, study, series_id = row[0], _study(row, level), None
            above = study
        if level >= Level.SERIES and row[_SERIES_AT] != series_id:
            series_id = row[_SERIES_AT]
            above = study | _series(row)
            instances = _Instances(above, order)
        yield Found(instances.told(row) if level is Level.INSTANCE else order.of(above))


class _Order:
    """Puts attributes into ascending order. Matches mostly have the same ones: then the order of the last serves again."""

    def __init__(self) -> None:
        self._last: dict[str, None] = {}

    def of(self, attributes: DataSet) -> DataSet:
        if attributes.keys() != self._last.keys():
            self._last = dict.fromkeys(sorted(attributes))
        return {key: attributes[key] for key in self._last}


class _Instances:
    """Tells the attributes of the instances of a series, one after another, with those `above`.

    What is as it was in the one before is taken from there: most is. So elements are shared, too; a thousand instances
    would otherwise set Python's garbage collector to work.
    """

    def __init__(self, above: DataSet, order: _Order) -> None:
        self._above = above
        self._order = order
        self._values: tuple[Any, ...] = ()
        self._told: DataSet = {}

    def told(self, row: tuple[Any, ...]) -> DataSet:
        """All attributes in their order, with what the columns do not say exactly."""
        self._told = self._from_columns(row[_INSTANCE_AT:])
        rest = row[_INSTANCE_AT + 1]
        if not rest:
            return self._told
        told = self._told | orjson.loads(rest) | {_SYNTAX: self._told[_SYNTAX]}
        return told if len(told) == len(self._told) else self._order.of(told)

    def _from_columns(self, values: tuple[Any, ...]) -> DataSet:
        before, self._values = self._values, values
        if not before:
            return self._anew()
        told = self._told.copy()
        for at in compress(_COLUMNS, map(ne, values, before)):
            key, vr = _TOLD_BY[at]
            if not key:
                continue  # `rest`
            if not is_told(values[at]) or not is_told(before[at]):
                return self._anew()
            told[key] = {"vr": vr, "Value": [values[at]]}
        return told

    def _anew(self) -> DataSet:
        syntax, _, *columns = self._values
        own = instance_dataset(columns, "") | {_SYNTAX: {"vr": "UI", "Value": [syntax]}}
        return self._order.of(self._above | _REQUIRED[3] | own)


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


def _whole(number: int) -> Element:
    return {"vr": "IS", "Value": [int(number)]}
