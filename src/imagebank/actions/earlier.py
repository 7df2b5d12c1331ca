"""The earlier studies of a person beside one that is looked at: those first that are worth comparing with it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from imagebank.actions import priors, timeline
from imagebank.bank import Bank
from imagebank.dicom.moments import read_day
from imagebank.model.access import Principal
from imagebank.model.elsewhere import Elsewhere
from imagebank.model.exam import Prior
from imagebank.model.timeline import Entry, Lane, kind_of, lanes_of
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

    `days` is by how many days it is older. `prior` says why it is worth comparing; None for one that is not. `away` is
    what another archive has said of it that holds it; None for what is here.
    """

    entry: Entry
    is_same_region: bool | None
    is_same_modality: bool | None
    days: int | None
    prior: Prior | None = None
    away: Elsewhere | None = None


def beside(
    bank: Bank, principal: Principal, study: Uid, way: str, address: str = ""
) -> tuple[Entry, tuple[Earlier, ...]]:
    """A study, and the earlier ones of the same person that the caller may see: priors in their order, then the others.

    Priors that other archives hold are among them. Of the others those come first that agree most with it. Raises NotAllowed, and NotFound for a study that is not there
    or not for the caller.
    """
    told = priors.of_study(bank, principal, study, way, address, wide=True)
    ranked = [prior for prior, _ in told.priors]
    chosen, others = timeline.beside(bank, principal, study, _MOST)
    others += _before(bank, principal, others, [one for one in ranked if not one.past.archive])
    others += [Entry(one.study, one.attributes, one.date, kind_of([]), lanes_of([])) for one in told.away.values()]
    places = {prior.past.id: place for place, prior in enumerate(ranked)}
    found = [
        replace(
            _compared(chosen, other),
            prior=ranked[places[other.uid]] if other.uid in places else None,
            away=told.away.get(other.uid),
        )
        for other in others
    ]
    return chosen, tuple(sorted(found, key=lambda one: (places.get(one.entry.uid, len(ranked)), -_agreement(one))))


def _before(bank: Bank, principal: Principal, others: Sequence[Entry], ranked: Sequence[Prior]) -> list[Entry]:
    """Priors that are older than all of the newest so many studies."""
    if len(others) < _MOST:
        return []
    known = {one.uid for one in others}
    left = [Uid(prior.past.id) for prior in ranked if prior.past.id not in known]
    return [one for one in timeline.entries(bank, principal, left) if one.date <= others[-1].date]


def _agreement(one: Earlier) -> int:
    """The sort is stable: among equals the newest stays first."""
    return sum((one.is_same_region is True, one.is_same_modality is True))


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
