"""Rows of a query as attributes."""

from typing import Any

import orjson
import pytest

from imagebank.model.attribute import Level
from imagebank.storage.found import found
from imagebank.storage.rows import dumps
from imagebank.storage.select import INSTANCE_RETURNED
from imagebank.storage.tables import LAST

STUDY = (1, dumps({"0020000D": {"vr": "UI", "Value": ["1.2"]}}), 2, 6, "\\CT\\", "")
OTHER = (2, dumps({"0020000D": {"vr": "UI", "Value": ["1.3"]}}), 1, 1, "", "\\1.5\\")
SERIES = (1, dumps({"0020000E": {"vr": "UI", "Value": ["1.2.1"]}, "0008103E": {"vr": "LO", "Value": ["Scout"]}}), 6)
FURTHER = (2, dumps({"0020000E": {"vr": "UI", "Value": ["1.2.2"]}}), 1)
NAMES = [column.name for column in INSTANCE_RETURNED]
PLAIN = {
    "transfer_syntax": "1.2.840.10008.1.2.1",
    "sop_class_uid": "1.5",
    "content_time": "101500.000000",
    "instance_number": 1,
    "rows": 512,
}
TIME = dumps({"00080033": {"vr": "TM", "Value": ["1015"]}})
FOREIGN = dumps({"00083002": {"vr": "UI", "Value": ["1.9"]}, "00091001": {"vr": "LO", "Value": ["X1"]}})


def instance(uid: str, **columns: object) -> tuple[Any, ...]:
    told: dict[str, object] = dict.fromkeys(NAMES, "")
    told |= {"instance_number": LAST, "number_of_frames": None, "rows": None, "columns": None, "bits_allocated": None}
    told |= {"sop_instance_uid": uid, **columns}
    return tuple(told[name] for name in NAMES)


ROWS = [
    STUDY + SERIES + instance("1.2.1.1", **PLAIN),
    STUDY + SERIES + instance("1.2.1.2", **PLAIN | {"instance_number": 2, "content_time": "101501.000000"}),
    STUDY + SERIES + instance("1.2.1.3", **PLAIN | {"rest": TIME}),
    STUDY + SERIES + instance("1.2.1.4", **PLAIN | {"rest": FOREIGN}),
    STUDY + SERIES + instance("1.2.1.5", **PLAIN | {"instance_number": LAST, "rows": None}),
    STUDY + SERIES + instance("1.2.1.6", **PLAIN | {"number_of_frames": 3, "transfer_syntax": "1.2.840.10008.1.2"}),
    STUDY + FURTHER + instance("1.2.2.1", **PLAIN | {"sop_class_uid": "1.6"}),
    (*OTHER, 3, *SERIES[1:], *instance("1.3.1.1", **PLAIN)),
]


@pytest.mark.parametrize("level", Level)
def test_each_match_is_told_as_if_it_were_the_only_one(level: Level) -> None:
    rows = [row[: (6, 6, 9, len(row))[level]] for row in ROWS]

    told = [one.attributes for one in found(rows, level)]
    assert told == [next(found([row], level)).attributes for row in rows]
    assert [[*one] for one in told] == [sorted(one) for one in told]


def test_what_the_columns_do_not_say_exactly_stands_instead_of_them() -> None:
    plain, timed, foreign = (next(found([ROWS[at]], Level.INSTANCE)).attributes for at in (0, 2, 3))

    assert timed == plain | orjson.loads(TIME) | {"00080018": {"vr": "UI", "Value": ["1.2.1.3"]}}
    assert foreign["00091001"]["Value"] == ["X1"]
    assert foreign["00083002"]["Value"] == ["1.2.840.10008.1.2.1"]
