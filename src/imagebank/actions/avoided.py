"""What alerts about repeated exams brought: shown, accepted, overridden, and the exams that were not made for them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Final

from imagebank.actions import dose, exams
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.exams.comparing import Likeness, likeness
from imagebank.exams.costs import Costs, cost_of, costs
from imagebank.exams.repeats import Repeats, answers, repeats
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.alert import Alert, Outcome
from imagebank.model.avoided import Brought, By, Came, Counts, Line, Saved, is_noisy
from imagebank.model.exam import Exam, Past, Side
from imagebank.model.person import PatientId

MOST_DAYS: Final = 3_660
"""A report is over so many days at the most, some ten years."""
_HERE: Final = Scope(organizations=None)
_NOTHING: Final = Saved()


@dataclass(frozen=True)
class _Tables:
    """The site's tables by which exams are compared and costed."""

    repeats: Repeats
    like: Likeness
    costs: Costs | None
    days: dict[str, int]


def report(
    bank: Bank, principal: Principal, since: date, until: date, by: Sequence[By], way: str, address: str = ""
) -> Brought:
    """What alerts of some days brought, both inclusive, for the caller's organization, or of all for who keeps the bank.

    Alerts whose study the caller does not see are not counted. No patient is named. Raises NotAllowed, and Invalid for
    days that are no span.
    """
    principal.require(Right.AUDIT)
    if not 0 <= (until - since).days < MOST_DAYS:
        raise Invalid(
            "the first day is not after the last one, and they are {most} days apart at the most", most=MOST_DAYS
        )
    bank.reads.search(principal, f"{way}: what the repeat check brought", address)
    alerts = _alerts(bank, principal, since, until)
    tables = _tables(bank)
    total, lines, rules = Counts(), dict[tuple[str, ...], Counts](), dict[str, Counts]()
    came = _came(bank, principal, tables, alerts)
    for one in alerts:
        key = tuple(_value(bank, one, each) for each in by)
        total = _with(total, one, came)
        lines[key] = _with(lines.get(key, Counts()), one, came)
        rules[one.rule] = _with(rules.get(one.rule, Counts()), one, came)
    return Brought(
        since,
        until,
        tuple(by),
        total,
        tuple(Line(key, lines[key]) for key in sorted(lines)),
        tuple(each.name for each in tables.repeats.rule if each.days and each.name not in rules),
        tuple(name for name in sorted(rules) if is_noisy(rules[name])),
        tables.costs.currency if tables.costs else "",
    )


def _alerts(bank: Bank, principal: Principal, since: date, until: date) -> list[Alert]:
    zone = bank.settings.zone
    first = datetime.combine(since, time(), zone)
    behind = datetime.combine(until + timedelta(days=1), time(), zone)
    found = bank.index.alerts.between(first, behind, principal.scope)
    return [one for one in found if principal.keeps or one.organization == principal.organization]


def _tables(bank: Bank) -> _Tables:
    settings = bank.settings
    table = repeats(settings.repeats_file)
    like = likeness(settings.priors_file, settings.exams_file)
    return _Tables(table, like, costs(settings.costs_file), {one.name: one.days for one in table.rule})


def _with(counts: Counts, alert: Alert, came: dict[str, tuple[Came, Saved]]) -> Counts:
    counted = counts.with_alert(alert.outcome, alert.answer.reason if alert.answer else "")
    return counted.with_exam(*came[alert.id]) if alert.id in came else counted


def _value(bank: Bank, alert: Alert, by: By) -> str:
    values = {
        By.MONTH: f"{_day(bank, alert):%Y-%m}",
        By.ORGANIZATION: alert.organization,
        By.DEPARTMENT: alert.department,
        By.EXAM: " ".join((alert.exam.group.value, *alert.exam.regions)),
        By.RULE: alert.rule,
    }
    return values[by]


def _day(bank: Bank, alert: Alert) -> date:
    return alert.at.astimezone(bank.settings.zone).date()


