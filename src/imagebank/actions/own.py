"""What whoever signed in to an account of a person's has there: the people whose records it holds, and their images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from imagebank.actions import enrol, holders, mailboxes, search, statement, timeline
from imagebank.actions.trail import uid_of
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.access import OWNERS, Principal, Scope
from imagebank.model.attribute import Level
from imagebank.model.contributed import is_contributed
from imagebank.model.event import Act
from imagebank.model.imaging import DataSet
from imagebank.model.ledger import Line, Sought
from imagebank.model.notice import Mailbox
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import Provision, Relation
from imagebank.model.timeline import Entry, Page, Part, Timeline
from imagebank.model.uid import Uid

LATELY: Final = timedelta(days=30)
_MOST_LOOKS: Final = 200
_LOOKS: Final = frozenset({Act.VIEWED, Act.SENT, Act.EMERGENCY})
# What an account holds is looked up for its own owner.
_ALL: Final = Scope(organizations=None)


@dataclass(frozen=True, slots=True)
class Held:
    """A person whose records an account holds: by which holdings, and all records that these reach.

    `key` names the person in addresses: it is the first holding's, and tells nothing.
    """

    key: str
    patient: PatientId
    name: PersonName
    birth_date: str
    holdings: tuple[Provision, ...]
    records: frozenset[PatientId]

    @property
    def relation(self) -> Relation:
        return Relation(self.holdings[0].terms)


def called(bank: Bank, principal: Principal) -> str:
    """How a person's account calls its owner; empty for who signed in elsewhere, or by a token."""
    account = bank.index.people.account(principal.name) if principal.role in OWNERS else None
    return "" if account is None else account.display_name


def people(bank: Bank, principal: Principal) -> list[Held]:
    """Whose records an account holds now: its owner first, then who was added first. Raises NotAllowed for who has none."""
    found: dict[str, Held] = {}
    added: list[Provision] = []
    for one in sorted(statement.held(bank, principal), key=lambda held: held.terms != Relation.OWNER):
        known = bank.index.persons.identity(one.patient, _ALL)
        person = (
            known.person if known is not None and known.person else f"{one.patient.issuer}\n{one.patient.identifier}"
        )
        records = holders.records_of(bank, one)
        if is_contributed(one.patient.issuer):
            added.append(one)
        elif person in found:
            before = found[person]
            found[person] = replace(before, holdings=(*before.holdings, one), records=before.records | records)
        else:
            name, born = (known.identity.name, known.identity.birth_date) if known is not None else (PersonName(), "")
            found[person] = Held(one.id, one.patient, name, born, (one,), records)
    return [_with_added(bank, one, added) for one in found.values()]


def _with_added(bank: Bank, held: Held, added: Sequence[Provision]) -> Held:
    """With what the account itself added to the person's record."""
    names = {one.id for one in held.holdings}
    mine = [one for one in added if one.reason in names]
    return replace(held, records=held.records | holders.records_of(bank, *mine)) if mine else held


@dataclass(frozen=True, slots=True)
class Access:
    """Somebody who holds a person's records, by the name of their account; empty for who signs in elsewhere."""

    holding: Provision
    name: str
    is_self: bool
    may_end: bool


def who_has_access(bank: Bank, principal: Principal, held: Held, address: str = "") -> list[Access]:
    """Who holds a person's records. Who acts for the person sees all of them, a carer their own hold.

    The look stands in the ledger first.
    """
    found = {one.id: one for one in held.holdings}
    acts = bool(held.records & enrol.acted_for(bank, principal))
    if acts:
        for record in sorted(held.records, key=lambda one: (one.issuer, one.identifier)):
            if not is_contributed(record.issuer):
                found |= {one.id: one for one in enrol.listed(bank, record, principal, address)}
    names = {one.principal: bank.index.people.account(one.principal) for one in found.values()}
    return [
        Access(
            one,
            account.display_name if (account := names[one.principal]) is not None else "",
            one.principal == principal.name,
            acts or one.principal == principal.name,
        )
        for one in sorted(found.values(), key=lambda one: (one.principal != principal.name, one.starts_at, one.id))
    ]


def mailbox(bank: Bank, principal: Principal) -> Mailbox | None:
    """Where the account of somebody is mailed to."""
    account = bank.index.people.account(principal.name)
    return None if account is None else mailboxes.address_of(bank, account.id)


def chosen(held: Sequence[Held], key: str) -> list[Held]:
    """All of them, or the one that an address names. Raises NotFound for a name that is none of theirs, or no more."""
    if not key:
        return [*held]
    found = [one for one in held if any(holding.id == key for holding in one.holdings)]
    if not found:
        raise NotFound("your account does not hold these images, or not any more")
    return found


def images(
    bank: Bank, principal: Principal, held: Sequence[Held], way: str, address: str = "", part: Page | None = None
) -> Timeline:
    """The studies of these people, or a page of them, the newest first. Raises NotAllowed."""
    records = frozenset[PatientId]().union(*(one.records for one in held))
    return timeline.of_records(bank, principal, records, way, address, part)


def image(bank: Bank, principal: Principal, study: Uid) -> Entry:
    """One study. Raises NotFound for one that is not there or not for the caller."""
    return timeline.beside(bank, principal, study, 0)[0]


def looks(bank: Bank, principal: Principal, held: Sequence[Held]) -> list[Line]:
    """Who looked at images of these people lately, or took them along, but for the account itself; the newest first.

    It is told on the first page, and stands in no line of its own: else each visit would be an entry of the statement.
    """
    records = frozenset[PatientId]().union(*(one.records for one in held))
    if not records:
        return []
    since = int((bank.now() - LATELY).timestamp() * 1_000_000)
    found = bank.index.lines(Sought(since=since, acts=_LOOKS, about=records, limit=_MOST_LOOKS), _ALL)
    return [line for line in found if line.principal != principal.name]


def whose(bank: Bank, principal: Principal, held: Sequence[Held], study: Uid, identifier: str) -> Held | None:
    """Of which of these people a study is, whose patient has this identifier; None for nobody of them."""
    found = [one for one in held if any(record.identifier == identifier for record in one.records)]
    if len(found) > 1:
        patient = bank.index.histories.patient_of(study, principal.scope)
        found = [one for one in found if patient in one.records]
    return next(iter(found), None)


def parts_by_study(bank: Bank, principal: Principal, studies: Sequence[Uid]) -> Mapping[str, tuple[Part, ...]]:
    """What each of these studies shows, as far as the caller sees it."""
    found: dict[str, list[DataSet]] = {}
    for one in search.of_studies(bank, studies, principal.scope, Level.SERIES):
        found.setdefault(uid_of(one.attributes), []).append(one.attributes)
    return {uid: timeline.parts_of(series) for uid, series in found.items()}
