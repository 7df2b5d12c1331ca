"""Whether exams that are being ordered were made already: asked at the order, told once, and kept with what came of it."""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from imagebank.actions import elsewhere, exams, notes, ordered, search
from imagebank.actions.audit import event
from imagebank.bank import Bank
from imagebank.errors import NotAllowed
from imagebank.exams.comparing import Likeness, likeness
from imagebank.exams.priors import ranked
from imagebank.exams.repeats import repeat_of, repeats, trials_of
from imagebank.model.access import HOLDERS, LONG_AGO, Principal, Right, Scope
from imagebank.model.alert import SHADOW, Alert, Change
from imagebank.model.elsewhere import Elsewhere
from imagebank.model.event import Act, Event
from imagebank.model.exam import Asked, Context, Exam, Past, Repeat, Said
from imagebank.model.imaging import DataSet
from imagebank.model.order import State
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.ports.orders import Wanted

MOST: Final = 50
"""Orders that are looked at in one check."""
AGAIN: Final = timedelta(days=1)
"""What is said of an order again within this time is the same alert."""
_SHOWN: Final = 5
_LONGEST: Final = 256
_HERE: Final = Scope(organizations=None)


@dataclass(frozen=True, slots=True)
class Wish:
    """An exam that is being ordered. `day` is None where nobody says when it is to be made: then it is today.

    `context` is why it is ordered, where the order says so itself; else `reasons`, its words, are read for it. `order`
    is the number by which whoever asks calls it.
    """

    said: Said
    day: date | None = None
    context: Context = Context.ROUTINE
    reasons: tuple[str, ...] = ()
    order: str = ""


@dataclass(frozen=True, slots=True)
class Asking:
    """Who orders, for whom, and how they ask. `user` and `department` are as they are called there.

    `acting` is the person who sits before the caller's system, where the bank knows them: nothing is told that they do
    not see themselves, and nothing that the caller does not see.

    Of an order that `is_placed` nobody is told who was told while it was written, unless they said that it is taken back.
    """

    principal: Principal
    patients: tuple[PatientId, ...]
    way: str
    user: str = ""
    department: str = ""
    address: str = ""
    is_placed: bool = False
    acting: Principal | None = None

    @property
    def patient(self) -> PatientId | None:
        """Whom the order is for, by the orderer's own identifier where there is one; None where nobody says."""
        own = (one for one in self.patients if one.issuer == self.principal.organization)
        return next(own, next(iter(self.patients), None))


@dataclass(frozen=True, slots=True)
class Seen:
    """An earlier exam with what a list says of its study."""

    past: Past
    study: DataSet


@dataclass(frozen=True, slots=True)
class Checked:
    """What is said of one wish: the alert, and the rule's word with its reasons.

    `seen` are the study that answers the wish, and the best other ones to compare with, as a list shows them; `age` is
    how many days ago the first was made, whenever the ordered one is to be. Without an alert there is nothing to say.
    """

    wish: Wish
    exam: Exam
    alert: Alert | None = None
    repeat: Repeat | None = None
    seen: tuple[Seen, ...] = ()
    age: int = 0


@dataclass(frozen=True, slots=True)
class _Looked:
    """A wish, understood, with what the rules say of it, what others on trial would, and the best of what else there is."""

    wish: Wish
    asked: Asked
    repeat: Repeat | None
    trials: tuple[Repeat, ...]
    others: tuple[Past, ...]

    @property
    def is_told(self) -> bool:
        return self.repeat is not None and self.repeat.severity != SHADOW


