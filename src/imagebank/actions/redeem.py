"""Redeeming a card: counted before anything is compared, and refused alike whatever was wrong.

A try is taken from the card by one conditional statement before its PIN is compared, and given back when it was right:
however many come at once, no more PINs are compared in a card's whole life than it has tries for wrong ones.
"""

import ipaddress
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from imagebank.actions import access, cards, codes, holders, notify, pins, rights
from imagebank.actions.signing_in import WINDOW
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotAllowed, NotFound, TooOften, noted
from imagebank.model import card_number
from imagebank.model.access import Role, Session, Token
from imagebank.model.card import Card, State, Withdrawal
from imagebank.model.event import Act, Event
from imagebank.model.notice import Kind
from imagebank.ports import Transaction

PER_ADDRESS: Final = 20
IN_ALL: Final = 1000
"""Wrong tries within a quarter of an hour, from one address and from all, before others are refused unheard.

docs/cards.md computes what they are worth to somebody who guesses.
"""
UNKNOWN: Final = "unknown"
REFUSED: Final = noted(
    "this number and PIN do not open anything; check both with the patient; the card may also have ended"
)
_LONGEST: Final = 200
_PAGE: Final = "/my/cards"
_OF_ALL: Final = "cards"
_OF_NOBODY: Final = "cards of nobody"


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody shows and says: number and PIN as they typed them, who they are, where they work, and why they look.

    `code` is the one that was mailed, where the card's owner wants one; the mail is in that `language`.
    """

    number: str
    pin: str
    name: str
    institution: str
    purpose: str
    code: str = ""
    language: str = "en"


class CodeWanted(NotAllowed):
    """Number and PIN were right, and the owner wants a code, too, which is on its way by mail."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who uses a card, in their own words: their name, where they work, and why they look."""

    name: str
    institution: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Opened:
    """What a claim has opened: the secret of a session or the text of a token, and until when it is good."""

    card: Card
    withdrawal: Withdrawal
    secret: str

    @property
    def name(self) -> str:
        """How whoever redeemed it is known from now on."""
        return holders.withdrawal_name(self.card.id, self.withdrawal.number)

    @property
    def ends_at(self) -> datetime:
        return self.withdrawal.ends_at


def for_browser(bank: Bank, claim: Claim, address: str = "") -> Opened:
    """Redeem a card for a browser session. Raises Invalid for what costs no try, NotFound alike for all else, TooOften."""
    return _redeemed(bank, claim, address, is_session=True)


def for_program(bank: Bank, claim: Claim, address: str = "") -> Opened:
    """The same for a bearer token."""
    return _redeemed(bank, claim, address, is_session=False)


def _redeemed(bank: Bank, claim: Claim, address: str, *, is_session: bool) -> Opened:
    number, pin = card_number.read(claim.number), pins.read(claim.pin)
    name, institution, purpose = map(_line, (claim.name, claim.institution, claim.purpose))
    with bank.index.evenly():
        card = proven(bank, cards.number_hash(bank, number), pin, address)
        if card.email:
            _check_code(bank, card, claim, address)
        return withdraw(bank, card, Recipient(name, institution, purpose), address, is_session=is_session)


def withdraw(bank: Bank, card: Card, who: Recipient, address: str = "", *, is_session: bool) -> Opened:
    """Use a card that was proven, once more. Raises NotFound where it works no more."""
    if not is_upheld(bank, card):
        raise NotFound(REFUSED)
    now = bank.now()
    ends_at = min(card.ends_at, now + timedelta(hours=bank.settings.session_hours))
    with bank.index.begin() as tx:
        use = tx.cards.spend(card.id, now)
        one = Withdrawal(card.id, use, now, ends_at, who.name, who.institution, who.purpose, address)
        if use:
            tx.cards.put_withdrawal(one)
            secret = _open(tx, card, one, is_session=is_session)
            notify.told_of(bank, tx, card.patient, Kind.SHARED, _PAGE)
            tx.record([_noted(bank, card, Act.REDEEMED, holders.withdrawal_name(card.id, use), address, "opened")])
    if not use:
        raise NotFound(REFUSED)
    return Opened(card, one, secret)


def is_upheld(bank: Bank, card: Card) -> bool:
    """Whether a card opens anything: whoever gave it may hold the images no more."""
    return bool(rights.principal(bank, holders.card_name(card.id), Role.RECIPIENT, card.organization).scope.heeds)


