"""What the owner of an account does with notices: looks at them, and says which are mailed, and when."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from imagebank.actions import access
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.access import Session
from imagebank.model.event import Act, Event
from imagebank.model.notice import CHOSEN, FIXED, Kind, Notice, Way


def owner_of(found: Session) -> str:
    """Whose notices the user of a session sees. Raises NotFound for who came by a token or a sign-in link."""
    if not found.owner:
        raise NotFound("you did not sign in to an account of your own, but by a token or a link")
    return found.owner


def listed(bank: Bank, account: str, limit: int, before: datetime | None = None) -> list[Notice]:
    """What the owner of an account was told, the newest first."""
    return bank.index.notices.of_account(account, limit, before)


def unseen(bank: Bank, account: str) -> int:
    """How many notices the owner of an account has not looked at."""
    return bank.index.notices.unseen(account)


def follow(bank: Bank, identifier: str, account: str) -> str:
    """Where a notice leads, which counts as seen from now on; the list itself where it leads nowhere else.

    What the site's rules tell leads whoever is signed in to a page that asks who they are. Raises NotFound alike for
    a notice of somebody else's and for none.
    """
    found = bank.index.notices.notice(identifier)
    if found is None or found.account not in {"", account}:
        raise NotFound("there is no such notice")
    if found.account:
        with bank.index.begin() as tx:
            tx.notices.see(account, bank.now(), identifier)
    return found.link or "/account/notices"


def see(bank: Bank, account: str, identifier: str = "") -> int:
    """Note that the owner has looked at one notice, or at all; how many had not been seen. Raises NotFound."""
    if identifier and not _is_of(bank.index.notices.notice(identifier), account):
        raise NotFound("there is no such notice")
    with bank.index.begin() as tx:
        return tx.notices.see(account, bank.now(), identifier)


def _is_of(found: Notice | None, account: str) -> bool:
    return found is not None and found.account == account


def ways(bank: Bank, account: str) -> dict[Kind, Way]:
    """For every kind that an account is told of, when it is mailed."""
    return {**CHOSEN, **bank.index.notices.ways(account)}


def choose(bank: Bank, account: str, chosen: Mapping[Kind, Way]) -> None:
    """Choose when each of these kinds is mailed. Nothing is chosen for kinds that are always mailed."""
    with bank.index.begin() as tx:
        for kind, way in chosen.items():
            if kind not in FIXED:
                tx.notices.choose(account, kind, way)


def leave(bank: Bank, secret: str, address: str = "") -> list[Kind]:
    """End mails like the one in which this secret stood, without a sign-in; which kinds. Raises NotFound when it is spent.

    The notices go on to stand in the account's list.
    """
    with bank.index.begin() as tx:
        ended = tx.notices.use_leave(access.digest_of(secret))
        kinds = [kind for kind in dict.fromkeys(one.kind for one in ended) if kind not in FIXED]
        for kind in kinds:
            tx.notices.choose(ended[0].account, kind, Way.OFF)
        if ended:
            tx.record([_ended(bank, ended[0].account, kinds, address)])
    if not ended:
        raise NotFound("this link has been used, or is none of ours; you can choose which mails come in your account")
    return kinds


def _ended(bank: Bank, account: str, kinds: Sequence[Kind], address: str) -> Event:
    owner = bank.index.people.account_of(account)
    name, organization = (owner.name, owner.organization) if owner else (account, bank.settings.organization)
    detail = f"mail ended by a link in it: {', '.join(kinds)}"
    return Event(bank.now(), Act.CHANGED, name, organization, address, detail=detail)
