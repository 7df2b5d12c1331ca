"""Fetching studies from other archives: because somebody wants one, or by a standing rule; durably, and as deposits.

Objects come in by the usual way, as the archive's organization's, so that the same decide on them who did before. What
is here already is not asked for again: a fetch that breaks off goes on where it broke.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from imagebank.actions import asking, elsewhere, ingest, rights
from imagebank.actions.arrival import Arrival, view
from imagebank.actions.audit import event
from imagebank.actions.other_archives import Archive, Ways, listed
from imagebank.actions.other_bank import batches
from imagebank.bank import Bank
from imagebank.dicom.describe import describe
from imagebank.errors import BankError, Invalid, Mismatch, NotFound, Unavailable, noted
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.elsewhere import Elsewhere, Recall
from imagebank.model.event import Act, Event
from imagebank.model.imaging import Outcome, Receipt, Selection, Source
from imagebank.model.prefetch import Prefetch, source
from imagebank.model.prefetch import State as Ready
from imagebank.model.transfer import State
from imagebank.model.uid import Uid

JOB: Final = "recall"
MOST_LISTED: Final = 100
_TAKEN: Final = (Outcome.STORED, Outcome.DUPLICATE)
# Well below what a job may take before another worker does it, too.
_AT_A_TIME: Final = timedelta(seconds=60)
_HERE: Final = Scope(organizations=None)
_UNKNOWN: Final = noted("no archive is known to hold this study, or you may not know of it")
_NOT_NOW: Final = noted("it may not be fetched any more; what came before is kept")


def ask(bank: Bank, principal: Principal, archive: str, study: Uid, address: str = "") -> Recall:
    """Have a study fetched; a worker does so. Who asks again for what waits is told how far that is.

    Raises NotAllowed without the right to store, and NotFound for a study that the archive is not known to hold, or
    that is not for the caller.
    """
    principal.require(Right.STORE)
    found = elsewhere.one(bank, principal, archive, study)
    if found is None:
        raise NotFound(_UNKNOWN)
    return wanted(bank, principal, found, address)


def wanted(
    bank: Bank,
    principal: Principal,
    found: Elsewhere,
    address: str = "",
    *,
    by_rule: bool = False,
    at_once: bool = False,
) -> Recall:
    """The same once it is known that the caller may; without a job of its own where it is done `at_once`."""
    known = bank.index.elsewhere.recall(found.archive, found.study)
    who = (principal.name, principal.role, principal.organization, bank.now())
    is_waiting = known is not None and known.state is State.WAITING
    made = known if known and is_waiting else Recall(found.archive, found.study, found.patient, *who, address, by_rule)
    about = {"archive": made.archive, "study": made.study}
    asked = event(bank, Act.DECIDED, principal, address, f"archive {made.archive}: fetch asked for")
    with bank.index.begin() as tx:
        if not is_waiting:
            tx.elsewhere.put(made)
            tx.record([replace(asked, study=made.study, patient=made.patient)])
        if not at_once:
            tx.defer(JOB, about, bank.now(), key="\n".join(about.values()))
    return made


def recalls(bank: Bank, principal: Principal) -> list[Recall]:
    """What the caller has had fetched, the newest first; an admin is told of everybody's."""
    found = bank.index.elsewhere.recalls("" if principal.keeps else principal.name, MOST_LISTED)
    return [one for one in found if principal.may_know(one)]


def one(bank: Bank, principal: Principal, archive: str, study: Uid) -> Recall:
    """One of them, or somebody else's of a study that the caller may know of. Raises NotFound."""
    found = bank.index.elsewhere.recall(archive, study)
    is_known = elsewhere.one(bank, principal, archive, study) is not None
    if found is None or not (is_known or principal.may_know(found)):
        raise NotFound("you have fetched no such study from there")
    return found


def work(ways: Ways, bank: Bank, payload: Mapping[str, Any]) -> None:
    """What the job does. Raises Unavailable to be tried again."""
    found = bank.index.elsewhere.recall(payload["archive"], Uid(payload["study"]))
    if found is None or found.state is not State.WAITING:
        return
    archive = listed(bank).get(found.archive)
    if archive is None or not _may(bank, found):
        _settle(bank, found, State.STOPPED, _NOT_NOW)
        return
    try:
        refused = _bring_in(ways, bank, archive, found)
    except (NotFound, Invalid) as error:
        _settle(bank, found, State.STOPPED, str(error))
    except Unavailable as error:
        _note(bank, found, str(error))
        raise
    else:
        if refused is None:
            with bank.index.begin() as tx:
                tx.defer(JOB, dict(payload), bank.now(), key=f"{found.archive}\n{found.study}")
        else:
            _settle(bank, found, State.DONE, _words(refused))


