"""Which patient records are one person's: heard, linked where that is sure, asked where it is likely, and undone.

Records of one issuer are linked only by that issuer's word or by somebody's; see docs/matching.md.
"""

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from imagebank.actions import matching, notes, together
from imagebank.actions.audit import SYSTEM, event
from imagebank.actions.together import Steps
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotAllowed, NotFound
from imagebank.model.access import LONG_AGO, Principal, Right, Scope
from imagebank.model.contributed import is_contributed
from imagebank.model.event import Act, Event
from imagebank.model.identity import (
    Decision,
    Deed,
    Evidence,
    Ground,
    Identity,
    Likeness,
    Linked,
    Move,
    Origin,
    across,
    parted,
    persons,
    taken_back,
)
from imagebank.model.identity_weights import Verdict
from imagebank.model.person import PatientId
from imagebank.ports import Transaction

CANDIDATES: Final = 500
"""A key that more records share tells nothing; so many are compared at most for each."""
SAME_ISSUER: Final = "both have records of one issuer, who alone says that two of them are one person's"
NOT_ALONE: Final = "both are linked already: to join them is somebody's decision"
_TICK: Final = timedelta(microseconds=1)


def hear(bank: Bank, identity: Identity) -> list[Decision]:
    """Take down what was heard of a patient record, and link it where that is sure; the decisions that this made.

    Where it is likely only, the pair is put into the queue. Hearing the same again changes nothing, nor does what was said
    (`heard_at`; now, where it is not given) before what is held. Of what a patient added nothing is heard: whose it is
    follows from the account, whatever files say. Raises Invalid for a record without an identifier: nothing is known of
    whose it is.
    """
    return together.alone(bank, hearing(bank, identity))


def hearing(bank: Bank, identity: Identity) -> Steps[list[Decision]]:
    """The same in steps."""
    if not identity.patient.identifier:
        raise Invalid("a patient record has an identifier")
    if is_contributed(identity.patient.issuer):
        return []
    made: list[Decision] = yield lambda tx: _hear(bank, tx, identity)
    return made


def _hear(bank: Bank, tx: Transaction, identity: Identity) -> list[Decision]:
    tx.persons.lock()
    known = tx.persons.record(identity.patient)
    heard = _heard(bank, identity, known)
    if heard is None:
        return []
    _take_down(bank, tx, heard)
    return _seek(bank, tx, heard)


def _heard(bank: Bank, identity: Identity, known: Linked | None) -> Identity | None:
    """What is to be kept of a record from now on; None when that is kept already."""
    # A clock that is ahead must not keep out what others say until then.
    said_at = min(identity.heard_at, bank.now()) if identity.heard_at > LONG_AGO else bank.now()
    if known is None:
        return replace(identity, heard_at=said_at, own=secrets.token_hex(16))
    before = known.identity
    is_image, was_image = (one.origin is Origin.DICOM for one in (identity, before))
    if is_image == was_image and said_at < before.heard_at:
        return None
    if is_image and not was_image:
        # An image tells only what nobody has told better.
        given = {name: getattr(before, name) or getattr(identity, name) for name in _DEMOGRAPHICS}
        name = before.name if any(before.name.groups()) else identity.name
        identity, said_at = replace(identity, **given, name=name, origin=before.origin), before.heard_at
    heard = replace(identity, heard_at=before.heard_at, own=before.own)
    return None if heard == before else replace(heard, heard_at=said_at)


_DEMOGRAPHICS: Final = ("birth_date", "sex", "address", "phone", "mother", "others")


def _take_down(bank: Bank, tx: Transaction, identity: Identity) -> None:
    tx.persons.put_identity(identity, _keys(identity))
    tx.record([_told(bank, identity.patient, f"patient record heard by {identity.origin}", Act.CHANGED)])
    notes.defer(bank, tx, identities=(identity,))


def _told(bank: Bank, patient: PatientId, detail: str, act: Act = Act.DECIDED) -> Event:
    return Event(bank.now(), act, SYSTEM, bank.settings.organization, detail=detail, patient=patient)


def _seek(bank: Bank, tx: Transaction, identity: Identity) -> list[Decision]:
    """Look for records of the same person, and link them, ask, or leave them apart."""
    patient = identity.patient
    tx.persons.withdraw(patient)
    keys = [key for key in matching.keys_of(identity) if not key.startswith("is ")]
    found = [each for each in tx.persons.candidates(keys, CANDIDATES) if each.identity.patient != patient]
    table = matching.weights(bank.settings.matching_file)
    return _settled(bank, tx, patient, matching.matches(table, identity, found, tx.persons.census))


