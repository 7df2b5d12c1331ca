"""The reconciliation queue: looking at it, taking a task, and deciding. Nothing of it is ever decided by the bank itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from imagebank.actions import candidates, correct, notes, persons, pixels, repeat_orders, reports, retrieve
from imagebank.actions.audit import event
from imagebank.actions.candidates import Known
from imagebank.actions.guesses import changes, guesses
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotAllowed, NotFound
from imagebank.model.access import LONG_AGO, Principal, Right
from imagebank.model.candidate import Candidate, Guess
from imagebank.model.correction import State as Progress
from imagebank.model.event import Act
from imagebank.model.identity import Identity, Linked
from imagebank.model.imaging import DataSet, Instance, Selection
from imagebank.model.person import PatientId
from imagebank.model.picture import Answer
from imagebank.model.task import ASIDE, FILED, WHOSE, Counts, Kind, Mark, Page, State, Task, Wanted
from imagebank.ports import Transaction

WAY: Final = "reconciliation queue"
TAKEN_FOR: Final = timedelta(minutes=10)
PUT_OFF: Final = timedelta(days=1)
_LONGEST_PUT_OFF: Final = timedelta(days=366)
_LONGEST_REASON: Final = 1000
_UNDER_WAY: Final = timedelta(hours=1)
"""How long a large study may take to be changed before it is asked again."""
IDENTIFIED: Final = "identified"
_BY: Final = "correction "


@dataclass(frozen=True, slots=True)
class Shown:
    """A task with all that somebody decides by. What does not belong to its kind is empty."""

    task: Task
    instances: tuple[Instance, ...] = ()
    known: Known | None = None
    guesses: tuple[Guess, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    records: tuple[Linked, ...] = ()


def page(bank: Bank, wanted: Wanted, principal: Principal, address: str = "") -> Page:
    """A page of the queue. Raises NotAllowed, and Invalid for a page that is none."""
    principal.require(Right.RECONCILE)
    bank.reads.search(principal, WAY, address)
    return bank.index.tasks.tasks(wanted, principal.scope, bank.now())


def counts(bank: Bank, principal: Principal) -> Counts:
    """How many tasks are open, by kind, department and age. Raises NotAllowed."""
    principal.require(Right.RECONCILE)
    return bank.index.tasks.counts(principal.scope, bank.now())


def waiting(bank: Bank, principal: Principal, most: int = 100) -> int:
    """How many tasks are open, counted up to `most`; none for whoever may not decide about them."""
    if Right.RECONCILE not in principal.rights:
        return 0
    return min(most, bank.index.tasks.waiting(principal.scope, bank.now(), most))


def shown(bank: Bank, task: str, principal: Principal, address: str = "", sought: str = "") -> Shown:
    """A task with what is known of it and who it may be of. With `sought`, those of that identifier or name instead.

    That it was looked at stands in the ledger first. Raises NotAllowed, NotFound.
    """
    found = _task(bank, task, principal)
    if found.kind is Kind.SAME_PERSON:
        bank.reads.search(principal, WAY, address)
        assert found.likeness is not None
        pair = (found.likeness.first, found.likeness.second)
        return Shown(found, records=tuple(persons.shown(bank, each, principal.scope) for each in pair))
    instances = [each for study in found.studies for each in retrieve.select(bank, Selection(study), principal.scope)]
    retrieve.reading(bank, principal, instances[:1], WAY, address, Right.RECONCILE)
    if found.kind not in WHOSE or found.state(bank.now()) is State.SETTLED:
        return Shown(found, tuple(instances))
    _, known, guessed = _about(bank, found, instances, principal)
    if not _is_ours(principal, found):
        return Shown(found, tuple(instances), known, guessed)
    if sought:
        bank.reads.search(principal, f"{WAY}: patients", address)
    who = (
        candidates.searched(bank, known, sought, principal.scope)
        if sought
        else candidates.candidates(bank, known, principal.scope)
    )
    return Shown(found, tuple(instances), known, guessed, tuple(who))


def _task(bank: Bank, task: str, principal: Principal) -> Task:
    principal.require(Right.RECONCILE)
    found = bank.index.tasks.task(task, principal.scope, bank.now())
    if found is None:
        raise NotFound("there is no such task in the queue")
    return found


def _is_ours(principal: Principal, task: Task) -> bool:
    """Only its own organization says whose a study is; an admin keeps the whole bank."""
    return principal.scope.organizations is None or principal.organization == task.organization


def _about(
    bank: Bank, task: Task, instances: Sequence[Instance], principal: Principal
) -> tuple[DataSet, Known, tuple[Guess, ...]]:
    header = retrieve.attributes(bank, instances[0])
    kept = bank.index.proposals.of([each.uid for each in instances], principal.scope)
    proposed = [kept.get(each.uid, ()) for each in instances]
    is_made = bank.index.original(instances[0].uid, principal.scope) is not None
    known = candidates.known_of(task.organization, header, tuple(one for some in proposed for one in some))
    return header, known, guesses(header, proposed, instances[0].received_at if is_made else None)


def take(bank: Bank, task: str, principal: Principal, address: str = "") -> Task:
    """Have a task for oneself for some minutes, or longer. Raises NotAllowed, NotFound, and Conflict while another has it."""
    found = _task(bank, task, principal)
    if found.state(bank.now()) is State.SETTLED:
        raise Conflict("this is settled already")
    with bank.index.begin() as tx:
        _have(bank, tx, found, principal)
        tx.record([event(bank, Act.CHANGED, principal, address, f"queue: {found.id} taken")])
    return _task(bank, task, principal)


def _have(bank: Bank, tx: Transaction, task: Task, principal: Principal) -> None:
    now = bank.now()
    if not tx.tasks.take(task.id, principal.name, now, now + TAKEN_FOR):
        raise Conflict("somebody else is at this already; take the next one, or wait some minutes")


def let_go(bank: Bank, task: str, principal: Principal, address: str = "") -> Task:
    """Give a task back before its time. Raises NotAllowed, NotFound, and Conflict where one does not have it."""
    found = _task(bank, task, principal)
    with bank.index.begin() as tx:
        if not tx.tasks.let_go(found.id, principal.name):
            raise Conflict("you do not have this task")
        tx.record([event(bank, Act.CHANGED, principal, address, f"queue: {found.id} given back")])
    return _task(bank, task, principal)


def identify(
    bank: Bank,
    task: str,
    principal: Principal,
    patient: PatientId,
    accepted: Mapping[str, str] | None = None,
    *,
    new: Identity | None = None,
    address: str = "",
) -> Task:
    """Say whose a study is that names nobody, or somebody of another hospital; its objects say so from then on, and keep what they said before.

    `accepted` are values of `guesses.FIELDS` that somebody has confirmed. The patient is a record of the study's
    organization, or named by an open order, or `new`: whom nobody has heard of yet.

    Raises NotAllowed, NotFound for a task or a patient that is not there, Conflict while another has the task, and
    Invalid for a value that is none.
    """
    found = _task(bank, task, principal)
    if found.kind not in WHOSE or found.state(bank.now()) is State.SETTLED:
        raise Conflict("this is not about whose a study is, or it was said already")
    if not _is_ours(principal, found) or patient.issuer != found.organization:
        raise NotAllowed("only the organization whose study it is says which of its patients it is of")
    study = found.studies[0]
    instances = retrieve.select(bank, Selection(study), principal.scope)
    header, known, _ = _about(bank, found, instances, principal)
    who = _whom(bank, known, patient, new, principal)
    wanted = changes(header, who.identity, who.accession, accepted or {}, len(instances))
    with bank.index.begin() as tx:
        _have(bank, tx, found, principal)
    if found.kind is Kind.MEDIA:
        reports.hand_over(bank, study, patient, principal, address)
    # To say whose a study is that names nobody, that is what the right to reconcile is for.
    corrector = replace(principal, rights=principal.rights | {Right.CORRECT})
    made = correct.correct(bank, Selection(study), wanted, corrector, "identified in the reconciliation queue", address)
    later = bank.now() + _UNDER_WAY if made.state is Progress.UNDER_WAY else LONG_AGO
    mark = Mark(found.id, postponed_until=later, how=IDENTIFIED, reason=f"{_BY}{made.id}")
    _note(bank, principal, found, mark, IDENTIFIED, address, patient)
    return replace(found, mark=replace(mark, by=principal.name, at=bank.now()))


def _whom(bank: Bank, known: Known, patient: PatientId, new: Identity | None, principal: Principal) -> Candidate:
    if not patient.identifier:
        raise Invalid("say whose it is: a patient has an identifier")
    found = candidates.one(bank, known, patient, principal.scope)
    if found is not None:
        return found
    if new is None:
        raise NotFound("there is no such patient record")
    return Candidate(replace(new, patient=patient))


def _note(
    bank: Bank, principal: Principal, task: Task, mark: Mark, what: str, address: str, *patients: PatientId
) -> None:
    """Note what was done about a task, in the ledger and among the objects, too."""
    mark = replace(mark, by=principal.name, at=bank.now())
    noted = event(bank, Act.DECIDED, principal, address, f"queue: {task.kind} {what}")
    about = [replace(noted, study=study) for study in task.studies] or [noted]
    if patients:
        about = [replace(one, patient=patient) for one in about for patient in patients]
    with bank.index.begin() as tx:
        tx.tasks.mark(mark)
        # A pair of records is called by numbers of this database, which a new one may give to others.
        if task.kind is not Kind.SAME_PERSON:
            notes.defer(bank, tx, marks=(mark,))
        tx.record(about)


def _mine(bank: Bank, task: str, principal: Principal) -> Task:
    """A task that nobody else has. Raises NotAllowed, NotFound, Conflict."""
    found = _task(bank, task, principal)
    if found.mark.is_taken(bank.now()) and found.mark.taken_by != principal.name:
        raise Conflict("somebody else is at this already; take the next one, or wait some minutes")
    return found


def _reason(text: str) -> str:
    if len(text) > _LONGEST_REASON:
        raise Invalid("a reason has {longest} characters at the most", longest=_LONGEST_REASON)
    return " ".join(text.split())


def postpone(bank: Bank, task: str, principal: Principal, until: datetime | None = None, address: str = "") -> Task:
    """Keep a task out of the queue until then, a day where nothing is said. Raises NotAllowed, NotFound, Conflict, Invalid."""
    found, now = _mine(bank, task, principal), bank.now()
    if found.state(now) is State.SETTLED:
        raise Conflict("this is settled already")
    later = until or now + PUT_OFF
    if not now < later <= now + _LONGEST_PUT_OFF:
        raise Invalid("a task is put off until some moment of the next year")
    _note(bank, principal, found, Mark(found.id, postponed_until=later), "put off", address)
    return _task(bank, task, principal)


def lay_aside(bank: Bank, task: str, principal: Principal, reason: str, address: str = "") -> Task:
    """Ask no more until somebody takes it up again. Raises NotAllowed, NotFound, Conflict, and Invalid without a reason."""
    found = _mine(bank, task, principal)
    if found.state(bank.now()) is State.SETTLED:
        raise Conflict("this is settled already")
    if not reason.strip():
        raise Invalid("say why it is laid aside")
    _note(bank, principal, found, Mark(found.id, how=ASIDE, reason=_reason(reason)), "laid aside", address)
    return _task(bank, task, principal)


def settle(bank: Bank, task: str, principal: Principal, how: str, reason: str = "", address: str = "") -> Task:
    """Answer what a task asks, `same` or `apart`: of two records that is the decision itself (`actions.persons`).

    What was filed is settled by whatever word its kind has. Raises NotAllowed, NotFound, Conflict, and Invalid for a
    study that names nobody: that takes to say whose it is.
    """
    found = _mine(bank, task, principal)
    why = _reason(reason)
    if found.kind is Kind.SAME_PERSON:
        if how not in ("same", "apart"):
            raise Invalid("two records are the same person's, or they are apart")
        assert found.likeness is not None
        pair = (found.likeness.first, found.likeness.second)
        persons.decide(bank, principal, *pair, is_same=how == "same", why=why, address=address)
        return replace(found, mark=Mark(found.id, how=how, by=principal.name, at=bank.now(), reason=why))
    if found.kind not in FILED:
        raise Invalid("say whose the study is, or lay it aside")
    if found.state(bank.now()) is State.SETTLED:
        raise Conflict("this is settled already")
    if found.kind is Kind.SAME_PIXELS:
        if how not in (Answer.RIGHT, Answer.DIFFERENT):
            raise Invalid(
                "pictures are the same rightly, or they are not: {right} or {different}",
                right=Answer.RIGHT,
                different=Answer.DIFFERENT,
            )
        pixels.settle(bank, principal, found.studies[0], found.studies[1], Answer(how), why, address)
        return _task(bank, task, principal)
    if found.kind is Kind.REPEAT:
        repeat_orders.answer(bank, principal, found, how, why, address)
        _note(bank, principal, found, Mark(found.id, how=how, reason=why), f"settled: {how}", address)
        return _task(bank, task, principal)
    if not how.isascii() or not how.replace(" ", "").replace("-", "").isalpha() or len(how) > 32 or how == ASIDE:
        raise Invalid("say in a word how it was settled")
    _note(bank, principal, found, Mark(found.id, how=how, reason=why), f"settled: {how}", address)
    return _task(bank, task, principal)


def undo(bank: Bank, task: str, principal: Principal, reason: str = "", address: str = "") -> Task:
    """Let it be asked again: what was laid aside, put off or settled. A study says again what it said before.

    Raises NotAllowed, NotFound, and Conflict where nothing was done.
    """
    found = _mine(bank, task, principal)
    if found.state(bank.now()) is State.OPEN:
        raise Conflict("nothing was decided about this")
    if found.mark.how == IDENTIFIED and found.state(bank.now()) is State.SETTLED:
        corrector = replace(principal, rights=principal.rights | {Right.CORRECT})
        by, why = found.mark.reason.removeprefix(_BY), _reason(reason) or "taken back in the reconciliation queue"
        correct.undo(bank, found.studies[0], by, corrector, why, address)
    if found.kind is Kind.SAME_PIXELS and found.state(bank.now()) is State.SETTLED:
        pixels.settle(bank, principal, found.studies[0], found.studies[1], Answer.OPEN, _reason(reason), address)
    if found.kind is Kind.REPEAT and found.state(bank.now()) is State.SETTLED:
        repeat_orders.take_back(bank, found)
    _note(bank, principal, found, Mark(found.id), "taken back", address)
    return _task(bank, task, principal)
