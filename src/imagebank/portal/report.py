"""A structured report as text: what its content tree says, item by item (PS3.3 C.17.3)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from imagebank.model.imaging import DataSet
from imagebank.portal import wording

_DEEPEST = 40
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Item:
    """One content item: its concept name (may be missing), its value in words, and what it contains."""

    label: str
    text: str
    items: tuple["Item", ...] = ()


def read(attributes: DataSet) -> Item:
    """The document as one tree. Items that are too deep or too many are replaced by a sentence that says so."""
    return _item(attributes, 0, [_MOST])


def _item(content: DataSet, depth: int, left: list[int]) -> Item:
    label, text = _code(content, "0040A043"), _value(content)
    contained = wording.items(content, "0040A730")
    if depth >= _DEEPEST and contained:
        return Item(label, text, (Item("", "The report goes on deeper than this page shows. Open the original."),))
    children = []
    for child in contained:
        if left[0] <= 0:
            children.append(Item("", "The report is longer than this page shows. Open the original."))
            break
        left[0] -= 1
        children.append(_item(child, depth + 1, left))
    return Item(label, text, tuple(children))


def _value(content: DataSet) -> str:
    read = _READERS.get(wording.text(content, "0040A040"))
    return read(content) if read else ""


def _moment(content: DataSet) -> str:
    moment = wording.text(content, "0040A120")
    return f"{wording.day(moment[:8])} {wording.clock(moment[8:])}".strip()


def _references(content: DataSet) -> str:
    return ", ".join(wording.text(item, "00081155") for item in wording.items(content, "00081199"))


def _shape(content: DataSet) -> str:
    return f"{wording.text(content, '00700023') or wording.text(content, '0040A130')} (drawn on the image)".strip()


def _measured(content: DataSet) -> str:
    for measured in wording.items(content, "0040A300"):
        # UCUM writes units that are only words in braces; 1 is no unit.
        unit = _code(measured, "004008EA", short=True).strip("{}")
        value = wording.text(measured, "0040A30A").removesuffix(".0")
        return f"{value} {'' if unit == '1' else unit}".strip()
    return _code(content, "0040A301") or "not measured"


def _code(content: DataSet, tag: str, *, short: bool = False) -> str:
    """The meaning of a coded entry, or its value for a unit."""
    for code in wording.items(content, tag):
        meaning, value = wording.text(code, "00080104"), wording.text(code, "00080100")
        return (value or meaning) if short else (meaning or value)
    return ""


_READERS: Mapping[str, Callable[[DataSet], str]] = {
    "TEXT": lambda content: wording.text(content, "0040A160"),
    "CODE": lambda content: _code(content, "0040A168"),
    "NUM": _measured,
    "PNAME": lambda content: wording.name(content, "0040A123").text,
    "DATE": lambda content: wording.day(wording.text(content, "0040A121")),
    "TIME": lambda content: wording.clock(wording.text(content, "0040A122")),
    "DATETIME": _moment,
    "UIDREF": lambda content: wording.text(content, "0040A124"),
    "IMAGE": _references,
    "COMPOSITE": _references,
    "WAVEFORM": _references,
    "SCOORD": _shape,
    "SCOORD3D": _shape,
    "TCOORD": _shape,
}
"""How each value type reads (PS3.3 Table C.17.3-7)."""
