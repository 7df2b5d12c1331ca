"""Telling people what happened: a notice in the account's list at once, and mail as its owner chose.

A notice holds no word about a patient: its kind, when it was, and where to look.
"""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any, Final

from imagebank.actions.together import InSteps, Steps
from imagebank.bank import Bank
from imagebank.model.access import Scope
from imagebank.model.account import Account
from imagebank.model.notice import CHOSEN, Kind, Notice, State, Way
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.ports import Transaction

MAIL: Final = "mail"
DIGEST: Final = "digest"
ARRIVED: Final = "tell-deposit"
"""The jobs of mail, of the daily mail, and of telling whose study has come."""
TOGETHER: Final = timedelta(hours=1)
"""Within which the same thing again is counted with what nobody has seen yet, so that nobody's mailbox is filled."""
KEPT: Final = timedelta(days=400)
"""How long notices and places are kept."""
_NEAR: Final = {4: 24, 6: 48}
"""How much of an address is one place: what a provider gives to one street, or one house."""
# Nobody reads here: who is told sees what they may see, on a page that asks.
_ALL: Final = Scope(organizations=None)


def tell(bank: Bank, tx: Transaction, account: str, kind: Kind, link: str = "", *, is_mailed: bool = True) -> None:
    """Tell the owner of an account, by its identifier, in the transaction of what they are told of.

    `link` is the page of ours that shows it, such as `/statement`; it stands in no mail. What is not `is_mailed` is told
    by a mail of its own.
    """
    now = bank.now()
    if tx.notices.again(account, kind, link, now - TOGETHER):
        return
    way = Way.OFF
    if is_mailed and bank.settings.smtp and tx.notices.mailbox(account) is not None:
        way = tx.notices.ways(account).get(kind, CHOSEN[kind])
    notice = Notice(secrets.token_hex(16), account, kind, now, link)
    if way is Way.ONCE:
        _mail(tx, replace(notice, state=State.WAITING, mail=notice.id))
    elif way is Way.DAILY:
        tx.notices.put(replace(notice, state=State.HELD))
        tx.defer(DIGEST, {"account": account}, next_digest(bank, now), key=account)
    else:
        tx.notices.put(notice)


def has_means(bank: Bank, account: Account) -> bool:
    """Whether somebody can sign in to an account."""
    return bool(account.password) or bool(bank.index.people.passkeys(account.id))


def means_changed(bank: Bank, tx: Transaction, account: Account, *, had_means: bool = True) -> None:
    """Tell the owner that how they sign in is changed in this transaction; not of the first means, which they just made."""
    if had_means:
        tell(bank, tx, account.id, Kind.MEANS, "/account")


def tell_former(bank: Bank, tx: Transaction, account: str) -> None:
    """Tell the owner of an account, at the mail address that they have now, that mail goes there no more."""
    mailbox = tx.notices.mailbox(account)
    if mailbox is not None and bank.settings.smtp:
        one = secrets.token_hex(16)
        link = "/account/notices"
        _mail(tx, Notice(one, account, Kind.MEANS, bank.now(), link, State.WAITING, one, mailbox.address))


def tell_site(bank: Bank, tx: Transaction, addresses: Sequence[str], link: str) -> None:
    """Mail the site's own people at once, at addresses that its rules name. Nobody is told where no mail is set up."""
    if not bank.settings.smtp:
        return
    for address in addresses:
        one = secrets.token_hex(16)
        _mail(tx, Notice(one, "", Kind.RULE, bank.now(), link, State.WAITING, one, address))


def _mail(tx: Transaction, notice: Notice) -> None:
    tx.notices.put(notice)
    send(tx, notice.mail, notice.at)


def send(tx: Transaction, mail: str, now: datetime) -> None:
    """Have a mail sent by the next worker; it is tried for a while from now on."""
    tx.defer(MAIL, {"mail": mail, "since": now.isoformat()}, now, key=mail)


def next_digest(bank: Bank, now: datetime) -> datetime:
    """When the next daily mail goes, by the clocks of the site."""
    here = now.astimezone(bank.settings.zone)
    at = here.replace(hour=bank.settings.digest_hour % 24, minute=0, second=0, microsecond=0, fold=0)
    # Added to what the clock shows: a day on which it is changed has 23 hours, or 25.
    return (at if at > here else at + timedelta(days=1)).astimezone(UTC)


def arrive(tx: Transaction, studies: Sequence[Uid], quiet_at: datetime) -> None:
    """Have the owners of studies told, once nothing more of these comes."""
    for study in studies:
        tx.defer(ARRIVED, {"study": study}, quiet_at, key=study)


@InSteps
def arrived_job(bank: Bank, payload: dict[str, Any]) -> Steps[None]:
    """Tell whose a study is that it has come. Told again within the hour, it is counted with the first time."""
    study = Uid(payload["study"])
    # Nobody any more, when it was deleted since.
    whose = bank.index.patients_of([study], _ALL).values()

    def tell_each(tx: Transaction) -> None:
        for patient in whose:
            told_of(bank, tx, patient, Kind.DEPOSIT, f"/studies/{study}")

    yield tell_each


def told_of(bank: Bank, tx: Transaction, patient: PatientId, kind: Kind, link: str = "") -> None:
    """Tell everybody who holds the records of a patient, or records that are linked to them."""
    if patient.identifier:
        for account in tx.notices.holders(patient, bank.now()):
            tell(bank, tx, account, kind, link)


def signed_in(bank: Bank, tx: Transaction, account: str, address: str) -> None:
    """Note from where somebody signed in, and tell them when they never did from there before. The first time is none."""
    place = _place(address)
    if place and tx.notices.note_place(account, place, bank.now()):
        tell(bank, tx, account, Kind.NEW_PLACE, "/account")


def _place(address: str) -> str:
    """The network that an address is of; empty for what is no address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    return str(ip_network((found, _NEAR[found.version]), strict=False))


def sweep(bank: Bank) -> None:
    """Forget what was told more than a year ago, and codes that have ended."""
    now = bank.now()
    with bank.index.begin() as tx:
        tx.notices.sweep(now - KEPT, now)
