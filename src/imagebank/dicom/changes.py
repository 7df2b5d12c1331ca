"""New values for attributes of a kept object: which may be changed, whether they are of the standard, and their bytes."""

import re
import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydicom import config
from pydicom.datadict import keyword_for_tag, tag_for_keyword
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.valuerep import validate_value

from imagebank.dicom.json_model import data_set_of
from imagebank.dicom.values import BINARY
from imagebank.dicom.vr import KNOWN, STANDARD, name_of, standard_vr
from imagebank.errors import Invalid
from imagebank.model.correction import Changes
from imagebank.model.imaging import DataSet, Element

CHARSET: Final = 0x00080005
ORIGINAL_ATTRIBUTES: Final = 0x04000561
PATIENT_ID: Final = 0x00100020
ISSUER: Final = 0x00100021
ISSUER_QUALIFIERS: Final = 0x00100024
UTF_8: Final = ("utf-8",)

_CHECKED: Final = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
)
_UNSPLIT: Final = frozenset(("LT", "ST", "UR", "UT"))
_CUSTOM: Final = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
_CHOICES: Final = {"US or SS": ("US", "SS"), "OB or OW": ("OB", "OW"), "US or OW": ("US", "OW")}
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
# As refusals, so that a page can say each in its language within another.
_FORMS: Final = {
    "PN": Invalid("a name has 64 letters at the most in each of its writings"),
    "CS": Invalid("a code has 16 capital letters, digits, blanks and underscores at the most"),
    "DA": Invalid("a day is written as YYYYMMDD"),
    "TM": Invalid("a time is written as HHMMSS"),
    "LO": Invalid("a text here has one line of 64 letters at the most"),
    "SH": Invalid("a text here has one line of 16 letters at the most"),
    "IS": Invalid("a whole number has 12 digits at the most"),
    "DS": Invalid("a number has 16 digits at the most"),
}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_BEYOND_LINES: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_WINDOWS: Final = frozenset((0x00281050, 0x00281051, 0x00281055, 0x00281056))
# Character sets that put one text into one encoding, so that any part of it can be written anew by itself.
_PLAIN: Final = re.compile(r"latin-1|iso8859_\d+|utf-8|gb18030|gbk")
_MOST_BYTES: Final = 1 << 20
_ODD: Final = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    OSError,
    struct.error,
    NotImplementedError,
)


def parsed(changes: Changes) -> dict[int, Element | None]:
    """New values by tag, checked. Raises Invalid for an attribute that cannot be changed, or a value that is none."""
    found: dict[int, Element | None] = {}
    for name, element in changes.items():
        tag = tag_of(name)
        _require_changeable(tag)
        if tag in found:
            raise Invalid("{attribute} is named twice", attribute=name_of(tag))
        found[tag] = None if element is None else _checked(tag, element)
    return found


def tag_of(name: str) -> int:
    """The tag that a keyword or eight hex digits name. Raises Invalid."""
    tag = int(name, 16) if _TAG.fullmatch(name) else tag_for_keyword(name)
    if tag is None:
        raise Invalid("the standard knows no attribute {name!r}", name=name[:64])
    return tag


def _require_changeable(tag: int) -> None:
    """Raises Invalid for what says which object it is, how its pixels are read, or how the file is written."""
    group, element = tag >> 16, tag & 0xFFFF
    is_coding = group < 8 or group >= 0xFFFA or not element or tag in (CHARSET, 0x00080001)
    is_pixels = (group == 0x0028 and tag not in _WINDOWS) or group in (0x7FE0, 0x0042, 0x4FFE)
    is_content = is_pixels or group in (0x5400, 0x0022, 0x0066) or tag in (0x00089007, 0x00080008)
    is_private_creator = group % 2 and element < 0x1000
    if is_coding or is_content or is_private_creator or tag == ORIGINAL_ATTRIBUTES or standard_vr(tag) == "UI":
        raise Invalid(
            "{attribute} cannot be changed: it says which object this is, or how its content is read",
            attribute=name_of(tag),
        )


def _checked(tag: int, element: Element) -> Element:
    """A value as the JSON model has it, in the VR of its attribute. Raises Invalid."""
    if not isinstance(element, dict):
        raise Invalid(
            "the value of {attribute} is not in the DICOM JSON model (PS3.18 annex F)", attribute=name_of(tag)
        )
    vr = _vr(tag, element.get("vr"))
    if "BulkDataURI" in element:
        raise Invalid("the value of {attribute} has to be given itself, not by its address", attribute=name_of(tag))
    if "InlineBinary" in element:
        if vr not in BINARY or not isinstance(element["InlineBinary"], str):
            raise Invalid("{attribute} is not given as binary", attribute=name_of(tag))
        return {"vr": vr, "InlineBinary": element["InlineBinary"]}
    values = element.get("Value", [])
    if not isinstance(values, list):
        raise Invalid("the Value of {attribute} is no array", attribute=name_of(tag))
    if vr == "SQ":
        values = [_item(item) for item in values]
    elif vr in _CHECKED:
        values = [_value(tag, vr, value) for value in values]
        if vr in _UNSPLIT and len(values) > 1:
            raise Invalid("{attribute} has one value", attribute=name_of(tag))
    return {"vr": vr, "Value": values} if values and values != [None] else {"vr": vr}


def _vr(tag: int, given: object) -> str:
    known = standard_vr(tag)
    allowed = _CHOICES.get(known, (known,))
    if given is None and known in KNOWN - {"UN"}:
        return known
    is_private = known == "UN" and tag >> 16 & 1
    if not isinstance(given, str) or given not in (KNOWN if is_private else allowed):
        raise Invalid("{attribute} needs its VR, one of {allowed}", attribute=name_of(tag), allowed=", ".join(allowed))
    return given


