"""Who stands in a line of the ledger, as the person reads it whom the line is about."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from imagebank.actions import cards, holders
from imagebank.actions.audit import SYSTEM
from imagebank.bank import Bank
from imagebank.model.access import OWNERS, Principal
from imagebank.model.contributed import is_contributed
from imagebank.model.ledger import Line


class Sort(StrEnum):
    """What somebody is to who reads: themselves, another who holds the same records, staff or a device, a card, the bank."""

    SELF = "self"
    HOLDER = "holder"
    STAFF = "staff"
    CARD = "card"
    BANK = "bank"


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody by the name that people know them by, and of which organization. `card` is the card that was used."""

    sort: Sort
    name: str
    organization: str
    card: str = ""


def who(bank: Bank, principal: Principal) -> Callable[[Line], Actor]:
    """Tells who each line of somebody's statement speaks of; each name is looked up once."""

    @cache
    def named(name: str, organization: str) -> Actor:
        # Who adds to their own images is of no organization that anybody knows.
        organization = "" if is_contributed(organization) else organization
        if name == principal.name:
            return Actor(Sort.SELF, name, organization)
        if name == SYSTEM:
            return Actor(Sort.BANK, "", organization)
        if card := holders.card_of(name):
            return _withdrew(bank, card, name)
        account = bank.index.people.account(name)
        if account is None:
            return Actor(Sort.STAFF, name, organization)
        return Actor(Sort.HOLDER if account.role in OWNERS else Sort.STAFF, account.display_name or name, organization)

    return lambda line: named(line.principal, line.organization)


def _withdrew(bank: Bank, card: str, name: str) -> Actor:
    """Who redeemed a card, by what they said of themselves then."""
    one = cards.withdrawal_called(bank, name)
    return Actor(Sort.CARD, one.name, one.institution, card) if one else Actor(Sort.CARD, "", "", card)