def _may(bank: Bank, found: Recall) -> bool:
    """Whether who wants it may still know of it."""
    principal = rights.principal(bank, found.by, found.role, found.organization, is_proven=not found.by_rule)
    return elsewhere.one(bank, principal, found.archive, found.study) is not None


def _bring_in(ways: Ways, bank: Bank, archive: Archive, found: Recall) -> list[BankError] | None:
    """Take in what is not here yet: why some of it was refused; None when its time is over and there is more."""
    line = asking.awake(bank, archive)
    way = ways[archive.way]
    try:
        named = way.named(bank, archive, found.study)
        return _taken(ways, bank, archive, found, {str(uid) for of_it in named.values() for uid in of_it}, named)
    except Unavailable as error:
        asking.failed(bank, line, error, [])
        raise


def _taken(
    ways: Ways, bank: Bank, archive: Archive, found: Recall, every: set[str], named: Mapping[str, Sequence[str]]
) -> list[BankError] | None:
    way, end, refused = ways[archive.way], bank.now() + _AT_A_TIME, list[BankError]()
    here = _here(bank, archive, found.study) & every
    arrivals = way.bring(bank, archive, found.study, named, here)
    for batch in batches(arrivals, way.batch):
        receipts = _take(bank, archive, found, batch)
        here |= {str(one.uid) for one in receipts if one.outcome in _TAKEN}
        refused += [one.error for one in receipts if one.error is not None]
        _progress(bank, found, len(every), len(here))
        if bank.now() >= end:
            return None
    here = _here(bank, archive, found.study) & every
    _progress(bank, found, len(every), len(here))
    if len(here) + len(refused) < len(every) and bank.now() >= end:
        return None
    if len(here) + len(refused) < len(every):
        raise Unavailable("{missing} of its objects did not come", missing=len(every) - len(here) - len(refused))
    return refused


def _here(bank: Bank, archive: Archive, study: Uid) -> set[str]:
    """What of a study the archive's organization has here. What others have here does not count, nor is it told."""
    return {str(one.uid) for one in bank.index.instances(Selection(study=study), Scope.of(archive.organization))}


def _take(bank: Bank, archive: Archive, found: Recall, batch: Sequence[Arrival]) -> list[Receipt]:
    source = Source("api", found.by, archive.organization, found.address, issuer=archive.issuer)
    strange = [_strange(bank, archive, found, one) for one in batch]
    try:
        fitting = [one for one, why in zip(batch, strange, strict=True) if why is None]
        return [why for why in strange if why is not None] + ingest.receive(bank, fitting, source, found.study)
    finally:
        for one in batch:
            one.content.close()


def _strange(bank: Bank, archive: Archive, found: Recall, one: Arrival) -> Receipt | None:
    """Why an object is not taken in: it is another patient's than the one who was asked for."""
    try:
        with view(one) as data:
            said = describe(data, size=one.size, catalogue=bank.catalogue, organization=archive.issuer).patient
    except BankError:
        return None  # what it is wrong with is said where it is taken in
    if said.identifier == found.patient.identifier and archive.is_issuer(said.issuer):
        return None
    return Receipt(Outcome.REFUSED, one.name, error=Mismatch("it is of another patient than the one who was asked for"))


def _words(refused: Sequence[BankError]) -> str:
    return f"{len(refused)} objects were not taken in: {refused[0]}" if refused else ""


def _progress(bank: Bank, found: Recall, total: int, kept: int) -> None:
    with bank.index.begin() as tx:
        tx.elsewhere.progress(found.archive, found.study, total, kept, "")


def _note(bank: Bank, found: Recall, reason: str) -> None:
    now = bank.index.elsewhere.recall(found.archive, found.study) or found
    with bank.index.begin() as tx:
        tx.elsewhere.progress(found.archive, found.study, now.total, now.kept, reason)


def _settle(bank: Bank, found: Recall, state: State, reason: str) -> None:
    """The end, which stands in the ledger with how much is here."""
    now = bank.index.elsewhere.recall(found.archive, found.study) or found
    detail = f"archive {found.archive}: fetch {state}, {now.kept} of {now.total}"
    told = Event(bank.now(), Act.DECIDED, found.by, found.organization, found.address, found.study, now.kept, detail)
    with bank.index.begin() as tx:
        if tx.elsewhere.settle(found.archive, found.study, state, reason, bank.now()):
            tx.record([replace(told, patient=found.patient)])
            if found.by_rule:
                tx.prefetches.put(_prefetched(bank, found, state))


def _prefetched(bank: Bank, found: Recall, state: State) -> Prefetch:
    """What a standing rule has brought: all of the study that is here."""
    held = bank.index.instances(Selection(study=found.study), _HERE)
    octets, fate = sum(one.location.size for one in held), Ready.DONE if state is State.DONE else Ready.FAILED
    return Prefetch(source(found.archive), found.study, fate, bank.now(), len(held), octets)
