"""Cards: made once with a number and a PIN, listed, frozen, thawed, changed and taken back by who may give them."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Final

from imagebank.actions import card_reach, charge, holders, notes, pins
from imagebank.actions.audit import event, looking
from imagebank.actions.card_reach import Reach
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotFound, Unsupported
from imagebank.model import account_number, card_number
from imagebank.model.access import OWNERS, Principal, Right, Scope
from imagebank.model.attribute import Level
from imagebank.model.card import NO_END, Card, Opens, State, Withdrawal, opens
from imagebank.model.event import Act, Event
from imagebank.model.notice import address_from
from imagebank.model.person import PatientId
from imagebank.model.provision import Provision, Term
from imagebank.model.query import Query
from imagebank.ports import Transaction

MOST_USES: Final = 1000
MOST_LISTED: Final = 500
_USE: Final = "number of a card"
_LONGEST: Final = 200
_MOST_TOLD: Final = 100
# Whose a card is has to be known before it is shown to whoever asks.
_ALL: Final = Scope(organizations=None)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A card as somebody wants it. Without `ends_at` it is for a month, without `uses` for any number.

    `pin` is the owner's own; without one the bank draws six digits. What `label`, `recipient`, `purpose` and `email` are
    stands at `model.card.Card`.
    """

    reach: Reach = field(default_factory=Reach)
    ends_at: datetime | None = None
    uses: int | None = None
    pin: str = ""
    label: str = ""
    recipient: str = ""
    purpose: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Issued:
    """A new card, with what is shown once and never again: its number, 16 symbols without spaces, and its PIN."""

    card: Card
    opens: Opens
    number: str
    pin: str


@dataclass(frozen=True, slots=True)
class Told:
    """A card as its owners see it."""

    card: Card
    opens: Opens
    state: State


@dataclass(frozen=True, slots=True)
class Lent:
    """What whoever has redeemed a card is told of it: who gave it, and when it ends for them at the latest.

    `giver` is the name of whoever's account gave it, empty where that has none but its number, or staff gave it.
    """

    giver: str
    ends_at: datetime
    is_from_staff: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be changed of a card; None leaves a part as it is. `uses` are those that are left from now on."""

    ends_at: datetime | None = None
    uses: int | None = None
    label: str | None = None
    recipient: str | None = None
    purpose: str | None = None
    reports: bool | None = None
    taking: bool | None = None


def number_hash(bank: Bank, number: str) -> bytes:
    """What is kept of a card's number: without the bank's key nobody can tell it, or even try."""
    return bank.seal.digest(_USE, number.encode())


def issue(bank: Bank, wanted: Wanted, principal: Principal, address: str = "") -> Issued:
    """Make a card. It works from now on; number and PIN are told this once.

    An account gives cards for whom it holds records as owner, parent or representative; who has the right to enrol,
    for patients of their organization. Raises as `card_reach.provisions` does, and Invalid for a PIN that is too easy.
    """
    identifier, now = secrets.token_hex(8), bank.now()
    _check(bank, wanted)
    made = card_reach.provisions(bank, wanted.reach, principal, identifier, wanted.ends_at)
    births = _births(bank, made)
    pin = pins.checked(wanted.pin, births) if wanted.pin else pins.drawn(births)
    number = card_number.make()
    card = Card(
        identifier,
        number_hash(bank, number),
        pins.kept(bank, pin),
        made[0].patient,
        principal.organization,
        principal.name,
        now,
        made[0].ends_at,
        holder=principal.name if made[0].reason else "",
        label=wanted.label,
        recipient=wanted.recipient,
        email=wanted.email,
        purpose=wanted.purpose,
        uses_left=NO_END if wanted.uses is None else wanted.uses,
    )
    with bank.index.begin() as tx:
        tx.cards.put(card)
        _put(bank, tx, made)
        tx.record([_noted(bank, card, "made", principal, address)])
    return Issued(card, opens(made), number, pin)


def _check(bank: Bank, wanted: Wanted) -> None:
    for text in (wanted.label, wanted.recipient, wanted.purpose):
        _line(text)
    _check_uses(wanted.uses)
    if wanted.email:
        address_from(wanted.email)
        if not bank.settings.smtp:
            raise Unsupported("this bank sends no mail, so it cannot send codes; leave the e-mail address out")


def _line(text: str) -> None:
    if len(text) > _LONGEST or (text and not text.isprintable()):
        raise Invalid("a text of a card is one line of at most {most} characters", most=_LONGEST)


def _check_uses(uses: int | None) -> None:
    if uses is not None and not 1 <= uses <= MOST_USES:
        raise Invalid("a card is for 1 to {most} uses, or for any number where none is said", most=MOST_USES)


def _births(bank: Bank, made: Sequence[Provision]) -> list[str]:
    """Dates of birth that are known of the person."""
    told = Query(Level.PATIENT, limit=_MOST_TOLD)
    of_them = bank.index.find(told, Scope(organizations=None, patients=holders.records_of(bank, *made)))
    return [str(birth) for one in of_them for birth in one.attributes.get("00100030", {}).get("Value", ())]


def _put(bank: Bank, tx: Transaction, changed: Sequence[Provision]) -> None:
    for one in changed:
        tx.put_provision(one)
    notes.defer(bank, tx, provisions=tuple(changed))


def _noted(bank: Bank, card: Card, what: str, principal: Principal, address: str) -> Event:
    return replace(event(bank, Act.CARD, principal, address, f"card {card.id}: {what}"), patient=card.patient)


def listed(bank: Bank, principal: Principal, patient: PatientId | None = None, address: str = "") -> list[Told]:
    """Cards of those whose records an account holds, or of patients in the caller's charge; the newest first.

    Of one patient where that is asked for, and at most 500. What staff look at stands in the ledger first.
    """
    if principal.role in OWNERS:
        records = holders.records_of(bank, *holders.acting(bank, principal))
        found = bank.index.cards.cards(_ALL, records if patient is None else records & {patient})
    else:
        principal.require(Right.ENROL)
        scope = looking(bank, principal, address, "cards of patients", patient=patient)
        found = bank.index.cards.cards(scope, None if patient is None else [patient])
        found = [one for one in found if charge.has_patient(bank, principal, one.patient)]
    return [_told(bank, one) for one in found[:MOST_LISTED]]


def kept(bank: Bank, identifier: str, principal: Principal, address: str = "") -> Told:
    """One card. Raises NotFound for one that is not there or not the caller's to see."""
    found = _own(bank, bank.index.cards.card(identifier, _ALL), principal)
    if principal.role not in OWNERS:
        looking(bank, principal, address, f"card {identifier}", patient=found.patient)
    return _told(bank, found)