def _settled(bank: Bank, tx: Transaction, patient: PatientId, matches: Sequence[matching.Match]) -> list[Decision]:
    """Link a record to those that it matches, in their order, or ask about it; the decisions that this made."""
    made: list[Decision] = []
    asked: list[Likeness] = []
    around: _Around | None = None
    for place, match in enumerate(matches):
        if around is None:
            around = _around(tx, [patient, *(each.likeness.second for each in matches[place:])])
        found = _considered(around, patient, match)
        if isinstance(found, Likeness):
            asked.append(found)
        elif found is not None:
            # Asked before: a decision takes back what was asked about the records that it joins.
            tx.persons.ask(asked, bank.now())
            made.append(_decide(bank, tx, found, [_told(bank, each, "") for each in found.records]))
            asked, around = [], None
    tx.persons.ask(asked, bank.now())
    return made


@dataclass(frozen=True, slots=True)
class _Around:
    """The records of the person that each record belongs to, and pairs that are said not to be one person's."""

    groups: Mapping[PatientId, Sequence[PatientId]]
    apart: frozenset[frozenset[PatientId]]


def _around(tx: Transaction, patients: Sequence[PatientId]) -> _Around:
    groups = tx.persons.groups(patients)
    return _Around(groups, parted(tx.persons.decisions_about({each for one in groups.values() for each in one})))


def _considered(around: _Around, patient: PatientId, match: matching.Match) -> "_Wish | Likeness | None":
    """To link two records, or to ask somebody; neither when they are linked, or are said to be two persons'."""
    likeness = match.likeness
    mine, theirs = (around.groups[each] for each in (patient, likeness.second))
    if likeness.second in mine or across(around.apart, mine, theirs):
        return None
    bar = likeness.bar or _bar(mine, theirs)
    if match.verdict is not Verdict.LINK or bar:
        return replace(likeness, bar=bar)
    records = (patient, likeness.second) if len(mine) == 1 else (likeness.second, patient)
    ground = Ground.RULE if match.is_by_rule else Ground.SCORE
    return _Wish(Deed.LINK, ground, SYSTEM, records, score=likeness.score, evidence=likeness.evidence)


def _bar(mine: Sequence[PatientId], theirs: Sequence[PatientId]) -> str:
    if {each.issuer for each in mine} & {each.issuer for each in theirs}:
        return SAME_ISSUER
    return NOT_ALONE if len(mine) > 1 and len(theirs) > 1 else ""


@dataclass(frozen=True, slots=True)
class _Wish:
    """A decision before it is known what it changes."""

    deed: Deed
    ground: Ground
    by: str
    records: tuple[PatientId, ...]
    reason: str = ""
    undoes: str = ""
    score: float | None = None
    evidence: tuple[Evidence, ...] = ()


def _decide(bank: Bank, tx: Transaction, wish: _Wish, events: Sequence[Event]) -> Decision:
    """Write a decision down with what stood before, and let it come into force."""
    records, before = _together(tx, wish.records)
    last = tx.persons.last_decided_at()
    at = bank.now() if last is None else max(bank.now(), last + _TICK)
    decision = Decision(secrets.token_hex(16), at, wish.deed, wish.ground, wish.by, wish.records, wish.reason)
    decision = replace(decision, undoes=wish.undoes, score=wish.score, evidence=wish.evidence)
    after = persons({each: record.own for each, record in records.items()}, (*before, decision))
    moves = [Move(each, record.person, after[each]) for each, record in records.items() if record.person != after[each]]
    decision = replace(decision, moves=tuple(moves))
    tx.persons.put_decision(decision)
    for move in moves:
        tx.persons.move(move.patient, move.after)
    for person in sorted({move.after for move in moves}):
        tx.persons.settle(person)
    if wish.deed is Deed.APART:
        tx.persons.withdraw(*wish.records)
    notes.defer(bank, tx, decisions=(decision,))
    tx.record([replace(each, detail=f"persons: {wish.deed} {decision.id}") for each in events])
    return decision


@dataclass(frozen=True, slots=True)
class _Record:
    own: str
    person: str


