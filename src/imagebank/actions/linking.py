"""Linking and parting patient records by hand: a person's records and why they are one person's, and others beside them.

What decides is in `persons`; here is what somebody has to see before, and whose page comes after.
"""

from dataclasses import dataclass
from typing import Final

from imagebank.actions import matching, persons, timeline
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotFound
from imagebank.model.access import Principal, Right
from imagebank.model.identity import Decision, Likeness, Linked, taken_back
from imagebank.model.person import PatientId

_MOST: Final = 100
"""So many decisions are told of each record."""
_LONGEST_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class Person:
    """A person's records with the decisions that link them, None where none does; and all decisions, the newest first.

    Both as far as the caller sees every record that they name. `undone` are the identifiers of those taken back.
    """

    key: str
    records: tuple[Linked, ...]
    reasons: tuple[Decision | None, ...]
    decisions: tuple[Decision, ...]
    undone: frozenset[str]


@dataclass(frozen=True, slots=True)
class Pair:
    """Another record beside the likest of a person's; `others` are all records of the other's person, itself among them."""

    mine: Linked
    other: Linked
    likeness: Likeness
    others: tuple[Linked, ...]


def of_person(bank: Bank, principal: Principal, person: str, address: str = "") -> Person:
    """What there is of a person to be linked or parted. Raises NotAllowed, and NotFound when there is none."""
    principal.require(Right.RECONCILE)
    records = persons.of_person(bank, principal, person, address)
    about = {
        one.id: one
        for record in records
        for one in bank.index.persons.decisions(principal.scope, _MOST, record.identity.patient)
    }
    decisions = tuple(sorted(about.values(), key=lambda one: (one.at, one.id), reverse=True))
    reasons = timeline.reasons_of(bank, principal, records)
    return Person(person, tuple(records), reasons, decisions, taken_back(decisions))


def beside(bank: Bank, principal: Principal, person: str, other: PatientId, address: str = "") -> Pair:
    """Another record compared with the likest of the person's.

    Raises NotAllowed, NotFound when there is no such person or record, and Conflict for one that is the person's already.
    """
    principal.require(Right.RECONCILE)
    records = persons.of_person(bank, principal, person, address)
    found = persons.shown(bank, other, principal.scope)
    if found.person == person:
        raise Conflict("this record is this person's already")
    table, scope = matching.weights(bank.settings.matching_file), principal.scope
    likest = matching.compared(table, found.identity, records, lambda names: bank.index.persons.census(names, scope))[0]
    return Pair(likest.linked, found, likest.likeness, tuple(bank.index.persons.person(found.person, scope)))


def join(
    bank: Bank,
    principal: Principal,
    person: str,
    other: PatientId,
    *,
    with_all: bool,
    why: str,
    address: str = "",
) -> str:
    """Let another record belong to the person, or all of its person's do so; the key of the person whose page comes then.

    Raises as `beside` does, and Invalid without a reason.
    """
    pair = beside(bank, principal, person, other, address)
    act = persons.merge if with_all else persons.link
    act(bank, principal, other, pair.mine.identity.patient, _reason(why), address)
    return _after(bank, principal, person, pair.mine.identity.patient)


def part(bank: Bank, principal: Principal, person: str, one: PatientId, why: str, address: str = "") -> str:
    """Let one of the person's records stand alone again; the key of the person whose page comes then.

    Raises NotAllowed, NotFound when the person has no such record, Conflict for the only one, and Invalid without a reason.
    """
    principal.require(Right.RECONCILE)
    records = [record.identity.patient for record in persons.of_person(bank, principal, person, address)]
    if one not in records:
        raise NotFound("there is no such patient record")
    persons.unlink(bank, principal, one, _reason(why), address)
    return _after(bank, principal, person, one)


def undo(bank: Bank, principal: Principal, person: str, decision: str, why: str = "", address: str = "") -> str:
    """Take a decision about the person's records back; the key of the person whose page comes then.

    Raises NotAllowed, NotFound when there is no such decision about them, and Conflict when it was taken back already.
    """
    found = of_person(bank, principal, person, address)
    if decision not in {one.id for one in found.decisions}:
        raise NotFound("there is no such decision")
    persons.undo(bank, principal, decision, _short(why), address)
    return _after(bank, principal, person, found.records[0].identity.patient)


def _after(bank: Bank, principal: Principal, person: str, patient: PatientId) -> str:
    """The same person's key, while there are records of theirs to be seen; else that of one of the records."""
    if bank.index.persons.person(person, principal.scope):
        return person
    return persons.shown(bank, patient, principal.scope).person


def _reason(text: str) -> str:
    reason = _short(text)
    if not reason:
        raise Invalid("say what you go by: whoever looks at this later has only that")
    return reason


def _short(text: str) -> str:
    reason = " ".join(text.split())
    if len(reason) > _LONGEST_REASON:
        raise Invalid("a reason has {longest} characters at the most", longest=_LONGEST_REASON)
    return reason