def withdrawals(bank: Bank, identifier: str, principal: Principal) -> list[Withdrawal]:
    """What a card was used for, the newest first. Raises NotFound."""
    found = _own(bank, bank.index.cards.card(identifier, _ALL), principal)
    return bank.index.cards.withdrawals(found.id, _ALL)


def _told(bank: Bank, card: Card) -> Told:
    return Told(card, opened_by(bank, card), card.state(bank.now()))


def lent(bank: Bank, name: str) -> Lent | None:
    """What the withdrawal of this name is told of its card; None for one that is not there."""
    card = bank.index.cards.card(holders.card_of(name), _ALL)
    if card is None:
        return None
    account = bank.index.people.account(card.holder) if card.holder else None
    is_named = account is not None and account_number.name_of(account.display_name) != account.name
    giver = account.display_name if account is not None and is_named else ""
    one = withdrawal_called(bank, name)
    return Lent(giver, min(one.ends_at, card.ends_at), not card.holder) if one else None


def withdrawal_called(bank: Bank, name: str) -> Withdrawal | None:
    """The withdrawal that stands in the ledger by this name; None for one that is not there."""
    card = holders.card_of(name)
    used = bank.index.cards.withdrawals(card, _ALL)
    return next((one for one in used if holders.withdrawal_name(card, one.number) == name), None)


def opened_by(bank: Bank, card: Card) -> Opens:
    """What a card opens, for who may know: its owners, and whoever has redeemed it."""
    return opens(_provisions(bank, card))


def _provisions(bank: Bank, card: Card) -> list[Provision]:
    return bank.index.provisions(_ALL, principal=holders.card_name(card.id))


def _own(bank: Bank, found: Card | None, principal: Principal) -> Card:
    """A card that the caller may give, and so take back, too: two who hold a person's records share its cards."""
    if principal.role in OWNERS:
        is_theirs = found is not None and found.patient in holders.records_of(bank, *holders.acting(bank, principal))
    else:
        principal.require(Right.ENROL)
        is_theirs = found is not None and charge.has_patient(bank, principal, found.patient)
    if found is None or not is_theirs:
        raise NotFound("there is no such card")
    return found


def freeze(bank: Bank, identifier: str, principal: Principal, address: str = "") -> Told:
    """Let a card open nothing until it is thawed, from the next request on. Raises NotFound, Conflict.

    To freeze what is frozen changes nothing.
    """
    return _switch(bank, identifier, principal, address, bank.now())


def thaw(bank: Bank, identifier: str, principal: Principal, address: str = "") -> Told:
    """Let a frozen card work again, and what it had opened. Raises NotFound, Conflict."""
    return _switch(bank, identifier, principal, address, None)


