"""Reports that wait: telling from when on they can be read and why, letting them be read at once, and saying that they can."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from imagebank.actions import notes, notify
from imagebank.actions.audit import event
from imagebank.actions.together import InSteps, Steps
from imagebank.bank import Bank
from imagebank.errors import NotAllowed, NotFound
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.event import Act
from imagebank.model.imaging import Selection
from imagebank.model.notice import Kind
from imagebank.model.person import PatientId
from imagebank.model.report import Waiting, Which
from imagebank.model.uid import Uid
from imagebank.ports import Transaction

JOB: Final = "tell-report"
# Whose a study is, is looked up to tell its person, and is told to nobody else.
_ALL: Final = Scope(organizations=None)


def waiting(bank: Bank, principal: Principal, patients: Collection[PatientId]) -> list[Waiting]:
    """What people cannot read yet of these records, the first to come first: who is bound by the delays is told so, too.

    Who may not see reports is told of none.
    """
    if not bank.delays or Right.GET not in principal.rights:
        return []
    scope = principal.scope
    at = bank.now() if scope.asker is None else scope.asker.at
    return bank.index.histories.waiting(patients, bank.delays, at, scope)


def of_study(bank: Bank, principal: Principal, study: Uid) -> list[Waiting]:
    """The same of one study."""
    if not bank.delays:
        return []
    found = waiting(bank, principal, _records(bank, study, principal.scope))
    return [one for one in found if one.study == study]


def may_release(principal: Principal, one: Waiting) -> bool:
    """Whether somebody may let a report be read at once: with the right, in the organization that reports."""
    is_own = principal.scope.organizations is None or principal.organization == one.which.organization
    return Right.RELEASE in principal.rights and is_own


def release(bank: Bank, study: Uid, principal: Principal, address: str = "") -> list[Waiting]:
    """Let people read at once what waits of a study; what that was. Those who hold the records are told.

    Raises NotFound for a study that is not there or not for the caller, NotAllowed without the right to, or where only
    another organization's reports wait.
    """
    principal.require(Right.RELEASE)
    if not bank.index.instances(Selection(study), principal.scope):
        raise NotFound("there is no such study here")
    found = of_study(bank, principal, study)
    mine = [one for one in found if may_release(principal, one)]
    if found and not mine:
        raise NotAllowed("these reports are another organization's; somebody there may let them be read")
    if mine:
        _release(bank, study, mine, principal, address)
    return mine


def _release(bank: Bank, study: Uid, mine: Sequence[Waiting], principal: Principal, address: str) -> None:
    whole = event(bank, Act.DECIDED, principal, address, "report: released at once")
    with bank.index.begin() as tx:
        for one in mine:
            tx.orders.release(one.which)
            tell_soon(bank, tx, study, one.which)
        tx.record([replace(whole, study=study, count=len(mine), patient=mine[0].which.patient)])
        notes.defer(bank, tx, released=tuple(one.which for one in mine))


def tell_soon(bank: Bank, tx: Transaction, study: Uid, one: Which) -> None:
    """Have those who hold a study's records told of a report, once they can read it."""
    _tell_at(tx, study, one.name, bank.now())


def _tell_at(tx: Transaction, study: Uid, name: str, due: datetime) -> None:
    key = f"{study} {name}"
    tx.forget(JOB, key)  # else one that waits already would only be put off
    tx.defer(JOB, {"study": study, "report": name}, due, key=key)


@InSteps
def arrived_job(bank: Bank, payload: dict[str, Any]) -> Steps[None]:
    """What the job `tell-deposit` does: tell of a study of which something can be seen, and later of documents that wait."""
    study = Uid(payload["study"])
    late = _late(bank, study) if bank.delays else {}
    if any(series not in late for _, series, _ in bank.index.series_of(Selection(study=study), _ALL)):
        yield from notify.arrived_job.steps(bank, payload)
    if late:
        yield lambda tx: _tell_each_at(tx, study, late)


def _tell_each_at(tx: Transaction, study: Uid, late: Mapping[Uid, datetime]) -> None:
    for series, until in late.items():
        _tell_at(tx, study, str(series), until)


def _late(bank: Bank, study: Uid) -> dict[Uid, datetime]:
    """The series of a study that wait for their patient, and until when."""
    found = bank.index.histories.waiting(_records(bank, study, _ALL), bank.delays, bank.now(), _ALL)
    return {one.which.series: one.until for one in found if one.study == study and one.which.series is not None}


def tell_job(bank: Bank, payload: dict[str, Any]) -> None:
    """What the job `tell-report` does: tell of a report, or come back when it can be read."""
    study, name = Uid(payload["study"]), str(payload["report"])
    patients = _records(bank, study, _ALL)
    found = bank.index.histories.waiting(patients, bank.delays, bank.now(), _ALL)
    due = [one.until for one in found if (one.study, one.which.name) == (study, name)]
    with bank.index.begin() as tx:
        if due:
            _tell_at(tx, study, name, max(due))
            return
        # Of nobody, when the study was deleted since.
        for patient in bank.index.patients_of([study], _ALL).values():
            notify.told_of(bank, tx, patient, Kind.REPORT, f"/studies/{study}")


def _records(bank: Bank, study: Uid, scope: Scope) -> set[PatientId]:
    """The record that a study is of, with those that are linked to it; none for a study that the scope does not show."""
    patient = bank.index.histories.patient_of(study, scope)
    if patient is None:
        return set()
    known = bank.index.persons.identity(patient, _ALL)
    linked = bank.index.persons.person(known.person, _ALL) if known is not None and known.person else []
    return {patient, *(one.identity.patient for one in linked)}
