"""Signing in by password and code: counted before anything is compared, and refused alike whatever was wrong."""

import hashlib
from datetime import timedelta
from typing import Final

from imagebank.actions import access, password, totp
from imagebank.bank import Bank
from imagebank.errors import NotAllowed, NotFound, TooOften
from imagebank.model.access import Session
from imagebank.model.account import Account, folded
from imagebank.model.event import Act, Event
from imagebank.model.notice import folded_address

WINDOW: Final = timedelta(minutes=15)
PER_ACCOUNT: Final = 10
PER_ADDRESS: Final = 100
"""Tries that fail within the window, before others are refused unheard. Many people may share an address."""
UNKNOWN: Final = "unknown"
"""How a try for nobody's account stands in the ledger: what was typed may be a password."""


def by_password(bank: Bank, name: str, typed: str, code: str = "", address: str = "") -> str:
    """Open a session; the cookie's value. The name may be the mail address that its owner has shown to read.

    Raises NotFound alike for a name that nobody has, a wrong password, a wrong code, and somebody who is locked out;
    TooOften after many tries for a name or from an address, right ones too.
    """
    account = _proven(bank, name, typed, code, address)
    return access.open_for(bank, account, address, "password and code" if account.totp else "password")


def prove_by_password(bank: Bank, found: Session, typed: str, code: str = "", address: str = "") -> None:
    """Prove again who uses a session. Raises as `by_password` does, and NotAllowed for a session without an account."""
    if not found.account:
        raise NotAllowed("you did not sign in to an account; sign in anew instead")
    _proven(bank, found.name, typed, code, address)
    with bank.index.begin() as tx:
        tx.people.prove_session(found.digest, bank.now())
        tx.record([Event(bank.now(), Act.SIGNED_IN, found.name, found.organization, address, detail="proven again")])


def count_try(bank: Bank, *limits: tuple[str, int]) -> None:
    """Count a try under each key, up to its limit. Raises TooOften when one is reached."""
    now = bank.now()
    with bank.index.begin() as tx:
        is_heard = all(tx.people.count_attempt(key, now, now + WINDOW, limit) for key, limit in limits)
    if not is_heard:
        raise TooOften("there were too many tries; wait a quarter of an hour, or sign in by a passkey")


def count_answer(bank: Bank, means: str, address: str) -> None:
    """Count an answer that an address gives. Raises TooOften after many that opened nothing; that is counted, too."""
    try:
        count_try(bank, (f"{means} answer {address}", PER_ADDRESS))
    except TooOften:
        note_refusal(bank, None, means, address)
        raise


def give_back_answer(bank: Bank, means: str, address: str) -> None:
    """An answer that was right counts for nothing."""
    with bank.index.begin() as tx:
        tx.people.give_back_attempt(f"{means} answer {address}")


def _proven(bank: Bank, name: str, typed: str, code: str, address: str) -> Account:
    """The account of who has typed its password and, where it has one, the code of its app."""
    key = folded(folded_address(name) or name)
    of_account, of_address = "name " + hashlib.sha256(key.encode()).hexdigest(), f"address {address}"
    count_try(bank, (of_address, PER_ADDRESS), (of_account, PER_ACCOUNT))
    account = named(bank, name)
    is_open = account is not None and not account.is_locked
    is_right = password.matches(account.password if account and is_open else "", typed)
    step = _step(bank, account, code)
    with bank.index.begin() as tx:
        if account is not None and is_right and account.totp:
            is_right = step is not None and tx.people.spend_step(account.id, step)
        if is_right:
            tx.people.forget_attempts(of_account)
            tx.people.give_back_attempt(of_address)
    if account is None or not is_right:
        note_refusal(bank, account, "password", address)
        raise NotFound("nobody signs in with these")
    return account


def named(bank: Bank, typed: str) -> Account | None:
    """Whose name, or whose verified mail address, was typed. Of an address that two accounts have it is neither's.

    The same is looked up for everybody, so that it takes as long for nobody.
    """
    people = bank.index.people
    by_name, at = people.account(folded(typed)), bank.index.notices.accounts_at(folded_address(typed) or typed)
    by_address = people.account_of(at[0] if len(at) == 1 else "")
    return by_name or by_address


def note_refusal(bank: Bank, account: Account | None, means: str, address: str) -> None:
    """Count somebody who was not let in. Whoever comes can have this said, so it is not written at once."""
    name, organization = (account.name, account.organization) if account else (UNKNOWN, bank.settings.organization)
    bank.reads.not_signed_in(name, organization, means, address)


def _step(bank: Bank, account: Account | None, code: str) -> int | None:
    if account is None or not account.totp:
        return None
    return totp.step_of(bank.seal.unseal(account.totp), code, bank.now(), account.totp_step)
