"""A card as a SMART Health Link: made once, followed by its address and the card's PIN, ended with the card.

The secret in a link's address is kept as a keyed hash, and the key that opens its files follows from that secret and a
key of the bank's: whoever steals the database has neither, and the address alone, in somebody's log, opens no file.
"""

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from imagebank.actions import cards, holders, pins, redeem
from imagebank.actions.audit import event
from imagebank.actions.rights import principal as principal_of
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotAllowed, NotFound, TooOften, noted
from imagebank.model.access import Principal, Role, Scope
from imagebank.model.card import Card, State
from imagebank.model.event import Act
from imagebank.model.health_link import Access, Flag, HealthLink, Kept, Waiting
from imagebank.model.provision import FOR_EVER

PATH: Final = "/shl/"
PURPOSE: Final = "SMART Health Link"
LABEL: Final = "Medical images"
ACCESS: Final = Access.ENDPOINT
"""What every receiver can open: some refuse a manifest with a file of another type than Bundles and health cards."""
FILES_WAIT: Final = timedelta(hours=1)
POLLS: Final = 60
POLLS_WITHIN: Final = timedelta(minutes=5)
"""How often a link may be followed within this time."""
_ADDRESS: Final = "address of a health link"
_KEY: Final = "key of a health link"
_FILE: Final = "address of a sealed file"
_GONE: Final = noted("this link opens nothing, or nothing any more; ask the patient for another")
# Whose a card is, is decided by what is shown with it.
_ALL: Final = Scope(organizations=None)


class NotThePasscode(NotAllowed):
    """A passcode that is not the card's, or none; `remaining` is how many wrong ones the card takes yet."""

    def __init__(self, remaining: int) -> None:
        super().__init__("this is not the passcode of the link")
        self.remaining = remaining


@dataclass(frozen=True, slots=True)
class Wish:
    """What a link is to be like: with the card's PIN as its passcode, to be followed again for what is new, one file alone.

    That it may be followed again is said to programs; how often it can be, the uses of its card decide. `label` is what
    the receiver sees: what the owner calls the card is for the owner alone.
    """

    passcode: bool = True
    updates: bool = True
    is_file: bool = False
    access: Access = ACCESS
    label: str = LABEL

    @property
    def flags(self) -> frozenset[Flag]:
        wanted = {Flag.PASSCODE: self.passcode, Flag.LONG_TERM: self.updates, Flag.FILE: self.is_file}
        return frozenset(flag for flag, is_wanted in wanted.items() if is_wanted)


@dataclass(frozen=True, slots=True)
class Opened:
    """What following a link has opened: a caller of the card's scope, a token for it, and the key of the link's files."""

    link: Kept
    card: Card
    principal: Principal
    token: str
    ends_at: datetime
    key: bytes


def make(bank: Bank, identifier: str, wish: Wish, origin: str, principal: Principal, address: str = "") -> HealthLink:
    """A health link of a card, told this once; one that was made before opens nothing from now on.

    Raises NotFound for a card that is not the caller's to give, Conflict for one that opens nothing any more, Invalid
    for a link that cannot be.
    """
    card = cards.kept(bank, identifier, principal, address).card
    now = bank.now()
    if card.state(now) not in (State.WORKS, State.FROZEN):
        raise Conflict("this card opens nothing any more; make another")
    if card.email:
        raise Conflict("this card asks for a code by e-mail, which no health link can; make a card without")
    secret = secrets.token_urlsafe(32)
    ends_at = None if card.ends_at >= FOR_EVER else card.ends_at.replace(microsecond=0)
    link = HealthLink(f"{origin}{PATH}{secret}", _key_of(bank, secret), wish.flags, wish.label.strip(), ends_at)
    kept = Kept(bank.seal.digest(_ADDRESS, secret.encode()), card.id, wish.flags, wish.access, now)
    noted = replace(
        event(bank, Act.CARD, principal, address, f"card {card.id}: health link made"), patient=card.patient
    )
    with bank.index.begin() as tx:
        tx.cards.put_link(kept)
        tx.record([noted])
    return link