def _came(bank: Bank, principal: Principal, tables: _Tables, alerts: Sequence[Alert]) -> dict[str, tuple[Came, Saved]]:
    """What came of each exam whose alert was accepted, by the first such alert.

    What is ordered again for the same patient while its window is open is the same exam, and counts once.
    """
    found: dict[str, tuple[Came, Saved]] = {}
    until: dict[tuple[object, ...], date] = {}
    for one in alerts:
        key = (one.organization, one.patient, one.exam.group, one.exam.regions, one.exam.side)
        if one.outcome is not Outcome.ACCEPTED or (
            one.patient.identifier and until.get(key, date.min) >= _day(bank, one)
        ):
            continue
        until[key] = _end(bank, tables, one)
        came = _what_came(bank, principal, tables, one)
        found[one.id] = (came, _saved(bank, principal, tables, one) if came is Came.AVOIDED else _NOTHING)
    return found


def _end(bank: Bank, tables: _Tables, alert: Alert) -> date:
    """The last day of the rule's window after the order, or after the day that it is for where that is later."""
    planned = exams.day_of(alert.day) or date.min
    return max(_day(bank, alert), planned) + timedelta(days=tables.days.get(alert.rule, 0))


def _what_came(bank: Bank, principal: Principal, tables: _Tables, alert: Alert) -> Came:
    if not alert.patient.identifier or alert.rule not in tables.days:
        return Came.UNKNOWN
    first, last = _day(bank, alert), _end(bank, tables, alert)
    records = _records(bank, alert.patient)
    if any(first <= day <= last for day in _made(bank, tables, alert, records, principal.scope) if day is not None):
        return Came.MADE
    # What the caller does not see is neither told of nor counted as avoided; an exam without a day may be any.
    hidden = _made(bank, tables, alert, records, _HERE)
    is_open = bank.now().astimezone(bank.settings.zone).date() <= last
    return Came.UNKNOWN if is_open or any(day is None or first <= day <= last for day in hidden) else Came.AVOIDED


def _records(bank: Bank, patient: PatientId) -> list[PatientId]:
    """A record with all that are linked to it."""
    linked = bank.index.persons.identity(patient, _HERE)
    others = bank.index.persons.person(linked.person, _HERE) if linked is not None else []
    return [patient, *(one.identity.patient for one in others if one.identity.patient != patient)]


def _made(bank: Bank, tables: _Tables, alert: Alert, records: Collection[PatientId], scope: Scope) -> list[date | None]:
    """The days of exams like the ordered one, apart from the one that answered the order."""
    history = exams.history(bank, records, scope)
    return [past.day for past in history if past.id != alert.study and _is_like(tables, alert.exam, past)]


def _is_like(tables: _Tables, ordered: Exam, past: Past) -> bool:
    # With contrast or without, it was made again; and where nobody says of which side, of that one.
    side = past.exam.side if past.exam.side is not Side.UNSAID else ordered.side
    return answers(tables.repeats, tables.like, ordered, replace(past.exam, side=side, contrast=ordered.contrast))


def _saved(bank: Bank, principal: Principal, tables: _Tables, alert: Alert) -> Saved:
    cost = cost_of(tables.costs, tables.like, alert.exam) if tables.costs else None
    measured = _measured(bank, principal, alert)
    if measured is not None:
        return Saved(measured, is_measured=True, cost=cost)
    return Saved(dose.estimate(bank, alert.exam).msv, cost=cost)


def _measured(bank: Bank, principal: Principal, alert: Alert) -> float | None:
    """What the answering exam took, where that was measured and it showed the same parts; of one that shows more it is more."""
    try:
        found = dose.beside(bank, principal, alert.study)
    except NotFound:
        return None
    is_same = found.exam.group is alert.exam.group and set(found.exam.regions) == set(alert.exam.regions)
    return found.dose.msv if is_same and found.dose.is_measured else None
