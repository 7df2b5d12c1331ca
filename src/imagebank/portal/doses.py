"""What exams took of radiation in words: for staff beside a study and a timeline, and plain for the person it is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from babel.numbers import format_decimal

from imagebank.actions import dose
from imagebank.bank import Bank
from imagebank.exams.doses import DoseTable
from imagebank.model.access import Principal
from imagebank.model.dose import Basis, Cumulative, Dose, Exposure, Method, Quantity, Reading, Share
from imagebank.model.uid import Uid
from imagebank.paper.catalogue import locale_of
from imagebank.portal.language import counted, gettext, noted, spoken

_QUANTITIES: Final[Mapping[Quantity, str]] = {
    Quantity.DLP: noted("Dose length product"),
    Quantity.CTDI: noted("CTDIvol, the largest"),
    Quantity.DAP: noted("Dose area product"),
    Quantity.KERMA: noted("Dose at the reference point"),
    Quantity.GLANDULAR: noted("Glandular dose"),
    Quantity.ENTRANCE: noted("Entrance dose, the largest"),
    Quantity.ACTIVITY: noted("Activity"),
    Quantity.EFFECTIVE: noted("Effective dose"),
}
_METHODS: Final[Mapping[Method, str]] = {
    Method.REPORTED: noted("as the device says"),
    Method.DLP: noted("from the dose length product"),
    Method.DAP: noted("from the dose area product"),
    Method.GLANDULAR: noted("from the glandular dose"),
    Method.ACTIVITY: noted("from the activity"),
    Method.TYPICAL: noted("typical of such exams; nothing was measured that it could follow from"),
    Method.NONE: noted("this kind of exam takes no ionizing radiation"),
    Method.ELSEWHERE: noted("counted with another study, whose report tells of both"),
    Method.UNKNOWN: noted("nothing is known of it"),
}
_DAYS: Final = 365.25
_LEAST: Final = 0.01
_FEW_DAYS, _FEW_MONTHS = 60, 24


@dataclass(frozen=True, slots=True)
class Line:
    """One reading: what, how much, and where it was read."""

    name: str
    value: str
    basis: str


@dataclass(frozen=True, slots=True)
class OfStudy:
    """What the page of a study says. `amount` is empty where no effective dose is known, or there was no radiation."""

    amount: str
    method: str
    lines: tuple[Line, ...]
    sources: tuple[str, ...]
    is_estimated: bool
    is_for_child: bool


@dataclass(frozen=True, slots=True)
class Row:
    """Part of a sum."""

    name: str
    exams: int
    amount: str
    estimated: str


@dataclass(frozen=True, slots=True)
class OfPerson:
    """What a timeline says of all that somebody may see."""

    total: Row
    by_modality: tuple[Row, ...]
    by_year: tuple[Row, ...]
    unknown: int
    children: int
    sources: tuple[str, ...]


def number(value: float) -> str:
    """Two digits, as the language writes them: more would claim what nobody knows."""
    return format_decimal(float(f"{value:.2g}"), format="#,##0.####", locale=locale_of(spoken()))


def amount(msv: float) -> str:
    """An effective dose: `5.6 mSv`."""
    if is_tiny(msv):
        return gettext("less than %(number)s mSv") % {"number": number(_LEAST)}
    return gettext("%(number)s mSv") % {"number": number(msv)}


def brief(msv: float) -> str:
    """The same above a bar: `5.6`, `<0.01`."""
    return f"<{number(_LEAST)}" if is_tiny(msv) else number(msv)


def is_tiny(msv: float) -> bool:
    """Whether a dose is too small for a figure of its own."""
    return 0 < msv < _LEAST


def nature(msv: float, table: DoseTable) -> str:
    """In how long a time nature gives as much: `11 days`, `3 years`."""
    days = msv / table.table.background * _DAYS
    months, years = days / _DAYS * 12, days / _DAYS
    if days < 1:
        return gettext("less than a day")
    if days < _FEW_DAYS:
        return counted(round(days), "%(num)s day", "%(num)s days")
    if months < _FEW_MONTHS:
        return counted(round(months), "%(num)s month", "%(num)s months")
    return counted(round(years), "%(num)s year", "%(num)s years")


def share(part: float) -> str:
    """A share in whole percent."""
    return gettext("%(number)s%%") % {"number": round(part * 100)}


def of_study(bank: Bank, principal: Principal, study: Uid) -> OfStudy:
    """For the page of a study, which has asked for it already."""
    return in_words(dose.beside(bank, principal, study))


def in_words(one: Exposure) -> OfStudy:
    return OfStudy(
        "" if not one.dose.msv else amount(one.dose.msv),
        gettext(_METHODS[one.dose.method]),
        tuple(map(_line, one.readings)),
        one.dose.sources,
        bool(one.dose.msv) and not one.dose.is_measured,
        one.dose.is_for_child,
    )


def _line(one: Reading) -> Line:
    basis = gettext("dose report") if one.basis is Basis.REPORT else gettext("images")
    value = f"{number(one.value)} {one.unit}"
    name = gettext(_QUANTITIES[one.quantity])
    return Line(
        f"{name} ({one.of})" if one.of else name, value, gettext("worked out from images") if one.is_derived else basis
    )


def of_person(bank: Bank, principal: Principal, study: Uid) -> OfPerson | None:
    """For a timeline; None where no exam took any radiation."""
    found = dose.of_person_of(bank, principal, study)
    if not found.total.exams:
        return None
    return OfPerson(
        _row(found.total),
        tuple(map(_row, found.by_modality)),
        tuple(_row(one) for one in reversed(found.by_year)),
        found.total.unknown,
        found.children,
        sources_of(found),
    )


def _row(one: Share) -> Row:
    return Row(one.name, one.exams, amount(one.msv), share(one.estimated_share))


def sources_of(found: Cumulative) -> tuple[str, ...]:
    """Whose figures the doses are, each once."""
    return tuple(dict.fromkeys(source for one in found.exposures for source in one.dose.sources))


def with_radiation(found: Sequence[Exposure]) -> list[Exposure]:
    """Exams that took some, as far as that is known."""
    return [one for one in found if one.dose.msv]


def plainly(one: Dose, table: DoseTable) -> str:
    """A dose for the person it is of: `about as much as nature gives in 11 days`; empty where there is none to tell."""
    if one.method is Method.NONE:
        return gettext("This exam used no X-rays and nothing radioactive.")
    if not one.msv:
        return ""
    return gettext("About as much radiation as nature gives in %(time)s.") % {"time": nature(one.msv, table)}