def _together(tx: Transaction, patients: Iterable[PatientId]) -> tuple[dict[PatientId, _Record], list[Decision]]:
    """Every record that decisions tie to these, directly or over others, and those decisions."""
    todo, records, decisions = set(patients), dict[PatientId, _Record](), dict[str, Decision]()
    while todo:
        found = tx.persons.decisions_about(todo)
        records |= {each: _as_recorded(tx, each) for each in sorted(todo, key=str)}
        decisions |= {one.id: one for one in found}
        named = {each for one in found for each in (*one.records, *(move.patient for move in one.moves))}
        todo = named - records.keys()
    return records, list(decisions.values())


def _as_recorded(tx: Transaction, patient: PatientId) -> _Record:
    linked = tx.persons.record(patient)
    if linked is not None:
        return _Record(linked.identity.own, linked.person)
    # A record whose key was destroyed: others may still be tied to each other over it.
    stand_in = hashlib.sha256(repr(patient).encode()).hexdigest()[:32]
    return _Record(stand_in, stand_in)


def attach(bank: Bank, tx: Transaction, added: PatientId, to: PatientId) -> None:
    """Let the record of what an account adds belong to the person of another record. It has no demographics of its own.

    Once is enough: what is decided about the record later stands.
    """
    tx.persons.lock()
    if tx.persons.record(added) is not None:
        return
    identity = Identity(added, origin=Origin.DESK, heard_at=bank.now(), own=secrets.token_hex(16))
    tx.persons.put_identity(identity, _keys(identity))
    notes.defer(bank, tx, identities=(identity,))
    if tx.persons.record(to) is not None:
        wish = _Wish(Deed.LINK, Ground.RULE, SYSTEM, (added, to))
        _decide(bank, tx, wish, [_told(bank, added, "")])


def obey(bank: Bank, principal: Principal, deed: Deed, first: PatientId, second: PatientId, why: str = "") -> Decision:
    """Do what an issuer says of two records of its own: HL7's A40 is MERGE, A24 LINK, A37 UNLINK.

    Records that were never heard of are taken down. No right is asked for, but that the records are of the caller's
    organization: raises NotAllowed. Raises Conflict when nothing would change.
    """
    if {first.issuer, second.issuer} != {principal.organization}:
        raise NotAllowed("an issuer says of its own records only which are one person's")
    with bank.index.begin() as tx:
        tx.persons.lock()
        for patient in (first, second):
            if tx.persons.record(patient) is None:
                unheard = Identity(patient, origin=Origin.HL7)
                _take_down(bank, tx, replace(unheard, heard_at=bank.now(), own=secrets.token_hex(16)))
        return _decide_between(bank, tx, principal, "", _Wish(deed, Ground.RULE, principal.name, (first, second), why))


def merge(
    bank: Bank, principal: Principal, gone: PatientId, into: PatientId, why: str = "", address: str = ""
) -> Decision:
    """Let all records of one person belong to another's. Raises NotAllowed, NotFound, and Conflict for the same person."""
    return _by_hand(bank, principal, address, Deed.MERGE, (gone, into), why)


def link(
    bank: Bank, principal: Principal, one: PatientId, other: PatientId, why: str = "", address: str = ""
) -> Decision:
    """Let one record belong to another's person. Raises as `merge` does."""
    return _by_hand(bank, principal, address, Deed.LINK, (one, other), why)


def unlink(bank: Bank, principal: Principal, one: PatientId, why: str = "", address: str = "") -> Decision:
    """Let a record stand alone again; nothing links it by itself to those that it was linked to.

    Raises NotAllowed, NotFound, and Conflict for one that is linked to none.
    """
    return _by_hand(bank, principal, address, Deed.UNLINK, (one,), why)


def _by_hand(
    bank: Bank, principal: Principal, address: str, deed: Deed, records: tuple[PatientId, ...], why: str
) -> Decision:
    principal.require(Right.RECONCILE)
    for patient in records:
        shown(bank, patient, principal.scope)
    with bank.index.begin() as tx:
        tx.persons.lock()
        return _decide_between(bank, tx, principal, address, _Wish(deed, Ground.HUMAN, principal.name, records, why))


def shown(bank: Bank, patient: PatientId, scope: Scope) -> Linked:
    """A record, where the scope shows it. Raises NotFound."""
    found = bank.index.persons.identity(patient, scope)
    if found is None:
        raise NotFound("there is no such patient record")
    return found


