"""Which SOP classes the bank keeps: the one table for every way in."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydicom._uid_dict import UID_dictionary

from imagebank.errors import Unsupported
from imagebank.model.uid import Uid

_CLASSES: Final = "1.2.840.10008.5.1.4."
PDF: Final = "application/pdf"
DOCUMENT_TYPES: Final[Mapping[Uid, str]] = MappingProxyType(
    {
        Uid(f"{_CLASSES}1.1.104.1"): PDF,
        Uid(f"{_CLASSES}1.1.104.2"): "text/xml",
        Uid(f"{_CLASSES}1.1.104.3"): "model/stl",
        Uid(f"{_CLASSES}1.1.104.4"): "model/obj",
        Uid(f"{_CLASSES}1.1.104.5"): "model/mtl",
    }
)
"""Encapsulated documents and what is in them."""
OF_NO_STUDY: Final = frozenset(
    f"{_CLASSES}{tail}"
    for tail in ("1.1.200.1", "1.1.200.3", "1.1.200.7", "1.1.201.1", "38.1", "39.1", "43.1", "44.1", "45.1")
)
"""Hanging protocols, palettes, templates, defined protocols, inventories: they belong to no study (PS3.4 annex GG)."""

# The standard has these, and the dictionary not yet.
_NEW: Final = {
    f"{_CLASSES}1.1.9.100.1": "Waveform Presentation State Storage",
    f"{_CLASSES}1.1.9.100.2": "Waveform Acquisition Presentation State Storage",
    f"{_CLASSES}1.1.66.7": "Label Map Segmentation Storage",
    f"{_CLASSES}1.1.66.8": "Height Map Segmentation Storage",
}


def _named_storage(*, is_retired: bool) -> frozenset[str]:
    """Storage classes by their names in the dictionary."""
    return frozenset(
        uid
        for uid, (name, kind, _, retired, _) in UID_dictionary.items()
        if kind == "SOP Class"
        and bool(retired) == is_retired
        and name.removesuffix(" SOP Class").split(" - ")[0].endswith("Storage")
        and not name.startswith("Media Storage")
    )


STORAGE: Final = (_named_storage(is_retired=False) | frozenset(_NEW)) - OF_NO_STUDY
"""Storage SOP classes in force."""

RETIRED: Final = _named_storage(is_retired=True) - STORAGE
"""Retired and trial ones; old archives are full of them."""


_STRUCTURED: Final = f"{_CLASSES}1.1.88."
_KEY_OBJECTS: Final = f"{_CLASSES}1.1.88.59"
_TEXTS: Final = frozenset(uid for uid, kind in DOCUMENT_TYPES.items() if kind in (PDF, "text/xml"))


def is_report(sop_class: str) -> bool:
    """Whether an object of a class says something of its own in words: a structured report, a PDF or a CDA document."""
    return sop_class in _TEXTS or (sop_class.startswith(_STRUCTURED) and sop_class != _KEY_OBJECTS)


def is_storage(sop_class: str, *, private: bool) -> bool:
    """Whether objects of a class are kept; `private` lets classes in that the dictionary does not know."""
    return sop_class in STORAGE or sop_class in RETIRED or (private and sop_class not in UID_dictionary)


def refusal_of(sop_class: str, *, private: bool) -> Unsupported | None:
    """Why no objects of a class are kept; None when they are."""
    if is_storage(sop_class, private=private):
        return None
    if sop_class in OF_NO_STUDY:
        return Unsupported(
            "{kind}: such objects belong to no study, and this bank keeps studies", kind=name_of(sop_class)
        )
    if sop_class in UID_dictionary:
        return Unsupported("{kind} is no storage SOP class", kind=name_of(sop_class))
    return Unsupported("the standard does not know its SOP class, and private_sop_classes is off")


def name_of(uid: str) -> str:
    """The standard's name of a UID, or the UID."""
    known = UID_dictionary.get(uid)
    return known[0] if known else _NEW.get(uid, uid)
