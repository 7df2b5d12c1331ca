"""The form in which values are compared, the counterpart of what `model.query` makes of a question."""

from collections.abc import Callable
from typing import Any

from imagebank.errors import Invalid
from imagebank.model.attribute import Attribute
from imagebank.model.imaging import Element
from imagebank.model.moment import moment_forms
from imagebank.model.person import PersonName, fold
from imagebank.model.query import comparable_date, comparable_decimal, comparable_time

_NUMBERS = frozenset(["IS", "US", "SS", "UL", "SL", "UV", "SV"])


def comparison(attribute: Attribute, element: Element) -> tuple[str, ...]:
    """The values of an element as they are matched, in their order; values that cannot be read are left out.

    A person name gives each of its groups that is there, so that it is found by any of its writings; a DT its time by
    the clock and in universal time.
    """
    return tuple(form for value in element.get("Value") or () for form in _forms(attribute, value))


def is_comparable(attribute: Attribute, element: Element) -> bool:
    """Whether every value that the element has can be matched."""
    values = [value for value in element.get("Value") or () if value is not None and str(value).strip(" \0")]
    return attribute.vr == "PN" or all(_forms(attribute, value) for value in values)


def _forms(attribute: Attribute, value: Any) -> tuple[str, ...]:
    if attribute.vr == "PN":
        return tuple(group for group in name_groups(value) if group)
    read = _READERS.get(attribute.vr, _folded if attribute.folded else _text)
    try:
        if attribute.vr == "DT":
            return moment_forms(_text(value))
        form = read(value)
    except (Invalid, ValueError, TypeError, OverflowError):
        return ()
    return (form,) if form else ()


def name_groups(value: Any) -> tuple[str, str, str]:
    """A person name of the DICOM JSON model, folded: alphabetic, ideographic, phonetic.

    Trailing empty components carry no meaning (PS3.5 6.2.1.1) and are dropped.
    """
    if isinstance(value, dict):
        name = PersonName(*(str(value.get(group) or "") for group in ("Alphabetic", "Ideographic", "Phonetic")))
    elif isinstance(value, str):
        name = PersonName.parse(value)
    else:
        return "", "", ""
    alphabetic, ideographic, phonetic = (fold(group).strip(" \0").rstrip("^= ") for group in name.groups())
    return alphabetic, ideographic, phonetic


def _text(value: Any) -> str:
    if isinstance(value, dict | list) or value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).replace("\0", "").strip(" ")


def _folded(value: Any) -> str:
    return fold(_text(value))


def _number(value: Any) -> str:
    return str(int(value.strip(" \0"))) if isinstance(value, str) else str(int(value))


def _date(value: Any) -> str:
    return comparable_date(_text(value))


def _time(value: Any) -> str:
    return comparable_time(_text(value))


_READERS: dict[str, Callable[[Any], str]] = {
    "DA": _date,
    "TM": _time,
    "SQ": lambda _: "",
    **dict.fromkeys(("DS", "FL", "FD"), comparable_decimal),
    **dict.fromkeys(_NUMBERS, _number),
}