def _decide_between(bank: Bank, tx: Transaction, principal: Principal, address: str, wish: _Wish) -> Decision:
    first, others = wish.records[0], wish.records[1:]
    group = tx.persons.groups([first]).get(first, [first])
    if wish.deed is Deed.UNLINK:
        if len(group) == 1 or (others and others[0] not in group):
            raise Conflict("the record is not linked")
        wish = replace(wish, records=(first, *(each for each in group if each != first)))
    elif others[0] in group:
        raise Conflict("the records are one person's already")
    events = [replace(event(bank, Act.DECIDED, principal, address), patient=each) for each in wish.records[:2]]
    return _decide(bank, tx, wish, events)


def decide(
    bank: Bank,
    principal: Principal,
    first: PatientId,
    second: PatientId,
    *,
    is_same: bool,
    why: str = "",
    address: str = "",
) -> Decision:
    """Answer what the queue asks: whether two records are one person's. Their persons are joined, or stay apart.

    Raises NotAllowed, and NotFound when the queue does not ask that.
    """
    principal.require(Right.RECONCILE)
    for patient in (first, second):
        shown(bank, patient, principal.scope)
    with bank.index.begin() as tx:
        tx.persons.lock()
        asked = tx.persons.question(first, second)
        if asked is None:
            raise NotFound("the queue has no such question")
        deed = Deed.MERGE if is_same else Deed.APART
        wish = _Wish(deed, Ground.HUMAN, principal.name, (first, second), why)
        wish = replace(wish, score=asked.score, evidence=asked.evidence)
        return _decide_between(bank, tx, principal, address, wish)


def undo(bank: Bank, principal: Principal, decision: str, why: str = "", address: str = "") -> Decision:
    """Take a decision back: every record belongs to whom it would without it. An undoing can be undone, too.

    Raises NotAllowed, NotFound, and Conflict when it was taken back already.
    """
    principal.require(Right.RECONCILE)
    found = bank.index.persons.decisions(principal.scope, 1, identifier=decision)
    if not found:
        raise NotFound("there is no such decision")
    one = found[0]
    with bank.index.begin() as tx:
        tx.persons.lock()
        _, before = _together(tx, one.records)
        if one.id in taken_back(before):
            raise Conflict("the decision was taken back already")
        wish = _Wish(Deed.UNDO, Ground.HUMAN, principal.name, one.records, why, undoes=one.id)
        events = [replace(event(bank, Act.DECIDED, principal, address), patient=each) for each in one.records[:2]]
        if one.deed is Deed.APART:
            first, second = one.records
            tx.persons.ask([Likeness(first, second, one.score or 0.0, one.evidence)], bank.now())
        return _decide(bank, tx, wish, events)


def queue(bank: Bank, principal: Principal, limit: int = 100, address: str = "") -> list[Likeness]:
    """What somebody has to look at, the likest first, as far as the caller sees both records. Raises NotAllowed."""
    principal.require(Right.RECONCILE)
    bank.reads.search(principal, "patient records to be matched", address)
    return bank.index.persons.queue(principal.scope, limit)


def decisions(bank: Bank, principal: Principal, limit: int = 100, address: str = "") -> list[Decision]:
    """The newest decisions, as far as the caller sees the records that they name. Raises NotAllowed."""
    principal.require(Right.RECONCILE)
    bank.reads.search(principal, "decisions about patient records", address)
    return bank.index.persons.decisions(principal.scope, limit)


def of_person(bank: Bank, principal: Principal, person: str, address: str = "") -> list[Linked]:
    """A person's records, as far as the caller sees a study of each. Raises NotAllowed, and NotFound when there is none."""
    principal.require(Right.FIND)
    bank.reads.search(principal, "person", address)
    found = bank.index.persons.person(person, principal.scope)
    if not found:
        raise NotFound("there is no such person")
    return found


def _keys(identity: Identity) -> frozenset[str]:
    """By what a record is found; one of what a patient added, by nothing: the account alone says whose it is."""
    return frozenset() if is_contributed(identity.patient.issuer) else matching.keys_of(identity)


def restore(tx: Transaction, identities: Iterable[Identity], decisions: Sequence[Decision]) -> None:
    """Put records and decisions back that are not there any more, as they were kept among the objects."""
    for identity in identities:
        if tx.persons.record(identity.patient) is None:
            tx.persons.put_identity(identity, _keys(identity))
    for one in decisions:
        tx.persons.put_decision(one)
    seen = set[PatientId]()
    for patient in (each for one in decisions for each in one.records):
        if patient not in seen:
            records, about = _together(tx, [patient])
            seen |= records.keys()
            for each, person in persons({of: record.own for of, record in records.items()}, about).items():
                tx.persons.move(each, person)
