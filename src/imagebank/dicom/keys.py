"""Keys of queries over small data sets: whether one has what is asked for, and what of it is told (PS3.4 C.2.2.2)."""

import fnmatch
import re
from dataclasses import dataclass
from typing import Any, Final

from imagebank.model.imaging import DataSet, Element
from imagebank.model.person import fold

CHARSET: Final = "00080005"


@dataclass(frozen=True, slots=True)
class Rules:
    """What differs from plain matching: keys that the caller looks at, and those of which no value fits any."""

    apart: frozenset[str] = frozenset()
    of_any: frozenset[str] = frozenset()


PLAIN: Final = Rules()


def asked_of(keys: DataSet, key: str) -> str:
    """The text of a key; empty where it is not asked for."""
    return text_of(keys[key]).strip(" \0") if key in keys else ""


def plain(text: str) -> str:
    """A single value; empty for one with wildcards or for several."""
    return "" if set("*?\\") & set(text) else text


def is_within(asked: str, value: str) -> bool:
    """Whether a date or time is one that a key means; what is left out of a time means all of it."""
    if not asked or set(asked) <= {"*"}:
        return True
    first, dash, last = asked.partition("-")
    if not dash:
        return value.startswith(first) or (
            bool(value) and first.startswith(value) and not first[len(value) :].strip("0.")
        )
    return bool(value) and value >= first and (not last or value[: len(last)] <= last)


def match(keys: DataSet, held: DataSet, rules: Rules = PLAIN) -> bool:
    """Whether a data set has what the keys ask for; one that it does not know narrows nothing."""
    wanted = ((key, element) for key, element in keys.items() if key not in rules.apart)
    return all(_matches(key, element, held.get(key), rules) for key, element in wanted)


def _matches(key: str, asked: Element, held: Element | None, rules: Rules) -> bool:
    if asked["vr"] == "SQ":
        return _matches_items(asked, held or {}, rules)
    text = text_of(asked).strip(" \0")
    if not text or held is None or key == CHARSET:
        return True
    value = text_of(held)
    return (key in rules.of_any and not value) or _holds(text, held["vr"], value)


def _matches_items(asked: Element, held: Element, rules: Rules) -> bool:
    """Whether one item has what the item of a sequence key asks for (PS3.4 C.2.2.2.6)."""
    items = asked.get("Value") or []
    inner = items[0] if items and isinstance(items[0], dict) else {}
    found: list[Any] = held.get("Value") or []
    return not any(asked_of(inner, each) for each in inner) or any(match(inner, item, rules) for item in found)


def _holds(text: str, vr: str, value: str) -> bool:
    match vr:
        case "DA" | "TM" | "DT":
            return is_within(text, value)
        case "PN":
            return any(_like(fold(text).rstrip("^"), fold(group)) for group in value.split("="))
        case "UI" | "CS":
            return any(_like(each, value) for each in text.split("\\"))
        case _:
            return _like(text, value)


def _like(pattern: str, value: str) -> bool:
    """DICOM's wildcards (PS3.4 C.2.2.2.4); brackets are none."""
    escaped = pattern.replace("[", "[[]")
    return re.match(fnmatch.translate(escaped), value) is not None


def returned(asked: Element, held: Element | None) -> Element:
    """What is known of a key, narrowed to the attributes that a sequence key names."""
    if held is None or held["vr"] != "SQ":
        return held or {"vr": asked["vr"]}
    items = asked.get("Value") or []
    inner = items[0] if items and isinstance(items[0], dict) else {}
    found = held.get("Value") or []
    if not found:
        return held
    return {
        "vr": "SQ",
        "Value": [{key: returned(inner[key], item.get(key)) for key in inner} or dict(item) for item in found],
    }


def text_of(element: Element) -> str:
    """The values of an element as one DICOM text, with backslashes between them; empty for sequences."""
    return "\\".join(_one(value) for value in element.get("Value") or [])


def _one(value: Any) -> str:
    if value is None or (isinstance(value, dict) and not _is_name(value)):
        return ""
    if isinstance(value, dict):
        groups = (value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic"))
        return "=".join(groups).rstrip("=")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _is_name(value: dict[str, Any]) -> bool:
    return value.keys() <= {"Alphabetic", "Ideographic", "Phonetic"}


def text_element(vr: str, *values: str) -> Element:
    """An element with texts."""
    return {"vr": vr, "Value": list(values)} if any(values) else {"vr": vr}
