"""What a radiation dose report says (PS3.16 TID 10001, 10011 and 10021), read from its header in the DICOM JSON model.

Totals alone are read, not each event; pictures of dose sheets are not read at all.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

from imagebank.model.dose import Basis, Quantity, Reading
from imagebank.model.imaging import DataSet

# Document titles: X-Ray Radiation Dose Report, Radiopharmaceutical Radiation Dose Report (PS3.16 CID 7000 and TIDs above).
TITLES: Final = frozenset({"113701", "113500"})
_ACCUMULATED_CT: Final = "113811"
_ACQUISITION_CT: Final = "113819"
_ACCUMULATED_XRAY: Final = "113702"
_EVENT: Final = "113769"
_SIDES: Final = {"T-04020": "R", "T-04030": "L", "T-04080": "B", "73056007": "R", "80248007": "L", "63762007": "B"}
_AGENTS: Final = frozenset({"349358000", "F-61FDB"})
_NUCLIDES: Final = frozenset({"89457008", "C-10072"})
_DEEPEST: Final = 12
_MOST: Final = 1e12
"""Bq of a therapy are the largest numbers that anybody measures."""
_MOST_EVENTS: Final = 5_000
_QUANTITIES: Final[Mapping[str, Quantity]] = {
    "113813": Quantity.DLP,
    "113722": Quantity.DAP,
    "113725": Quantity.KERMA,
    "111637": Quantity.GLANDULAR,
    "113507": Quantity.ACTIVITY,
    "113839": Quantity.EFFECTIVE,
}
# From the unit of a report (UCUM, PS3.16 CID 7181 and others) to that of the quantity.
_SCALES: Final[Mapping[Quantity, Mapping[str, float]]] = {
    Quantity.DLP: {"mGy.cm": 1, "mGycm": 1, "Gy.cm": 1e3, "mGy.m": 100},
    Quantity.CTDI: {"mGy": 1, "Gy": 1e3},
    Quantity.DAP: {"Gy.m2": 1e4, "Gym2": 1e4, "Gy.cm2": 1, "dGy.cm2": 0.1, "cGy.cm2": 0.01, "mGy.cm2": 1e-3},
    Quantity.KERMA: {"Gy": 1e3, "mGy": 1},
    Quantity.GLANDULAR: {"mGy": 1, "dGy": 100, "Gy": 1e3},
    Quantity.ACTIVITY: {"MBq": 1, "kBq": 1e-3, "Bq": 1e-6, "GBq": 1e3, "mCi": 37},
    Quantity.EFFECTIVE: {"mSv": 1, "Sv": 1e3, "uSv": 1e-3},
}


def number(value: object) -> float | None:
    """A number that a dose can be: not below zero, and not without measure; None for all else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if 0 <= found <= _MOST else None


