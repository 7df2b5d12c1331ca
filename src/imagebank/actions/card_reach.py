"""What a card opens: whose records, on whose authority, and which studies of theirs."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from imagebank.actions import charge, holders
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotAllowed, NotFound
from imagebank.model.access import OWNERS, Principal, Right, Role, Scope
from imagebank.model.imaging import DataSet
from imagebank.model.person import PatientId
from imagebank.model.provision import BESIDE_IMAGES, FOR_EVER, Kind, Provision, Relation, Term
from imagebank.model.query import comparable_date
from imagebank.model.uid import Uid

MOST_STUDIES: Final = 500
USUAL: Final = timedelta(days=30)
LONGEST: Final = timedelta(days=3660)
CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""By how much clocks of a site's machines may differ: a card that one has made works at once on another."""

_MODALITY: Final = re.compile(r"[A-Z0-9_]{0,16}")
_BODY_PART: Final = re.compile(r"[A-Z0-9_ ]{0,16}")
# Whose a study is has to be known to decide who may give it away, and is told to nobody.
_ALL: Final = Scope(organizations=None)
_UID, _STUDY_DATE, _MODALITY_TAG, _BODY_PART_TAG = "0020000D", "00080020", "00080060", "00180015"


@dataclass(frozen=True, slots=True)
class Reach:
    """What a card is to open. Whose: `patient`, or who the `studies` are of, or the owner of the account that asks.

    Some `studies`; or those of a `modality` and `body_part` between the dates `since` and `until` (YYYYMMDD, both
    inclusive), which are there now or, with `future`, come later, too. Without any of these, everything.
    """

    patient: PatientId | None = None
    studies: tuple[Uid, ...] = ()
    modality: str = ""
    body_part: str = ""
    since: str = ""
    until: str = ""
    future: bool = False
    reports: bool = True
    taking: bool = True


@dataclass(frozen=True, slots=True)
class _Root:
    """A record that somebody may give away, with those that are linked to it, until when, and by which holding."""

    patient: PatientId
    of_person: bool
    ends_at: datetime = FOR_EVER
    holding: str = ""


def provisions(bank: Bank, reach: Reach, principal: Principal, card: str, ends_at: datetime | None) -> list[Provision]:
    """What a new card of this identifier opens, numbered, until `ends_at` or for a month.

    Raises NotAllowed for who may not give it, NotFound for studies that are not this person's, Conflict for those of
    nobody that is known, Invalid for what cannot be meant.
    """
    _check(reach)
    roots = _roots(bank, reach, principal)
    base = Provision(
        "",
        Kind.CARD,
        permits=True,
        patient=roots[0].patient,
        starts_at=bank.now() - CLOCKS_DIFFER,
        ends_at=until(bank.now(), ends_at, [root.ends_at for root in roots]),
        principal=holders.card_name(card),
        role=Role.RECIPIENT,
        by=principal.name,
        terms=terms_of(reports=reach.reports, taking=reach.taking),
    )
    each = [replace(base, patient=one.patient, of_person=one.of_person, reason=one.holding) for one in roots]
    made = _lasting(reach, each) if reach.future else _of_now(bank, reach, each)
    return [replace(one, id=f"{card}.{number}") for number, one in enumerate(made, 1)]


def terms_of(*, reports: bool, taking: bool) -> str:
    return " ".join(term for term, is_given in ((Term.REPORTS, reports), (Term.TAKING, taking)) if is_given)


def until(now: datetime, wanted: datetime | None, others: Iterable[datetime] = ()) -> datetime:
    """When a card ends: as is wanted, or after a month, and before whoever gives it may give nothing. Raises Invalid."""
    ends_at = wanted or now + USUAL
    if not now < ends_at <= now + LONGEST:
        raise Invalid("a card ends at a time to come, and within {days} days", days=LONGEST.days)
    return min(ends_at, *others, ends_at)


def _check(reach: Reach) -> None:
    bounds = (reach.modality, reach.body_part, reach.since, reach.until)
    if reach.studies and (any(bounds) or reach.future):
        raise Invalid("a card opens the studies that are named, or those of a kind; name one or the other")
    if len(reach.studies) > MOST_STUDIES:
        raise Invalid("a card opens at most {most} studies that are named", most=MOST_STUDIES)
    if not _MODALITY.fullmatch(reach.modality):
        raise Invalid("a modality is a code such as CT")
    if not _BODY_PART.fullmatch(reach.body_part):
        raise Invalid("a body part is a term such as CHEST")
    for date in filter(None, (reach.since, reach.until)):
        if comparable_date(date) != date:
            raise Invalid("the dates of studies are of the form 20261231")
    if reach.since and reach.until and reach.since > reach.until:
        raise Invalid("the last date is before the first")


def _lasting(reach: Reach, each: Sequence[Provision]) -> list[Provision]:
    bounds = {name: getattr(reach, name) for name in ("modality", "body_part", "since", "until")}
    return [replace(one, **bounds) for one in each]


