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
_PARTED: Final = "|"
ANSWERS: Final = (Outcome.ACCEPTED, Outcome.OVERRIDDEN, Outcome.IGNORED)


@dataclass(frozen=True, slots=True)
class Told:
    """An answer to the alert of this identifier. `is_own` says that its reason is one of the caller's own: `own_reason`."""

    alert: str
    answer: Answer
    is_own: bool = False


def own_reason(system: str, code: str) -> str:
    """A reason that another system offered its user beside those of the site, as it is kept (CDS Hooks 2.0 lets it)."""
    return f"{system}{_PARTED}{code}"


def parted(reason: str) -> tuple[str, str]:
    """The system and the code of such a reason; the system is empty for one of the site's."""
    system, _, code = reason.rpartition(_PARTED)
    return system, code


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
        _require_sound(bank, one)
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


def _require_sound(bank: Bank, told: Told) -> None:
    answer = told.answer
    if answer.outcome not in ANSWERS:
        raise Invalid("an alert is accepted, overridden or ignored")
    known = overrides(bank.settings.overrides_file).codes
    is_known = not answer.reason or told.is_own or answer.reason in known
    if answer.outcome is Outcome.OVERRIDDEN and not is_known:
        raise Invalid("the reason is none of those that this bank offers")
    if answer.outcome is Outcome.ACCEPTED and answer.reason and answer.reason not in set(Change):
        raise Invalid("what is accepted is that the order was cancelled or changed")
    if max(len(answer.comment), len(answer.reason)) > _LONGEST:
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
