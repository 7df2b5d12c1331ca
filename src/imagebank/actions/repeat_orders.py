"""Orders that come by HL7: one that repeats an exam is a task of the queue, after its message was acknowledged."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from imagebank.actions import exams, filing, notes, ordered, repeat_answers, repeat_check, rights
from imagebank.actions.audit import SYSTEM
from imagebank.actions.repeat_check import Asking, Wish
from imagebank.bank import Bank
from imagebank.errors import Invalid, noted
from imagebank.exams.comparing import factors, likeness
from imagebank.exams.overriding import Reason, overrides
from imagebank.exams.telling import reasons
from imagebank.model.access import Principal, Role, Scope
from imagebank.model.alert import Alert, Answer, Change, Outcome
from imagebank.model.event import Act, Event
from imagebank.model.exam import Context, Exam, Past
from imagebank.model.order import Order, State
from imagebank.model.phrase import Phrase
from imagebank.model.task import Kind, Mark, Priority, Task, filed
from imagebank.model.uid import Uid
from imagebank.ports import Transaction

JOB: Final = "repeat-check"
WAY: Final = "hl7"
NOTE: Final = noted("an exam was ordered that another one may answer already")
PERFORMED: Final = "performed"
"""How a task is settled whose exam was made all the same before anybody had looked."""
_HERE: Final = Scope(organizations=None)
_TAKEN_BACK: Final = (State.CANCELLED, State.STOPPED)


def look_later(bank: Bank, tx: Transaction, order: Order) -> None:
    """Look at an order that was heard of, once its message is acknowledged."""
    told = {"organization": order.organization, "placer": order.placer, "filler": order.filler}
    tx.defer(JOB, told, bank.now(), key="\n".join(told.values()))


def look_job(bank: Bank, payload: dict[str, Any]) -> None:
    """File a task for each step of an order that repeats an exam; settle it where the step is taken back, or was carried out."""
    steps = bank.index.orders.steps_of(payload["organization"], payload["placer"], payload["filler"])
    if not steps:
        return
    numbers = {number for one in steps for number in (one.placer, one.filler)}
    known = bank.index.alerts.of_order(steps[0].organization, numbers, _HERE)
    asked = {one.id: exams.understood(bank, ordered.said_of(one)) for one in steps}
    about = {alert.id: _about(alert, steps, asked) for alert in known}
    _settle(bank, [(alert, about[alert.id]) for alert in known if all(map(_is_over, about[alert.id]))])
    # Whoever was told while they ordered need not be told again.
    told = {one.id for those in about.values() for one in those}
    new = [one for one in steps if one.id not in told and not _is_over(one) and one.state is not State.STARTED]
    if new:
        # The same exam in two steps is asked about once.
        _look(bank, list({_same(asked[one.id]): one for one in reversed(new)}.values())[::-1])


def _is_over(order: Order) -> bool:
    return order.state is not None and order.state.is_over


def _same(exam: Exam) -> tuple[object, ...]:
    return exam.group, exam.regions, exam.side


def _about(alert: Alert, steps: Sequence[Order], asked: Mapping[int, Exam]) -> list[Order]:
    """The steps of an order that an alert is about: those that ask for its exam, else all of them."""
    return [one for one in steps if _same(asked[one.id]) == _same(alert.exam)] or list(steps)


def _look(bank: Bank, steps: Sequence[Order]) -> None:
    first = steps[0]
    asker = rights.principal(bank, WAY, Role.CLINICIAN, first.organization, is_proven=False)
    asking = Asking(asker, (first.patient.id,), WAY, first.ordered.requesting, first.ordered.place, is_placed=True)
    found = repeat_check.check(bank, asking, [_wish(one) for one in steps])
    for one, order in zip(found, steps, strict=False):
        if one.alert is not None and one.alert.way == WAY:
            _file(bank, one.alert, order)


def _file(bank: Bank, alert: Alert, order: Order) -> None:
    name = filed(Kind.REPEAT, alert.id)
    priority = Priority.HIGH if alert.severity == "warn" else Priority.NORMAL
    task = Task(name, Kind.REPEAT, order.organization, (alert.study,), alert.at, order.ordered.place, priority, NOTE)
    with bank.index.begin() as tx:
        filing.file(bank, tx, task)
        tx.alerts.name_task(alert.id, name)
        notes.defer(bank, tx, alerts=(replace(alert, task=name),))


def _wish(order: Order) -> Wish:
    day = exams.day_of(order.scheduled_at[:8])
    context = Context.URGENT if order.ordered.priority == "STAT" else Context.ROUTINE
    reasons = tuple(filter(None, (order.ordered.reason,)))
    return Wish(ordered.said_of(order), day, context, reasons, order.placer or order.filler)


def _settle(bank: Bank, alerts: Iterable[tuple[Alert, Sequence[Order]]]) -> None:
    """Note for alerts that nobody has answered what became of the steps that they are about: all of those are over."""
    now = bank.now()
    with bank.index.begin() as tx:
        for one, steps in alerts:
            # What was made of it was made all the same.
            is_back = all(step.state in _TAKEN_BACK for step in steps)
            outcome, reason = (Outcome.ACCEPTED, Change.CANCELLED) if is_back else (Outcome.IGNORED, "")
            answer = Answer(outcome, now, reason, by=SYSTEM)
            if one.answer is None and one.is_shown and tx.alerts.answer(one.id, answer):
                tx.record([_event(one, now, f"repeat check: alert {outcome}")])
                notes.defer(bank, tx, alerts=(replace(one, answer=answer),))
                if one.task:
                    mark = Mark(one.task, how=Change.CANCELLED if is_back else PERFORMED, by=SYSTEM, at=now)
                    tx.tasks.mark(mark)
                    notes.defer(bank, tx, marks=(mark,))


def _event(one: Alert, now: datetime, words: str) -> Event:
    return Event(now, Act.CHANGED, SYSTEM, one.organization, study=one.study, detail=words, patient=one.patient)


def answer(bank: Bank, principal: Principal, task: Task, how: str, why: str, address: str = "") -> None:
    """Note what somebody decided about the order of a task: it was taken back, or it stays for one of the site's reasons.

    Raises Invalid for another word, NotFound where it is another organization's.
    """
    if how != Change.CANCELLED and how not in overrides(bank.settings.overrides_file).codes:
        raise Invalid("say that the order is cancelled, or for which reason it stays")
    alert = bank.index.alerts.of_task(task.id, _HERE)
    if alert is None:
        return  # it was filed before alerts were kept among the objects, and rebuilt since
    outcome = Outcome.ACCEPTED if how == Change.CANCELLED else Outcome.OVERRIDDEN
    told = repeat_answers.Told(alert.id, Answer(outcome, bank.now(), how, why, principal.name))
    repeat_answers.tell(bank, principal, [told], address)


def take_back(bank: Bank, task: Task) -> None:
    """Let an alert be unanswered again."""
    alert = bank.index.alerts.of_task(task.id, _HERE)
    if alert is not None:
        with bank.index.begin() as tx:
            tx.alerts.answer(alert.id, Answer(Outcome.SHOWN, bank.now()))
            notes.defer(bank, tx, alerts=(replace(alert, answer=None),))


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of a task: the alert, the exam that answers it with the reasons, and the reasons to override."""

    alert: Alert
    past: Past
    reasons: tuple[Phrase, ...]
    overrides: tuple[Reason, ...]


def shown(bank: Bank, task: Task, scope: Scope) -> Shown | None:
    """What is shown of a task; None where its alert is not there. Raises NotFound for a study that the scope does not show."""
    alert = bank.index.alerts.of_task(task.id, scope)
    if alert is None:
        return None
    past = exams.of_study(bank, Uid(alert.study), scope)
    like = likeness(bank.settings.priors_file, bank.settings.exams_file)
    why = reasons(factors(like, alert.exam, past.exam))
    return Shown(alert, past, tuple(why), overrides(bank.settings.overrides_file).offered)
