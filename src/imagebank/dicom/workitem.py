"""A workitem as a data set (PS3.3 B.26, Unified Procedure Step)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import groupby
from typing import Final

from imagebank.dicom.keys import text_element
from imagebank.model.imaging import DataSet, Element, Instance
from imagebank.model.task import Kind, Priority
from imagebank.model.workitem import Workitem

SOP_CLASS: Final = "1.2.840.10008.5.1.4.34.6.1"
"""Unified Procedure Step - Push SOP Class: that of every step, whichever service it comes by (PS3.4 CC.3.1.1)."""
STATE: Final = "00741000"
TRANSACTION: Final = "00081195"
_MOST_REFERENCES: Final = 2000
_WHO: Final = ("00100010", "00100020", "00100021", "00100030", "00100040")
_VRS: Final = {"00100010": "PN", "00100020": "LO", "00100021": "LO", "00100030": "DA", "00100040": "CS"}
_EMPTY: Final = {
    "00081084": "SQ", "00380010": "LO", "00380014": "SQ", "0040A370": "SQ", "00404025": "SQ", "00404026": "SQ",
    "00404027": "SQ", "00404034": "SQ", "00741002": "SQ", "00741210": "SQ", "00741216": "SQ",
}  # fmt: skip
# CID 9231; PS3.16.
_CODES: Final[Mapping[Kind, tuple[str, str]]] = {Kind.MEDIA: ("110013", "Media Import")}
_USUAL: Final = ("110002", "Quality Control")
_LABELS: Final[Mapping[Kind, str]] = {
    Kind.UNIDENTIFIED: "Say whose the study is",
    Kind.MEDIA: "Say whose the study of another hospital is",
    Kind.SAME_PIXELS: "Say whether two pictures are one",
}
_PRIORITIES: Final = {Priority.HIGH: "HIGH", Priority.NORMAL: "MEDIUM", Priority.LOW: "LOW"}
QUEUE: Final = "/api/v1/queue/"
"""Where the task of a step is decided."""


def described(one: Workitem, ae_title: str) -> DataSet:
    """The attributes of a step. Who works on it, by Transaction UID, is never told."""
    task = one.task
    value, meaning = _CODES.get(task.kind, _USUAL)
    code = {
        "00080100": text_element("SH", value),
        "00080102": text_element("SH", "DCM"),
        "00080104": text_element("LO", meaning),
    }
    found: DataSet = {key: {"vr": vr} for key, vr in _EMPTY.items()} | dict(one.claim.said)
    found |= {key: one.header.get(key) or {"vr": _VRS[key]} for key in _WHO}
    found |= {
        "00080016": text_element("UI", SOP_CLASS),
        "00080018": text_element("UI", one.claim.uid),
        "0020000D": text_element("UI", *task.studies[:1]),
        "00400400": text_element("LT", f"{task.note}; decided at {QUEUE}{task.id}".lstrip("; ")),
        "00404005": text_element("DT", _moment(task.opened_at)),
        "00404010": text_element("DT", _moment(max(task.opened_at, task.mark.at))),
        "00404018": _items([code]),
        "00404021": _items(_inputs(one.instances, ae_title)),
        "00404041": text_element("CS", "READY"),
        STATE: text_element("CS", one.status),
        "00741200": text_element("CS", _PRIORITIES[task.priority]),
        "00741202": text_element("LO", "Reconciliation"),
        "00741204": text_element("LO", _LABELS[task.kind]),
    }
    return dict(sorted(found.items()))


def _inputs(instances: Iterable[Instance], ae_title: str) -> Iterable[DataSet]:
    """The objects that a step is about, by series (PS3.3 table 10-3c)."""
    told = sorted(instances, key=lambda one: (one.study, one.series, one.uid))[:_MOST_REFERENCES]
    for (study, series), members in groupby(told, lambda one: (one.study, one.series)):
        references = [
            {"00081150": text_element("UI", one.sop_class), "00081155": text_element("UI", one.uid)} for one in members
        ]
        yield {
            "00081199": _items(references),
            "0020000D": text_element("UI", study),
            "0020000E": text_element("UI", series),
            "0040E020": text_element("CS", "DICOM"),
            "0040E021": _items([{"00080054": text_element("AE", ae_title)}]),
        }


def _items(items: Iterable[DataSet]) -> Element:
    found = list(items)
    return {"vr": "SQ", "Value": found} if found else {"vr": "SQ"}


def _moment(at: datetime) -> str:
    return f"{at:%Y%m%d%H%M%S}"
