"""Opening a person's account: identity is proofed at the desk, and a printed sheet lets its owner in, once.

An account holds a person's records (`Kind.HOLDING`). Several people may hold the same: the owner, and proxies.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

from imagebank.actions import access, charge, holders, notes
from imagebank.actions.audit import event, looking
from imagebank.actions.signing_in import PER_ADDRESS, count_try, note_refusal
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotAllowed, NotFound, noted
from imagebank.model import account_number
from imagebank.model.access import HOLDERS, Principal, Right, Role, Scope
from imagebank.model.account import Account, Invitation
from imagebank.model.event import Act, Event
from imagebank.model.person import PatientId
from imagebank.model.provision import FOR_EVER, Kind, Provision, Relation
from imagebank.model.zone import beginning
from imagebank.ports import Transaction

SHEET_DAYS: Final = 30
_TURN: Final = timedelta(minutes=1)
_NO_LIMIT: Final = 1 << 30
TRIES: Final = 5
"""Wrong secrets for one account, before its sheet is worth nothing."""
_REFUSED: Final = noted("this number and secret open nothing; look at both again, or ask the desk for a new sheet")
# What accounts hold is looked up to decide about it, and shown to those who may know it alone.
_ALL: Final = Scope(organizations=None)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who shall hold whose records. `account` is the number of one that is there, or the name of who signs in elsewhere.

    A parent's hold ends at the age that the site sets: `birth_date` (YYYYMMDD) is the child's, for a record that says
    none. `until` ends any hold, also earlier than that.
    """

    patient: PatientId
    relation: Relation = Relation.OWNER
    account: str = ""
    display_name: str = ""
    birth_date: str = ""
    until: datetime = FOR_EVER


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is printed for the owner of an account, and shown once; there is no secret where they sign in already."""

    account: str
    holding: Provision
    secret: str = ""
    expires_at: datetime | None = None


def enrol(bank: Bank, wanted: Wanted, principal: Principal, address: str = "") -> Sheet:
    """Let somebody hold a person's records, who has shown at the desk who they are; or, by who acts for the person, a carer.

    Raises NotAllowed for who may not say so, NotFound for a record or an account that is not here, Invalid for a hold
    that would end at once, Conflict where it is held so already, or a person's account is open already.
    """
    _require(bank, principal, wanted)
    patient = wanted.patient
    known = bank.index.persons.identity(patient, _ALL)
    if known is None:
        raise NotFound("there is no patient record of this number and issuer here")
    ends_at = min(wanted.until, _end_of(bank, wanted, wanted.birth_date or known.identity.birth_date))
    now = bank.now()
    if ends_at <= now:
        raise Invalid("this hold would have ended already: look at the dates")
    account = _account(bank, wanted)
    holding = Provision(
        secrets.token_hex(16),
        Kind.HOLDING,
        permits=True,
        patient=patient,
        starts_at=now,
        ends_at=ends_at,
        principal=wanted.account if account is None else account.name,
        role=Role.PATIENT,
        by=principal.name,
        of_person=principal.role in HOLDERS or charge.has_all(bank, principal),
        terms=wanted.relation,
    )
    secret = account_number.new_secret() if account is not None and not wanted.account else ""
    with bank.index.begin() as tx:
        _refuse_twice(bank, tx, wanted)
        tx.put_provision(holding)
        notes.defer(bank, tx, provisions=(holding,))
        if account is not None and secret:
            tx.people.put_account(account)
            tx.people.put_invitation(_digest(account.name, secret), _invitation(bank, account))
        tx.record([_told(bank, holding, f"holding {holding.id}: {wanted.relation}", principal, address)])
    expires_at = now + timedelta(days=SHEET_DAYS) if secret else None
    return Sheet(holding.principal, holding, secret, expires_at)


def _require(bank: Bank, principal: Principal, wanted: Wanted) -> None:
    if Right.ENROL in principal.rights:
        if not charge.has_patient(bank, principal, wanted.patient):
            raise NotAllowed("another organization gave this number; its own desk opens accounts for its patients")
        return
    if wanted.relation is not Relation.CARER or wanted.patient not in acted_for(bank, principal):
        principal.require(Right.ENROL)


def acted_for(bank: Bank, principal: Principal) -> frozenset[PatientId]:
    """The patient records, linked ones too, of those for whom a holder acts."""
    return holders.records_of(bank, *holders.acting(bank, principal))


def _end_of(bank: Bank, wanted: Wanted, birth_date: str) -> datetime:
    """When a hold ends by itself. Raises Invalid for a child whose birth date nobody knows."""
    if wanted.relation is not Relation.PARENT:
        return FOR_EVER
    try:
        born = date.fromisoformat(birth_date)
    except ValueError:
        raise Invalid("a parent's hold ends when the child is of age: say the child's birth date") from None
    return of_age(born, bank.settings.age_of_majority, bank.settings.zone)


def of_age(born: date, years: int, zone: tzinfo = UTC) -> datetime:
    """The beginning of the day on which somebody has so many years; who is born on a 29 February, on 1 March."""
    try:
        day = born.replace(year=born.year + years)
    except ValueError:
        day = date(born.year + years, 3, 1)
    return beginning(day, zone)


def _take_turns(tx: Transaction, patient: PatientId, now: datetime) -> None:
    """Let who changes who holds a person's records at the same moment wait, and then find what was done.

    The count itself is of no use: its row is ours until the transaction ends.
    """
    hidden = hashlib.sha256(f"{patient.issuer}|{patient.identifier}".encode()).hexdigest()
    tx.people.count_attempt(f"holding of {hidden}", now, now + _TURN, _NO_LIMIT)


def _refuse_twice(bank: Bank, tx: Transaction, wanted: Wanted) -> None:
    """Raises Conflict for what is held already."""
    now = bank.now()
    _take_turns(tx, wanted.patient, now)
    for one in held_of(bank, wanted.patient):
        if not (one.starts_at <= now < one.ends_at):
            continue
        if wanted.account and one.principal == wanted.account:
            raise Conflict("this account holds these records already")
        if one.terms == wanted.relation == Relation.OWNER:
            raise Conflict("this person's account is open already; print a new sheet for it, or end it first")


def held_of(bank: Bank, patient: PatientId) -> list[Provision]:
    """What is held of a person by their records, as long as nobody has ended it."""
    found = bank.index.provisions(_ALL, patient, kind=Kind.HOLDING)
    return [one for one in found if one.revoked_at is None]


def _account(bank: Bank, wanted: Wanted) -> Account | None:
    """A new account, or the one that is named; None for who signs in elsewhere. Raises NotFound for a number of nobody."""
    if not wanted.account:
        number = account_number.new()
        shown = " ".join(wanted.display_name.split())[:100] or account_number.shown(number)
        return Account(secrets.token_hex(8), number, shown, bank.settings.organization, Role.PATIENT, bank.now())
    found = bank.index.people.account(wanted.account)
    if found is None and wanted.account.isdigit():
        raise NotFound("there is no account of this number")
    if found is not None and found.is_locked:
        raise Conflict("this account was closed, or is locked; open another")
    if found is not None and found.role is not Role.PATIENT:
        raise Invalid("this is an account of staff; people's own images belong to an account of their own")
    return found


def reissue(bank: Bank, number: str, principal: Principal, address: str = "") -> Sheet:
    """A new sheet, for who has lost theirs, or all means to sign in; once it is used, the means of before end.

    Raises NotAllowed without the right to open accounts, NotFound for an account that is in another desk's charge, too.
    """
    principal.require(Right.ENROL)
    account = bank.index.people.account(number)
    held = [] if account is None else holdings_of(bank, number)
    mine = [one for one in held if charge.has_patient(bank, principal, one.patient)]
    if account is None or not mine:
        raise NotFound("there is no account of this number")
    secret = account_number.new_secret()
    with bank.index.begin() as tx:
        tx.people.put_invitation(_digest(number, secret), _invitation(bank, account))
        tx.people.forget_attempts(_tries(number))
        tx.record([_told(bank, mine[0], "a new sheet was printed", principal, address)])
    return Sheet(number, mine[0], secret, bank.now() + timedelta(days=SHEET_DAYS))


def listed(bank: Bank, patient: PatientId, principal: Principal, address: str = "") -> list[Provision]:
    """Who holds a person's records, for the desk and for who acts for the person; the look stands in the ledger first.

    Raises NotAllowed for anybody else, also where there is no such record.
    """
    is_desk = Right.ENROL in principal.rights and charge.has_patient(bank, principal, patient)
    if not is_desk and patient not in acted_for(bank, principal):
        raise NotAllowed("who holds these records is told to the desk in charge and to who acts for the person")
    looking(bank, principal, address, "who holds an account", patient=patient)
    now = bank.now()
    return [one for one in held_of(bank, patient) if one.ends_at > now]


def holdings_of(bank: Bank, number: str) -> list[Provision]:
    """What an account holds, as long as nobody has ended it."""
    found = bank.index.provisions(_ALL, kind=Kind.HOLDING, principal=number)
    return [one for one in found if one.revoked_at is None]


def _invitation(bank: Bank, account: Account) -> Invitation:
    return Invitation(account.id, account.role, account.organization, bank.now() + timedelta(days=SHEET_DAYS))


def code_of(number: str, secret: str) -> str:
    """By what `account.activate` knows a sheet."""
    return f"{number}.{secret}"


def _digest(number: str, secret: str) -> bytes:
    return access.digest_of(code_of(number, secret))


def _tries(number: str) -> str:
    return f"sheet {number}"


def checked(bank: Bank, number: str, secret: str, address: str = "") -> str:
    """The code of a sheet whose number and secret were typed, for `account.activate`; it is not spent yet.

    Raises Invalid for a mistyped number, which costs nothing; NotFound alike for a wrong secret, a sheet that was used,
    is too old or locked, and an account that is not; TooOften.
    """
    number, secret = account_number.read(number), account_number.read_secret(secret)
    count_try(bank, (f"address {address}", PER_ADDRESS))
    now = bank.now()
    with bank.index.begin() as tx:
        is_heard = tx.people.count_attempt(_tries(number), now, now + timedelta(days=SHEET_DAYS), TRIES) > 0
    found = bank.index.people.invitation(_digest(number, secret), now) if is_heard else None
    if found is None:
        note_refusal(bank, None, "account sheet", address)
        raise NotFound(_REFUSED)
    with bank.index.begin() as tx:
        tx.people.give_back_attempt(_tries(number))
        tx.people.give_back_attempt(f"address {address}")
    return code_of(number, secret)


def end(bank: Bank, holding: str, principal: Principal, address: str = "") -> None:
    """End what an account holds: by the desk, by who acts for the person, or by its holder.

    Raises NotFound for one that is not there, has ended, or is not the caller's to end.
    """
    found = [
        one
        for one in bank.index.provisions(_ALL, kind=Kind.HOLDING, identifier=holding)
        if _may_end(bank, principal, one)
    ]
    with bank.index.begin() as tx:
        if not end_all(bank, tx, found, principal, address):
            raise NotFound("nobody holds that any more")


def end_all(bank: Bank, tx: Transaction, found: Sequence[Provision], principal: Principal, address: str) -> int:
    """End what is held, in a transaction; how much of it nobody had ended before."""
    now = bank.now()
    ended = [one for one in found if tx.revoke_provision(one.id, now)]
    for one in ended:
        notes.defer(bank, tx, provisions=(replace(one, revoked_at=now),))
        tx.record([_told(bank, one, f"holding {one.id}: ended", principal, address)])
    return len(ended)


def _may_end(bank: Bank, principal: Principal, one: Provision) -> bool:
    if Right.ENROL in principal.rights:
        return charge.has_patient(bank, principal, one.patient)
    is_own = principal.role is Role.PATIENT and one.principal == principal.name
    return is_own or one.patient in acted_for(bank, principal)


def _told(bank: Bank, one: Provision, detail: str, principal: Principal, address: str) -> Event:
    return replace(event(bank, Act.ENROLLED, principal, address, detail), patient=one.patient)
