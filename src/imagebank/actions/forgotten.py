"""A forgotten password: a link to the mail address of a person's account, by which they set a new one.

Who reads the mail has shown one thing. Where the account has an app for codes or a passkey, that is asked for, too;
where it has none, the link opens after a wait, in which whoever owns the account is told and can stop it.
"""

import base64
import hashlib
import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from imagebank.actions import access, enrol, notify, password, signing_in, totp
from imagebank.actions.mail import Desk
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotFound, TooOften, Unsupported, noted
from imagebank.model import account_number
from imagebank.model.access import OWNERS, Session
from imagebank.model.account import Account
from imagebank.model.event import Act, Event
from imagebank.model.notice import Kind, Mail, address_from, folded_address
from imagebank.model.recovery import Fate, Recovery, WayBack, opens_at
from imagebank.ports import Transaction

JOB: Final = "forgotten-password"
MAIL: Final = "forgotten-password-mail"
LASTS: Final = timedelta(hours=1)
"""How long a link is good beside a second means."""
LASTS_AFTER_WAIT: Final = timedelta(hours=72)
KEPT: Final = timedelta(days=30)
"""How long it is known of a link that has ended why it opens nothing."""
CODES: Final = 5
"""Codes of the app that are tried in a day for one account; with its mail, a guess is right once in 180 years."""
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_ASKED_FOR: Final = 5
_ASKED_FROM: Final = 20
_ASKED_IN_ALL: Final = 500
"""Links that are asked for in an hour: for one number or address, from one place, and of the whole bank."""
_MAILED: Final = 3
"""Links that are mailed in a day for one account."""
ASKED: Final = "sign-in: a new password was asked for"
SET: Final = "sign-in: a new password was set by a link that was mailed"
STOPPED: Final = "sign-in: a link for a new password was stopped"
"""What happens here, as the ledger has it."""
_ENDED: Final = {
    Fate.USED: noted(
        "this link was used already, and a new password was set; sign in with it, or ask for another link"
    ),
    Fate.REPLACED: noted("a newer link was mailed after this one; open that one"),
    Fate.STOPPED: noted("this link was stopped and opens nothing any more; ask for another if you need one"),
    Fate.OVERTAKEN: noted(
        "the password or the mail address of the account was changed after this link was mailed; "
        "ask for another link if you need one"
    ),
}


def ask(bank: Bank, typed: str, language: str = "en", place: str = "") -> None:
    """Have a link mailed to the account of a number, or of a verified mail address; nobody is told whether there is one.

    Whose it is is looked up later, so that it takes no time here. `place` is from where it is asked for. Raises Invalid
    for what is neither number nor address, TooOften, and Unsupported where the bank sends no mail.
    """
    if not bank.settings.smtp:
        raise Unsupported("this bank sends no mail; the desk that opened your account prints a new sheet for you")
    name = folded_address(address_from(typed)) if "@" in typed else account_number.read(typed)
    hidden = hashlib.sha256(name.encode()).hexdigest()
    now = bank.now()
    # What is refused by one of these counts for none behind it: a single place cannot use up what all have.
    limits = [(f"forgotten from {place}", _ASKED_FROM), (f"forgotten by {hidden}", _ASKED_FOR)]
    limits.append(("forgotten", _ASKED_IN_ALL))
    payload = {"name": _sealed(bank, name), "language": language, "place": place}
    with bank.index.begin() as tx:
        is_heard = all(tx.people.count_attempt(key, now, now + _HOUR, limit) for key, limit in limits)
        if is_heard:
            tx.defer(JOB, payload, now, key=hidden)
    if not is_heard:
        raise TooOften("many links were asked for already; look into your mail, or wait an hour")


def ask_job(bank: Bank, payload: dict[str, Any]) -> None:
    """Make the link that was asked for, and have it mailed. Nothing happens for nobody, and where nothing can be set."""
    account = _whose(bank, _unsealed(bank, payload["name"]))
    mailbox = bank.index.notices.mailbox(account.id) if account is not None else None
    if account is None or mailbox is None:
        return
    now, code = bank.now(), secrets.token_urlsafe(32)
    earlier = bank.index.recoveries.waiting(account.id, now)
    # Whoever asks again does not make anybody wait anew.
    asked_at = now if earlier is None else earlier.asked_at
    way = _way(bank, Recovery(account.id, mailbox.address, asked_at, now), account)
    ends_at = now + LASTS if way.is_proven_twice else max(now, way.opens_at) + LASTS_AFTER_WAIT
    mailed = {"code": _sealed(bank, code), "language": payload["language"], "mail": secrets.token_hex(16)}
    with bank.index.begin() as tx:
        if not tx.people.count_attempt(f"forgotten of {account.id}", now, now + _DAY, _MAILED):
            return
        tx.recoveries.put(access.digest_of(code), Recovery(account.id, mailbox.address, asked_at, ends_at))
        tx.defer(MAIL, mailed, now, key=account.id)
        _tell(bank, tx, account, ASKED, payload["place"])
        notify.tell(bank, tx, account.id, Kind.FORGOTTEN, "/account", is_mailed=False)


def _whose(bank: Bank, name: str) -> Account | None:
    """The account of a number or an address, where a forgotten password of it can be replaced."""
    found = signing_in.named(bank, name)
    if found is None or found.is_locked or found.role not in OWNERS or not notify.has_means(bank, found):
        return None
    return found


def mail_job(desk: Desk, bank: Bank, payload: dict[str, Any]) -> None:
    """Mail a link, as long as it is open. Raises Unavailable, to be called again."""
    code = _unsealed(bank, payload["code"])
    try:
        way = looked(bank, code)
    except NotFound:
        return
    link, address = f"/forgotten/{code}", _kept(bank, code).address
    desk.send(bank.settings, Mail(payload["mail"], address, payload["language"], bank.now(), link=link, way_back=way))