def check(bank: Bank, asking: Asking, wishes: Sequence[Wish]) -> list[Checked]:
    """What is said of each wish, in their order. The check, and each alert, stands in the ledger before the answer.

    What the caller does not see is not there: it makes no alert, and takes no other way. Raises NotAllowed.
    """
    principal = asking.principal
    require_ordering(principal)
    patients = ordered.records(bank, asking.patients, principal.organization, principal.scope)
    history = _history(bank, asking, patients) if patients else []
    away = _away(bank, asking, patients)
    like = likeness(bank.settings.priors_file, bank.settings.exams_file)
    looked = [_looked(bank, like, principal, wish, history, away) for wish in wishes[:MOST]]
    if any(one.repeat is not None or one.trials for one in looked) and (broken := _broken_off(bank, patients)):
        whole = [past for past in history if past.id not in broken]
        looked = [_looked(bank, like, principal, wish, whole, away) for wish in wishes[:MOST]]
    shown = _shown(bank, principal.scope, looked) | {str(one.study): one.attributes for one in away}
    alerts = _once([_alert(bank, asking, one, one.repeat) for one in looked])
    tried = _once([_alert(bank, asking, one, each) for one in looked for each in one.trials])
    known = [_known(bank, asking, one) for one in alerts]
    unknown = [one for one, before in zip(alerts, known, strict=True) if before is None]
    unknown += [one for one in tried if _known(bank, asking, one) is None]
    with bank.index.begin() as tx:
        new = tuple(dict.fromkeys(one for one in unknown if one is not None))
        for alert in new:
            tx.alerts.put(alert)
        if new:
            notes.defer(bank, tx, alerts=new)
        said = [before or alert for alert, before in zip(alerts, known, strict=True)]
        tx.record(_events(bank, asking, said))
    return [_checked(bank, one, alert, shown) for one, alert in zip(looked, said, strict=True)]


def warm(bank: Bank) -> None:
    """Read the tables, so that the first order of a process waits for none of them."""
    likeness(bank.settings.priors_file, bank.settings.exams_file)
    repeats(bank.settings.repeats_file)
    exams.understood(bank, Said())


def require_ordering(principal: Principal) -> None:
    """Raises NotAllowed for whoever orders nothing: patients, who has redeemed a card, and who may find nothing."""
    principal.require(Right.FIND)
    if principal.role in HOLDERS:
        raise NotAllowed("orders are checked for staff; ask whoever runs the bank")


def _history(bank: Bank, asking: Asking, patients: Collection[PatientId]) -> list[Past]:
    found = exams.history(bank, patients, asking.principal.scope)
    if asking.acting is None:
        return found
    # Asked whatever was found, so that nobody can tell by the time.
    theirs = {one.id for one in exams.history(bank, patients, asking.acting.scope)}
    return [one for one in found if one.id in theirs]


def _away(bank: Bank, asking: Asking, patients: Collection[PatientId]) -> list[Elsewhere]:
    """What other archives have said they hold. Of an order that is placed nobody is told what is not here."""
    if asking.is_placed:
        return []
    found = elsewhere.known(bank, asking.principal, patients)
    if asking.acting is None:
        return found
    theirs = {one.study for one in elsewhere.held(bank, asking.acting, patients)}
    return [one for one in found if one.study in theirs]


def _looked(
    bank: Bank,
    like: Likeness,
    principal: Principal,
    wish: Wish,
    history: Collection[Past],
    away: Sequence[Elsewhere] = (),
) -> _Looked:
    today = _today(bank)
    day = wish.day or today
    asked = Asked(exams.understood(bank, wish.said), day, _context(bank, wish), principal.organization)
    timely = [exams.timely(past, day) for past in history if exams.is_made(past, today)]
    table = repeats(bank.settings.repeats_file)
    repeat, trials = repeat_of(table, like, asked, timely), trials_of(table, like, asked, timely)
    if repeat is None and away:
        told = (elsewhere.past(bank, one) for one in away)
        others_past = [exams.timely(past, day) for past in told if exams.is_made(past, today)]
        repeat = _mild(repeat_of(table, like, asked, others_past))
    if repeat is None or repeat.severity == SHADOW:
        return _Looked(wish, asked, repeat, trials, ())
    others = [prior.past for prior in ranked(like, asked, timely) if prior.past.id != repeat.past.id]
    return _Looked(wish, asked, repeat, trials, tuple(others[: _SHOWN - 1]))


