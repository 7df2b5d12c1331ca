"""Correcting what is wrong in objects that are kept. Nothing is overwritten: each becomes a new version of itself.

New versions are written first, and nobody sees them; then one transaction puts all of them in the place of the former ones.
Readers never meet a study of which a part is corrected. Killed in between, a job goes on with what is written
(docs/decisions/0016).
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from imagebank.actions import expecting, new_version, remove, retrieve
from imagebank.actions.commit import LATER, QUIET
from imagebank.actions.notes import defer
from imagebank.bank import Bank
from imagebank.dicom.changes import parsed
from imagebank.errors import Conflict, Invalid, NotAllowed, NotFound, OutOfSpace, Unavailable
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.contributed import is_contributed
from imagebank.model.correction import Correction, State, Values, merged
from imagebank.model.event import Act, Event
from imagebank.model.imaging import Element, Instance, Outcome, Selection
from imagebank.model.key import owner_of
from imagebank.model.uid import Uid
from imagebank.ports import Transaction

_log = logging.getLogger(__name__)
JOB: Final = "correct"
_HERE: Final = Scope(organizations=None)
"""Nobody reads here: what is read becomes a version of itself."""
_AT_ONCE: Final = (500, 512 << 20)
"""So many instances of so many bytes in all are corrected while the caller waits."""
_A_RUN: Final = (200, 512 << 20)
"""So much is written before the job lets others come first, and says how far it is."""
_NET: Final = timedelta(minutes=5)
"""When a job goes on with what a caller waits for, should that be cut short."""
_ATTEMPTS: Final = 20
_LONGEST_REASON: Final = 1000


@dataclass(frozen=True, slots=True)
class Preview:
    """What a correction would do: values before and after by tag, and in how many of how many instances."""

    before: Values
    after: Values
    count: int
    total: int


def correct(
    bank: Bank,
    selection: Selection,
    changes: Mapping[str, Element | None],
    principal: Principal,
    reason: str,
    address: str = "",
) -> Correction:
    """Change attributes of a study, or of a series or an instance of it, in every instance that is pointed at.

    Small studies are done when this returns, large ones by a job: see the state of what is returned. Raises NotAllowed
    without the right to correct and for a study of another organization, NotFound when there is nothing in scope, and
    Invalid for attributes that cannot be changed, values that are none, no reason, and where nothing would change.
    """
    instances = _pointed_at(bank, selection, principal)
    parsed(changes)
    return _begin(bank, instances, _new(bank, instances[0], selection, principal, reason, address, changes))


def undo(bank: Bank, study: Uid, identifier: str, principal: Principal, reason: str, address: str = "") -> Correction:
    """Give the attributes of a correction the values again that they had before it, by a new correction.

    Raises as `correct` does, and NotFound for no correction of that study that was done.
    """
    _pointed_at(bank, Selection(study=study), principal)
    found = [one for one in bank.index.corrections.of_study(study, principal.scope) if one.id == identifier]
    if not found or found[0].state is not State.DONE:
        raise NotFound("there is no such correction of this study that was done")
    instances = _pointed_at(bank, found[0].selection, principal)
    new = _new(bank, instances[0], found[0].selection, principal, reason, address, {})
    return _begin(bank, instances, replace(new, undoes=identifier))


def preview(
    bank: Bank, selection: Selection, changes: Mapping[str, Element | None], principal: Principal, address: str = ""
) -> Preview:
    """What `correct` would do, without doing it; that objects are looked at stands in the ledger. Raises as it does."""
    instances = _pointed_at(bank, selection, principal)
    parsed(changes)
    retrieve.reading(bank, principal, instances, "correction", address, Right.CORRECT)
    tried = _new(bank, instances[0], selection, principal, "preview", address, changes)
    each = [new_version.differences(bank, tried, instance) for instance in instances]
    different = [(before, after) for before, after in each if before]
    return Preview(
        merged([before for before, _ in different]),
        merged([after for _, after in different]),
        len(different),
        len(instances),
    )


def current(bank: Bank, study: Uid, names: Sequence[str], principal: Principal, address: str = "") -> Values:
    """What the first object of each series of a study says of attributes, by tag; that it is looked at stands in the ledger.

    Raises NotAllowed without the right to correct, NotFound for a study that is not there.
    """
    principal.require(Right.CORRECT)
    instances = retrieve.select(bank, Selection(study=study), principal.scope)
    firsts = list({one.series: one for one in reversed(instances)}.values())[::-1]
    retrieve.reading(bank, principal, firsts, "corrections", address, Right.CORRECT)
    return merged([new_version.values_now(bank, one, names) for one in firsts])


def listed(bank: Bank, study: Uid, principal: Principal, address: str = "") -> list[Correction]:
    """The corrections of a study, the newest first; that they were looked at stands in the ledger first.

    Raises NotAllowed without the right to correct, NotFound for a study that is not there.
    """
    principal.require(Right.CORRECT)
    instances = retrieve.select(bank, Selection(study=study), principal.scope)
    found = bank.index.corrections.of_study(study, principal.scope)
    if found:
        retrieve.reading(bank, principal, instances[:1], "corrections", address, Right.CORRECT)
    return found


def _pointed_at(bank: Bank, selection: Selection, principal: Principal) -> list[Instance]:
    principal.require(Right.CORRECT)
    instances = retrieve.select(bank, selection, principal.scope)
    if len({one.study for one in instances}) > 1:
        raise Invalid("one study is corrected at a time")
    owner = bank.index.owner_of(instances[0].study, principal.scope)
    if principal.scope.organizations is not None and owner != principal.organization:
        raise NotAllowed("only the organization whose study it is corrects it")
    if is_contributed(owner or ""):
        raise NotAllowed("the patient added this study: it is theirs as it is, and they take it back themselves")
    return instances


def _new(
    bank: Bank,
    first: Instance,
    selection: Selection,
    principal: Principal,
    reason: str,
    address: str,
    changes: Mapping[str, Element | None],
) -> Correction:
    if not reason.strip() or len(reason) > _LONGEST_REASON:
        raise Invalid("a correction needs a reason, of {longest} characters at the most", longest=_LONGEST_REASON)
    return Correction(
        id=uuid4().hex,
        at=bank.now(),
        study=first.study,
        principal=principal.name,
        organization=principal.organization,
        reason=reason.strip(),
        changes=dict(changes),
        series=selection.series or "",
        instance=selection.instance or "",
        address=address,
        patient=first.patient,
    )


def _begin(bank: Bank, instances: list[Instance], one: Correction) -> Correction:
    """Write down what is wanted, so that it is done whatever happens, and do it now where that is quick."""
    one = replace(one, total=len(instances))
    _require_difference(bank, instances, one)
    is_quick = len(instances) <= _AT_ONCE[0] and sum(each.location.size for each in instances) <= _AT_ONCE[1]
    with bank.index.begin() as tx:
        tx.corrections.put(one)
        tx.defer(JOB, {"correction": one.id}, one.at + _NET if is_quick else one.at, key=one.id)
    if not is_quick:
        return one
    try:
        carry_on(bank, one.id, None)
    except Unavailable:
        _log.warning("a correction was cut short; a job goes on with it", exc_info=True)
    except OutOfSpace as error:
        _give_up(bank, one, str(error))
        raise
    found = bank.index.corrections.of_study(one.study, _HERE)
    ended = next((each for each in found if each.id == one.id), one)
    if ended.state is State.FAILED:
        raise Conflict("nothing was corrected: {fault}", fault=ended.fault)
    return ended


def _require_difference(bank: Bank, instances: list[Instance], one: Correction) -> None:
    """See that the first instance that differs can be written, before anything is promised. Raises Invalid."""
    if not any(new_version.differences(bank, one, instance, is_written=True)[0] for instance in instances):
        raise Invalid("nothing would change: the objects say so already")


def correct_job(bank: Bank, payload: dict[str, Any]) -> None:
    """What the job `correct` does; repeating it changes nothing. What is left to be written waits for the next run."""
    carry_on(bank, payload["correction"], _A_RUN)


def carry_on(bank: Bank, identifier: str, most: tuple[int, int] | None) -> None:
    """Go on with a correction from where it stands, until it is done or `most` instances and bytes are written."""
    one = bank.index.corrections.under_way(identifier)
    if one is None:
        return
    try:
        for _ in range(_ATTEMPTS):
            if _is_through(bank, one, most):
                return
    except (Invalid, NotFound, Conflict) as error:
        _give_up(bank, one, str(error))
        return
    raise Unavailable("the study changed time and again while it was corrected")


class _Moved(Exception):
    """The study is not any more what the new versions were made of."""


def _is_through(bank: Bank, one: Correction, most: tuple[int, int] | None) -> bool:
    """Write what is not written, then put it in place; False where the study has changed meanwhile."""
    work = new_version.prepare(bank, one, most)
    if not work.is_complete:
        now = bank.now()
        with bank.index.begin() as tx:
            tx.corrections.put(replace(one, count=work.written))
            tx.defer(JOB, {"correction": one.id}, now, key=one.id)
        return True
    try:
        with bank.index.begin() as tx:
            _switch(bank, tx, one, work)
    except _Moved:
        return bank.index.corrections.under_way(one.id) is None
    remove.destroy(bank, work.spare)
    return True


def _switch(bank: Bank, tx: Transaction, one: Correction, work: "new_version.Work") -> None:
    """Put all new versions in the place of the former ones."""
    tx.corrections.supersede(one.id, one.study, [step.uid for step in work.steps])
    there = {each.uid: each.location for each in tx.unfold(one.study)}
    if there != work.made_of:
        raise _Moved
    entered = tx.enter(sorted(work.kept, key=lambda kept: (kept.is_guest, kept.received_at)))
    if any(each.outcome is not Outcome.STORED for each in entered):
        raise Conflict("the index does not take the new versions in the place of the former ones")
    first = next(kept for kept in work.kept if kept.correction == one.id)
    done = replace(
        one,
        state=State.DONE,
        count=len(work.steps),
        before=merged([step.before for step in work.steps]),
        after=merged([step.after for step in work.steps]),
        patient=owner_of(first.description.patient, first.source.organization),
    )
    if not tx.corrections.finish(done):
        raise _Moved
    _tell(bank, tx, one, done, work)


def _tell(bank: Bank, tx: Transaction, one: Correction, done: Correction, work: "new_version.Work") -> None:
    """Say it in the ledger, to both whom the study was of and is of, and have done what follows from it."""
    now = bank.now()
    what = f"correction {one.id}"
    noted = replace(_event(bank, one, what), study=one.study, count=len(work.steps))
    tx.record([replace(noted, patient=patient) for patient in dict.fromkeys((one.patient, done.patient))])
    for series in sorted({kept.description.series for kept in work.kept}):
        tx.defer("metadata", {"series": series}, now, key=series)
    tx.defer("words", {"study": one.study}, now + LATER, key=one.study)
    expecting.judge_soon(bank, tx, str(one.study))
    tx.defer("hear", {"study": one.study}, now + QUIET, key=one.study)
    made = [kept for kept in work.kept if kept.correction == one.id]
    joined = tuple(kept.location for kept in made if kept.is_guest)
    defer(bank, tx, corrections=(done,), versions=tuple(kept.location for kept in made), joined=joined)
    if work.spare:
        tx.defer("destroy", remove.destroy_payload(work.spare), now)
    tx.forget(JOB, one.id)


def _event(bank: Bank, one: Correction, what: str) -> Event:
    return Event(bank.now(), Act.CORRECTED, one.principal, one.organization, one.address, detail=what)


def _give_up(bank: Bank, one: Correction, fault: str) -> None:
    spare = [step.location for step in bank.index.corrections.steps(one.id)]
    with bank.index.begin() as tx:
        tx.corrections.finish(replace(one, state=State.FAILED, fault=fault))
        tx.record([replace(_event(bank, one, f"correction {one.id}: failed"), study=one.study, patient=one.patient)])
        tx.defer("destroy", remove.destroy_payload(spare), bank.now())
        tx.forget(JOB, one.id)
    remove.destroy(bank, spare)