def _switch(bank: Bank, identifier: str, principal: Principal, address: str, frozen_at: datetime | None) -> Told:
    with bank.index.begin() as tx:
        card = _living(bank, tx, identifier, principal)
        if (card.frozen_at is None) is not (frozen_at is None):
            tx.cards.change(identifier, frozen_at=frozen_at)
            _put(bank, tx, [replace(one, revoked_at=frozen_at) for one in _provisions(bank, card)])
            tx.record([_noted(bank, card, "frozen" if frozen_at else "thawed", principal, address)])
            card = replace(card, frozen_at=frozen_at)
    return _told(bank, card)


def revoke(bank: Bank, identifier: str, principal: Principal, address: str = "") -> Told:
    """Take a card back for good, from the next request on. A second time changes nothing. Raises NotFound."""
    now = bank.now()
    with bank.index.begin() as tx:
        card = _own(bank, tx.cards.hold(identifier), principal)
        if card.revoked_at is None:
            card = _take_back(bank, tx, card, now, principal, address)
    return _told(bank, card)


def _take_back(bank: Bank, tx: Transaction, card: Card, now: datetime, principal: Principal, address: str) -> Card:
    tx.cards.change(card.id, revoked_at=now)
    _put(bank, tx, [replace(one, revoked_at=now) for one in _provisions(bank, card)])
    tx.record([_noted(bank, card, "taken back", principal, address)])
    return replace(card, revoked_at=now)


def given_by(bank: Bank, account: str, records: Collection[PatientId]) -> list[str]:
    """The cards of these records that an account gave, by their identifiers."""
    return [one.id for one in bank.index.cards.cards(_ALL, records) if one.holder == account]


def revoke_all(bank: Bank, tx: Transaction, named: Sequence[str], principal: Principal, address: str) -> None:
    """Take cards back with the account that gave them, in the transaction in which it ends."""
    now = bank.now()
    for identifier in named:
        card = tx.cards.hold(identifier)
        if card is not None and card.revoked_at is None:
            _take_back(bank, tx, card, now, principal, address)


def change(bank: Bank, identifier: str, wanted: Changes, principal: Principal, address: str = "") -> Told:
    """Change a card that was not taken back, from the next request on. Raises NotFound, Invalid, Conflict.

    It never lasts longer than whoever gave it may give cards.
    """
    with bank.index.begin() as tx:
        card = _living(bank, tx, identifier, principal)
        given = _columns(bank, card, wanted)
        tx.cards.change(identifier, **given)
        _put(bank, tx, [_changed(one, wanted, given) for one in _provisions(bank, card)])
        tx.record([_noted(bank, card, f"changed {_named(wanted)}", principal, address)])
    return _told(bank, replace(card, **given))


def _living(bank: Bank, tx: Transaction, identifier: str, principal: Principal) -> Card:
    """A card of the caller's that was not taken back. What is read of it from here on stays so until the end."""
    card = _own(bank, tx.cards.hold(identifier), principal)
    if card.revoked_at is not None:
        raise Conflict("this card was taken back for good; make another")
    return card


def _named(wanted: Changes) -> str:
    return ", ".join(one.name for one in fields(wanted) if getattr(wanted, one.name) is not None) or "nothing"


def _columns(bank: Bank, card: Card, wanted: Changes) -> dict[str, Any]:
    texts = {name: getattr(wanted, name) for name in ("label", "recipient", "purpose")}
    given: dict[str, Any] = {name: text for name, text in texts.items() if text is not None}
    for text in given.values():
        _line(text)
    if wanted.uses is not None:
        _check_uses(wanted.uses)
        given["uses_left"] = wanted.uses
    if wanted.ends_at is not None:
        given["ends_at"] = card_reach.until(bank.now(), wanted.ends_at, _limits(bank, card))
    return given


def _limits(bank: Bank, card: Card) -> list[datetime]:
    """Until when those may give cards by whose holdings this one was given."""
    holdings = {one.reason for one in _provisions(bank, card) if one.reason}
    return [one.ends_at for name in holdings for one in bank.index.provisions(_ALL, identifier=name)]


def _changed(one: Provision, wanted: Changes, given: Mapping[str, Any]) -> Provision:
    is_allowed = {
        "reports": Term.REPORTS in one.terms.split() if wanted.reports is None else wanted.reports,
        "taking": Term.TAKING in one.terms.split() if wanted.taking is None else wanted.taking,
    }
    return replace(one, ends_at=given.get("ends_at", one.ends_at), terms=card_reach.terms_of(**is_allowed))
