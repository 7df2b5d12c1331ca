"""What a data set in the DICOM JSON model says in words: every text in it, private ones and those in sequences, too."""

import base64
from collections.abc import Iterator
from typing import Final

from pydicom.datadict import keyword_for_tag

from imagebank.model.imaging import DataSet, Element
from imagebank.model.search import Line, Weight

_TEXTS: Final = frozenset(["AE", "AS", "CS", "DA", "LO", "LT", "PN", "SH", "ST", "UC", "UT"])
_NAME: Final = frozenset(
    f"{tag:08X}"
    for tag in (
        *(0x00100010, 0x00100020, 0x00101000, 0x00101001, 0x00101005, 0x00101060),  # who
        *(0x00080050, 0x00200010, 0x0020000D, 0x0020000E),  # accession, study and series
        *(0x00400009, 0x00401001, 0x00402016, 0x00402017, 0x00380010),  # orders and the admission
    )
)
_DESCRIPTION: Final = frozenset(
    f"{tag:08X}"
    for tag in (
        *(0x00080020, 0x00080021, 0x00100030),  # dates
        *(0x00080060, 0x00081030, 0x0008103E, 0x00180015, 0x00181030, 0x00200060),  # what, and of what
        *(0x00081032, 0x00321060, 0x00321064, 0x00400007, 0x00400008, 0x00400254, 0x00400260, 0x00081080, 0x00401002),
        *(0x00082218, 0x00082228, 0x00540220, 0x00540222, 0x00200062),  # regions, views, sides
        *(0x00080080, 0x00081010, 0x00081040, 0x00080070, 0x00081090, 0x00181000, 0x00020016),  # where, by which device
        *(0x00080090, 0x00081048, 0x00081050, 0x00081060, 0x00081070, 0x00321032),  # who did, read and asked for it
        *(0x00420010, 0x00324000, 0x00204000, 0x00400280),  # titles and comments
    )
)
_UIDS: Final = frozenset(["0020000D", "0020000E"])
# What is said of pixels and of coding finds nothing that anybody looks for; former values, of whom it was not.
_SKIPPED: Final = frozenset(["00080005", "00080008", "00281050", "00281051", "00280004", "00080201", "04000561"])
_LONGEST_UNKNOWN: Final = 4096
_DEEPEST: Final = 16


def sayings(dataset: DataSet, above: str = "", weight: Weight | None = None, depth: int = 0) -> Iterator[Line]:
    """Every text of a data set by its attribute; `above` is the path down to it, whose `weight` goes for what is in it."""
    creators = dict(_creators(dataset))
    for key, element in dataset.items():
        if key in _SKIPPED:
            continue
        own = weight or (Weight.NAME if key in _NAME else Weight.DESCRIPTION if key in _DESCRIPTION else Weight.REST)
        label = above + _label(key, creators)
        if element.get("vr") == "SQ":
            # An identifier is one wherever it stands; what else is in a sequence is worth what the sequence is.
            inner = own if own is not Weight.REST else None
            for item in element.get("Value", ()):
                if isinstance(item, dict) and depth < _DEEPEST:
                    yield from sayings(item, f"{label}.", inner, depth + 1)
        else:
            for said in _texts(key, element):
                yield Line(own, label, said, element.get("vr") == "PN")


def _creators(dataset: DataSet) -> Iterator[tuple[str, str]]:
    """Group and block of each private creator, with its name (PS3.5 7.8.1)."""
    for key, element in dataset.items():
        if int(key[3], 16) % 2 and key.startswith("00", 4) and element.get("Value"):
            yield key[:4] + key[6:], str(element["Value"][0])


def _label(key: str, creators: dict[str, str]) -> str:
    if int(key[3], 16) % 2:
        creator = creators.get(key[:6], "")
        return f"({key[:4]},xx{key[6:]}) {creator}".rstrip()
    return keyword_for_tag(int(key, 16)) or key


def _texts(key: str, element: Element) -> Iterator[str]:
    vr = element.get("vr")
    if vr in _TEXTS or key in _UIDS:
        for value in element.get("Value", ()):
            if isinstance(value, dict):
                groups = (str(value.get(group) or "") for group in ("Alphabetic", "Ideographic", "Phonetic"))
                said = " = ".join(group.replace("^", " ").strip() for group in groups if group)
            else:
                said = str(value).strip() if value is not None else ""
            if said:
                yield said
    elif vr == "UN" and "InlineBinary" in element and (said := _unknown(element["InlineBinary"])):
        yield said


def _unknown(coded: str) -> str:
    """The text in a private element whose kind nobody says, if it is one."""
    if len(coded) > _LONGEST_UNKNOWN:
        return ""
    try:
        said = base64.b64decode(coded).decode("ascii").rstrip(" \0")
    except ValueError:
        return ""
    return said if said.replace("\r", "").replace("\n", "").replace("\t", "").isprintable() else ""
