"""What alerts about repeated exams brought: shown, accepted, overridden, and the exams that were not made for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from imagebank.actions import came, dose, rights
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.exams.comparing import likeness
from imagebank.exams.costs import Costs, cost_of, costs
from imagebank.exams.repeats import repeats
from imagebank.model.access import Principal, Right, Role
from imagebank.model.alert import Alert
from imagebank.model.avoided import Brought, By, Came, Counts, Line, Saved, is_noisy

MOST_DAYS: Final = 3_660
"""A report is over so many days at the most, some ten years."""
_NOTHING: Final = Saved()
# Days whose moments are moments in every time zone.
_FIRST: Final = date(1, 1, 3)
_LAST: Final = date(9999, 12, 29)


@dataclass(frozen=True)
class _Tables(came.Tables):
    """The site's tables by which exams are compared and costed."""

    costs: Costs | None


def report(
    bank: Bank, principal: Principal, since: date, until: date, by: Sequence[By], way: str, address: str = ""
) -> Brought:
    """What alerts of some days brought, both inclusive, for the caller's organization, or of all for who keeps the bank.

    Alerts whose study the organization's clinicians do not see any more are not counted. No patient is named. Raises NotAllowed, and Invalid for
    days that are no span.
    """
    return reports(bank, principal, since, until, [by], way, address)[0]


def reports(
    bank: Bank,
    principal: Principal,
    since: date,
    until: date,
    each: Sequence[Sequence[By]],
    way: str,
    address: str = "",
) -> list[Brought]:
    """The same, told apart in several ways at once. Raises as `report` does."""
    principal.require(Right.QUALITY)
    if not 0 <= (until - since).days < MOST_DAYS:
        raise Invalid(
            "the first day is not after the last one, and they are {most} days apart at the most", most=MOST_DAYS
        )
    bank.reads.search(principal, f"{way}: what the repeat check brought", address)
    tables = _tables(bank)
    # Who reads counts need not see a study; what is counted is what those see who order.
    reader = principal if principal.keeps else _clinician(bank, principal.organization)
    around = _alerts(bank, reader, since, until, max(tables.days.values(), default=0))
    alerts = [one for one in around if since <= came.day_of(bank, one) <= until]
    found = came.came(bank, tables, reader.scope, around)
    saved = {one.id: _exam(bank, reader, tables, one, found[one.id]) for one in alerts if one.id in found}
    return [_brought(bank, tables, alerts, saved, since, until, by) for by in each]


def _clinician(bank: Bank, organization: str) -> Principal:
    return rights.principal(bank, "quality", Role.CLINICIAN, organization, is_proven=False)


def _brought(
    bank: Bank,
    tables: _Tables,
    alerts: Sequence[Alert],
    saved: Mapping[str, tuple[Came, Saved]],
    since: date,
    until: date,
    by: Sequence[By],
) -> Brought:
    total, lines, rules = Counts(), dict[tuple[str, ...], Counts](), dict[str, Counts]()
    for one in alerts:
        key = tuple(_value(bank, one, each) for each in by)
        total = _with(total, one, saved)
        lines[key] = _with(lines.get(key, Counts()), one, saved)
        rules[one.rule] = _with(rules.get(one.rule, Counts()), one, saved)
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


def _alerts(bank: Bank, principal: Principal, since: date, until: date, around: int) -> list[Alert]:
    """Alerts of these days and of so many days around them: whether one counts depends on what was ordered before and after."""
    zone, more = bank.settings.zone, timedelta(days=around)
    first = datetime.combine(max(since, _FIRST + more) - more, time(), zone)
    behind = datetime.combine(min(until, _LAST - more) + more, time.max, zone)
    found = bank.index.alerts.between(first, behind, principal.scope)
    return [one for one in found if principal.keeps or one.organization == principal.organization]


def _tables(bank: Bank) -> _Tables:
    settings = bank.settings
    table = repeats(settings.repeats_file)
    like = likeness(settings.priors_file, settings.exams_file)
    return _Tables(table, like, {one.name: one.days for one in table.rule}, costs(settings.costs_file))


def _with(counts: Counts, alert: Alert, saved: Mapping[str, tuple[Came, Saved]]) -> Counts:
    counted = counts.with_alert(alert.outcome, alert.answer.reason if alert.answer else "")
    return counted.with_exam(*saved[alert.id]) if alert.id in saved else counted


def _value(bank: Bank, alert: Alert, by: By) -> str:
    values = {
        By.MONTH: f"{came.day_of(bank, alert):%Y-%m}",
        By.ORGANIZATION: alert.organization,
        By.DEPARTMENT: alert.department,
        By.EXAM: " ".join((alert.exam.group.value, *alert.exam.regions)),
        By.RULE: alert.rule,
    }
    return values[by]


def _exam(bank: Bank, principal: Principal, tables: _Tables, alert: Alert, what: Came) -> tuple[Came, Saved]:
    return what, _saved(bank, principal, tables, alert) if what is Came.AVOIDED else _NOTHING


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
