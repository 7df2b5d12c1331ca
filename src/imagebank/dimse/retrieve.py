"""C-MOVE and C-GET: which objects, in which transfer syntax, and the count of what became of them (PS3.4 C.4.2, C.4.3)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import Final

from imagebank.actions import retrieve, search
from imagebank.actions.lasting import Lasting
from imagebank.bank import Bank
from imagebank.dicom.keys import text_element
from imagebank.dicom.scan import file_meta
from imagebank.dimse import status
from imagebank.dimse.contexts import EXPLICIT_LE, IMPLICIT_LE
from imagebank.dimse.handlers import Answer, Caller, Tally, cancelled, refused, require_one_person
from imagebank.dimse.identifier import STUDY_UID, Target, target
from imagebank.dimse.negotiation import Context
from imagebank.errors import BankError, Conflict, NotFound, Unsupported
from imagebank.model.access import Right, Scope
from imagebank.model.attribute import Level
from imagebank.model.imaging import DataSet, Instance, Selection
from imagebank.model.query import Condition, OneOf, Query
from imagebank.model.uid import Uid

FAILED_LIST: Final = "00080058"
# Read as a whole before it is sent, so that damage is found while the association can still go on.
_WHOLE_BYTES: Final = 16 << 20
FALLBACKS: Final = (EXPLICIT_LE, IMPLICIT_LE)

Send = Callable[[Instance], int]
"""Performs one C-STORE sub-operation: the status of its response. Raises BankError when the object cannot be sent."""

Sending = Callable[[Sequence[Instance]], Send]
"""What performs the sub-operations of some objects, one after another."""

IsCancelled = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Retrieval:
    """One C-MOVE or C-GET request: the information model, the identifier, and what was negotiated for it."""

    root: str
    identifier: DataSet
    options: bytes


def understood(caller: Caller, asked: Retrieval, right: Right) -> Target:
    """What a request points at. Raises NotAllowed, Mismatch and Invalid."""
    caller.principal.require(right)
    return target(asked.root, asked.identifier, asked.options)


def chosen(bank: Bank, caller: Caller, wanted: Target) -> list[Instance]:
    """The objects that a request names; an empty list is no error (PS3.4 C.4.2.1.5). Raises Mismatch."""
    return _narrowed(wanted, _selected(bank, wanted, caller.principal.scope))


def _selected(bank: Bank, wanted: Target, scope: Scope) -> Iterator[Instance]:
    for selection in _selections(bank, wanted, scope):
        try:
            yield from retrieve.select(bank, selection, scope)
        except NotFound:
            continue


def _selections(bank: Bank, wanted: Target, scope: Scope) -> Iterator[Selection]:
    match wanted.level:
        case Level.PATIENT:
            by_patient = Condition(bank.catalogue.by_keyword["PatientID"], OneOf((wanted.patient_id,)))
            query = Query(Level.STUDY, (by_patient,))
            if not wanted.issuer:
                require_one_person(bank, query, scope)
            for found in search.find(bank, query, scope):
                yield Selection(study=Uid(found.attributes[STUDY_UID]["Value"][0]))
        case Level.STUDY:
            yield from (Selection(study=study) for study in wanted.studies)
        case Level.SERIES:
            yield from (Selection(series=series) for series in wanted.series)
        case Level.INSTANCE if wanted.series:
            yield from (Selection(series=series) for series in wanted.series)
        case Level.INSTANCE:
            yield from (Selection(instance=instance) for instance in wanted.instances)


def _narrowed(wanted: Target, instances: Iterator[Instance]) -> list[Instance]:
    """Each object once, and only where every level above is what the identifier says."""
    found = {
        instance.uid: instance
        for instance in instances
        if (not wanted.patient_id or instance.patient.identifier == wanted.patient_id)
        and (not wanted.issuer or instance.patient.issuer == wanted.issuer)
        and (not wanted.studies or instance.study in wanted.studies)
        and (not wanted.series or instance.series in wanted.series)
        and (not wanted.instances or instance.uid in wanted.instances)
    }
    return list(found.values())


def give(instances: Sequence[Instance], send: Send, is_cancelled: IsCancelled) -> Iterator[Answer]:
    """Perform the sub-operations: a pending answer after each, then the final one."""
    tally = Tally(len(instances))
    failed: list[Uid] = []
    for instance in instances:
        if is_cancelled():
            yield _with_failed(cancelled(Answer(status.CANCELLED, tally=tally)), failed)
            return
        code = _sent(send, instance)
        tally = _counted(tally, code)
        if _is_failure(code):
            failed.append(instance.uid)
        yield Answer(status.PENDING, tally=tally)
    yield _final(tally, failed)


def lasting(bank: Bank, caller: Caller, send: Send) -> Send:
    """The same sub-operation, which fails from the moment on when the caller may not see the object any more."""
    still = Lasting(bank, caller.principal)

    def sent(instance: Instance) -> int:
        still.require(instance)
        return send(instance)

    return sent


def _sent(send: Send, instance: Instance) -> int:
    try:
        return send(instance)
    except BankError:
        return status.PROCESSING_FAILURE


def _is_failure(code: int) -> bool:
    return code != status.SUCCESS and not status.is_warning(code)


def _counted(tally: Tally, code: int) -> Tally:
    left = tally.remaining - 1
    if _is_failure(code):
        return replace(tally, remaining=left, failed=tally.failed + 1)
    if status.is_warning(code):
        return replace(tally, remaining=left, warning=tally.warning + 1)
    return replace(tally, remaining=left, completed=tally.completed + 1)


def _final(tally: Tally, failed: Sequence[Uid]) -> Answer:
    if not tally.failed and not tally.warning:
        return Answer(status.SUCCESS, tally=tally)
    if not tally.completed and not tally.warning:
        answer = Answer(status.SUB_OPERATIONS_FAILED, "no object could be sent", tally=tally)
    else:
        answer = Answer(status.SOME_FAILED, f"{tally.failed} failed, {tally.warning} with warnings", tally=tally)
    return _with_failed(answer, failed)


def _with_failed(answer: Answer, failed: Sequence[Uid]) -> Answer:
    return replace(answer, identifier={FAILED_LIST: text_element("UI", *failed)}) if failed else answer


def get(bank: Bank, caller: Caller, asked: Retrieval, sending: Sending, is_cancelled: IsCancelled) -> Iterator[Answer]:
    """Answer a C-GET."""
    try:
        instances = chosen(bank, caller, understood(caller, asked, Right.GET))
        retrieve.reading(bank, caller.principal, instances, "C-GET", caller.address)
    except BankError as error:
        yield refused(error, status.RETRIEVE)
        return
    yield from give(instances, lasting(bank, caller, sending(instances)), is_cancelled)


def encoded(bank: Bank, instance: Instance, contexts: Sequence[Context]) -> tuple[Context, Iterator[bytes]]:
    """The context to send an object in, and its data set: as stored where the peer takes that, else converted.

    Raises Conflict when no context was agreed on for its class, Unsupported when it cannot be converted to any.
    """
    if not contexts:
        raise Conflict(f"the peer does not take SOP class {instance.sop_class}")
    by_syntax = {context.transfer_syntax: context for context in contexts}
    as_stored = by_syntax.get(instance.transfer_syntax)
    if as_stored is not None:
        return as_stored, _stored_data_set(bank, instance)
    in_order = sorted(by_syntax, key=lambda syntax: FALLBACKS.index(syntax) if syntax in FALLBACKS else 2)
    for syntax in in_order:
        try:
            file = retrieve.in_syntax(bank, instance, Uid(syntax))
        except Unsupported:
            continue
        _, offset = file_meta(file, len(file))
        return by_syntax[syntax], iter((file[offset:],))
    raise Unsupported(f"the peer takes no transfer syntax that {instance.transfer_syntax} can be converted to")


class Following:
    """Objects of a retrieval as they are sent: the next one is read while the peer takes the one before."""

    def __init__(
        self, bank: Bank, instances: Sequence[Instance], contexts: Callable[[Instance], Sequence[Context]]
    ) -> None:
        self._bank = bank
        self._contexts = contexts
        self._turns = retrieve.in_turn(bank, instances)
        self._next = {one.uid: following for one, following in pairwise(instances)}
        self._ready: tuple[Instance, tuple[Context, Iterator[bytes]]] | None = None

    def take(self, instance: Instance) -> tuple[Context, Iterator[bytes]]:
        """`encoded`, done before or now."""
        next(self._turns, None)
        ready, self._ready = self._ready, None
        if ready is not None and ready[0] is instance:
            return ready[1]
        return encoded(self._bank, instance, self._contexts(instance))

    def forget(self) -> None:
        """Let go of what was read ahead."""
        self._ready = None

    def read_after(self, instance: Instance) -> None:
        """Have ready what follows an object; what cannot be read is refused when it is its turn."""
        following = self._next.get(instance.uid)
        if following is not None and following.location.size <= _WHOLE_BYTES:
            with suppress(BankError):
                self._ready = following, self.take(following)


def _stored_data_set(bank: Bank, instance: Instance) -> Iterator[bytes]:
    pieces = retrieve.stored(bank, instance, instance.dataset_offset)
    if instance.location.size <= _WHOLE_BYTES:
        return iter((b"".join(pieces),))
    return chain((next(pieces, b""),), pieces)


def offers(instances: Sequence[Instance]) -> dict[str, list[tuple[str, ...]]]:
    """For each SOP class the contexts to propose: each stored transfer syntax alone, and an uncompressed fallback."""
    syntaxes: dict[str, set[str]] = {}
    for instance in instances:
        syntaxes.setdefault(instance.sop_class, set()).add(instance.transfer_syntax)
    return {
        sop_class: [*((syntax,) for syntax in sorted(found)), FALLBACKS]
        for sop_class, found in sorted(syntaxes.items())
    }
