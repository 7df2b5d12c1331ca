"""What holders see: patients what their accounts hold, recipients what a card opens. Looked up with each request."""

from dataclasses import replace
from typing import Final

from imagebank.bank import Bank
from imagebank.model.access import HOLDERS, OWNERS, Asker, Principal, Role, Scope
from imagebank.model.person import PatientId
from imagebank.model.provision import ACTING, OF_OWNERS, Provision, Term

_CARD: Final = "card-"
# What somebody holds is looked up to know what they may see, and is shown to nobody.
_ALL: Final = Scope(organizations=None)


def card_name(card: str) -> str:
    """For whom the provisions of a card are: all of its withdrawals."""
    return f"{_CARD}{card}"


def withdrawal_name(card: str, number: int) -> str:
    """How whoever redeemed a card stands in the ledger: by the card, and which of its withdrawals it was."""
    return f"{card_name(card)}.{number}"


def card_of(name: str) -> str:
    """The card of a withdrawal's name; empty where it is none."""
    return name.removeprefix(_CARD).partition(".")[0] if name.startswith(_CARD) else ""


def asked_as(name: str, role: Role) -> str:
    """By which name provisions are for a caller: those of a card are for all of its withdrawals."""
    return name.partition(".")[0] if role is Role.RECIPIENT else name


def narrowed(bank: Bank, scope: Scope, asker: Asker) -> tuple[Scope, frozenset[Term]]:
    """A holder's scope with what they hold now, and on which terms; of everybody else's nothing changes."""
    if asker.role not in HOLDERS:
        return scope, frozenset(Term)
    held = holdings(bank, asker)
    is_owner = asker.role is not Role.RECIPIENT
    terms = frozenset(term for term in Term if is_owner or any(term in one.terms.split() for one in held))
    heeds = frozenset(one.id for one in held)
    patients, reports = records_of(bank, *held), Term.REPORTS in terms
    # A card's, too: it shows nothing that its owner does not see at that moment.
    return replace(scope, heeds=heeds, patients=patients, reports=reports, delays=bank.delays), terms


def holdings(bank: Bank, asker: Asker) -> list[Provision]:
    """What an account holds, or a card opens, at the moment of asking; the oldest first.

    The `reason` of a card's provision is the holding by which it was given, empty where staff gave it; that of what an
    account added itself is the holding by which it did.
    """
    if not asker.principal:
        return []
    found = bank.index.provisions(_ALL, principal=asker.principal)
    held = [one for one in found if one.kind in OF_OWNERS and one.role is asker.role and _is_in_force(one, asker)]
    upheld = {name for name in {one.reason for one in held} if not name or _holds(bank, name, asker)}
    return [one for one in held if one.reason in upheld]


def of_account(bank: Bank, principal: Principal) -> list[Provision]:
    """What the caller's account holds now; nothing for whoever has none."""
    asker = principal.scope.asker
    return [] if asker is None or principal.role not in OWNERS else holdings(bank, asker)


def acting(bank: Bank, principal: Principal) -> list[Provision]:
    """The holdings by which an account acts for people: hands out cards, and lets others in."""
    return [one for one in of_account(bank, principal) if one.terms in ACTING]


def _holds(bank: Bank, holding: str, asker: Asker) -> bool:
    """Whether the holding by which a card was given is in force: nobody lets others see what they do not hold."""
    found = bank.index.provisions(_ALL, identifier=holding)
    return any(_is_in_force(one, asker) and (not one.reason or _holds(bank, one.reason, asker)) for one in found)


def _is_in_force(one: Provision, asker: Asker) -> bool:
    return one.revoked_at is None and one.starts_at <= asker.at < one.ends_at


def records_of(bank: Bank, *held: Provision) -> frozenset[PatientId]:
    """The patient records that these are about, with those that are linked to them as far as each holds for those."""
    found = {one.patient for one in held}
    for one in set(held):
        linked = bank.index.persons.identity(one.patient, _ALL)
        others = bank.index.persons.person(linked.person, _ALL) if linked is not None and linked.person else []
        found |= {
            each.identity.patient
            for each in others
            if one.of_person or each.identity.patient.issuer == one.patient.issuer
        }
    return frozenset(found)
