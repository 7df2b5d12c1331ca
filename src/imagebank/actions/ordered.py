"""Exams that are only ordered: which order has a number, and what it says of the exam."""

from collections.abc import Collection
from typing import Final

from imagebank.actions import exams
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import Scope
from imagebank.model.exam import Asked, Said
from imagebank.model.order import Code, Order
from imagebank.model.person import PatientId
from imagebank.model.region import Code as Coded
from imagebank.ports.orders import Wanted

_HERE: Final = Scope(organizations=None)
_SCHEMES: Final = {"CPT": "C4", "CPT4": "C4", "CPT-4": "C4", "SNM": "SCT", "SNOMED": "SCT", "LOINC": "LN"}
"""Names of code systems in HL7 (table 0396) that DICOM has by another one."""


def numbered(bank: Bank, number: str, scope: Scope) -> Order:
    """The first step of an order that is not over, or its first one; by the number of whoever asked or does it.

    Raises NotFound for one that is not there or that the scope does not show, Invalid where several patients have it.
    """
    return _one(bank.index.orders.orders(Wanted(number=number, is_open=False), scope) if number else [])


def with_accession(bank: Bank, accession: str, scope: Scope) -> Order:
    """The same by accession number. Raises as `numbered` does."""
    return _one(bank.index.orders.orders(Wanted(accession=accession, is_open=False), scope) if accession else [])


def _one(found: list[Order]) -> Order:
    if not found:
        raise NotFound("there is no such order here")
    if len({(one.organization, one.patient.id) for one in found}) > 1:
        raise Invalid("several patients have an order with this number")
    return next((one for one in found if one.state is None or not one.state.is_over), found[0])


def said_of(order: Order) -> Said:
    """What an order says of its exam."""
    codes = [one for one in (order.ordered.procedure, order.ordered.protocol) if one != Code()]
    return Said(
        (order.modality,) if order.modality else (),
        tuple(dict.fromkeys(one.meaning for one in codes if one.meaning)),
        codes=tuple(
            Coded(one.value, _SCHEMES.get(one.system.upper(), one.system), one.meaning) for one in codes if one.value
        ),
    )


def asked(bank: Bank, order: Order) -> Asked:
    """What an order asks for, understood, and for which day; today by the site's calendar where it names none."""
    day = exams.day_of(order.scheduled_at[:8]) or bank.now().astimezone(bank.settings.zone).date()
    exam = exams.understood(bank, said_of(order))
    return Asked(exam, day, organization=order.organization, id=order.study or "")


def records(bank: Bank, patients: Collection[PatientId], organization: str, scope: Scope) -> tuple[PatientId, ...]:
    """The records for whom an organization orders, with those that are linked to them.

    Its own patients are known before there is a study of theirs; of others' only what the scope shows.
    """
    found = dict.fromkeys(patients)
    for patient in patients:
        known = _HERE if patient.issuer == organization else scope
        linked = bank.index.persons.identity(patient, known)
        for one in bank.index.persons.person(linked.person, known) if linked is not None else ():
            found[one.identity.patient] = None
    return tuple(found)
