"""Who a study that names nobody may be of: records of its organization that fit what is known, and open orders.

Nothing here decides. Who is likely may be chosen beforehand on a page; somebody confirms it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from imagebank.actions import matching
from imagebank.actions.hearing import identity_of
from imagebank.bank import Bank
from imagebank.model.access import Scope
from imagebank.model.candidate import Candidate
from imagebank.model.identity import Identity, Linked
from imagebank.model.identity_weights import Verdict
from imagebank.model.imaging import DataSet
from imagebank.model.order import Order
from imagebank.model.person import PatientId, PersonName
from imagebank.model.proposal import Proposal, first_choices
from imagebank.ports.orders import Wanted

MOST: Final = 5
"""So many are compared on a page."""
_SHARED: Final = 200
"""A key that more records share tells nothing."""
_WHO: Final = ("patient_id", "patient_name", "birth_date", "sex")
_STUDY_DATE: Final = "00080020"
_MODALITY: Final = "00080060"
_ACCESSION: Final = "00080050"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a study that names nobody: who, by its header and by proposals, of when, and by which orders.

    `is_likely` says that nothing of who it is comes from a proposal that is less than that.
    """

    identity: Identity
    day: str = ""
    modality: str = ""
    accession: str = ""
    is_likely: bool = True


def known_of(organization: str, header: DataSet, proposals: tuple[Proposal, ...]) -> Known:
    """What a header and proposals tell; of proposals the most confident of each field."""
    chosen = first_choices(proposals)
    first = {field: one.value for field, one in chosen.items()}
    heard = identity_of(PatientId(organization, ""), header)
    name = heard.name if any(heard.name.groups()) else PersonName.parse(first.get("patient_name", ""))
    is_ours = first.get("patient_issuer", organization) == organization
    identity = replace(
        heard,
        patient=PatientId(organization, first.get("patient_id", "") if is_ours else ""),
        name=name,
        birth_date=heard.birth_date or first.get("birth_date", "").replace("-", ""),
        sex=heard.sex or first.get("sex", ""),
    )
    accession = _text(header, _ACCESSION) or first.get("accession_number", "")
    taken = first.get("taken_at", "")[:10].replace("-", "")
    is_likely = all(chosen[field].is_likely for field in _WHO if field in chosen)
    return Known(identity, taken or _text(header, _STUDY_DATE), _text(header, _MODALITY), accession, is_likely)


def _text(header: DataSet, key: str) -> str:
    return str(next(iter((header.get(key) or {}).get("Value") or ()), "") or "")


def candidates(bank: Bank, known: Known, scope: Scope) -> list[Candidate]:
    """Patients of the organization whom the study may be of, the likest first; those whom an open order names after them."""
    organization = known.identity.patient.issuer
    keys = [key for key in matching.keys_of(known.identity) if not key.startswith("is ")]
    found = bank.index.persons.like(keys, organization, _SHARED, scope)
    ordered = _ordered(bank, known, scope)
    return _ranked(bank, known, found, ordered, scope)[:MOST]


def searched(bank: Bank, known: Known, text: str, scope: Scope, most: int = 20) -> list[Candidate]:
    """Patients of the organization of this identifier, or whose names begin so, compared in the same way."""
    found = bank.index.persons.called(text, known.identity.patient.issuer, most, scope)
    return [replace(one, is_likely=False) for one in _ranked(bank, known, found, {}, scope)]


def one(bank: Bank, known: Known, patient: PatientId, scope: Scope) -> Candidate | None:
    """The candidate of this identifier: a record of the organization, or somebody whom an open order names."""
    found = bank.index.persons.called(patient.identifier, patient.issuer, _SHARED, scope)
    exact = [each for each in found if each.identity.patient == patient]
    ordered = {who: order for who, order in _ordered(bank, known, scope).items() if who == patient}
    return next(iter(_ranked(bank, known, exact, ordered, scope)), None)


def _ordered(bank: Bank, known: Known, scope: Scope) -> dict[PatientId, Order]:
    """Whom open orders name that may be this study's: by its accession number, or by its day and kind of device."""
    asked = []
    if known.accession:
        asked.append(Wanted(accession=known.accession, limit=MOST))
    if known.day and known.modality:
        asked.append(Wanted(known.day, known.day, (known.modality,), limit=MOST))
    organization = known.identity.patient.issuer
    orders = (order for wanted in asked for order in bank.index.orders.orders(wanted, scope))
    found: dict[PatientId, Order] = {}
    for order in orders:
        if order.organization == organization == order.patient.id.issuer:
            found.setdefault(order.patient.id, order)
    return found


def _ranked(
    bank: Bank, known: Known, found: Iterable[Linked], ordered: Mapping[PatientId, Order], scope: Scope
) -> list[Candidate]:
    records = {each.identity.patient: each for each in found}
    for patient, order in ordered.items():
        records.setdefault(patient, Linked(_named_by(order), ""))
    table = matching.weights(bank.settings.matching_file)
    compared = matching.compared(
        table, known.identity, records.values(), lambda names: bank.index.persons.census(names, scope)
    )
    ranked = [
        Candidate(
            match.linked.identity,
            match.likeness.score if match.likeness.evidence else None,
            match.likeness.evidence,
            known.is_likely and not match.likeness.bar and match.verdict is not Verdict.NOTHING,
            _that_day(bank, match.linked.identity.patient, known.day, scope),
            ordered[patient].accession if (patient := match.linked.identity.patient) in ordered else "",
        )
        for match in compared
    ]
    ranked.sort(key=lambda one: (not one.is_likely, -(one.score or 0.0), not one.accession, not one.that_day))
    # Where two are likely, nobody is.
    is_alone = sum(each.is_likely for each in ranked) == 1
    return [replace(each, is_likely=each.is_likely and is_alone) for each in ranked]


def _named_by(order: Order) -> Identity:
    who = order.patient
    return Identity(who.id, PersonName.parse(who.name), who.birth_date, who.sex)


def _that_day(bank: Bank, patient: PatientId, day: str, scope: Scope) -> tuple[str, ...] | None:
    """When on that day the patient was here or expected, as far as the caller may see visits and orders."""
    if not day:
        return None
    visits = [
        one.began_at
        for one in bank.index.orders.encounters(patient, scope)
        if one.began_at[:8] <= day <= (one.ended_at[:8] or _later(one.began_at[:8]))
    ]
    wanted = Wanted(day, day, identifier=patient.identifier, is_open=False, limit=MOST)
    planned = [one.scheduled_at for one in bank.index.orders.orders(wanted, scope) if one.patient.id == patient]
    return tuple(sorted({at[8:12] if at[:8] == day else "" for at in (*visits, *planned)}))


def _later(day: str) -> str:
    """The day after which a visit that nobody ended counts no more."""
    try:
        return f"{date.fromisoformat(day) + timedelta(days=1):%Y%m%d}"
    except ValueError:
        return day
