"""Tasks of the reconciliation queue for other systems: found, begun and given up as Unified Procedure Steps.

A step is completed by what it asks for: by saying in the queue whose the study is, or what the pictures are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from imagebank.actions import reconciling, retrieve, search
from imagebank.actions.audit import event
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.event import Act
from imagebank.model.imaging import DataSet, Instance, Selection
from imagebank.model.task import State, Task, Wanted
from imagebank.model.uid import Uid
from imagebank.model.workitem import SHOWN, Claim, Refusal, Status, StepRefused, Workitem, uid_of

MOST: Final = 500
"""So many of each state are found."""
HELD_FOR: Final = timedelta(hours=2)
"""How long a step stays with whoever has begun it."""
KEPT: Final = frozenset({"00741002", "00741216"})
"""What can be set: Procedure Step Progress Information Sequence, and what was performed."""
_WAY: Final = "workitem"
_PAGE: Final = 100
_STATES: Final[Mapping[Status | None, Sequence[State]]] = {
    Status.SCHEDULED: (State.OPEN, State.POSTPONED),
    Status.IN_PROGRESS: (State.OPEN, State.POSTPONED),
    Status.COMPLETED: (State.SETTLED,),
    Status.CANCELED: (State.ASIDE,),
    None: tuple(State),
}
_STUDY: Final = "0020000D"


def status_of(task: Task, now: datetime) -> Status:
    """How far a task is, in the words of a step."""
    match task.state(now):
        case State.SETTLED:
            return Status.COMPLETED
        case State.ASIDE:
            return Status.CANCELED
        case _:
            return Status.IN_PROGRESS if task.mark.is_taken(now) else Status.SCHEDULED


def listed(bank: Bank, status: Status | None, principal: Principal, sought: str, address: str = "") -> list[Workitem]:
    """The steps of a state, or all, what has waited longest first; `sought` says for the ledger by which attributes.

    Raises NotAllowed without the right to reconcile.
    """
    principal.require(Right.RECONCILE)
    bank.reads.search(principal, sought, address)
    tasks = [one for state in _STATES[status] for one in _tasks(bank, state, principal.scope)]
    wanted = {uid_of(one.id): one for one in tasks}
    known = bank.index.workitems.claims(wanted)
    new = [Claim(uid, one.id) for uid, one in wanted.items() if uid not in known]
    if new:
        with bank.index.begin() as tx:
            tx.workitems.know(new)
    headers = _headers(bank, {study for one in tasks for study in one.studies[:1]}, principal.scope)
    now = bank.now()
    items = (
        Workitem(known.get(uid, Claim(uid, one.id)), one, status_of(one, now), header=headers.get(one.studies[0], {}))
        for uid, one in wanted.items()
    )
    return [one for one in items if status in (None, one.status)]


def _tasks(bank: Bank, state: State, scope: Scope) -> Iterator[Task]:
    after, left = "", MOST
    while left > 0:
        page = bank.index.tasks.tasks(Wanted(state, limit=min(_PAGE, left), after=after), scope, bank.now())
        yield from (one for one in page.tasks if one.kind in SHOWN)
        left -= len(page.tasks)
        after = page.after
        if not after:
            return


def _headers(bank: Bank, studies: set[Uid], scope: Scope) -> dict[str, DataSet]:
    """What the index holds of studies and their patients."""
    found = search.of_studies(bank, sorted(studies), scope)
    return {one.attributes[_STUDY]["Value"][0]: one.attributes for one in found}


def shown(bank: Bank, uid: Uid, principal: Principal, address: str = "") -> Workitem:
    """A step with the objects that it is about; that it was looked at stands in the ledger first.

    Raises NotAllowed, and NotFound for one that was never listed, or that the caller may not see.
    """
    found = _found(bank, uid, principal)
    instances = [one for study in found.task.studies for one in _instances(bank, study, principal)]
    if instances:
        retrieve.reading(bank, principal, instances[:1], _WAY, address, Right.RECONCILE)
    headers = _headers(bank, set(found.task.studies[:1]), principal.scope)
    return replace(found, instances=tuple(instances), header=headers.get(found.task.studies[0], {}))


def _instances(bank: Bank, study: Uid, principal: Principal) -> list[Instance]:
    return bank.index.instances(Selection(study=study), principal.scope)


def _found(bank: Bank, uid: Uid, principal: Principal) -> Workitem:
    principal.require(Right.RECONCILE)
    claim = bank.index.workitems.claim(uid)
    task = bank.index.tasks.task(claim.task, principal.scope, bank.now()) if claim is not None else None
    if claim is None or task is None:
        raise NotFound("there is no such workitem here")
    return Workitem(claim, task, status_of(task, bank.now()))


def begin(bank: Bank, uid: Uid, transaction: str, principal: Principal, address: str = "") -> None:
    """Take a step to work on, under a Transaction UID that only who has begun it knows (PS3.4 CC.2.1).

    Raises NotAllowed, NotFound, and StepRefused.
    """
    found = _found(bank, uid, principal)
    if found.status is Status.IN_PROGRESS:
        raise StepRefused(Refusal.BEGUN)
    _require_not_ended(found)
    if not transaction:
        raise StepRefused(Refusal.WRONG_TRANSACTION)
    now = bank.now()
    with bank.index.begin() as tx:
        if not tx.tasks.take(found.task.id, principal.name, now, now + HELD_FOR):
            raise StepRefused(Refusal.BEGUN)
        tx.workitems.put(replace(found.claim, transaction=transaction))
        tx.record([event(bank, Act.CHANGED, principal, address, f"queue: {found.task.id} taken")])


def update(bank: Bank, uid: Uid, transaction: str, said: DataSet, principal: Principal, address: str = "") -> None:
    """Keep how far whoever works on a step is, and what was done. Raises NotAllowed, NotFound, StepRefused, Invalid."""
    found = _of_performer(bank, uid, transaction, principal)
    if said.keys() - KEPT:
        raise Invalid("of a workitem its progress and what was performed can be set, and nothing else")
    with bank.index.begin() as tx:
        tx.workitems.put(replace(found.claim, said={**found.claim.said, **said}))
        tx.record([event(bank, Act.CHANGED, principal, address, f"queue: {found.task.id} progress")])


def end(
    bank: Bank, uid: Uid, transaction: str, status: Status, principal: Principal, reason: str = "", address: str = ""
) -> None:
    """Give a step up, or complete it where what it asks for has been said.

    Raises NotAllowed, NotFound, and StepRefused: also for one that is in that state already.
    """
    found = _found(bank, uid, principal)
    if status is found.status and status in (Status.CANCELED, Status.COMPLETED):
        raise StepRefused(Refusal.CANCELED if status is Status.CANCELED else Refusal.COMPLETED)
    _of_performer(bank, uid, transaction, principal)
    if status is Status.COMPLETED:
        raise StepRefused(Refusal.NOT_MET)
    _cancel(bank, found.task, principal, reason, address)


def change_state(
    bank: Bank, uid: Uid, transaction: str, status: Status, principal: Principal, address: str = ""
) -> None:
    """Bring a step into a state (PS3.4 CC.2.1). Raises as `begin` and `end` do."""
    if status is Status.SCHEDULED:
        _found(bank, uid, principal)
        raise StepRefused(Refusal.NEVER_SCHEDULED)
    if status is Status.IN_PROGRESS:
        begin(bank, uid, transaction, principal, address)
    else:
        end(bank, uid, transaction, status, principal, address=address)


def ask_to_cancel(bank: Bank, uid: Uid, principal: Principal, reason: str = "", address: str = "") -> None:
    """Cancel a step that nobody has begun (PS3.4 CC.2.2). Raises NotAllowed, NotFound, StepRefused."""
    found = _found(bank, uid, principal)
    if found.status is Status.IN_PROGRESS:
        raise StepRefused(Refusal.BEGUN)
    _require_not_ended(found)
    _cancel(bank, found.task, principal, reason, address)


def _cancel(bank: Bank, task: Task, principal: Principal, reason: str, address: str) -> None:
    reconciling.lay_aside(bank, task.id, principal, reason.strip() or "canceled by another system", address)


def _of_performer(bank: Bank, uid: Uid, transaction: str, principal: Principal) -> Workitem:
    """A step in progress, for whoever has begun it."""
    found = _found(bank, uid, principal)
    _require_not_ended(found)
    if found.status is Status.SCHEDULED:
        raise StepRefused(Refusal.NOT_BEGUN)
    if not transaction or transaction != found.claim.transaction:
        raise StepRefused(Refusal.WRONG_TRANSACTION)
    return found


def _require_not_ended(found: Workitem) -> None:
    if found.status in (Status.CANCELED, Status.COMPLETED):
        raise StepRefused(Refusal.ENDED)
