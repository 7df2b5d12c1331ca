"""What each DIMSE service does, as functions from values to answers; none of them knows a socket."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from imagebank.actions import ingest, prior_view, search
from imagebank.actions.ingest import Arrival
from imagebank.bank import Bank
from imagebank.dimse import status
from imagebank.dimse.identifier import Question, answer, question
from imagebank.errors import BankError, Mismatch
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.attribute import Level
from imagebank.model.imaging import DataSet, Receipt, Source
from imagebank.model.query import Query


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is at the other end: as the bank knows it, by the title it gave, and from where."""

    principal: Principal
    aet: str
    address: str
    wants_priors: bool = False
    """Whether it called us by the title under which a search for a study is answered with its priors."""

    def at(self, now: datetime) -> "Caller":
        """The same at another moment: an association may outlast what was permitted when it began."""
        return replace(self, principal=self.principal.at(now))

    @property
    def source(self) -> Source:
        return Source("dimse", self.principal.name, self.principal.organization, self.address)


@dataclass(frozen=True, slots=True)
class Tally:
    """The sub-operations of a retrieval: how many are left, done, failed, done with a warning."""

    remaining: int
    completed: int = 0
    failed: int = 0
    warning: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One response: status, words for Error Comment, an identifier, the count of sub-operations, further fields."""

    status: int
    comment: str = ""
    identifier: DataSet | None = None
    tally: Tally | None = None
    further: Mapping[str, int | str] = field(default_factory=dict)


def refused(error: BankError, table: Mapping[type[BankError], int]) -> Answer:
    """A refusal in the words of one service."""
    return Answer(status.status_of(error, table), status.comment(str(error)))


def echo() -> Answer:
    """Verification is open to every device that may associate (PS3.4 annex A)."""
    return Answer(status.SUCCESS)


def store(bank: Bank, caller: Caller, arrival: Arrival) -> Answer:
    """Take one object in (PS3.4 annex B). A success is durable when it is given."""
    try:
        caller.principal.require(Right.STORE)
        receipts = ingest.receive(bank, [arrival], caller.source, sees=caller.principal.joins)
    except BankError as error:
        return refused(error, status.STORE)
    return _stored(receipts[0])


def _stored(receipt: Receipt) -> Answer:
    if receipt.error is not None:
        return refused(receipt.error, status.STORE)
    if receipt.changed:
        # PS3.4 table B.2-1: Coercion of Data Elements.
        return Answer(status.COERCED, status.comment(receipt.changed[0]))
    if receipt.warnings:
        return Answer(status.TOLERATED, status.comment(receipt.warnings[0]))
    return Answer(status.SUCCESS)


def find(bank: Bank, caller: Caller, root: str, identifier: DataSet, options: bytes) -> Iterator[Answer]:
    """Answer a query (PS3.4 C.4.1): one pending answer for each match, then the final one.

    `options` are the bytes agreed on in extended negotiation (PS3.4 C.5.1.1).
    """
    try:
        caller.principal.require(Right.FIND)
        asked = question(bank.catalogue, root, identifier, options)
        if caller.wants_priors and asked.query.level is Level.STUDY:
            yield from _priors(bank, caller, asked)
        else:
            yield from _matches(bank, caller, asked)
    except BankError as error:
        yield refused(error, status.FIND)
        return
    yield Answer(status.SUCCESS)


def _matches(bank: Bank, caller: Caller, asked: Question) -> Iterator[Answer]:
    query, scope = asked.query, caller.principal.scope
    search.searching(bank, caller.principal, query, "C-FIND", caller.address)
    # At the level of patients each person is an answer of its own.
    matches = (search.find if query.level is Level.PATIENT else search.of_one)(bank, query, scope)
    if matches is None:
        raise _several_people()
    pending = status.PENDING if asked.is_supported else status.PENDING_UNSUPPORTED_KEYS
    for found in matches:
        yield Answer(pending, identifier=answer(asked, found, bank.settings.ae_title))


def _priors(bank: Bank, caller: Caller, asked: Question) -> Iterator[Answer]:
    """The priors of the study or order that a question names, best first; what else it asks for narrows them."""
    pending = status.PENDING if asked.is_supported else status.PENDING_UNSUPPORTED_KEYS
    for found in prior_view.find(bank, asked.query, caller.principal, "C-FIND", caller.address):
        yield Answer(pending, identifier=answer(asked, found, bank.settings.ae_title))


def require_one_person(bank: Bank, query: Query, scope: Scope) -> None:
    """Raises Mismatch (0xA900) for a PatientID that several issuers in scope use, and no word of which is meant."""
    if search.is_ambiguous(bank, query, scope):
        raise _several_people()


def _several_people() -> Mismatch:
    return Mismatch("several issuers have this PatientID; add IssuerOfPatientID")


def cancelled(last: Answer | None = None) -> Answer:
    """The answer to a C-CANCEL, with the count as it stands."""
    return Answer(status.CANCELLED) if last is None else replace(last, status=status.CANCELLED, identifier=None)
