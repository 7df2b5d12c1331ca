"""The mail address of an account: it counts when its owner has typed back a code that was mailed there."""

from typing import Final

from imagebank.actions import codes, notify
from imagebank.bank import Bank
from imagebank.errors import NotFound, noted
from imagebank.model.access import is_elsewhere
from imagebank.model.event import Act, Event
from imagebank.model.notice import Mailbox

_NOBODY: Final = noted("there is no such account")


def address_of(bank: Bank, account: str) -> Mailbox | None:
    """The address of an account, by its identifier, that its owner has shown to read; None for none."""
    return bank.index.notices.mailbox(account)


def offer(bank: Bank, account: str, address: str, language: str = "en", place: str = "") -> None:
    """Mail a code to what is to be an account's address. Until it is typed back the earlier address stays.

    Raises NotFound for nobody's account, and as `codes.send` does.
    """
    _named(bank, account)
    codes.send(bank, _key(account), address, language, place)


def offered(bank: Bank, account: str) -> str:
    """The address to which a code was mailed that is still good; empty for none."""
    found = bank.index.notices.code(_key(account))
    return found.address if found is not None and found.ends_at > bank.now() else ""


def confirm(bank: Bank, account: str, typed: str, language: str = "en", place: str = "") -> Mailbox:
    """Take the address for which this code was mailed. Raises NotFound as `codes.check` does."""
    owner = _named(bank, account)
    made = Mailbox(account, codes.check(bank, _key(account), typed), bank.now(), language)
    with bank.index.begin() as tx:
        notify.tell_former(bank, tx, account)
        tx.notices.put_mailbox(made)
        tx.record([_changed(bank, owner, "mail address verified", place)])
    return made


def remove(bank: Bank, account: str, place: str = "") -> None:
    """Mail nothing to this account any more. Raises NotFound where it has no address."""
    owner = _named(bank, account)
    with bank.index.begin() as tx:
        notify.tell_former(bank, tx, account)
        is_gone = tx.notices.remove_mailbox(account)
        if is_gone:
            tx.record([_changed(bank, owner, "mail address removed", place)])
    if not is_gone:
        raise NotFound("you have no mail address here")


def _key(account: str) -> str:
    return f"account {account}"


def _named(bank: Bank, account: str) -> tuple[str, str]:
    """The name and the organization of an account's owner, or of who signs in at a provider."""
    found = bank.index.people.account_of(account)
    if found is not None:
        return found.name, found.organization
    if not is_elsewhere(account):
        raise NotFound(_NOBODY)
    return account, bank.settings.organization


def _changed(bank: Bank, owner: tuple[str, str], detail: str, place: str) -> Event:
    return Event(bank.now(), Act.CHANGED, *owner, place, detail=detail)