def looked(bank: Bank, code: str) -> WayBack:
    """What a link opens; looking spends nothing. Raises NotFound, with the reason, for one that opens nothing any more."""
    return _way(bank, *_good(bank, code))


def _kept(bank: Bank, code: str) -> Recovery:
    found = bank.index.recoveries.recovery(access.digest_of(code))
    if found is None:
        raise NotFound("this link is none of ours, or was cut short; open it from the mail again, or ask for another")
    return found


def _good(bank: Bank, code: str) -> tuple[Recovery, Account]:
    """A link that is open, and whose it is. Raises NotFound."""
    found = _kept(bank, code)
    if found.fate is not Fate.OPEN:
        raise NotFound(_ENDED[found.fate])
    if found.ends_at <= bank.now():
        raise NotFound("this link is too old; ask for another")
    account, mailbox = bank.index.people.account_of(found.account), bank.index.notices.mailbox(found.account)
    if account is None or account.is_locked or mailbox is None or mailbox.address != found.address:
        raise NotFound(_ENDED[Fate.OVERTAKEN])
    return found, account


def _way(bank: Bank, found: Recovery, account: Account) -> WayBack:
    has_app, has_passkey = bool(account.totp), bool(bank.index.people.passkeys(account.id))
    opening = opens_at(found.asked_at, _wait(bank), is_proven_twice=has_app or has_passkey)
    return WayBack(account.name, opening, found.ends_at, has_app, has_passkey)


def set_password(bank: Bank, code: str, typed: str, app: str = "", place: str = "") -> str:
    """Spend a link: set a password, end every session, and open one; the cookie's value.

    Raises NotFound as `looked` does; and with the link unspent Conflict while it waits or where a passkey opens the
    account, Invalid for a weak password or a wrong code of the app, TooOften after many of those.
    """
    found, account = _good(bank, code)
    way = _way(bank, found, account)
    if way.waits(bank.now()):
        raise Conflict("this link opens later, so that whoever owns the account can stop it; open it again then")
    if way.has_passkey and not way.has_app:
        raise Conflict("this account has a passkey; sign in with it, and set a new password then")
    kept = password.hashed(typed, account.name, *account.display_name.split())
    step = _step(bank, account, app) if way.has_app else None
    with bank.index.begin() as tx:
        is_first = tx.recoveries.settle(access.digest_of(code), Fate.USED)
        if not is_first or (step is not None and not tx.people.spend_step(account.id, step)):
            raise NotFound(_ENDED[Fate.USED])
        tx.people.change_account(account.id, password=kept)
        tx.people.end_sessions(account.id)
        _tell(bank, tx, account, SET, place)
        notify.means_changed(bank, tx, account)
    return access.open_for(bank, account, place, "link for a forgotten password")


def _step(bank: Bank, account: Account, typed: str) -> int:
    """The step of a code of the account's app; each try is counted first. Raises Invalid, TooOften."""
    now, key = bank.now(), f"forgotten code {account.id}"
    with bank.index.begin() as tx:
        is_heard = tx.people.count_attempt(key, now, now + _DAY, CODES) > 0
    if not is_heard:
        raise TooOften("there were too many wrong codes; try again tomorrow, or ask the desk for a new sheet")
    step = totp.step_of(bank.seal.unseal(account.totp), typed, now, account.totp_step)
    if step is None:
        raise Invalid(
            "this is not the code that the app shows now; look at the clock of the phone and try the next one"
        )
    with bank.index.begin() as tx:
        tx.people.give_back_attempt(key)
    return step


def stop(bank: Bank, code: str, place: str = "") -> None:
    """Let a link open nothing any more, by whoever has it. Raises NotFound as `looked` does."""
    _, account = _good(bank, code)
    _stop(bank, account, place)


def stop_own(bank: Bank, found: Session, place: str = "") -> None:
    """The same by who is signed in to the account. Raises NotFound where no link is open."""
    account = bank.index.people.account_of(found.account)
    if account is None or not _stop(bank, account, place):
        raise NotFound("no link for a new password is open")


def _stop(bank: Bank, account: Account, place: str) -> int:
    with bank.index.begin() as tx:
        count = tx.recoveries.end(account.id, Fate.STOPPED)
        if count:
            _tell(bank, tx, account, STOPPED, place)
    return count


def waiting(bank: Bank, account: Account) -> WayBack | None:
    """The link that is open for an account, for its owner to know of."""
    found = bank.index.recoveries.waiting(account.id, bank.now())
    return None if found is None else _way(bank, found, account)


def sweep(bank: Bank) -> None:
    """Forget links that ended a month ago."""
    with bank.index.begin() as tx:
        tx.recoveries.sweep(bank.now() - KEPT)


def _wait(bank: Bank) -> timedelta:
    return timedelta(hours=bank.settings.forgotten_wait_hours)


def _tell(bank: Bank, tx: Transaction, account: Account, what: str, place: str) -> None:
    """Write it down for everybody whose records the account holds, so that it stands on their statements."""
    told = Event(bank.now(), Act.CHANGED, account.name, account.organization, place, detail=what)
    about = dict.fromkeys(one.patient for one in enrol.holdings_of(bank, account.name))
    tx.record([replace(told, patient=patient) for patient in about] or [told])


def _sealed(bank: Bank, text: str) -> str:
    return base64.b64encode(bank.seal.seal(text.encode())).decode()


def _unsealed(bank: Bank, sealed: str) -> str:
    return bank.seal.unseal(base64.b64decode(sealed)).decode()