def _key_of(bank: Bank, secret: str) -> bytes:
    return bank.seal.digest(_KEY, secret.encode())


def follow(
    bank: Bank, secret: str, recipient: str, passcode: str | None, address: str = "", *, is_file: bool = False
) -> Opened:
    """Open what a link opens, for a recipient in their own words; it is a withdrawal of its card.

    Raises NotFound alike for a link that is unknown, ended, frozen, or asked for in the other way (`is_file`),
    NotThePasscode, TooOften, Invalid without a recipient.
    """
    link, card = _standing(bank, secret)
    if (Flag.FILE in link.flags) is not is_file:
        raise NotFound(_GONE)
    recipient = " ".join(recipient.split())
    if not recipient or not recipient.isprintable() or len(recipient) > 200:
        raise Invalid("say who you are, by `recipient`, in at most 200 characters: the patient sees it")
    _hear(bank, card)
    if Flag.PASSCODE in link.flags:
        _prove(bank, card, passcode, address)
    opened = redeem.withdraw(bank, card, redeem.Recipient(recipient, "", PURPOSE), address, is_session=False)
    name = holders.withdrawal_name(card.id, opened.withdrawal.number)
    caller = principal_of(bank, name, Role.RECIPIENT, card.organization)
    return Opened(link, card, caller, opened.secret, opened.ends_at, _key_of(bank, secret))


def _standing(bank: Bank, secret: str) -> tuple[Kept, Card]:
    link = bank.index.cards.link(bank.seal.digest(_ADDRESS, secret.encode()), _ALL)
    card = bank.index.cards.card(link.card, _ALL) if link is not None and link.ended_at is None else None
    if link is None or card is None or card.email or card.state(bank.now()) is not State.WORKS:
        raise NotFound(_GONE)
    if not redeem.is_upheld(bank, card):
        raise NotFound(_GONE)
    return link, card


def _hear(bank: Bank, card: Card) -> None:
    now = bank.now()
    with bank.index.begin() as tx:
        is_heard = tx.people.count_attempt(f"health link {card.id}", now, now + POLLS_WITHIN, POLLS)
    if not is_heard:
        raise TooOften("this link was followed too often; wait some minutes")


def _prove(bank: Bank, card: Card, passcode: str | None, address: str) -> None:
    """The passcode is the card's PIN, and counts against the same tries. What cannot be a PIN costs none."""
    try:
        redeem.proven(bank, card.number, pins.read(passcode or ""), address)
    except (Invalid, NotFound):
        now = bank.index.cards.card(card.id, _ALL)
        if now is None or now.state(bank.now()) is not State.WORKS:
            raise NotFound(_GONE) from None
        raise NotThePasscode(now.tries_left) from None


def leave(bank: Bank, opened: Opened, content: str) -> str:
    """Let a sealed file wait for an hour, to be got once; the secret by which it is got."""
    secret = secrets.token_urlsafe(32)
    digest = bank.seal.digest(_FILE, secret.encode())
    with bank.index.begin() as tx:
        tx.cards.leave(Waiting(digest, opened.card.id, content.encode(), bank.now() + FILES_WAIT))
    return secret


def fetch(bank: Bank, secret: str) -> bytes:
    """A sealed file that waits; it is there no more then. Raises NotFound, also where its card has stopped meanwhile."""
    with bank.index.begin() as tx:
        found = tx.cards.take(bank.seal.digest(_FILE, secret.encode()), bank.now())
    card = bank.index.cards.card(found.card, _ALL) if found is not None else None
    if found is None or card is None or card.state(bank.now()) not in (State.WORKS, State.USED_UP):
        raise NotFound(_GONE)
    if not redeem.is_upheld(bank, card):
        raise NotFound(_GONE)
    return found.content