def _check_code(bank: Bank, card: Card, claim: Claim, address: str) -> None:
    """Only who reads the mail of the address that the owner has named goes on."""
    key = f"card {card.id}"
    if not claim.code.strip():
        codes.send(bank, key, card.email, claim.language, address)
        raise CodeWanted(
            "number and PIN are right; the owner of this card also wants a code, which was mailed to the address that "
            "they gave: fill it in, and send all of it again"
        )
    codes.check(bank, key, claim.code)


def _line(text: str) -> str:
    text = " ".join(text.split())
    if not text or not text.isprintable() or len(text) > _LONGEST:
        raise Invalid(
            "say your name, where you work, and why you look, each in at most {most} characters: the patient sees it; "
            "no try was used",
            most=_LONGEST,
        )
    return text


def proven(bank: Bank, number: bytes, pin: str, address: str) -> Card:
    """The card with this keyed hash, if it works and this is its PIN.

    Raises NotFound alike for an unknown number, a wrong PIN, and a card that is frozen, ended, used up, swallowed or
    taken back, all of which take as long; TooOften after many wrong tries from an address or in all.
    """
    card = _count(bank, number, address)
    is_right = pins.matches(bank, card.pin if card else "", pin)
    with bank.index.begin() as tx:
        if card is not None and is_right:
            # In the order in which they were counted, so that no two wait for each other in a ring.
            for key in _keys(address):
                tx.people.give_back_attempt(key)
            tx.cards.give_back_try(card.id)
        else:
            _refuse(bank, tx, number, address, was_tried=card is not None)
    if card is None or not is_right:
        raise NotFound(REFUSED)
    return card


def _refuse(bank: Bank, tx: Transaction, number: bytes, address: str, *, was_tried: bool) -> None:
    """Write down that a card was refused. Of a number that no card has, something is written that takes as long."""
    card, now = tx.cards.find(number), bank.now()
    if card is not None:
        if was_tried:
            is_last = card.state(now) is State.SWALLOWED
            notify.told_of(bank, tx, card.patient, Kind.SWALLOWED if is_last else Kind.PIN_REFUSED, _PAGE)
        tx.record([_noted(bank, card, Act.NOT_REDEEMED, UNKNOWN, address, card.state(now))])
    else:
        tx.people.count_attempt(_OF_NOBODY, now, now + WINDOW, IN_ALL)
        bank.reads.not_signed_in(UNKNOWN, bank.settings.organization, "card", address)


def _count(bank: Bank, number: bytes, address: str) -> Card | None:
    """Count a try at the address, in all, and at the card, which is None where no try may be made at it."""
    now, card = bank.now(), None
    of_address, of_all = _keys(address)
    with bank.index.begin() as tx:
        is_heard = bool(
            tx.people.count_attempt(of_address, now, now + WINDOW, PER_ADDRESS)
            and tx.people.count_attempt(of_all, now, now + WINDOW, IN_ALL)
        )
        if is_heard:
            card = tx.cards.count_try(number, now)
    if not is_heard:
        bank.reads.not_signed_in(UNKNOWN, bank.settings.organization, "card", address)
        raise TooOften("there were too many wrong tries; wait a quarter of an hour, and check number and PIN meanwhile")
    return card


def _keys(address: str) -> tuple[str, str]:
    """Under what tries are counted. Who has one IPv6 address mostly has the 2^64 beside it, too."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        pass
    else:
        if parsed.version == 6:
            address = str(ipaddress.ip_network((parsed, 64), strict=False))
    return f"card address {address}", _OF_ALL


def _open(tx: Transaction, card: Card, one: Withdrawal, *, is_session: bool) -> str:
    """A session or a token of whoever redeemed a card, under the name of this withdrawal."""
    name = holders.withdrawal_name(card.id, one.number)
    if is_session:
        secret = secrets.token_urlsafe(32)
        made = Session(access.digest_of(secret), name, Role.RECIPIENT, card.organization, one.at, one.ends_at)
        tx.put_session(replace(made, address=one.address, seen_at=one.at, proven_at=one.at))
    else:
        secret = access.new_token()
        tx.put_token(Token(access.digest_of(secret), name, Role.RECIPIENT, card.organization, one.at, one.ends_at))
    return secret


def _noted(bank: Bank, card: Card, act: Act, name: str, address: str, what: str) -> Event:
    detail = f"card {card.id}: {what}"
    return Event(bank.now(), act, name, card.organization, address, detail=detail, patient=card.patient)
