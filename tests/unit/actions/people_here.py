"""People of a test's bank, and where they are signed in."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from imagebank.actions import access, account
from imagebank.bank import Bank
from imagebank.model.access import Role, Scope, Session
from imagebank.model.event import Act

PASSWORD = "seven green herons wade"
ANOTHER = "nine brown otters doze"


def after(bank: Bank, **time: float) -> Bank:
    """The bank some time later."""
    moment = bank.now() + timedelta(**time)
    return replace(bank, now=lambda: moment)


def a_person(bank: Bank, name: str = "ada", role: Role = Role.CLINICIAN, password: str = PASSWORD) -> str:
    """Somebody who has followed their link; the cookie of the session that it opened."""
    return account.activate(bank, account.add(bank, name, role), password)


def session(bank: Bank, cookie: str) -> Session:
    found = access.opened(bank, cookie)
    assert found is not None
    return found


def events(bank: Bank, act: Act) -> list[Any]:
    """What the ledger says, oldest first: who, why, and from where."""
    bank.reads.flush()
    found = [one for one in bank.index.events(Scope(None), 1000) if one.act is act]
    return [(one.principal, one.detail, one.address) for one in reversed(found)]
