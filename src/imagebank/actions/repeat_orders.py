"""Orders that come by HL7: one that repeats an exam is a task of the queue, after its message was acknowledged."""

from collections.abc import Iterable
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
from imagebank.model.exam import Context, Past
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
    """File a task where an order repeats an exam; settle it where the order is taken back, or was carried out."""
    order = bank.index.orders.order_of(payload["organization"], payload["placer"], payload["filler"])
    if order is None:
        return
    known = bank.index.alerts.of_order(order.organization, (order.placer, order.filler), _HERE)
    if order.state is not None and order.state.is_over:
        _settle(bank, order.state, known)
    elif not known and order.state is not State.STARTED:
        # Whoever was told while they ordered need not be told again.
        _look(bank, order)


def _look(bank: Bank, order: Order) -> None:
    asker = rights.principal(bank, WAY, Role.CLINICIAN, order.organization, is_proven=False)
    number = order.placer or order.filler
    asking = Asking(asker, (order.patient.id,), WAY, order.ordered.requesting, order.ordered.place)
    (found,) = repeat_check.check(bank, asking, [replace(_wish(order), order=number)])
    if found.alert is None:
        return
    alert = found.alert
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
    return Wish(ordered.said_of(order), day, context, tuple(filter(None, (order.ordered.reason,))))


def _settle(bank: Bank, state: State, alerts: Iterable[Alert]) -> None:
    """Note for alerts that nobody has answered what became of their order."""
    now, is_back = bank.now(), state in _TAKEN_BACK
    reason = Change.CANCELLED if is_back else ""
    answer = Answer(Outcome.ACCEPTED if is_back else Outcome.IGNORED, now, reason, by=SYSTEM)
    with bank.index.begin() as tx:
        for one in alerts:
            if one.answer is None and one.is_shown and tx.alerts.answer(one.id, answer):
                words = f"repeat check: alert {answer.outcome}"
                tx.record([_event(one, now, words)])
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
