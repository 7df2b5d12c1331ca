"""One person's timeline: the studies of all linked records that the caller may see, with reports and open orders."""

from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from imagebank.actions import releasing, search
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound, noted
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.attribute import Level
from imagebank.model.identity import Decision, Deed, Linked, in_force
from imagebank.model.imaging import DataSet, Found
from imagebank.model.order import Order
from imagebank.model.person import PatientId
from imagebank.model.report import Report
from imagebank.model.timeline import Entry, Page, Part, Place, Timeline, kind_of, lanes_of
from imagebank.model.uid import Uid
from imagebank.ports.orders import Wanted

_MOST_DECISIONS: Final = 100
_NO_STUDY: Final = noted("there is no such study here")


def of_person(
    bank: Bank, principal: Principal, person: str, way: str, address: str = "", part: Page | None = None
) -> Timeline:
    """All of a person, or a page of the studies. Raises NotAllowed, and NotFound where the caller sees no study of any record."""
    principal.require(Right.FIND)
    bank.reads.search(principal, f"{way}: timeline of a person", address)
    records = bank.index.persons.person(person, principal.scope)
    if not records:
        raise NotFound("there is no such person")
    return _told(bank, principal, person, records, [one.identity.patient for one in records], part)


def of_study(
    bank: Bank, principal: Principal, study: Uid, way: str, address: str = "", part: Page | None = None
) -> Timeline:
    """All of the person whose study this is, or a page of it; the study alone where nobody knows whose it is.

    Raises NotAllowed, and NotFound for a study that is not there or not for the caller.
    """
    principal.require(Right.FIND)
    bank.reads.search(principal, f"{way}: timeline of a person", address)
    person, records, patients = whose(bank, principal, study)
    if not patients:
        return Timeline(
            "",
            (),
            (),
            tuple(_entries(bank, principal, search.of_studies(bank, [study], principal.scope, Level.SERIES), [])),
            (),
        )
    return _told(bank, principal, person, records, patients, part)


def of_records(
    bank: Bank,
    principal: Principal,
    patients: Collection[PatientId],
    way: str,
    address: str = "",
    part: Page | None = None,
) -> Timeline:
    """All of some records, or a page of it; empty where the caller sees none of their studies. Raises NotAllowed."""
    principal.require(Right.FIND)
    bank.reads.search(principal, f"{way}: timeline of a person", address)
    return _told(bank, principal, "", [], [*patients], part)


def beside(bank: Bank, principal: Principal, study: Uid, most: int) -> tuple[Entry, list[Entry]]:
    """A study, and those of the same person that are earlier, the newest first and so many at most; without reports.

    Raises NotFound for a study that is not there or not for the caller.
    """
    _, _, patients = whose(bank, principal, study)
    place = bank.index.histories.place_of(study, principal.scope)
    chosen = entries(bank, principal, [study])
    if not chosen or place is None:
        raise NotFound(_NO_STUDY)
    found = bank.index.histories.series(patients, principal.scope, place, most)
    return chosen[0], list(_entries(bank, principal, found, []))


def entries(bank: Bank, principal: Principal, studies: Collection[Uid]) -> list[Entry]:
    """These studies, as far as the caller sees them; without reports."""
    found = search.of_studies(bank, studies, principal.scope, Level.SERIES) if studies else []
    return list(_entries(bank, principal, found, []))


def whose(bank: Bank, principal: Principal, study: Uid) -> tuple[str, list[Linked], list[PatientId]]:
    """The key of the person whose study this is, the records that are linked, and the identifiers; none where nobody knows."""
    patient = bank.index.histories.patient_of(study, principal.scope)
    if patient is None:
        raise NotFound(_NO_STUDY)
    return records_with(bank, patient, principal.scope) if patient.identifier else ("", [], [])


def records_with(bank: Bank, patient: PatientId, scope: Scope) -> tuple[str, list[Linked], list[PatientId]]:
    """The key of the person whose record this is, and the records in scope that are linked with it; it alone where none is."""
    known = bank.index.persons.identity(patient, scope)
    if known is None:
        return "", [], [patient]
    records = bank.index.persons.person(known.person, scope)
    return known.person, records, [one.identity.patient for one in records]


def _told(
    bank: Bank,
    principal: Principal,
    person: str,
    records: Sequence[Linked],
    patients: Sequence[PatientId],
    part: Page | None,
) -> Timeline:
    most = None if part is None else part.most + 1
    series = bank.index.histories.series(patients, principal.scope, _start(bank, principal, part), most)
    # As on a study's own page: reports are for those who may read objects.
    reports = bank.index.histories.reports(patients, principal.scope) if Right.GET in principal.rights else []
    entries = tuple(_entries(bank, principal, series, reports))
    shown = entries if part is None else entries[: part.most]
    reasons = reasons_of(bank, principal, records)
    is_first = part is None or part.before is None
    orders = tuple(_open_orders(bank, principal, patients)) if is_first else ()
    waits = tuple(releasing.waiting(bank, principal, patients)) if is_first else ()
    return Timeline(person, tuple(records), reasons, shown, orders, len(shown) < len(entries), waits)


def _start(bank: Bank, principal: Principal, part: Page | None) -> Place | None:
    if part is None or part.before is None:
        return None
    place = bank.index.histories.place_of(part.before, principal.scope)
    if place is None:
        raise Invalid("the study that the page before ended with is not there; begin with the first page")
    return place


def reasons_of(bank: Bank, principal: Principal, records: Sequence[Linked]) -> tuple[Decision | None, ...]:
    """Why each of a person's records is one of them: the newest decision in force that links it with another of them.

    Of those whose every record the caller sees; None where there is none, and for a record that is alone.
    """
    patients = {one.identity.patient for one in records}
    if len(patients) < 2:
        return (None,) * len(records)
    return tuple(_reason(bank, principal, one.identity.patient, patients) for one in records)


def _reason(bank: Bank, principal: Principal, patient: PatientId, patients: AbstractSet[PatientId]) -> Decision | None:
    about = in_force(bank.index.persons.decisions(principal.scope, _MOST_DECISIONS, patient))
    links = (one for one in reversed(about) if one.deed in (Deed.LINK, Deed.MERGE))
    return next((one for one in links if patients & {*one.records} - {patient}), None)


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
        parts = parts_of(members)
        yield Entry(
            study,
            members[0],
            _text(members[0], "00080020"),
            kind_of(_texts(members[0], "00080062")),
            lanes_of((one.body_part, one.modality) for one in parts),
            _each(members, "00081040"),
            _each(members, "00080080"),
            tuple(newest.get(study, {}).values()),
            standings.get(study),
            parts,
        )


def parts_of(series: Sequence[DataSet]) -> tuple[Part, ...]:
    """What series show, each once."""
    found = (Part(_text(one, "00180015"), _text(one, "00200060"), _text(one, "00080060")) for one in series)
    return tuple(dict.fromkeys(found))


def _open_orders(bank: Bank, principal: Principal, patients: Collection[PatientId]) -> Iterator[Order]:
    """Orders of which nothing is here yet, by time."""
    here = dict(bank.index.histories.accessions(patients, principal.scope))
    accessions = set(filter(None, here.values()))
    for patient in patients:
        for order in bank.index.orders.orders(
            Wanted(identifier=patient.identifier, issuer=patient.issuer), principal.scope
        ):
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
