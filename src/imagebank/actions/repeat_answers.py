"""What somebody did about an alert: accepted it, overrode it for a reason, or ignored it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from imagebank.actions import notes
from imagebank.actions.audit import event
from imagebank.actions.repeat_check import require_ordering
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.exams.overriding import overrides
from imagebank.model.access import Principal, Scope
from imagebank.model.alert import Alert, Answer, Change, Outcome
from imagebank.model.event import Act
from imagebank.model.person import PatientId

_HERE: Final = Scope(organizations=None)
_LONGEST: Final = 1000
_AHEAD: Final = timedelta(minutes=5)
"""How far the clock of whoever tells of an answer may be ahead of ours."""
ANSWERS: Final = (Outcome.ACCEPTED, Outcome.OVERRIDDEN, Outcome.IGNORED)


@dataclass(frozen=True, slots=True)
class Told:
    """An answer to the alert of this identifier."""

    alert: str
    answer: Answer


def tell(bank: Bank, principal: Principal, told: Sequence[Told], address: str = "") -> list[Alert]:
    """Note what was done about alerts, all of it or nothing. The same told twice is noted once.

    Whoever was shown an alert tells of it by its identifier, also when they no longer see the study. Raises NotAllowed,
    NotFound for an alert that the caller's organization was not shown, Invalid for a reason that is none of the site's.
    """
    require_ordering(principal)
    whose = "" if principal.keeps else principal.organization
    found = {one.id: one for one in bank.index.alerts.alerts([one.alert for one in told], whose, _HERE) if one.is_shown}
    for one in told:
        if one.alert not in found:
            raise NotFound("there is no such alert here")
        _require_sound(bank, one.answer)
    now = bank.now()
    with bank.index.begin() as tx:
        for one in told:
            alert, answer = found[one.alert], one.answer
            timely = replace(answer, at=now if answer.at > now + _AHEAD else answer.at)
            if tx.alerts.answer(alert.id, timely):
                words = f"repeat check: alert {answer.outcome}"
                made = event(bank, Act.CHANGED, principal, address, words)
                tx.record([replace(made, study=alert.study, patient=alert.patient)])
                notes.defer(bank, tx, alerts=(replace(alert, answer=timely),))
    return bank.index.alerts.alerts(list(found), whose, _HERE)


def _require_sound(bank: Bank, answer: Answer) -> None:
    if answer.outcome not in ANSWERS:
        raise Invalid("an alert is accepted, overridden or ignored")
    known = overrides(bank.settings.overrides_file).codes
    if answer.outcome is Outcome.OVERRIDDEN and answer.reason and answer.reason not in known:
        raise Invalid("the reason is none of those that this bank offers")
    if answer.outcome is Outcome.ACCEPTED and answer.reason and answer.reason not in set(Change):
        raise Invalid("what is accepted is that the order was cancelled or changed")
    if len(answer.comment) > _LONGEST:
        raise Invalid("a comment has {most} characters at the most", most=_LONGEST)


def about(
    bank: Bank, principal: Principal, patients: Sequence[PatientId], way: str, address: str = "", most: int = 200
) -> list[Alert]:
    """Alerts about some records, the newest first, that the caller's organization was shown, and whose study they see.

    Raises NotAllowed.
    """
    require_ordering(principal)
    bank.reads.search(principal, way, address)
    whose = "" if principal.keeps else principal.organization
    return bank.index.alerts.of_patients(patients, whose, principal.scope, most)


def one(bank: Bank, principal: Principal, alert: str, way: str, address: str = "") -> Alert:
    """One alert. Raises NotAllowed, NotFound for one that the caller's organization was not shown, or whose study they do not see."""
    require_ordering(principal)
    bank.reads.search(principal, way, address)
    found = bank.index.alerts.alert(alert, principal.scope)
    if found is None or not found.is_shown or not (principal.keeps or found.organization == principal.organization):
        raise NotFound("there is no such alert here")
    return found