def _of_now(bank: Bank, reach: Reach, each: Sequence[Provision]) -> list[Provision]:
    """One for each study that is there now."""
    by_record = {record: one for one in reversed(each) for record in holders.records_of(bank, one)}
    chosen = _named(bank, reach.studies, by_record) if reach.studies else _fitting(bank, reach, by_record)
    return [replace(by_record[patient], study=study) for study, patient in chosen]


def _named(bank: Bank, studies: Iterable[Uid], records: Collection[PatientId]) -> list[tuple[Uid, PatientId]]:
    found = {study: bank.index.histories.patient_of(study, _ALL) for study in studies}
    theirs = [(study, patient) for study, patient in found.items() if patient is not None and patient in records]
    if len(theirs) < len(found):
        raise NotFound("one of these studies is not here, or not this person's")
    return theirs


def _fitting(bank: Bank, reach: Reach, records: Collection[PatientId]) -> list[tuple[Uid, PatientId]]:
    """Studies that `reach` fits in all of their series of images, as for those that come later."""
    parts: dict[Uid, list[DataSet]] = {}
    for one in bank.index.histories.series(records, _ALL):
        parts.setdefault(Uid(_text(one.attributes, _UID)), []).append(one.attributes)
    fitting = [study for study, series in parts.items() if _fits(reach, series)]
    if not fitting:
        raise NotFound("no study of this person's fits; let the card open more, or also what comes later")
    if len(fitting) > MOST_STUDIES:
        raise Invalid(
            "this card would open {number} studies, and one opens at most {most}: "
            "narrow it by dates or modality, or let it open what comes later, too",
            number=len(fitting),
            most=MOST_STUDIES,
        )
    return _named(bank, fitting, records)


def _fits(reach: Reach, series: Sequence[DataSet]) -> bool:
    """What goes with the images, such as a report of their dose, is of no modality and part of the body of its own."""
    images = [one for one in series if _text(one, _MODALITY_TAG) not in BESIDE_IMAGES]
    dates = [_text(one, _STUDY_DATE) for one in series]
    return (
        all(not reach.since or reach.since <= date for date in dates)
        and all(not reach.until or "" < date <= reach.until for date in dates)
        and (not reach.modality or {_text(one, _MODALITY_TAG) for one in images} == {reach.modality})
        and (not reach.body_part or {_text(one, _BODY_PART_TAG) for one in images} == {reach.body_part})
    )


def _text(dataset: DataSet, key: str) -> str:
    value = next(iter(dataset.get(key, {}).get("Value", ())), None)
    return "" if value is None else str(value).strip()


def _roots(bank: Bank, reach: Reach, principal: Principal) -> list[_Root]:
    if principal.role not in OWNERS:
        return [_of_desk(bank, reach, principal)]
    groups = _groups(bank, principal)
    if not groups:
        raise NotAllowed("your account holds nobody's records that you could give a card for")
    whose = reach.patient
    if whose is None and reach.studies:
        whose = bank.index.histories.patient_of(reach.studies[0], _ALL)
    if whose is None and not reach.studies:
        if len(groups) > 1 and not groups[0][0].terms == Relation.OWNER:
            raise Invalid("your account holds the records of several people; say whose this card is")
        found = groups[0]
    else:
        found = next((group for group in groups if whose in holders.records_of(bank, *group)), [])
    if not found:
        raise NotFound("your account holds no such records")
    return [_Root(one.patient, one.of_person, one.ends_at, one.id) for one in found]


def _groups(bank: Bank, principal: Principal) -> list[list[Provision]]:
    """What an account holds and may give away, by person as far as that is sure: all that is its owner's comes first."""
    held = holders.acting(bank, principal)
    own = [one for one in held if one.terms == Relation.OWNER]
    others = [one for one in held if one.terms != Relation.OWNER and not one.reason]
    # What the account added to somebody's images goes with what it holds of them.
    return [*([own] if own else []), *([one, *(each for each in held if each.reason == one.id)] for one in others)]


def _of_desk(bank: Bank, reach: Reach, principal: Principal) -> _Root:
    """Staff give a card for a patient who has asked for it."""
    principal.require(Right.ENROL)
    whose = reach.patient
    if whose is None:
        if not reach.studies:
            raise Invalid("name the patient by issuer and identifier, or studies of one person")
        whose = bank.index.histories.patient_of(reach.studies[0], _ALL)
        if whose is None or not charge.has_study(bank, principal, reach.studies[0]):
            raise NotFound("one of these studies is not here, or not this person's")
    if not whose.identifier:
        raise Conflict("nobody knows yet whose this study is; settle that in the queue first")
    if not charge.has_patient(bank, principal, whose):
        raise NotAllowed("another organization speaks for this patient; its desk gives the card")
    return _Root(whose, charge.has_all(bank, principal))