def items(dataset: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The items of a sequence."""
    return [one for one in dataset.get(key, {}).get("Value") or () if isinstance(one, dict)]


def first(dataset: Mapping[str, Any], key: str) -> Any:
    """The first value of an attribute; None without one."""
    return next(iter(dataset.get(key, {}).get("Value") or ()), None)


def text(dataset: Mapping[str, Any], key: str) -> str:
    value = first(dataset, key)
    return "" if value is None else str(value).strip()


def code(dataset: Mapping[str, Any], key: str) -> tuple[str, str]:
    """Value and meaning of the code in a sequence; empty without one."""
    return next(((text(one, "00080100"), text(one, "00080104")) for one in items(dataset, key)), ("", ""))


def is_report(dataset: DataSet) -> bool:
    """Whether an object is a dose report, by its title."""
    return code(dataset, "0040A043")[0] in TITLES


def readings(dataset: DataSet) -> list[Reading]:
    """What a report says in all; planes of one device are added up, and so are both views of a breast."""
    events = tuple(dict.fromkeys(_events(dataset, 0)))[:_MOST_EVENTS]
    where = (text(dataset, "0020000E"), text(dataset, "00080018"))
    found: dict[tuple[Quantity, str, str], float] = {}
    for quantity, value, of, nuclide in _quantities(dataset):
        key = (quantity, of, nuclide)
        before = found.get(key, 0.0)
        found[key] = max(before, value) if quantity is Quantity.CTDI else before + value
    return [
        Reading(quantity, value, Basis.REPORT, *where, of, nuclide, events)
        for (quantity, of, nuclide), value in found.items()
    ]


def _quantities(dataset: DataSet) -> Iterator[tuple[Quantity, float, str, str]]:
    tracer = _tracer(dataset)
    for node, path in _walk(dataset, (), 0):
        concept = code(node, "0040A043")[0]
        quantity = _QUANTITIES.get(concept)
        if concept == "113830" and _ACQUISITION_CT in path:
            quantity = Quantity.CTDI
        if quantity is None or (quantity is Quantity.DLP and _ACCUMULATED_CT not in path):
            continue
        if quantity in (Quantity.DAP, Quantity.KERMA) and _ACCUMULATED_XRAY not in path:
            continue
        value = _value(node, quantity)
        if value is None:
            continue
        agent, nuclide = tracer if quantity is Quantity.ACTIVITY else ("", "")
        side = _side(node) if quantity is Quantity.GLANDULAR else ""
        yield quantity, value, agent or side, nuclide


def _value(node: Mapping[str, Any], quantity: Quantity) -> float | None:
    measured = next(iter(items(node, "0040A300")), {})
    value = number(first(measured, "0040A30A"))
    scale = _SCALES[quantity].get(code(measured, "004008EA")[0].replace("*", "."))
    return None if value is None or scale is None else value * scale


def _walk(
    node: Mapping[str, Any], path: tuple[str, ...], depth: int
) -> Iterator[tuple[Mapping[str, Any], tuple[str, ...]]]:
    """Every content item below another one, with the concepts that it stands under."""
    own = (*path, code(node, "0040A043")[0])
    for one in items(node, "0040A730"):
        yield one, own
        if depth < _DEEPEST:
            yield from _walk(one, own, depth + 1)


def _events(node: Mapping[str, Any], depth: int) -> Iterator[str]:
    for one, _ in _walk(node, (), depth):
        if code(one, "0040A043")[0] == _EVENT and (uid := text(one, "0040A124")):
            yield uid


def _side(node: Mapping[str, Any]) -> str:
    """Of which breast: a modifier of the number (TID 10005), by SNOMED's codes or by words."""
    for one in items(node, "0040A730"):
        value, meaning = code(one, "0040A168")
        if value in _SIDES:
            return _SIDES[value]
        words = meaning.lower()
        if "breast" in words:
            return "R" if "right" in words else "L" if "left" in words else "B"
    return ""


def _tracer(dataset: DataSet) -> tuple[str, str]:
    """Agent and nuclide of a radiopharmaceutical report (TID 10022)."""
    agent = nuclide = ""
    for one, _ in _walk(dataset, (), 0):
        concept, (_, meaning) = code(one, "0040A043")[0], code(one, "0040A168")
        agent = agent or (meaning if concept in _AGENTS else "")
        nuclide = nuclide or (nuclide_of(meaning) if concept in _NUCLIDES else "")
    return agent, nuclide or nuclide_of(agent)


_ELEMENTS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("f", "fluorine", "fluor", "fluoride"), "F"),
    **dict.fromkeys(("tc", "technetium"), "Tc"),
    **dict.fromkeys(("i", "iodine", "jod", "iodide"), "I"),
    **dict.fromkeys(("ga", "gallium"), "Ga"),
    **dict.fromkeys(("tl", "thallium"), "Tl"),
    **dict.fromkeys(("in", "indium"), "In"),
    **dict.fromkeys(("rb", "rubidium"), "Rb"),
    **dict.fromkeys(("c", "carbon"), "C"),
    **dict.fromkeys(("n", "nitrogen"), "N"),
    **dict.fromkeys(("o", "oxygen"), "O"),
    **dict.fromkeys(("xe", "xenon"), "Xe"),
    **dict.fromkeys(("kr", "krypton"), "Kr"),
}
_MASSES: Final = frozenset({"11", "13", "15", "18", "67", "68", "81m", "82", "99m", "111", "123", "131", "133", "201"})


def nuclide_of(words: str) -> str:
    """A nuclide as it is written here ("Tc-99m") from words such as `^99m^Technetium` or `F18 FDG`; empty for none."""
    for one, after in pairwise([*_split(words), ""]):
        for element, mass in ((one, after), (after, one)):
            if element in _ELEMENTS and mass in _MASSES:
                return f"{_ELEMENTS[element]}-{mass}"
    return ""


def _split(words: str) -> list[str]:
    """Words and numbers apart; the m of a metastable nuclide stays with its mass."""
    found: list[str] = []
    kept = ""
    for sign in words.lower() + " ":
        is_mass = sign == "m" and kept in {"99", "81"}
        if kept and not is_mass and (not sign.isalnum() or sign.isdigit() != kept[-1].isdigit()):
            found.append(kept)
            kept = ""
        if sign.isalnum():
            kept += sign
    return found
