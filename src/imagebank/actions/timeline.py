"""One person's timeline: the studies of all linked records that the caller may see, with reports and open orders."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.access import Principal, Right
from imagebank.model.attribute import Level
from imagebank.model.identity import Decision, Deed, Linked, in_force
from imagebank.model.imaging import DataSet, Found
from imagebank.model.order import Order
from imagebank.model.person import PatientId
from imagebank.model.query import Condition, OneOf, Query
from imagebank.model.report import Report
from imagebank.model.timeline import Entry, Timeline, kind_of, lanes_of
from imagebank.model.uid import Uid
from imagebank.ports.orders import Wanted

_MOST_DECISIONS: Final = 100


def of_person(bank: Bank, principal: Principal, person: str, way: str, address: str = "") -> Timeline:
    """All of a person. Raises NotAllowed, and NotFound where the caller sees no study of any record."""
    principal.require(Right.FIND)
    bank.reads.search(principal, f"{way}: timeline of a person", address)
    records = bank.index.persons.person(person, principal.scope)
    if not records:
        raise NotFound("there is no such person")
    return _told(bank, principal, person, records, [one.identity.patient for one in records])


def of_study(bank: Bank, principal: Principal, study: Uid, way: str, address: str = "") -> Timeline:
    """All of the person whose study this is; the study alone where nobody knows whose it is.

    Raises NotAllowed, and NotFound for a study that is not there or not for the caller.
    """
    principal.require(Right.FIND)
    bank.reads.search(principal, f"{way}: timeline of a person", address)
    patient = bank.index.histories.patient_of(study, principal.scope)
    if patient is None:
        raise NotFound("there is no such study here")
    if not patient.identifier:
        return Timeline("", (), (), tuple(_entries(bank, principal, _series_of(bank, principal, study), [])), ())
    known = bank.index.persons.identity(patient, principal.scope)
    if known is None:
        return _told(bank, principal, "", [], [patient])
    records = bank.index.persons.person(known.person, principal.scope)
    return _told(bank, principal, known.person, records, [one.identity.patient for one in records])


def _told(
    bank: Bank, principal: Principal, person: str, records: Sequence[Linked], patients: Sequence[PatientId]
) -> Timeline:
    series = bank.index.histories.series(patients, principal.scope)
    # As on a study's own page: reports are for those who may read objects.
    reports = bank.index.histories.reports(patients, principal.scope) if Right.GET in principal.rights else []
    entries = tuple(_entries(bank, principal, series, reports))
    reasons = tuple(_reason(bank, principal, one) for one in records) if len(records) > 1 else (None,) * len(records)
    orders = tuple(_open_orders(bank, principal, patients, entries))
    return Timeline(person, tuple(records), reasons, entries, orders)


def _reason(bank: Bank, principal: Principal, linked: Linked) -> Decision | None:
    """The newest decision in force that links a record, of those whose every record the caller sees."""
    about = bank.index.persons.decisions(principal.scope, _MOST_DECISIONS, linked.identity.patient)
    return next((one for one in reversed(in_force(about)) if one.deed in (Deed.LINK, Deed.MERGE)), None)


def _series_of(bank: Bank, principal: Principal, study: Uid) -> list[Found]:
    key = bank.catalogue.by_keyword["StudyInstanceUID"]
    query = Query(Level.SERIES, (Condition(key, OneOf((study,))),))
    return list(bank.index.find(query, principal.scope))


def _entries(
    bank: Bank, principal: Principal, series: Sequence[Found], reports: Sequence[tuple[Uid, Report]]
) -> Iterator[Entry]:
    by_study: dict[Uid, list[DataSet]] = {}
    for one in series:
        by_study.setdefault(Uid(_text(one.attributes, "0020000D")), []).append(one.attributes)
    standings = bank.index.completeness.standings(by_study, principal.scope)
    newest: dict[Uid, dict[str, Report]] = {}
    for study, report in reports:
        newest.setdefault(study, {}).setdefault(report.number, report)
    for study, members in by_study.items():
        parts = [(_text(one, "00180015"), _text(one, "00080060")) for one in members]
        yield Entry(
            study,
            members[0],
            _text(members[0], "00080020"),
            kind_of(_texts(members[0], "00080062")),
            lanes_of(parts),
            _each(members, "00081040"),
            _each(members, "00080080"),
            tuple(newest.get(study, {}).values()),
            standings.get(study),
        )


def _open_orders(
    bank: Bank, principal: Principal, patients: Collection[PatientId], entries: Collection[Entry]
) -> Iterator[Order]:
    """Orders of which nothing is here yet, by time."""
    here = {entry.uid for entry in entries}
    accessions = {text for entry in entries if (text := _text(entry.study, "00080050"))}
    for patient in patients:
        for order in bank.index.orders.orders(Wanted(identifier=patient.identifier), principal.scope):
            is_theirs = order.patient.id == patient
            if is_theirs and order.study not in here and order.accession not in accessions:
                yield order


def _texts(dataset: DataSet, key: str) -> list[str]:
    return [str(value).strip() for value in dataset.get(key, {}).get("Value", ()) if value is not None]


def _text(dataset: DataSet, key: str) -> str:
    return next(iter(_texts(dataset, key)), "")


def _each(datasets: Sequence[DataSet], key: str) -> tuple[str, ...]:
    """The different values of several series, in their order."""
    return tuple(dict.fromkeys(text for one in datasets if (text := _text(one, key))))
