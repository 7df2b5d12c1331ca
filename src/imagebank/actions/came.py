"""What came of exams whose alerts were accepted: whether they were made all the same while the rule's days ran, by anybody."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from imagebank.actions import elsewhere, exams
from imagebank.bank import Bank
from imagebank.exams.comparing import Likeness
from imagebank.exams.repeats import Repeats, answers
from imagebank.model.access import Scope
from imagebank.model.alert import Alert, Change, Outcome
from imagebank.model.avoided import Came
from imagebank.model.exam import Exam, Past, Side
from imagebank.model.order import State
from imagebank.model.person import PatientId
from imagebank.ports.orders import Wanted

_HERE: Final = Scope(organizations=None)
_UNDER_WAY: Final = (State.STARTED, State.DONE)
_KEPT: Final = (Outcome.OVERRIDDEN, Outcome.IGNORED)


@dataclass(frozen=True)
class Tables:
    """The site's tables by which exams are compared, and the days of each rule by its name."""

    repeats: Repeats
    like: Likeness
    days: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Person:
    """Somebody with all alerts about them, in their order, and their exams: those that the scope shows, and all."""

    alerts: Sequence[Alert]
    records: Collection[PatientId]
    seen: Sequence[Past]
    held: Sequence[Past]


def came(bank: Bank, tables: Tables, scope: Scope, alerts: Sequence[Alert]) -> dict[str, Came]:
    """What came of each exam whose alert was accepted, by the first such alert.

    What is ordered again for the same person while its window is open is the same exam, and counts once, whoever orders
    it and however it is called. `alerts` are in their order, with those around the ones that are asked about.
    """
    found: dict[str, Came] = {}
    for person in _persons(bank, scope, alerts):
        counted: list[Alert] = []
        for one in person.alerts:
            if one.outcome is Outcome.ACCEPTED and not any(_goes_on(bank, tables, each, one) for each in counted):
                counted.append(one)
                found[one.id] = _what_came(bank, tables, person, one)
    return found


def _persons(bank: Bank, scope: Scope, alerts: Iterable[Alert]) -> Iterator[_Person]:
    """Everybody of whom an alert was accepted, each with their exams, which are read once."""
    known: dict[PatientId, str] = {}
    grouped: dict[str, list[Alert]] = {}
    for one in alerts:
        # Of whom nothing may be known any more, nobody says that two are one.
        key = known.setdefault(one.patient, _key(bank, one.patient)) if one.patient.identifier else one.id
        grouped.setdefault(key, []).append(one)
    for those in grouped.values():
        if any(one.outcome is Outcome.ACCEPTED for one in those):
            records = _records(bank, {one.patient for one in those if one.patient.identifier})
            held = _exams(bank, records, _HERE) if records else []
            seen = held if scope == _HERE or not held else _exams(bank, records, scope)
            yield _Person(those, records, seen, held)


def _exams(bank: Bank, records: Collection[PatientId], scope: Scope) -> list[Past]:
    """What is here, and what other archives have said they hold."""
    return [*exams.history(bank, records, scope), *elsewhere.exams_of(bank, records, scope)]


def _key(bank: Bank, patient: PatientId) -> str:
    linked = bank.index.persons.identity(patient, _HERE)
    return linked.person if linked is not None else f"{patient.issuer}\n{patient.identifier}"


def _records(bank: Bank, patients: Collection[PatientId]) -> list[PatientId]:
    """Records with all that are linked to them."""
    found = dict.fromkeys(patients)
    for patient in patients:
        linked = bank.index.persons.identity(patient, _HERE)
        for one in bank.index.persons.person(linked.person, _HERE) if linked is not None else ():
            found[one.identity.patient] = None
    return list(found)


def day_of(bank: Bank, alert: Alert) -> date:
    """The day of an alert by the site's calendar."""
    return alert.at.astimezone(bank.settings.zone).date()


def _end(bank: Bank, tables: Tables, alert: Alert) -> date:
    """The last day of the rule's window after the order, or after the day that it is for where that is later."""
    planned, days = exams.day_of(alert.day) or date.min, timedelta(days=tables.days.get(alert.rule, 0))
    return min(max(day_of(bank, alert), planned), date.max - days) + days


def _goes_on(bank: Bank, tables: Tables, before: Alert, after: Alert) -> bool:
    """Whether an order is for the same exam as an earlier one whose window is open."""
    is_open = before.at <= after.at and day_of(bank, after) <= _end(bank, tables, before)
    return is_open and (_is_like(tables, before.exam, after.exam) or _is_like(tables, after.exam, before.exam))


def _what_came(bank: Bank, tables: Tables, person: _Person, alert: Alert) -> Came:
    if not alert.patient.identifier or alert.rule not in tables.days:
        return Came.UNKNOWN
    first, last = day_of(bank, alert), _end(bank, tables, alert)
    within = [past for past in person.seen if past.day is not None and first <= past.day <= last]
    if _is_made(tables, alert, within) or _is_under_way(bank, person, alert):
        return Came.MADE
    # What the scope does not show is neither told of nor counted as avoided; an exam without a day may be any.
    perhaps = [past for past in person.held if past.day is None or first <= past.day <= last]
    is_open = bank.now().astimezone(bank.settings.zone).date() <= last
    is_kept = _is_kept(alert) or any(
        one.outcome in _KEPT and _goes_on(bank, tables, alert, one) for one in person.alerts if one is not alert
    )
    return Came.UNKNOWN if is_open or is_kept or _may_be_made(tables, alert, perhaps) else Came.AVOIDED


def _is_kept(alert: Alert) -> bool:
    """Whether what was accepted is that the order stays, with the earlier exam named in it."""
    return alert.answer is not None and alert.answer.reason == Change.CHANGED


def _is_under_way(bank: Bank, person: _Person, alert: Alert) -> bool:
    """Whether who carries out orders says that this one was begun, wherever its images are."""
    if not alert.order:
        return False
    wanted = Wanted(number=alert.order, is_open=False)
    found = bank.index.orders.orders(wanted, Scope.of(alert.organization))
    return any(one.state in _UNDER_WAY and one.patient.id in person.records for one in found)


def _is_made(tables: Tables, alert: Alert, history: Sequence[Past]) -> bool:
    """Whether exams show all that was ordered, also one the chest and another the abdomen, or each one side."""
    others = [past.exam for past in history if past.id != alert.study]
    return all(any(_is_like(tables, part, other) for other in others) for part in _parts(alert.exam))


def _may_be_made(tables: Tables, alert: Alert, history: Sequence[Past]) -> bool:
    """Whether an exam shows a part of what was ordered, or is of the same means and does not say what it shows."""
    others = [past.exam for past in history if past.id != alert.study]
    parts = list(_parts(alert.exam))
    return any(
        other.group is alert.exam.group and (not other.regions or any(_is_like(tables, part, other) for part in parts))
        for other in others
    )


def _parts(exam: Exam) -> Iterator[Exam]:
    """What an exam is made of: each region, of each side."""
    sides = (Side.LEFT, Side.RIGHT) if exam.side is Side.BOTH else (exam.side,)
    for region in exam.regions:
        for side in sides:
            yield replace(exam, regions=(region,), side=side)


def _is_like(tables: Tables, ordered: Exam, other: Exam) -> bool:
    # With contrast or without, it was made again; and where nobody surely says of which side, of that one. A report
    # without images tells of it as well.
    side = ordered.side if other.sure_side is Side.UNSAID else other.side
    plain = replace(other, side=side, contrast=ordered.contrast, is_torn=False, is_pictureless=False)
    return answers(tables.repeats, tables.like, ordered, plain)
