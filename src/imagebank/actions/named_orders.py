"""Orders and visits that whoever uploads names: whose the files are, without typing (IHE Encounter-Based Imaging Workflow).

What is named is believed, as what is said is. An order that nobody named is at most likely.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final

from imagebank.actions import reading_names
from imagebank.bank import Bank
from imagebank.model.access import Scope
from imagebank.model.encounter import Encounter
from imagebank.model.file_names import Reading, proposals_of_words, taken
from imagebank.model.imaging import Source
from imagebank.model.order import Code, Order, State
from imagebank.model.person import PatientId
from imagebank.model.proposal import Proposal, ProposalSource
from imagebank.model.upload import About, Department, read_about
from imagebank.ports.orders import Wanted

_NEAR: Final = timedelta(days=1)
"""How far from the time of an order that nobody named a picture may have been taken."""
# How likely an open order of the patient is that nobody named: below what is filled in.
_OF_THE_VISIT: Final = 0.9
_ALONE: Final = 0.8
_ONE_OF_SEVERAL: Final = 0.4
_HERE: Final = Scope(organizations=None)
"""Nobody reads here: what is known of a patient goes into the patient's own object."""
_MODALITIES: Final[Mapping[Department, frozenset[str]]] = {
    Department.CARDIOLOGY: frozenset({"US", "ECG", "XA", "IVUS", "EPS", "HD"}),
    Department.DENTAL: frozenset({"IO", "PX", "DX", "XC"}),
    Department.DERMATOLOGY: frozenset({"XC", "DMS"}),
    Department.ENDOSCOPY: frozenset({"ES"}),
    Department.OPHTHALMOLOGY: frozenset({"OP", "OPT", "OPM", "OPV", "OAM", "LEN", "KER", "SRF", "VA", "AR"}),
    Department.PATHOLOGY: frozenset({"SM", "GM"}),
    Department.SURGERY: frozenset({"XC", "ES"}),
}
_DEPARTMENTS: Final = {
    "ES": "endoscopy",
    "DMS": "dermatology",
    "IO": "dental",
    "PX": "dental",
    **dict.fromkeys(_MODALITIES[Department.PATHOLOGY], "pathology"),
    **dict.fromkeys(_MODALITIES[Department.OPHTHALMOLOGY], "ophthalmology"),
}
_OTHERS: Final = "belong to different patients; nothing was taken from the order or visit: correct one of them"


