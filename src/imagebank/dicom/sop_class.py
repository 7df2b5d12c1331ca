"""Which SOP classes the bank keeps: the one table for every way in."""

from typing import Final

from pydicom._uid_dict import UID_dictionary
from pynetdicom.sop_class import _NON_PATIENT_OBJECT_CLASSES, _STORAGE_CLASSES

from imagebank.errors import Unsupported

OF_NO_STUDY: Final = frozenset(str(uid) for uid in _NON_PATIENT_OBJECT_CLASSES.values())
"""Hanging protocols, palettes, templates, defined protocols, inventories: they belong to no study (PS3.4 annex GG)."""


def _named_storage(*, is_retired: bool) -> frozenset[str]:
    """Storage classes by the names of the dictionary, which has some that pynetdicom does not know."""
    return frozenset(
        uid
        for uid, (name, kind, _, retired, _) in UID_dictionary.items()
        if kind == "SOP Class"
        and bool(retired) == is_retired
        and name.removesuffix(" SOP Class").split(" - ")[0].endswith("Storage")
        and not name.startswith("Media Storage")
    )


STORAGE: Final = (
    frozenset(str(uid) for uid in _STORAGE_CLASSES.values()) | _named_storage(is_retired=False)
) - OF_NO_STUDY
"""Storage SOP classes in force."""

RETIRED: Final = _named_storage(is_retired=True) - STORAGE
"""Retired and trial ones; old archives are full of them."""


def is_storage(sop_class: str, *, private: bool) -> bool:
    """Whether objects of a class are kept; `private` lets classes in that the dictionary does not know."""
    return sop_class in STORAGE or sop_class in RETIRED or (private and sop_class not in UID_dictionary)


def refusal_of(sop_class: str, *, private: bool) -> Unsupported | None:
    """Why no objects of a class are kept; None when they are."""
    if is_storage(sop_class, private=private):
        return None
    if sop_class in OF_NO_STUDY:
        return Unsupported(f"{name_of(sop_class)}: such objects belong to no study, and this bank keeps studies")
    if sop_class in UID_dictionary:
        return Unsupported(f"{name_of(sop_class)} is no storage SOP class")
    return Unsupported("the standard does not know its SOP class, and private_sop_classes is off")


def name_of(uid: str) -> str:
    """The standard's name of a UID, or the UID."""
    known = UID_dictionary.get(uid)
    return known[0] if known else uid
