"""The statement of an account: what happened to a person's images, as the ledger has it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from imagebank.actions import holders, trail
from imagebank.actions.audit import event
from imagebank.bank import Bank
from imagebank.errors import NotAllowed
from imagebank.model.access import OWNERS, Principal, Scope
from imagebank.model.attribute import Level
from imagebank.model.event import Act
from imagebank.model.imaging import DataSet
from imagebank.model.ledger import Line, Sought
from imagebank.model.person import PatientId
from imagebank.model.provision import Provision
from imagebank.model.query import Query
from imagebank.model.uid import Uid

_PAGE: Final = 500
_DECIDED: Final = re.compile(r"(?:emergency|holding) ([0-9a-f]{32})\b")
# A person's own lines, whoever wrote them; that they are read stands in the ledger.
_ALL: Final = Scope(organizations=None)


class Theme(StrEnum):
    """What an entry is about, in the bank's words; the statement is narrowed by these."""

    DEPOSIT = "deposit"
    LOOK = "look"
    WITHDRAWAL = "withdrawal"
    SHARE = "share"
    REFUSAL = "refusal"
    EMERGENCY = "emergency"
    CHANGE = "change"


_THEMES: Final[Mapping[str, Theme]] = {
    Act.DEPOSITED: Theme.DEPOSIT,
    Act.VIEWED: Theme.LOOK,
    Act.SENT: Theme.WITHDRAWAL,
    Act.REDEEMED: Theme.SHARE,
    Act.CARD: Theme.SHARE,
    Act.ENROLLED: Theme.SHARE,
    Act.DECIDED: Theme.SHARE,
    Act.NOT_REDEEMED: Theme.REFUSAL,
    Act.REFUSED: Theme.REFUSAL,
    Act.EMERGENCY: Theme.EMERGENCY,
    Act.EMERGENCY_ENDED: Theme.EMERGENCY,
    Act.REVIEWED: Theme.EMERGENCY,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger as its person reads it. `study` is what is still held of the study, for its description.

    `about` is the emergency, or the hold of an account, that the line speaks of.
    """

    line: Line
    theme: Theme
    study: DataSet
    is_own: bool
    about: Provision | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """Entries, newest first, and where the next page begins; None after the last."""

    entries: tuple[Entry, ...]
    next: tuple[int, str, int] | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: of one record that is held (and those linked to it), by theme, and between moments as in `Sought`."""

    patient: PatientId | None = None
    themes: frozenset[Theme] = frozenset()
    since: int | None = None
    until: int | None = None
    after: tuple[int, str, int] | None = None
    limit: int = 50


def _theme(act: str) -> Theme:
    return _THEMES.get(act, Theme.CHANGE)


def statement(bank: Bank, wanted: Wanted, principal: Principal, address: str = "") -> Statement:
    """A page of what happened to the images that an account holds. That it is read stands in the ledger, too, once a page.

    Raises NotAllowed for whoever holds no account, and for a record that it does not hold.
    """
    sought = reading(bank, wanted, principal, address)
    lines = bank.index.lines(replace(sought, limit=wanted.limit + 1), _ALL)
    page = lines[: wanted.limit]
    rest = trail.place(page[-1]) if len(lines) > len(page) else None
    return Statement(tuple(_entries(bank, page, principal)), rest)


def whole(bank: Bank, wanted: Wanted, principal: Principal, address: str = "") -> Iterator[Entry]:
    """Every entry, for a file; they are read as they are written. Raises as `statement` does."""
    return _whole(bank, reading(bank, wanted, principal, address), principal)


def _whole(bank: Bank, sought: Sought, principal: Principal) -> Iterator[Entry]:
    for page in pages(bank, sought):
        yield from _entries(bank, page, principal)


def pages(bank: Bank, sought: Sought) -> Iterator[list[Line]]:
    """All lines that are sought, some at a time."""
    while page := bank.index.lines(replace(sought, limit=_PAGE), _ALL):
        yield page
        sought = replace(sought, after=trail.place(page[-1]))


def held(bank: Bank, principal: Principal) -> list[Provision]:
    """What an account holds. Raises NotAllowed for whoever has none."""
    if principal.role not in OWNERS:
        raise NotAllowed("a statement is of an account; sign in to yours")
    return holders.of_account(bank, principal)


def reading(bank: Bank, wanted: Wanted, principal: Principal, address: str) -> Sought:
    """Say in the ledger that an account's statement is read; which lines it is made of. Raises NotAllowed."""
    mine = held(bank, principal)
    if wanted.patient is not None:
        mine = [one for one in mine if wanted.patient in holders.records_of(bank, one)]
        if not mine:
            raise NotAllowed("your account does not hold this record")
    records = holders.records_of(bank, *mine)
    noted = event(bank, Act.UNBOUNDED, principal, address, "read the ledger: own statement")
    with bank.index.begin() as tx:
        tx.record([replace(noted, patient=one) for one in dict.fromkeys(one.patient for one in mine)])
    # What was said of a study before it was known to be theirs is theirs, too.
    found = bank.index.find(Query(Level.STUDY), replace(principal.scope, patients=records))
    studies = frozenset(trail.uid_of(one.attributes) for one in found)
    acts = frozenset(act for act in Act if _theme(act) in wanted.themes) if wanted.themes else None
    return Sought(wanted.since, wanted.until, acts, about=records, studies=studies, after=wanted.after)


def _entries(bank: Bank, lines: Sequence[Line], principal: Principal) -> Iterator[Entry]:
    known = trail.studies_by_uid(bank, {Uid(line.study) for line in lines if line.study})
    for line in lines:
        is_own = line.principal == principal.name
        yield Entry(line, _theme(line.act), known.get(line.study, {}), is_own, _about(bank, line))


def _about(bank: Bank, line: Line) -> Provision | None:
    found = _DECIDED.match(line.detail)
    return next(iter(bank.index.provisions(_ALL, identifier=found[1])), None) if found else None