def _item(item: object) -> DataSet:
    if not isinstance(item, dict):
        raise Invalid("an item of a sequence is not a data set")
    found: DataSet = {}
    for key, element in sorted(item.items()):
        tag = int(key, 16) if isinstance(key, str) and _TAG.fullmatch(key) else 0
        if tag >> 16 < 8 or tag >> 16 >= 0xFFFE:
            raise Invalid("an attribute within a sequence is not named by its tag")
        if tag != CHARSET:  # the object's own counts
            found[f"{tag:08X}"] = _checked(tag, element)
    return found


def _value(tag: int, vr: str, value: Any) -> Any:
    """One value, found to be of its VR (PS3.5 6.2). Raises Invalid."""
    if vr in ("DS", "IS") and isinstance(value, int | float) and not isinstance(value, bool):
        return value  # it is written as fits
    if vr == "PN":
        value = {"Alphabetic": value} if isinstance(value, str) else value
        if not (value is None or (isinstance(value, dict) and value.keys() <= set(_GROUPS))):
            raise Invalid("{attribute} is not a name in the DICOM JSON model", attribute=name_of(tag))
    text = _written(value)
    refused = (_BEYOND_LINES if vr in ("LT", "ST", "UT") else _CONTROL).search(text)
    if refused or ("\\" in text and vr not in _UNSPLIT) or not is_valid(vr, text):
        raise Invalid(
            "what is given for {attribute} cannot stand there: {form} (PS3.5 6.2)",
            attribute=name_of(tag),
            form=_FORMS.get(vr, vr),
        )
    return value if text else None


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return "=".join(str(value.get(group) or "") for group in _GROUPS).rstrip("=")
    return "" if value is None else str(value)


def is_valid(vr: str, text: str) -> bool:
    """Whether a text is a value that this VR can have."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            validate_value(vr, text, config.RAISE)
    except ValueError:
        return False
    if vr in ("DA", "TM") and text:
        return _is_day(text) if vr == "DA" else "-" not in text  # in questions alone there are ranges
    return vr != "PN" or all(len(group) <= 64 for group in text.split("="))


def is_line(text: str) -> bool:
    """Whether a text is one value of 64 characters at the most, as LO has it."""
    return is_valid("LO", text) and "\\" not in text and not _CONTROL.search(text)


def _is_day(text: str) -> bool:
    return len(text) == 8 and text.isdigit() and 1 <= int(text[4:6]) <= 12 and 1 <= int(text[6:]) <= 31


def texts_of(element: Element) -> Iterator[str]:
    """Every text of an element, and of those within, that is written in the object's character set."""
    for value in element.get("Value", ()):
        if element["vr"] == "SQ":
            for inner in value.values():
                yield from texts_of(inner)
        elif element["vr"] in _CUSTOM:
            yield _written(value)


def fits(text: str, encodings: Sequence[str]) -> bool:
    """Whether a text can be written in an object's character set as it stands."""
    if text.isascii():
        return encodings[0] != "shift_jis" or not set(text) & set("\\~")
    if len(encodings) > 1 or not _PLAIN.fullmatch(encodings[0]):
        return False
    try:
        text.encode(encodings[0])
    except UnicodeEncodeError:
        return False
    return True


def encoded(elements: Mapping[int, Element], *, explicit: bool, encodings: Sequence[str]) -> bytes:
    """Elements as they stand in a little-endian data set. Raises Invalid when they are not in the JSON model."""
    named = {f"{tag:08X}": element for tag, element in sorted(elements.items())}
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, not explicit
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write_dataset(out, data_set_of(named, _no_bulk), list(encodings))
    except _ODD as error:
        # pydicom's own words may hold the value.
        raise Invalid("a new value is not in the DICOM JSON model (PS3.18 annex F)") from error
    found = out.getvalue()
    if len(found) > _MOST_BYTES:
        raise Invalid("new values may have {most} bytes in all", most=_MOST_BYTES)
    return found


def _no_bulk(*_where: str) -> Any:
    raise Invalid("a value has to be given itself, not by its address")


def element_of_text(name: str, text: str) -> Element:
    """A value as people write it: `=` between writings of a name, a backslash between several values.

    Raises Invalid for an attribute that is not known or is not written as text.
    """
    tag = tag_of(name)
    vr = STANDARD.get(tag, "UN")
    if vr not in _CHECKED:
        raise Invalid("{attribute} is not written as text", attribute=name_of(tag))
    parts = [text] if vr in _UNSPLIT else text.split("\\")
    values: list[Any] = [part.strip() or None for part in parts]
    if vr == "PN":
        values = [_groups(value) if value else None for value in values]
    return {"vr": vr, "Value": values} if values != [None] else {"vr": vr}


def _groups(name: str) -> dict[str, str]:
    return {group: part for group, part in zip(_GROUPS, name.split("="), strict=False) if part}


def text_of_element(element: Element | None) -> str:
    """A value as people read it, and as `element_of_text` takes it where it is text; empty for what is not there."""
    if element is None or not ("Value" in element or "InlineBinary" in element):
        return ""
    if "InlineBinary" in element:
        return "(binary)"
    if element["vr"] == "SQ":
        return f"({len(element['Value'])} items)"
    return "\\".join(_written(value) for value in element["Value"])


def keyword_of(key: str) -> str:
    """The keyword of an attribute that eight hex digits name; these where it has none."""
    return keyword_for_tag(int(key, 16)) or key
