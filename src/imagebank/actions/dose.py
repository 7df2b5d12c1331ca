"""How much radiation the exams of a person took, as far as somebody sees the exams, and what one that is not made would.

Readings are kept by the job that writes what studies say (`actions.finding`); what they come to is worked out when it is
asked for, so that a change of the site's table holds at once.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from imagebank.actions import exams
from imagebank.actions.timeline import whose
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.exams.doses import DoseTable, dose_of, doses, typical
from imagebank.model.access import Principal, Right
from imagebank.model.dose import Cumulative, Dose, Exposure, Kept, Method, Part, Reading, counted, is_child, summed
from imagebank.model.exam import Exam, Past
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

_ELSEWHERE: Final = Dose((Part(Method.ELSEWHERE, 0.0),))


def table_of(bank: Bank) -> DoseTable:
    """The site's table of doses."""
    return doses(bank.settings.doses_file, bank.settings.exams_file)


def estimate(bank: Bank, exam: Exam) -> Dose:
    """What an exam that was not made would typically have taken, with its source; without a figure where none is known."""
    return typical(table_of(bank), exam)


def of_study(bank: Bank, principal: Principal, study: Uid, way: str, address: str = "") -> Exposure:
    """What one study took. Raises NotAllowed, and NotFound for a study that is not there or not for the caller."""
    principal.require(Right.FIND)
    bank.reads.search(principal, f"{way}: dose of a study", address)
    return beside(bank, principal, study)


def beside(bank: Bank, principal: Principal, study: Uid) -> Exposure:
    """The same for a page that has asked for the study already. Raises NotFound."""
    past = exams.of_study(bank, study, principal.scope)
    kept = bank.index.doses.of_studies([study], principal.scope)
    said = kept[0].said if kept else None
    exam = past.exam if said is None else exams.understood(bank, said)
    owner = bank.index.owner_of(study, principal.scope) or ""
    return _exposures(table_of(bank), [replace(past, exam=exam, organization=owner)], kept)[0]


def of_person(bank: Bank, principal: Principal, person: str, way: str, address: str = "") -> Cumulative:
    """What all exams of a person took that the caller sees. Raises NotAllowed, and NotFound where they see none."""
    principal.require(Right.FIND)
    bank.reads.search(principal, f"{way}: dose of a person", address)
    records = bank.index.persons.person(person, principal.scope)
    if not records:
        raise NotFound("there is no such person")
    return of_patients(bank, principal, [one.identity.patient for one in records])


def of_records(
    bank: Bank, principal: Principal, patients: Collection[PatientId], way: str, address: str = ""
) -> Cumulative:
    """What all exams of some records took that the caller sees. Raises NotAllowed."""
    principal.require(Right.FIND)
    bank.reads.search(principal, f"{way}: dose of a person", address)
    return of_patients(bank, principal, patients)


def of_person_of(bank: Bank, principal: Principal, study: Uid) -> Cumulative:
    """The same for a page that has told of the person whose study this is; of the study alone where nobody knows whose."""
    _, _, patients = whose(bank, principal, study)
    if not patients:
        return summed([beside(bank, principal, study)])
    return of_patients(bank, principal, patients)


def of_patients(bank: Bank, principal: Principal, patients: Collection[PatientId]) -> Cumulative:
    """The exams of some records that the caller sees, the newest first, and their sums."""
    history = exams.history(bank, patients, principal.scope)
    return summed(_exposures(table_of(bank), history, bank.index.doses.of_patients(patients, principal.scope)))


def _exposures(table: DoseTable, history: Sequence[Past], kept: Sequence[Kept]) -> list[Exposure]:
    readings, elsewhere = counted(kept)
    born = {one.study: one.birth_date for one in kept}
    return [_exposure(table, past, readings.get(Uid(past.id), ()), elsewhere, born) for past in history]


def _exposure(
    table: DoseTable,
    past: Past,
    readings: tuple[Reading, ...],
    elsewhere: Collection[Uid],
    born: dict[Uid, str],
) -> Exposure:
    study = Uid(past.id)
    is_for_child = is_child(born.get(study, ""), past.day, table.table.grown_up)
    dose = _ELSEWHERE if study in elsewhere else dose_of(table, past.exam, readings, is_for_child=is_for_child)
    return Exposure(past.id, past.exam, past.day, past.organization, readings, dose)
