"""Crypto-shredding: destroying the key of an account, and with it everything that it seals."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from imagebank.actions import audit, finding, notes, remove
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.access import Principal, Right
from imagebank.model.event import Act
from imagebank.model.key import BANK
from imagebank.model.person import PatientId
from imagebank.ports import Transaction

_LEASE_S: Final = 600.0
_PUT_OFF: Final = timedelta(hours=1)
"""The longest that the worker puts a job off."""
DETAIL: Final = "the key of the account was destroyed"


def shred(bank: Bank, owner: PatientId, principal: Principal, address: str = "") -> int:
    """Make everything of an account unreadable for good; how many keys it had.

    An account is a patient's, by issuer and identifier; with an empty identifier, that of what an organization
    brought of nobody known. Once this returns nothing can be read and no row is left. When it is cut short, or raises
    after the event, a durable job goes on with it. Raises NotAllowed without the right to administer, and NotFound
    when the account has no key.
    """
    principal.require(Right.ADMINISTER)
    names = bank.keys.names_of(owner) if owner != BANK else []
    if not names:
        raise NotFound("there is no account with a key of that issuer and identifier")
    settle_amendments(bank)
    with bank.index.begin() as tx:
        payload = close(bank, tx, owner, names, principal, address)
    shred_job(bank, payload)
    return len(names)


def close(
    bank: Bank, tx: Transaction, owner: PatientId, names: Sequence[bytes], principal: Principal, address: str
) -> dict[str, list[str]]:
    """Let nothing more be sealed for an account by these keys, and have them destroyed; what `shred_job` is told."""
    payload = {"names": [name.hex() for name in names]}
    tx.record([replace(audit.event(bank, Act.REMOVED, principal, address, DETAIL), patient=owner)])
    # What alerts brought is counted still: what is left of them names nobody, and goes under no key of theirs.
    if left := tx.alerts.forget([owner]):
        notes.defer(bank, tx, alerts=tuple(left))
    # From here on no deposit can be entered under these keys.
    tx.close_account(owner, names)
    tx.defer("shred", payload, bank.now())
    return payload


def settle_amendments(bank: Bank) -> None:
    """Put what was decided about patients among the objects, where it is sealed: until then it waits in plain words."""
    while job := bank.jobs.claim(("amend",), bank.now() + _PUT_OFF, _LEASE_S):
        notes.amend_job(bank, job.payload)
        bank.jobs.finish(job)


def shred_job(bank: Bank, payload: dict[str, list[str]]) -> None:
    """What the job `shred` does; repeating it changes nothing."""
    names = [bytes.fromhex(name) for name in payload["names"]]
    bank.keys.destroy(names)
    with bank.index.begin() as tx:
        # What other keys seal of the same objects: as they were before they were known to be this account's.
        others = tx.corrections.forget_sealed(names)
        studies = tx.shred(names)
        tx.defer("destroy", remove.destroy_payload(others), bank.now())
    remove.destroy(bank, others)
    for study in studies:
        remove.describe_again(bank, study)
    # Those that shared a study with the account, and said nothing of it, can be found again.
    finding.catch_up(bank)
    bank.index.wipe()
