"""Telling of reports as wholes, all versions of one together, and of documents that came as objects."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from imagebank.actions import reports, retrieve
from imagebank.actions.reports import Told
from imagebank.bank import Bank
from imagebank.dicom.sop_class import DOCUMENT_TYPES
from imagebank.errors import NotFound
from imagebank.model.access import Principal, Right
from imagebank.model.attribute import Level
from imagebank.model.imaging import DataSet, Digest, Selection
from imagebank.model.outline import Held, Wanted
from imagebank.model.person import PatientId
from imagebank.model.query import Condition, OneOf, Query
from imagebank.model.report import Part, Report
from imagebank.model.uid import Uid

MOST: Final = 200
"""Reports and documents of one person that are told at once; older ones are left out."""
MOST_STUDIES: Final = 1_000
"""Whose documents are looked for, the newest ones."""
_STUDY: Final = "0020000D"


@dataclass(frozen=True, slots=True)
class Reported:
    """A report in its newest version, about studies. `name` is the digest of its first version: it stays."""

    name: Digest
    versions: int
    newest: Told
    studies: tuple[Uid, ...]
    record: str
    """The name of the patient's record, as in `model.outline.Held`."""


@dataclass(frozen=True, slots=True)
class Document:
    """An object that is a document, by its attributes in DICOM JSON, and the study that it is in."""

    held: Held
    attributes: DataSet


def of_patients(
    bank: Bank, principal: Principal, patients: Collection[PatientId], sought: str, way: str, address: str = ""
) -> list[Reported]:
    """Reports about studies of these records, newest first; each is a read of its studies. Raises NotAllowed."""
    principal.require(Right.GET)
    bank.reads.search(principal, sought, address)
    found = bank.index.histories.reports(patients, principal.scope)
    return [_read(bank, principal, pairs, way, address) for pairs in list(_whole(found))[:MOST]]


def one(bank: Bank, principal: Principal, name: Digest, way: str, address: str = "") -> Reported:
    """The report of which this is a version. Raises NotFound, NotAllowed."""
    principal.require(Right.GET)
    about = bank.index.histories.report(name, principal.scope)
    pairs = [
        (study, version)
        for study, report in about
        for version in bank.index.orders.reports(study, principal.scope)
        if _key(version) == _key(report)
    ]
    if not pairs:
        raise NotFound("there is no such report here")
    newest_first = sorted(pairs, key=lambda pair: (pair[1].event_at, pair[1].id), reverse=True)
    return _read(bank, principal, newest_first, way, address)


def part(bank: Bank, principal: Principal, name: Digest, place: int, way: str, address: str = "") -> Part:
    """One part of the newest version of a report. Raises NotFound, NotAllowed."""
    body = one(bank, principal, name, way, address).newest.body
    if body is None or not 0 <= place < len(body.parts):
        raise NotFound("there is no such document here")
    return body.parts[place]


def _key(report: Report) -> tuple[str, str]:
    """By what the versions of a report belong together; one without a number stands alone."""
    return report.organization, report.number or str(report.digest)


def _whole(found: Iterable[tuple[Uid, Report]]) -> Iterator[list[tuple[Uid, Report]]]:
    together: dict[tuple[str, str], list[tuple[Uid, Report]]] = {}
    for study, report in found:
        together.setdefault(_key(report), []).append((study, report))
    yield from together.values()


def _read(bank: Bank, principal: Principal, pairs: Sequence[tuple[Uid, Report]], way: str, address: str) -> Reported:
    """A report of its versions with their studies, the newest first; the look is in the ledger before."""
    versions = {report.id: report for _, report in pairs}
    studies = tuple(dict.fromkeys(study for study, _ in pairs))
    for study in studies:
        bank.reads.count(principal, bank.index.instances(Selection(study), principal.scope)[:1], way, address)
    newest, first = next(iter(versions.values())), next(reversed(versions.values()))
    held = bank.index.histories.held(Wanted(studies=studies, limit=1), principal.scope)
    assert first.digest is not None
    told = Told(newest, reports.body_of(bank, newest))
    return Reported(first.digest, len(versions), told, studies, held[0].record if held else "")


def documents(bank: Bank, principal: Principal, wanted: Wanted, sought: str, address: str = "") -> list[Document]:
    """Objects in these studies that are documents, those of the newest study first. Raises NotAllowed."""
    principal.require(Right.FIND)
    bank.reads.search(principal, sought, address)
    held = {one.study: one for one in bank.index.histories.held(wanted, principal.scope)}
    if not held:
        return []
    return list(_documents(bank, principal, held, "StudyInstanceUID", tuple(held)))[:MOST]


def document(bank: Bank, principal: Principal, uid: Uid, way: str, address: str = "") -> Document:
    """One object that is a document. Raises NotFound, NotAllowed."""
    instances = retrieve.select(bank, Selection(instance=uid), principal.scope)
    retrieve.reading(bank, principal, instances, way, address, Right.FIND)
    wanted = Wanted(studies=(instances[0].study,))
    held = {one.study: one for one in bank.index.histories.held(wanted, principal.scope)}
    found = next(_documents(bank, principal, held, "SOPInstanceUID", (uid,)), None)
    if found is None:
        raise NotFound("there is no such document here")
    return found


def _documents(
    bank: Bank, principal: Principal, held: Mapping[Uid, Held], keyword: str, uids: tuple[Uid, ...]
) -> Iterator[Document]:
    keys = bank.catalogue.by_keyword
    is_document = Condition(keys["SOPClassUID"], OneOf(tuple(DOCUMENT_TYPES)))
    query = Query(Level.INSTANCE, (Condition(keys[keyword], OneOf(uids)), is_document))
    for found in bank.index.find(query, principal.scope):
        study = held.get(Uid(found.attributes[_STUDY]["Value"][0]))
        if study is not None:
            yield Document(study, found.attributes)
