"""Reading a header in the form of DICOM JSON (PS3.18 annex F): texts, numbers, items, and what all frames have in common."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

_GROUPS: Final = ("52009229", "52009230")
"""Functional groups that all frames share, and those of each (PS3.3 C.7.6.16)."""


def items(dataset: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    """The items of a sequence; none where it is not there."""
    found: Sequence[Mapping[str, Any]] = dataset.get(key, {}).get("Value", ())
    return found


def texts(dataset: Mapping[str, Any], key: str) -> list[str]:
    """The values that are texts or numbers, as texts."""
    return [
        str(value).strip() for value in dataset.get(key, {}).get("Value", ()) if isinstance(value, str | int | float)
    ]


def text(dataset: Mapping[str, Any], key: str) -> str:
    """The first value; empty where there is none."""
    return next(iter(texts(dataset, key)), "")


def number(said: str) -> float | None:
    """The number that a text writes down, if it is one."""
    try:
        found = float(said)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def numbers(dataset: Mapping[str, Any], key: str, many: int) -> list[float]:
    """So many numbers, or none."""
    found = [value for said in texts(dataset, key) if (value := number(said)) is not None]
    return found if len(found) == many else []


def whole(said: str) -> int:
    """The whole number of a text; 0 where it writes none."""
    return int(found) if (found := number(said)) is not None else 0


def places_of(header: Mapping[str, Any], group: str) -> list[Mapping[str, Any]]:
    """Where a value may stand: in the header itself, or in a functional group of all or of the first frame."""
    groups = [one for kind in _GROUPS for one in items(header, kind)[:1]]
    return [header, *(item for one in groups for item in items(one, group)[:1])]


def grouped(header: Mapping[str, Any], group: str, key: str, many: int) -> list[float]:
    """So many numbers of the image itself, or of the functional groups of all or of its first frame."""
    return next((found for place in places_of(header, group) if (found := numbers(place, key, many))), [])
