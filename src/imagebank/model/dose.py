"""How much radiation exams took: what devices say of it, and the effective dose that follows or is typical.

An effective dose (ICRP 103) is always an estimate, for a person like the one of the model; it says how exams compare,
and nothing of what one person's body took.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Final

from imagebank.model.exam import Exam, Said
from imagebank.model.uid import Uid


class Quantity(StrEnum):
    """What a device says. The unit of each stands in `UNITS`."""

    DLP = "dose_length_product"
    CTDI = "ctdi_vol"
    DAP = "dose_area_product"
    KERMA = "reference_point_kerma"
    GLANDULAR = "glandular_dose"
    ENTRANCE = "entrance_dose"
    ACTIVITY = "activity"
    EFFECTIVE = "effective_dose"


UNITS: Final[Mapping[Quantity, str]] = {
    Quantity.DLP: "mGy·cm",
    Quantity.CTDI: "mGy",
    Quantity.DAP: "Gy·cm²",
    Quantity.KERMA: "mGy",
    Quantity.GLANDULAR: "mGy",
    Quantity.ENTRANCE: "mGy",
    Quantity.ACTIVITY: "MBq",
    Quantity.EFFECTIVE: "mSv",
}
# What tells of the same radiation: where a report says one of these, headers say nothing new of the others.
_CT: Final = frozenset({Quantity.DLP, Quantity.CTDI})
_XRAY: Final = frozenset({Quantity.DAP, Quantity.KERMA, Quantity.GLANDULAR, Quantity.ENTRANCE})
_FAMILIES: Final = (_CT, _XRAY, frozenset({Quantity.ACTIVITY}))


class Basis(StrEnum):
    """Where a quantity was read: in a radiation dose report (PS3.3 A.35.8), or in headers of images."""

    REPORT = "report"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Reading:
    """One quantity, in the unit of `UNITS`, as one instance says it.

    `of` is the side (R, L, B) of a breast, or the agent of an activity, with its `nuclide` ("F-18"). `events` are the
    irradiation events that a report tells of. What was worked out from headers and not said by the device `is_derived`.
    """

    quantity: Quantity
    value: float
    basis: Basis
    series: str = ""
    instance: str = ""
    of: str = ""
    nuclide: str = ""
    events: tuple[str, ...] = ()
    is_derived: bool = False

    @property
    def unit(self) -> str:
        return UNITS[self.quantity]


class Method(StrEnum):
    """By what an effective dose is known. NONE took no radiation; ELSEWHERE is counted with another study."""

    REPORTED = "reported"
    DLP = "dose_length_product"
    DAP = "dose_area_product"
    GLANDULAR = "glandular_dose"
    ACTIVITY = "activity"
    TYPICAL = "typical"
    NONE = "none"
    ELSEWHERE = "elsewhere"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Part:
    """A share of an effective dose in mSv: by which method, and by whose published figures."""

    method: Method
    msv: float
    source: str = ""
    is_measured: bool = False


@dataclass(frozen=True, slots=True)
class Dose:
    """The effective dose of one exam. `is_for_child`: the figures are for adults, and who was examined was none."""

    parts: tuple[Part, ...] = ()
    is_for_child: bool = False

    @property
    def msv(self) -> float | None:
        """In mSv; None where nothing is known."""
        return sum(one.msv for one in self.parts) if self.parts else None

    @property
    def is_measured(self) -> bool:
        """Whether it follows from what the device measured; else it is what such exams typically take."""
        return bool(self.parts) and all(one.is_measured for one in self.parts)

    @property
    def method(self) -> Method:
        """That of the largest part."""
        return max(self.parts, key=lambda one: one.msv).method if self.parts else Method.UNKNOWN

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.source for one in self.parts if one.source))


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one study: its readings, the birth date of its patient as DICOM has it, and what headers say it is."""

    study: Uid
    birth_date: str
    readings: tuple[Reading, ...]
    said: Said | None = None


@dataclass(frozen=True, slots=True)
class Exposure:
    """One exam with what it took."""

    study: str
    exam: Exam
    day: date | None
    organization: str
    readings: tuple[Reading, ...]
    dose: Dose