@dataclass(frozen=True, slots=True)
class Named:
    """What is known with the order and the visit that were named, what may be so, and what its sender has to hear."""

    about: About
    proposals: tuple[Proposal, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Desk:
    """The orders and visits of the sender's organization, as far as the sender sees them."""

    bank: Bank
    own: Scope
    sees: Scope

    def orders(self, wanted: Wanted) -> list[Order]:
        seen = {one.id for one in self.bank.index.orders.orders(wanted, self.sees)}
        return [one for one in self.bank.index.orders.orders(wanted, self.own) if one.id in seen]

    def visit(self, number: str) -> Encounter | None:
        """The visit with this number; none that was cancelled."""
        found = self.bank.index.orders.encounter(number, self.own) if number else None
        return found if found and found in self.bank.index.orders.encounters(found.patient, self.sees) else None


def named(bank: Bank, about: About, source: Source, sees: Scope | None = None) -> Named:
    """Look up what was named. What was said wins; an order or visit of another patient than that is left alone.

    `sees` is what the sender sees, all of its organization's without it: what it does not see is not here.
    """
    own = Scope.of(source.organization)
    desk = _Desk(bank, own, sees or own)
    said = PatientId(about.patient.issuer or source.authority, about.patient.identifier)
    orders, warnings = _orders(desk, about)
    visit = desk.visit(about.encounter)
    if about.encounter and visit is None:
        warnings.append(f"there is no visit {about.encounter} here yet")
    patients = {one.patient.id for one in orders} | ({visit.patient} if visit else set())
    if len(patients | ({said} if said.identifier else set())) > 1:
        return Named(about, (), (*warnings, f"what was said and what was named {_OTHERS}"))
    proposals = [
        *_of_orders(orders, about, reading_names.reading(bank.settings.proposals_file)),
        *(_of_visit(bank, visit) if visit else ()),
    ]
    sure = filled(about, {one.field: one.value for one in reversed(proposals) if one.is_sure})
    known = replace(sure, asked=_common(orders), visit=visit)
    patient = next(iter(patients), said)
    if not orders and patient.identifier:
        proposals += _likely(desk, known, patient)
    return Named(known, tuple(proposals), tuple(warnings))


def filled(about: About, values: Mapping[str, str]) -> About:
    """What was said, and of what was not said these values, by field."""
    other = read_about(values)
    parts: dict[str, Any] = {one.name: getattr(about, one.name) or getattr(other, one.name) for one in fields(About)}
    if not about.patient.identifier:
        issuer = other.patient.issuer if other.patient.identifier else about.patient.issuer
        parts["patient"] = PatientId(issuer, other.patient.identifier)
    return About(**parts)


def _orders(desk: _Desk, about: About) -> tuple[list[Order], list[str]]:
    """The steps of the order that was named, and what is odd about it."""
    if not (about.order or about.accession):
        return [], []
    wanted = Wanted(number=about.order, accession="" if about.order else about.accession, is_open=False)
    orders = desk.orders(wanted)
    if about.order and about.accession:
        orders = [one for one in orders if one.accession in ("", about.accession)]
    if not orders:
        # An accession number alone is kept as it was said: many come from systems that send no orders.
        return [], [f"there is no order {about.order} here yet"] if about.order else []
    if len({one.patient.id for one in orders}) > 1:
        return [], ["several patients have an order with this number; say the patient"]
    is_over = all(one.state is State.CANCELLED for one in orders)
    return orders, [f"the order {orders[0].number} was cancelled"] if is_over else []


def _common(orders: Sequence[Order]) -> Order | None:
    """What all steps of an order have in common."""
    if not orders:
        return None
    first, *others = orders
    same: dict[str, Any] = {
        name: getattr(first, name) if all(getattr(one, name) == getattr(first, name) for one in others) else empty
        for name, empty in _PARTS.items()
    }
    ordered = first.ordered
    if any(one.ordered.procedure != ordered.procedure for one in others):
        ordered = replace(ordered, procedure=Code(), protocol=Code())
    return replace(first, **same, ordered=ordered)


_PARTS: Final = {"accession": "", "procedure_id": "", "step_id": "", "study": None, "modality": ""}


def _of_orders(orders: Sequence[Order], about: About, reading: Reading) -> Iterator[Proposal]:
    order = _common(orders)
    if order is None:
        return
    evidence = f"order {order.number}" if about.order else f"order {order.number}, accession number {order.accession}"
    source, procedure = ProposalSource.ORDER, order.ordered.procedure
    yield from _of_patient(order.patient.id, source, evidence)
    yield from _taken(source, evidence, patient_name=order.patient.name, sex=order.patient.sex)
    yield from _taken(source, evidence, birth_date=_day(order.patient.birth_date))
    yield from _taken(source, evidence, accession_number=order.accession, order=order.number)
    yield from _taken(source, evidence, encounter=order.ordered.admission, description=procedure.meaning[:64])
    department = _DEPARTMENTS.get(order.modality, "")
    yield from taken("department", department, source, f"{evidence}, modality {order.modality}", 0.9)
    for one in reading.procedures:
        if one.code == procedure.value:
            for field, value in one.values.items():
                yield from taken(field, value, source, f"{evidence}, procedure {one.code}", one.confidence)
    yield from proposals_of_words(reading, procedure.meaning, source, f"{evidence}: {procedure.meaning}", 0.9)


def _of_visit(bank: Bank, visit: Encounter) -> Iterator[Proposal]:
    source, evidence = ProposalSource.ENCOUNTER, f"visit {visit.number}"
    yield from _of_patient(visit.patient, source, evidence)
    yield from _taken(source, evidence, encounter=visit.number)
    known = bank.index.persons.identity(visit.patient, _HERE)
    if known is not None:
        identity = known.identity
        name = "=".join(identity.name.groups()).rstrip("=")
        yield from _taken(source, evidence, patient_name=name, sex=identity.sex, birth_date=_day(identity.birth_date))


def _of_patient(patient: PatientId, source: ProposalSource, evidence: str) -> Iterator[Proposal]:
    yield from _taken(source, evidence, patient_id=patient.identifier, patient_issuer=patient.issuer)


def _taken(source: ProposalSource, evidence: str, **values: str) -> Iterator[Proposal]:
    for field, value in values.items():
        yield from taken(field, value, source, evidence, 1.0)


def _day(text: str) -> str:
    """YYYYMMDD as a date is written in a form."""
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) >= len("20260301") else ""


def _likely(desk: _Desk, about: About, patient: PatientId) -> Iterator[Proposal]:
    """Open orders of the patient that this department could be at just now; nobody named one, so none is sure."""
    at = about.taken_at or desk.bank.now()
    near = [
        one
        for one in desk.orders(Wanted(identifier=patient.identifier, issuer=patient.issuer))
        if one.patient.id == patient and _fits(one, about.department) and _is_near(one, at)
    ]
    of_visit = [one for one in near if about.encounter and one.ordered.admission == about.encounter]
    near = of_visit or near
    alone = _OF_THE_VISIT if of_visit else _ALONE
    for one in near:
        confidence = alone if len(near) == 1 else _ONE_OF_SEVERAL
        of_several = "" if len(near) == 1 else f", one of {len(near)} that are open"
        evidence = f"open order {one.number}{f' of {one.scheduled_at[:8]}' if one.scheduled_at else ''}{of_several}"
        values = {
            "order": one.number,
            "accession_number": one.accession,
            "description": one.ordered.procedure.meaning[:64],
        }
        for field, value in values.items():
            yield from taken(field, value, ProposalSource.ORDER, evidence, confidence)


def _fits(order: Order, department: Department) -> bool:
    known = _MODALITIES.get(department)
    return known is None or not order.modality or order.modality in known


def _is_near(order: Order, at: datetime) -> bool:
    """Whether an order is for about then; one without a time is for any. Its time is local, and so is that of a camera."""
    try:
        day = datetime.strptime(order.scheduled_at[:8], "%Y%m%d").date()  # noqa: DTZ007 - a day as it is called there
    except ValueError:
        return True
    return abs(day - at.date()) <= _NEAR
