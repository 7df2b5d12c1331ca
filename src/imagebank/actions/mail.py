"""Sending what waits to be mailed. A mail that could not be sent is tried again for three days, then laid aside.

How mail is worded, and by which server it goes, is given to these jobs: a `Desk`.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any, Final

from imagebank.actions import access, codes, notices, notify
from imagebank.bank import Bank
from imagebank.errors import BankError, Unavailable
from imagebank.model.notice import FIXED, Mail, Notice, State, Way, address_from
from imagebank.settings import Settings

PATIENCE: Final = timedelta(days=3)
_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Desk:
    """Words and a way out. `write` makes a mail of what it has to say; `post` hands it to the server.

    `post` raises Unavailable for what may go well later, another BankError for what never will.
    """

    write: Callable[[Settings, Mail], EmailMessage]
    post: Callable[[Settings, EmailMessage], None]

    def send(self, settings: Settings, mail: Mail) -> None:
        """Write a mail and hand it over. Raises as `post` does."""
        self.post(settings, self.write(settings, mail))


def send_job(desk: Desk, bank: Bank, payload: dict[str, Any]) -> None:
    """Send the mail of one notice, or of a day's. What is known to have gone is not sent again.

    Its Message-ID is the same each time, so that a mail that came twice can be told. Raises Unavailable, to be called
    again.
    """
    identifier = payload["mail"]
    waiting = [one for one in bank.index.notices.of_mail(identifier) if one.state is State.WAITING]
    mail = _mail(bank, identifier, waiting)
    if mail is None:
        _settle(bank, identifier, State.LISTED)
        return
    try:
        desk.send(bank.settings, mail)
    except Unavailable as error:
        if bank.now() - datetime.fromisoformat(payload["since"]) < PATIENCE:
            _settle(bank, identifier, State.WAITING, str(error))
            raise
        _settle(bank, identifier, State.ASIDE, f"given up after three days: {error}")
    except BankError as error:
        _settle(bank, identifier, State.ASIDE, str(error))
    else:
        _settle(bank, identifier, State.SENT)


def _mail(bank: Bank, identifier: str, waiting: Sequence[Notice]) -> Mail | None:
    """What is to be mailed; None when nobody wants it any more."""
    if not waiting:
        return None
    first = waiting[0]
    mailbox, ways = bank.index.notices.mailbox(first.account), notices.ways(bank, first.account)
    if first.address:
        language = mailbox.language if mailbox else "en"
        return Mail(identifier, first.address, language, bank.now(), (first.kind,), f"/notices/{first.id}")
    kinds = tuple(one.kind for one in waiting if ways[one.kind] is not Way.OFF)
    if mailbox is None or not kinds:
        return None
    link = f"/notices/{first.id}" if len(waiting) == 1 else "/account/notices"
    leave = "" if FIXED.issuperset(kinds) else _leave(bank, identifier)
    return Mail(identifier, mailbox.address, mailbox.language, bank.now(), kinds, link, leave)


def _leave(bank: Bank, mail: str) -> str:
    """A link that ends mails like this one, once."""
    secret = secrets.token_urlsafe(32)
    with bank.index.begin() as tx:
        tx.notices.put_leave(mail, access.digest_of(secret))
    return f"/unsubscribe/{secret}"


def _settle(bank: Bank, mail: str, state: State, reason: str = "") -> None:
    with bank.index.begin() as tx:
        tx.notices.settle(mail, state, reason)


def digest_job(bank: Bank, payload: dict[str, Any]) -> None:
    """Put what an account was told since the last daily mail into one."""
    identifier = secrets.token_hex(16)
    with bank.index.begin() as tx:
        if tx.notices.gather(payload["account"], identifier):
            notify.send(tx, identifier, bank.now())


def code_job(desk: Desk, bank: Bank, payload: dict[str, Any]) -> None:
    """Mail a one-time code, as long as it is good. Raises Unavailable, to be called again."""
    found = bank.index.notices.code(payload["key"])
    if found is None or found.ends_at <= bank.now():
        return
    code = codes.opened(bank, payload["code"])
    desk.send(bank.settings, Mail(payload["mail"], found.address, payload["language"], bank.now(), code=code))


def unsent(bank: Bank) -> list[Notice]:
    """Notices whose mail has not gone, oldest first, with the reason where one is known."""
    return bank.index.notices.unsent(_MOST)


def send_again(bank: Bank) -> int:
    """Have every mail sent again that was laid aside; how many there are."""
    with bank.index.begin() as tx:
        mails = tx.notices.send_again()
        for identifier in mails:
            notify.send(tx, identifier, bank.now())
    return len(mails)


def send_test(desk: Desk, bank: Bank, address: str) -> None:
    """Send a mail that says that mail works. Raises Invalid for what is no mail address, and as `Desk.send` does."""
    desk.send(bank.settings, Mail(secrets.token_hex(16), address_from(address), "en", bank.now()))
