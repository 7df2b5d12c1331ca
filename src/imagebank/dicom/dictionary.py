"""The data dictionary: attributes that a site names, by keyword or by tag."""

import re

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from imagebank.errors import Invalid
from imagebank.model.attribute import Attribute, Level, is_private

_LEVELS = {"patient": Level.PATIENT, "study": Level.STUDY, "series": Level.SERIES, "instance": Level.INSTANCE}
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_PRIVATE = re.compile(r"([0-9A-Fa-f]{4})xx([0-9A-Fa-f]{2})")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
_SEARCHABLE = frozenset(
    [
        "AE",
        "AS",
        "AT",
        "CS",
        "DA",
        "DS",
        "DT",
        "FD",
        "FL",
        "IS",
        "LO",
        "LT",
        "PN",
        "SH",
        "SL",
        "SS",
        "ST",
        "SV",
        "TM",
        "UC",
        "UI",
        "UL",
        "UR",
        "US",
        "UT",
        "UV",
    ]
)
_FOLDED = frozenset({"PN", "LO", "ST", "LT", "UC", "UT"})


def declared(text: str, name: str = "", vr: str = "") -> Attribute:
    """A searchable attribute as a site writes it; `name` is what it is called in searches beside its tags.

    `series:ContrastBolusAgent`, `study:00101010`, `series:RequestAttributesSequence.ScheduledProcedureStepID`, or
    `series:0019xx10@ACME 1.1` for a private tag of that creator, which may stand in sequences and is text (LO) unless a
    `vr` is given. Raises Invalid.
    """
    level, colon, rest = text.strip().partition(":")
    if not colon or level not in _LEVELS:
        raise Invalid("{text}: write the level first, such as series:ContrastBolusAgent", text=text)
    path, _, creator = rest.partition("@")
    tags = tuple(_tag(part, text, is_private_known=bool(creator)) for part in path.split("."))
    is_own = is_private(tags[-1])
    if vr and not is_own:
        raise Invalid("{text}: the standard says what kind of value this is; a vr is for private tags", text=text)
    kind = (vr or "LO") if is_own else dictionary_VR(tags[-1]).partition(" ")[0]
    if kind not in _SEARCHABLE:
        raise Invalid("{text}: values of the kind {kind} cannot be searched", text=text, kind=kind)
    if name and not _NAME.fullmatch(name):
        raise Invalid("{text}: a name has letters and digits, 64 at most, and begins with a letter", text=text)
    usual = rest if any(map(is_private, tags)) else ".".join(keyword_for_tag(tag) for tag in tags)
    return Attribute(name or usual, tags, kind, _LEVELS[level], folded=kind in _FOLDED, creator=creator.strip())


def _tag(part: str, text: str, *, is_private_known: bool) -> int:
    if private := _PRIVATE.fullmatch(part):
        group, element = private.groups()
        if not int(group, 16) % 2:
            raise Invalid("{text}: a private tag has an odd group", text=text)
        if not is_private_known:
            raise Invalid("{text}: name the creator of a private tag behind an @", text=text)
        # The block that the creator holds is known only from each object; 0x10 stands for it.
        return int(f"{group}10{element}", 16)
    tag = int(part, 16) if _TAG.fullmatch(part) else tag_for_keyword(part)
    if tag is None or not keyword_for_tag(tag):
        raise Invalid("{text}: the standard knows no attribute {part}", text=text, part=part)
    return tag
