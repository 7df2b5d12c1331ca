"""The data dictionary: attributes that a site names, by keyword or by tag."""

import re

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from imagebank.errors import Invalid
from imagebank.model.attribute import Attribute, Level

_LEVELS = {"patient": Level.PATIENT, "study": Level.STUDY, "series": Level.SERIES, "instance": Level.INSTANCE}
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_PRIVATE = re.compile(r"([0-9A-Fa-f]{4})xx([0-9A-Fa-f]{2})@(.+)")
_FOLDED = frozenset({"PN", "LO", "ST", "LT", "UC", "UT"})


def declared(text: str) -> Attribute:
    """A searchable attribute as a site writes it.

    `series:ContrastBolusAgent`, `study:00101010`, `series:RequestAttributesSequence.ScheduledProcedureStepID`, or
    `series:0019xx10@ACME 1.1` for a private tag of that creator, which is compared as text. Raises Invalid.
    """
    level, colon, path = text.strip().partition(":")
    if not colon or level not in _LEVELS:
        raise Invalid(f"{text}: write the level first, such as series:ContrastBolusAgent")
    if private := _PRIVATE.fullmatch(path):
        group, element, creator = private.groups()
        if not int(group, 16) % 2:
            raise Invalid(f"{text}: a private tag has an odd group")
        # The block that the creator holds is known only from each object; 0x10 stands for it.
        tag = int(f"{group}10{element}", 16)
        return Attribute(path, (tag,), "LO", _LEVELS[level], folded=True, creator=creator)
    tags = tuple(_tag(part, text) for part in path.split("."))
    vr = dictionary_VR(tags[-1])
    keyword = ".".join(keyword_for_tag(tag) for tag in tags)
    return Attribute(keyword, tags, vr, _LEVELS[level], folded=vr in _FOLDED)


def _tag(part: str, text: str) -> int:
    tag = int(part, 16) if _TAG.fullmatch(part) else tag_for_keyword(part)
    if tag is None or not keyword_for_tag(tag):
        raise Invalid(f"{text}: the standard knows no attribute {part}")
    return tag
