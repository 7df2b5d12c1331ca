"""The earlier studies of a person beside one that is looked at: those first that agree with it in region or device."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from imagebank.actions import timeline
from imagebank.bank import Bank
from imagebank.dicom.moments import read_day
from imagebank.model.access import Principal, Right
from imagebank.model.timeline import Entry, Lane
from imagebank.model.uid import Uid

_MOST: Final = 200
"""So many earlier studies are looked at, the newest of them."""
# What says something of images and is none itself (PS3.3 C.7.3.1.1.1).
_WITHOUT_IMAGES: Final = frozenset(
    ["SR", "KO", "PR", "DOC", "SEG", "REG", "FID", "RWV", "PLAN", "AU", "RTSTRUCT", "RTPLAN", "RTRECORD"]
)


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier study, and how it agrees with the one that is looked at; None where one of them does not say.

    `days` is by how many days it is older.
    """

    entry: Entry
    is_same_region: bool | None
    is_same_modality: bool | None
    days: int | None


def beside(
    bank: Bank, principal: Principal, study: Uid, way: str, address: str = ""
) -> tuple[Entry, tuple[Earlier, ...]]:
    """A study, and the earlier ones of the same person that the caller may see, those that agree most with it first.

    Raises NotAllowed, and NotFound for a study that is not there or not for the caller.
    """
    principal.require(Right.FIND)
    bank.reads.search(principal, f"{way}: earlier studies of a person", address)
    chosen, others = timeline.beside(bank, principal, study, _MOST)
    found = [_compared(chosen, other) for other in others]
    # The sort is stable: among equals the newest stays first.
    return chosen, tuple(
        sorted(found, key=lambda one: -sum((one.is_same_region is True, one.is_same_modality is True)))
    )


def _compared(chosen: Entry, other: Entry) -> Earlier:
    day, before = read_day(chosen.date), read_day(other.date)
    return Earlier(
        other,
        _is_same(_regions(chosen), _regions(other)),
        _is_same(_modalities(chosen), _modalities(other)),
        (day - before).days if day and before else None,
    )


def _is_same(these: frozenset[str], those: frozenset[str]) -> bool | None:
    return bool(these & those) if these and those else None


def _regions(entry: Entry) -> frozenset[str]:
    return frozenset(entry.lanes) - {Lane.OTHER}


def _modalities(entry: Entry) -> frozenset[str]:
    named: Iterable[object] = entry.study.get("00080061", {}).get("Value", ())
    return frozenset(map(str, named)) - _WITHOUT_IMAGES