@dataclass(frozen=True, slots=True)
class Share:
    """Part of a sum in mSv: exams with radiation, what follows from measurements and what is typical, and exams of which
    nothing is known, which no sum has in it.
    """

    name: str
    exams: int = 0
    measured: float = 0.0
    estimated: float = 0.0
    unknown: int = 0

    @property
    def msv(self) -> float:
        return self.measured + self.estimated

    @property
    def estimated_share(self) -> float:
        """From 0 to 1: how much of the sum is typical only. 0 where there is nothing."""
        return self.estimated / self.msv if self.msv else 0.0


@dataclass(frozen=True, slots=True)
class Cumulative:
    """All of one person that somebody may see. `children` exams were made before the person was grown up."""

    exposures: tuple[Exposure, ...]
    total: Share
    by_year: tuple[Share, ...]
    by_modality: tuple[Share, ...]
    by_organization: tuple[Share, ...]
    children: int


def counted(kept: Sequence[Kept]) -> tuple[dict[Uid, tuple[Reading, ...]], frozenset[Uid]]:
    """The readings of each study that count, and the studies whose dose is told by the report of another one.

    A report counts once, however often it was sent and in however many studies: the one that tells of the most events
    goes before those that share one with it. Where a report tells of a dose, headers of its study do not.
    """
    reports = [(one.study, *pair) for one in kept for pair in _reports(one.readings)]
    reports.sort(key=lambda told: (-len(told[2][0].events), told[0], told[1]))
    seen: set[str] = set()
    same: set[tuple[object, ...]] = set()
    chosen: dict[Uid, list[Reading]] = {}
    dropped: set[Uid] = set()
    for study, _, readings in reports:
        events = frozenset(readings[0].events)
        alike = (study, *((one.quantity, one.value, one.of) for one in readings))
        if events & seen or (not events and alike in same):
            dropped.add(study)
            continue
        seen |= events
        same.add(alike)
        chosen.setdefault(study, []).extend(readings)
    found = {one.study: _with_headers(chosen.get(one.study, []), one.readings, one.study in dropped) for one in kept}
    return found, frozenset(one for one in dropped if not found[one])


def _reports(readings: Iterable[Reading]) -> list[tuple[str, list[Reading]]]:
    by_instance: dict[str, list[Reading]] = {}
    for one in readings:
        if one.basis is Basis.REPORT:
            by_instance.setdefault(one.instance, []).append(one)
    return list(by_instance.items())


def _with_headers(told: Sequence[Reading], readings: Iterable[Reading], is_dropped: bool) -> tuple[Reading, ...]:
    every = told
    if is_dropped:
        every = [one for one in readings if one.basis is Basis.REPORT]
    said: AbstractSet[Quantity] = {one.quantity for one in every}
    if Quantity.EFFECTIVE in said:
        return tuple(told)
    known = frozenset[Quantity]().union(*(family for family in _FAMILIES if family & said))
    return (*told, *(one for one in readings if one.basis is Basis.HEADER and one.quantity not in known))


def summed(exposures: Sequence[Exposure]) -> Cumulative:
    """All of them together, and by year, modality and organization; exams without radiation are in no count."""
    some = [one for one in exposures if one.dose.method not in (Method.NONE, Method.ELSEWHERE)]
    return Cumulative(
        tuple(exposures),
        _share("", some),
        _by(some, lambda one: str(one.day.year) if one.day else ""),
        _by(some, lambda one: one.exam.group.value),
        _by(some, lambda one: one.organization),
        sum(one.dose.is_for_child for one in some),
    )


def _by(some: Sequence[Exposure], name: Callable[[Exposure], str]) -> tuple[Share, ...]:
    groups: dict[str, list[Exposure]] = {}
    for one in some:
        groups.setdefault(name(one), []).append(one)
    return tuple(_share(key, groups[key]) for key in sorted(groups))


def _share(name: str, some: Sequence[Exposure]) -> Share:
    found = Share(name, len(some))
    for one in some:
        if one.dose.msv is None:
            found = replace(found, unknown=found.unknown + 1)
        for part in one.dose.parts:
            if part.is_measured:
                found = replace(found, measured=found.measured + part.msv)
            else:
                found = replace(found, estimated=found.estimated + part.msv)
    return found


def is_child(birth_date: str, day: date | None, grown_up: int) -> bool:
    """Whether somebody born on a day, as DICOM has it, was younger than so many years on another; not where one is unknown."""
    if day is None or len(birth_date) != 8 or not (birth_date.isascii() and birth_date.isdigit()):
        return False
    years = day.year - int(birth_date[:4])
    return years - ((day.month, day.day) < (int(birth_date[4:6]), int(birth_date[6:]))) < grown_up
