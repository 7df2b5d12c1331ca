"""Telling of studies as wholes, and of the records whose they are: each look is in the ledger before its answer."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from imagebank.actions import retrieve, search
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.access import Principal, Right
from imagebank.model.attribute import Level
from imagebank.model.identity import Linked
from imagebank.model.imaging import DataSet, Found, Selection
from imagebank.model.outline import Held, Outline, Wanted
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

FEW: Final = 100
"""Studies of at most so many instances are told with each of them when several are asked for."""
MOST: Final = 5_000
"""The same where one study is."""
_STUDY: Final = "0020000D"
_COUNT: Final = "00201208"


def studies(bank: Bank, principal: Principal, wanted: Wanted, sought: str, address: str = "") -> list[Outline]:
    """Studies that are asked for, newest first. `sought` says for the ledger by what. Raises NotAllowed."""
    principal.require(Right.FIND)
    bank.reads.search(principal, sought, address)
    held = bank.index.histories.held(wanted, principal.scope)
    return list(_outlined(bank, principal, held, FEW))


def study(bank: Bank, principal: Principal, uid: Uid, way: str, address: str = "") -> Outline:
    """One study. Raises NotFound for one that is not there or not for the caller, NotAllowed."""
    held = bank.index.histories.held(Wanted(studies=(uid,)), principal.scope)
    found = next(_outlined(bank, principal, held, MOST), None)
    if found is None:
        raise NotFound("there is no such study, series or instance here")
    instances = retrieve.select(bank, Selection(uid), principal.scope)
    retrieve.reading(bank, principal, instances[:1], way, address, Right.FIND)
    return found


def _outlined(bank: Bank, principal: Principal, held: Sequence[Held], most: int) -> Iterator[Outline]:
    series = _by_study(search.of_studies(bank, [one.study for one in held], principal.scope, Level.SERIES))
    few = [uid for uid, members in series.items() if _number(members[0]) <= most]
    instances = _by_study(search.of_studies(bank, few, principal.scope, Level.INSTANCE))
    for one in held:
        members = series.get(one.study)
        if members:  # else it went meanwhile
            yield Outline(one, members[0], tuple(members), tuple(instances.get(one.study, ())))


def _by_study(found: Sequence[Found]) -> dict[Uid, list[DataSet]]:
    by_study: dict[Uid, list[DataSet]] = {}
    for one in found:
        by_study.setdefault(Uid(one.attributes[_STUDY]["Value"][0]), []).append(one.attributes)
    return by_study


def _number(study: DataSet) -> int:
    return int(study[_COUNT]["Value"][0])


def records(
    bank: Bank, principal: Principal, limit: int, offset: int, sought: str, address: str = ""
) -> list[tuple[Linked, tuple[Linked, ...]]]:
    """Records of which the caller sees a study, each with the others of its person. Raises NotAllowed."""
    principal.require(Right.FIND)
    bank.reads.search(principal, sought, address)
    found = bank.index.persons.identities(principal.scope, offset + limit)[offset:]
    return [(one, _others(bank, principal, one)) for one in found]


def record(
    bank: Bank, principal: Principal, own: str, sought: str, address: str = ""
) -> tuple[Linked, tuple[Linked, ...]]:
    """One record by its name, with the others of its person. Raises NotFound where the caller sees no study of it."""
    principal.require(Right.FIND)
    bank.reads.search(principal, sought, address)
    found = bank.index.persons.record_named(own, principal.scope) if own else None
    if found is None:
        raise NotFound("there is no such patient here")
    return found, _others(bank, principal, found)


def records_like(
    bank: Bank,
    principal: Principal,
    names: Collection[str],
    patients: Collection[PatientId],
    sought: str,
    address: str = "",
) -> list[tuple[Linked, tuple[Linked, ...]]]:
    """Records that have one of these names and one of these identifiers, where there are any. Raises NotAllowed."""
    principal.require(Right.FIND)
    bank.reads.search(principal, sought, address)
    found = [bank.index.persons.record_named(name, principal.scope) for name in names if name]
    if not names:
        found = [bank.index.persons.identity(patient, principal.scope) for patient in patients]
    there = dict.fromkeys(one for one in found if one is not None and _is_one_of(one, patients))
    return [(one, _others(bank, principal, one)) for one in there]


def _is_one_of(linked: Linked, patients: Collection[PatientId]) -> bool:
    return not patients or linked.identity.patient in patients


def record_of(bank: Bank, principal: Principal, patient: PatientId) -> tuple[Linked, tuple[Linked, ...]] | None:
    """The record with this identifier, with the others of its person; None where the caller sees no study of it."""
    found = bank.index.persons.identity(patient, principal.scope)
    return None if found is None else (found, _others(bank, principal, found))


def _others(bank: Bank, principal: Principal, linked: Linked) -> tuple[Linked, ...]:
    return tuple(one for one in bank.index.persons.person(linked.person, principal.scope) if one != linked)


def patients_named(bank: Bank, principal: Principal, names: Collection[str]) -> tuple[PatientId, ...]:
    """The records of the persons of whom these are records, as far as the caller sees a study of each."""
    found: dict[PatientId, None] = {}
    for name in names:
        linked = bank.index.persons.record_named(name, principal.scope) if name else None
        for one in bank.index.persons.person(linked.person, principal.scope) if linked else ():
            found[one.identity.patient] = None
    return tuple(found)


def patients_called(bank: Bank, principal: Principal, patients: Collection[PatientId]) -> tuple[PatientId, ...]:
    """These records, and those that are linked to them; one that nobody has heard of yet stands alone."""
    found: dict[PatientId, None] = {}
    for patient in patients:
        both = record_of(bank, principal, patient)
        linked = [] if both is None else [both[0], *both[1]]
        for each in [patient, *(one.identity.patient for one in linked)]:
            found[each] = None
    return tuple(found)
