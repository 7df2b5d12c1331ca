"""What the owner of an account asks an organization for, and how its desk works on that."""

import hashlib
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from imagebank.actions import charge, enrol, holders, notify, timeline
from imagebank.actions.audit import event, looking
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotAllowed, NotFound, TooOften
from imagebank.model.access import OWNERS, Principal, Right, Scope
from imagebank.model.contributed import is_contributed
from imagebank.model.event import Act, Event
from imagebank.model.identity import Identity
from imagebank.model.notice import Kind as Told
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import Provision
from imagebank.model.request import OPEN, Kind, Request, State
from imagebank.model.timeline import Entry
from imagebank.model.uid import Uid
from imagebank.ports import Transaction

MOST_OPEN: Final = 20
"""How many requests about one person's records may wait for an answer."""
MOST_LISTED: Final = 200
LONGEST: Final = 2000
LONGEST_LINE: Final = 200
# What an account holds, and who asks, is looked up for those who may know it.
_ALL: Final = Scope(organizations=None)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request in its owner's words. Without `patient` it is about the first whose records the account holds.

    `key` is of the form that was filled in: sent twice it is one request.
    """

    facility: str
    what: str
    where: str = ""
    when: str = ""
    patient: PatientId | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the desk sees it, with who it is about."""

    request: Request
    identity: Identity


def facilities(bank: Bank, principal: Principal) -> list[str]:
    """Organizations that an account can ask: those that know its people, and the one that keeps the bank."""
    return _asked(bank, holders.records_of(bank, *_held(bank, principal)))


def _asked(bank: Bank, records: Collection[PatientId]) -> list[str]:
    known = {one.issuer for one in records if not is_contributed(one.issuer)}
    return sorted(known | {bank.settings.organization})


def _held(bank: Bank, principal: Principal) -> list[Provision]:
    """What an account holds. Raises NotAllowed for whoever has none."""
    if principal.role not in OWNERS:
        raise NotAllowed("requests are made from the account of the person; sign in to yours")
    return holders.of_account(bank, principal)


def ask(bank: Bank, wanted: Wanted, principal: Principal, address: str = "") -> Request:
    """Ask an organization for a study. The same form a second time changes nothing.

    Raises NotAllowed for who has no account and for a record that it does not hold, Invalid for words that are missing,
    too long or to nobody, TooOften where many requests wait already.
    """
    held = _held(bank, principal)
    records = holders.records_of(bank, *held)
    made = _made(bank, wanted, principal, held, records)
    about = [one for one in bank.index.requests.of_patients(records, MOST_LISTED) if one.state in OPEN]
    if len(about) >= MOST_OPEN and made.id not in {one.id for one in about}:
        raise TooOften("{most} of your requests wait for an answer; withdraw one of them first", most=MOST_OPEN)
    with bank.index.begin() as tx:
        put(bank, tx, made, principal, address)
    found = bank.index.requests.request(made.id)
    assert found is not None, "what was put is there"
    return found


def _made(
    bank: Bank, wanted: Wanted, principal: Principal, held: Sequence[Provision], records: Collection[PatientId]
) -> Request:
    mine = [one for one in held if wanted.patient is None or one.patient == wanted.patient]
    if not mine:
        raise NotAllowed("your account does not hold this record")
    if wanted.facility not in _asked(bank, records):
        raise Invalid("choose one of the organizations that can be asked here")
    what = _text(wanted.what, LONGEST)
    if not what:
        raise Invalid("say which images you are looking for")
    where, when = _text(wanted.where, LONGEST_LINE), _text(wanted.when, LONGEST_LINE)
    now, name = bank.now(), name_of(principal, wanted.key)
    return Request(name, Kind.STUDY, principal.name, mine[0].patient, wanted.facility, what, where, when, now, now)


def name_of(principal: Principal, key: str) -> str:
    """How a request is named: by the form of this account that it came from, where that is known."""
    given = f"{principal.name}\n{key}" if key else secrets.token_hex(16)
    return hashlib.sha256(given.encode()).hexdigest()[:32]


def _text(text: str, most: int) -> str:
    """Words of somebody's, without blanks around. Raises Invalid for long ones and for control characters."""
    found = "\n".join(line.strip() for line in text.strip().splitlines())
    if len(found) > most or not found.replace("\n", "").isprintable():
        raise Invalid("write at most {most} characters of plain text", most=most)
    return found


def put(bank: Bank, tx: Transaction, made: Request, principal: Principal, address: str) -> None:
    """Send a request, in the transaction of what it comes with; nothing where it is there already."""
    if tx.requests.put(made):
        tx.record([_noted(bank, made, f"sent to {made.facility}", principal, address)])


def _noted(bank: Bank, one: Request, what: str, principal: Principal, address: str) -> Event:
    noted = event(bank, Act.REQUESTED, principal, address, f"request {one.id}: {what}")
    return replace(noted, patient=one.patient, study=one.study)


def listed(bank: Bank, principal: Principal) -> list[Request]:
    """What was asked about those whose records an account holds, by whoever holds them; what waits first, then the newest."""
    records = holders.records_of(bank, *_held(bank, principal))
    return sorted(bank.index.requests.of_patients(records, MOST_LISTED), key=lambda one: one.state not in OPEN)


def queue(bank: Bank, principal: Principal, address: str = "", *, is_open: bool = True) -> list[Asked]:
    """What the caller's organization was asked and has not answered yet, or has; the oldest first.

    The look stands in the ledger first. Raises NotAllowed without the right to open accounts.
    """
    principal.require(Right.ENROL)
    looking(bank, principal, address, "requests of patients")
    facility = "" if charge.has_all(bank, principal) else principal.organization
    states = OPEN if is_open else frozenset(State) - OPEN
    found = bank.index.requests.of_facility(facility, states, MOST_LISTED)
    return [Asked(one, _identity(bank, one.patient)) for one in found]