def _broken_off(bank: Bank, patients: Collection[PatientId]) -> set[str]:
    """Studies of which whoever made them says that they were not carried to their end."""
    orders = [
        one
        for patient in patients
        for one in bank.index.orders.orders(
            Wanted(identifier=patient.identifier, issuer=patient.issuer, is_open=False), _HERE
        )
        if one.patient.id == patient and one.study
    ]
    return {str(one.study) for one in orders} - {str(one.study) for one in orders if one.state is not State.STOPPED}


def _today(bank: Bank) -> date:
    return bank.now().astimezone(bank.settings.zone).date()


def _mild(repeat: Repeat | None) -> Repeat | None:
    """What another archive holds may answer the order: less is known of it, and its images are not at hand."""
    return replace(repeat, severity="tell") if repeat is not None and repeat.severity == "warn" else repeat


def _context(bank: Bank, wish: Wish) -> Context:
    if wish.context is not Context.ROUTINE or not wish.reasons:
        return wish.context
    purpose = exams.understood(bank, Said(descriptions=wish.reasons)).purpose
    return next((one for one in Context if one == purpose), Context.ROUTINE)


def _shown(bank: Bank, scope: Scope, looked: Sequence[_Looked]) -> dict[str, DataSet]:
    """What a list shows of every study that is told of, one question for all."""
    named = [Uid(past.id) for one in looked for past in _pasts(one)]
    found = search.of_studies(bank, named, scope)
    return {str(one.attributes["0020000D"]["Value"][0]): one.attributes for one in found}


def _pasts(one: _Looked) -> tuple[Past, ...]:
    return (one.repeat.past, *one.others) if one.repeat is not None and one.is_told else ()


def _alert(bank: Bank, asking: Asking, one: _Looked, repeat: Repeat | None) -> Alert | None:
    if repeat is None or asking.patient is None:
        return None
    return Alert(
        str(uuid.uuid4()),
        bank.now(),
        asking.principal.organization,
        asking.patient,
        Uid(repeat.past.id),
        replace(one.asked.exam, evidence=(), unknown=(), confidence=0.0),
        f"{one.asked.day:%Y%m%d}",
        repeat.days,
        repeat.rule,
        repeat.severity,
        asking.way,
        asking.user[:_LONGEST],
        asking.department[:_LONGEST],
        one.wish.order[:_LONGEST],
    )


def _once(alerts: Sequence[Alert | None]) -> list[Alert | None]:
    """The same order twice in one check is one alert."""
    first: dict[Alert, Alert] = {}
    return [None if one is None else first.setdefault(replace(one, id="", at=LONG_AGO), one) for one in alerts]


def _known(bank: Bank, asking: Asking, alert: Alert | None) -> Alert | None:
    """The alert that says the same already: an order that is selected and then signed is warned of once."""
    if alert is None:
        return None
    since = alert.at - AGAIN
    same = bank.index.alerts.like(alert, since, _HERE)
    if same is not None or not asking.is_placed:
        return same
    others = bank.index.alerts.by_another_way(alert, since, _HERE)
    return next((one for one in others if one.answer is None or one.answer.reason != Change.CANCELLED), None)


def _events(bank: Bank, asking: Asking, alerts: Sequence[Alert | None]) -> Iterator[Event]:
    words = f"{asking.way}: repeat check"
    made = replace(event(bank, Act.SEARCHED, asking.principal, asking.address, words), patient=asking.patient)
    yield replace(made, count=max(len(alerts), 1))
    for alert in alerts:
        if alert is not None and alert.is_shown and alert.way == asking.way:
            yield replace(made, study=alert.study, detail=f"{words}: told of an earlier exam")


def _checked(bank: Bank, one: _Looked, alert: Alert | None, shown: Mapping[str, DataSet]) -> Checked:
    if alert is None or not alert.is_shown:
        return Checked(one.wish, one.asked.exam)
    seen = tuple(Seen(past, shown[past.id]) for past in _pasts(one) if past.id in shown)
    assert one.repeat is not None
    today = _today(bank)
    made = one.repeat.past.day or today  # one without a day answers nothing
    return Checked(one.wish, one.asked.exam, alert, one.repeat, seen, max((today - made).days, 0))
