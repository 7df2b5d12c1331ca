"""A data set from the DICOM JSON model (PS3.18 annex F)."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.valuerep import format_number_as_ds

from imagebank.errors import Invalid

BulkReader = Callable[[str, str, str], Any]
"""The value of bulk data, by tag, VR and BulkDataURI."""

# PS3.5 6.2.
_MOST_DECIMAL: Final = 16
_DECIMAL: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,11}|\d{12}", re.ASCII)
_BINARY_NUMBERS: Final = frozenset(("AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"))


def data_set_of(elements: Mapping[str, Any], bulk: BulkReader) -> Dataset:
    """The data set that JSON objects by tag describe.

    Raises Invalid for a number that its VR cannot hold, and what pydicom raises for elements outside the model.
    """
    found, others = Dataset(), {}
    for tag, element in elements.items():
        vr, values = element["vr"], element.get("Value")
        if vr == "SQ" and values is not None:
            found.add_new(int(tag, 16), vr, [data_set_of(item or {}, bulk) for item in values])
        elif vr in ("DS", "IS") and values is not None:
            found.add_new(int(tag, 16), vr, _numerals(tag, vr, values))
        elif vr in _BINARY_NUMBERS and isinstance(values, list) and len(values) > 1 and None in values:
            raise Invalid(
                "{attribute} has an empty place among its values, which {vr} cannot have", attribute=_named(tag), vr=vr
            )
        else:
            others[tag] = element
    found.update(Dataset.from_json(others, bulk))
    return found


def _named(tag: str) -> str:
    number = int(tag, 16)
    return f"({number >> 16:04X},{number & 0xFFFF:04X})"


def _numerals(tag: str, vr: str, values: Any) -> list[str]:
    """Numbers as a file holds them; null is an empty value (PS3.18 F.2.5)."""
    if not isinstance(values, list):
        raise Invalid("the Value of {attribute} is no array", attribute=_named(tag))
    write, kind = (_decimal, "decimal numbers") if vr == "DS" else (_integer, "whole numbers of 12 characters")
    written = [write(value) for value in values]
    if None in written:
        raise Invalid("{attribute} holds something else than {kind}", attribute=_named(tag), kind=kind)
    return [text or "" for text in written]


def _decimal(value: Any) -> str | None:
    text = _text(value)
    if not text:
        return text
    if not _DECIMAL.fullmatch(text) or not math.isfinite(float(text)):
        return None
    return text if len(text) <= _MOST_DECIMAL else format_number_as_ds(float(text))


def _integer(value: Any) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = _text(value)
    return text if not text or _INTEGER.fullmatch(text) else None


def _text(value: Any) -> str | None:
    """A JSON number or string as text, null as an empty one; None for anything else."""
    if value is None:
        return ""
    is_scalar = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    return str(value).strip() if is_scalar else None
