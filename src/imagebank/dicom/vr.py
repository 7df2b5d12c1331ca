"""Value representations: how they are coded, and which a tag has by the standard or its private creator (PS3.5 6.2)."""

from functools import lru_cache
from typing import Final

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VR, keyword_for_tag, private_dictionary_VR

LONG: Final = {vr.encode(): vr for vr in ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")}
"""VRs with a reserved field and a length of 32 bits in explicit coding (PS3.5 7.1.2)."""

SHORT: Final = {
    vr.encode(): vr
    for vr in (
        *("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO"),
        *("LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"),
    )
}
"""VRs with a length of 16 bits in explicit coding."""

KNOWN: Final = frozenset(LONG.values()) | frozenset(SHORT.values())

STANDARD: Final[dict[int, str]] = {tag: row[0] for tag, row in DicomDictionary.items() if 0 < tag < 0xFFFE0000}
"""Without the delimiters of items and sequences, which are no elements, and without what a run of zeros looks like."""


@lru_cache(maxsize=4096)
def standard_vr(tag: int) -> str:
    """The VR of a tag by the standard alone; UN where only a private creator could tell. It may be `US or SS`."""
    known = STANDARD.get(tag)
    if known is not None:
        return known
    if not tag & 0xFFFF:
        return "UL"  # group length, PS3.5 7.2
    if tag >> 16 & 1:
        # PS3.5 7.8.1: elements 0010 to 00FF of an odd group name the private creators.
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    try:
        # Repeating groups 50xx and 60xx.
        return str(dictionary_VR(tag))
    except KeyError:
        return "UN"


@lru_cache(maxsize=4096)
def private_vr(tag: int, creator: str) -> str:
    """The VR of a private tag under its creator, by pydicom's private dictionary; UN when it is not listed."""
    try:
        return str(private_dictionary_VR(tag, creator))
    except KeyError:
        return "UN"


def creator_tag(tag: int) -> int | None:
    """The element that names the creator of a private tag's block (PS3.5 7.8.1); None for any other tag."""
    if tag >> 16 & 1 and tag & 0xFFFF >= 0x1000:
        return tag & 0xFFFF0000 | tag >> 8 & 0xFF
    return None


def name_of(tag: int) -> str:
    """A tag as people read it in a message: `PixelData (7FE0,0010)`."""
    keyword = keyword_for_tag(tag)
    written = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    return f"{keyword} {written}" if keyword else written