def _identity(bank: Bank, patient: PatientId) -> Identity:
    known = bank.index.persons.identity(patient, _ALL)
    return Identity(patient, PersonName()) if known is None else known.identity


def waiting(bank: Bank, principal: Principal) -> int:
    """How many requests wait for the caller's organization; at most 200 are counted."""
    facility = "" if charge.has_all(bank, principal) else principal.organization
    return len(bank.index.requests.of_facility(facility, OPEN, MOST_LISTED))


def kept(bank: Bank, identifier: str, principal: Principal, address: str = "") -> Asked:
    """One request: for those who hold the person's records, and for the organization that was asked. Raises NotFound."""
    found = bank.index.requests.request(identifier)
    if found is None or not _may_see(bank, found, principal):
        raise NotFound("there is no such request")
    if principal.role not in OWNERS:
        looking(bank, principal, address, f"request {found.id}", patient=found.patient)
    return Asked(found, _identity(bank, found.patient))


def _may_see(bank: Bank, one: Request, principal: Principal) -> bool:
    if principal.role in OWNERS:
        return one.patient in holders.records_of(bank, *_held(bank, principal))
    if Right.ENROL not in principal.rights:
        return False
    return charge.has_all(bank, principal) or one.facility == principal.organization


def withdraw(bank: Bank, identifier: str, principal: Principal, address: str = "") -> Request:
    """Take a request back: who made it, or who acts for the person. A second time changes nothing.

    Raises NotFound, NotAllowed, and Conflict for one that was answered.
    """
    found = kept(bank, identifier, principal, address).request
    if found.account != principal.name and found.patient not in enrol.acted_for(bank, principal):
        raise NotAllowed("who made a request, or who acts for the person, takes it back")
    return _settle(bank, replace(found, state=State.WITHDRAWN), "withdrawn", principal, address)


def take(bank: Bank, identifier: str, principal: Principal, address: str = "") -> Request:
    """Say that somebody of the organization works on it. Raises NotFound, and Conflict where somebody does already."""
    found = _of_desk(bank, identifier, principal, address)
    changed = replace(found, state=State.SEEN, by=principal.name)
    return _settle(bank, changed, "seen", principal, address, frozenset({State.SENT}))


def answer(
    bank: Bank, identifier: str, principal: Principal, study: Uid | None = None, reason: str = "", address: str = ""
) -> Request:
    """Answer with a study of the person's, or where erasure was asked for, with what was done.

    Raises NotFound for a study that is not there for the caller or is somebody else's, Invalid where the answer is
    missing, Conflict for a request that was answered or withdrawn meanwhile.
    """
    found, reason = _of_desk(bank, identifier, principal, address), _text(reason, LONGEST)
    if found.kind is Kind.ERASE:
        if not reason or study is not None:
            raise Invalid("say what was erased, and what has to be kept, and why")
    elif study is None:
        raise Invalid("name the study that answers this request")
    elif bank.index.histories.patient_of(study, principal.scope) not in _records(bank, found):
        raise NotFound("this is no study of the person")
    changed = replace(found, state=State.ANSWERED, by=principal.name, study=study, reason=reason)
    return _settle(bank, changed, "answered", principal, address)


def answers(bank: Bank, one: Request, principal: Principal, address: str = "") -> list[Entry]:
    """The studies that could answer a request, as far as the caller sees them; the newest first."""
    return list(timeline.of_records(bank, principal, _records(bank, one), "desk", address).entries)


def refuse(bank: Bank, identifier: str, reason: str, principal: Principal, address: str = "") -> Request:
    """Say that nothing comes, and why. Raises NotFound, Invalid without a reason, and Conflict."""
    found, reason = _of_desk(bank, identifier, principal, address), _text(reason, LONGEST)
    if not reason:
        raise Invalid("say why: the person reads it")
    changed = replace(found, state=State.REFUSED, by=principal.name, reason=reason)
    return _settle(bank, changed, "refused", principal, address)


def _of_desk(bank: Bank, identifier: str, principal: Principal, address: str) -> Request:
    principal.require(Right.ENROL)
    return kept(bank, identifier, principal, address).request


def _records(bank: Bank, one: Request) -> frozenset[PatientId]:
    """What the account that asked sees of this person: an answer that it could not look at is none."""
    now = bank.now()
    held = enrol.holdings_of(bank, one.account)
    return holders.records_of(bank, *(each for each in held if each.patient == one.patient and each.ends_at > now))


def _settle(
    bank: Bank, changed: Request, what: str, principal: Principal, address: str, before: frozenset[State] = OPEN
) -> Request:
    changed = replace(changed, changed_at=bank.now())
    with bank.index.begin() as tx:
        is_first = tx.requests.settle(changed, before)
        if is_first:
            tx.record([_noted(bank, changed, what, principal, address)])
            if changed.state in {State.ANSWERED, State.REFUSED}:
                notify.told_of(bank, tx, changed.patient, Told.ANSWERED, f"/my/requests/{changed.id}")
    found = changed if is_first else bank.index.requests.request(changed.id)
    if found is None or not _is_same(found, changed):
        raise Conflict("somebody was quicker: this request was answered or withdrawn meanwhile; look at it again")
    return found


def _is_same(found: Request, changed: Request) -> bool:
    return (found.state, found.by, found.study, found.reason) == (
        changed.state,
        changed.by,
        changed.study,
        changed.reason,
    )
