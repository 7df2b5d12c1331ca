"""The end of an account: its owner closes it, at once and for good."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from imagebank.actions import access, cards, contributing, enrol, holders, requests, shred
from imagebank.actions.audit import event
from imagebank.bank import Bank
from imagebank.errors import Conflict, NotAllowed
from imagebank.model.access import OWNERS, Principal, Session
from imagebank.model.contributed import is_contributed
from imagebank.model.event import Act
from imagebank.model.provision import ACTING, Provision
from imagebank.model.request import Kind, Request

CLOSED: Final = "account: closed by its owner"


def close(bank: Bank, found: Session, principal: Principal, address: str = "", *, erase: bool = False) -> None:
    """End an account in one transaction: what it holds, the cards it gave, whom it let in, its means, sessions and mail.

    What it added itself is destroyed with its keys. Images of organizations stay with those that keep them; with `erase`
    each of these is asked to erase those of the people for whom the account acts. Raises NotAllowed without an account of a person's or without a fresh proof, and Conflict
    where it was closed already.
    """
    if principal.role not in OWNERS:
        raise NotAllowed("an account of staff is ended by an admin")
    access.require_proof(bank, found)
    all_held = enrol.holdings_of(bank, principal.name)
    held = [one for one in all_held if not is_contributed(one.patient.issuer)]
    # What waits in plain words of what the account added is sealed now, or it would outlive the keys.
    shred.settle_amendments(bank)
    records = holders.records_of(bank, *held)
    let_in = [one for patient in records for one in enrol.held_of(bank, patient) if one.by == principal.name]
    let_in = [one for one in let_in if not is_contributed(one.patient.issuer)]
    given = cards.given_by(bank, principal.name, records)
    asked = _to_erase(bank, principal, held) if erase else []
    with bank.index.begin() as tx:
        # Of two at once the second finds no session left. A session without an account ends alone.
        if not tx.people.end_sessions(found.account, None if found.account else found.digest):
            raise Conflict("this account is closed already")
        for request in asked:
            requests.put(bank, tx, request, principal, address)
        enrol.end_all(bank, tx, [*held, *let_in], principal, address)
        added = contributing.let_go(bank, tx, all_held, principal, address)
        cards.revoke_all(bank, tx, given, principal, address)
        if found.account:
            tx.people.change_account(found.account, password="", totp=b"", totp_waiting=b"", is_locked=True)
            tx.people.remove_passkeys(found.account)
            tx.notices.forget(found.account)
        told = event(bank, Act.ENROLLED, principal, address, CLOSED)
        about = dict.fromkeys(one.patient for one in held)
        tx.record([replace(told, patient=patient) for patient in about] or [told])
    for one in added:
        shred.shred_job(bank, one)


def _to_erase(bank: Bank, principal: Principal, held: Sequence[Provision]) -> list[Request]:
    """A request for each record of those for whom the account acts, to the organization that gave it."""
    acted = holders.records_of(bank, *(one for one in held if one.terms in ACTING))
    acted = frozenset(one for one in acted if not is_contributed(one.issuer))
    now = bank.now()
    return [
        Request(
            requests.name_of(principal, f"erase {one.issuer} {one.identifier}"),
            Kind.ERASE,
            principal.name,
            one,
            one.issuer,
            what="",
            where="",
            when="",
            made_at=now,
            changed_at=now,
        )
        for one in acted
    ]
