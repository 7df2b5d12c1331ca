"""Proving that what is kept is whole, and rebuilding the index from the objects alone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import msgspec

from imagebank.actions.audit import unbounded
from imagebank.bank import Bank
from imagebank.dicom import read
from imagebank.dicom.describe import describe
from imagebank.dicom.digest import digest_of, digest_of_stream
from imagebank.errors import BankError
from imagebank.model.access import Scope
from imagebank.model.imaging import Kept, Location
from imagebank.model.note import Note
from imagebank.ports import Record

Progress = Callable[[int, int], None]
"""Told how many records are done, and how many there are (0 when that is not known)."""

_BATCH = 200


def _in_silence(_done: int, _total: int) -> None:
    """For callers that nobody watches."""


@dataclass(slots=True)
class Findings:
    """What a check of everything found. Each entry names an object and says what is wrong with it.

    `orphans` are records that no row refers to (an interrupted deposit leaves one), `lost` rows whose record is gone,
    `damaged` records whose bytes are not what arrived.
    """

    checked: int = 0
    bytes: int = 0
    orphans: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.damaged)


def verify(bank: Bank, *, sweep: bool = False, progress: Progress = _in_silence) -> Findings:
    """Read every record, compare its digest with what arrived, and hold the records against the rows.

    With `sweep`, the keys of orphans are destroyed.
    """
    scope = unbounded(bank, Scope.everything("verify"))
    rows = {(place.segment, place.offset): name for name, place in bank.index.locations(scope)}
    findings = Findings()
    total = len(rows)
    spare: list[Location] = []
    for record in bank.blobs.records():
        name = rows.pop((record.location.segment, record.location.offset), None)
        where = f"segment {record.location.segment} at {record.location.offset}"
        if name is None:
            if record.note is not None:
                findings.orphans.append(where)
                spare.append(record.location)
            continue
        findings.checked += 1
        findings.bytes += record.location.size
        if fault := _fault(bank, record):
            findings.damaged.append(f"{name}: {fault} ({where})")
        progress(findings.checked, total)
    findings.lost.extend(f"{name}: no record in segment {place[0]} at {place[1]}" for place, name in rows.items())
    if sweep and spare:
        bank.blobs.destroy(spare)
    return findings


def _fault(bank: Bank, record: Record) -> str:
    """What is wrong with a record, in words; empty when it is what arrived."""
    if record.note is None:
        return record.fault
    try:
        note = msgspec.json.decode(record.note, type=Note)
        if note.digest == digest_of_stream(bank.blobs.stream(record.location)):
            return ""
        if note.digest != note.content_digest:
            return "its digest is not the one it arrived with"
        data = bank.blobs.read(record.location)
        start = read.open_header(data, size=len(data)).dataset_offset
        return "" if digest_of(memoryview(data)[start:]) == note.digest else "its digest is not the one it arrived with"
    except (BankError, msgspec.DecodeError) as error:
        return str(error)


def reindex(bank: Bank, progress: Progress = _in_silence) -> int:
    """Empty the index of images and fill it again from the objects; how many records were read.

    Objects are entered in the order in which they were received, so that the rows come out as they were.
    """
    notes = sorted(_notes(bank), key=lambda pair: (pair[0].received_at, pair[1].segment, pair[1].offset))
    with bank.index.begin() as tx:
        tx.clear()
    done = 0
    todo = iter(notes)
    while batch := list(islice(todo, _BATCH)):
        _enter(bank, batch)
        done += len(batch)
        progress(done, len(notes))
    return done


def _notes(bank: Bank) -> Iterator[tuple[Note, Location]]:
    for record in bank.blobs.records():
        if record.note is not None:
            yield msgspec.json.decode(record.note, type=Note), record.location


def _enter(bank: Bank, batch: list[tuple[Note, Location]]) -> None:
    kept = []
    with bank.index.begin() as tx:
        for note, location in batch:
            if note.quarantine:
                tx.quarantine(note.quarantine, note.name, note.source, note.received_at, location, note.digest)
                continue
            data = bank.blobs.read(location)
            described = describe(data, size=len(data), catalogue=bank.catalogue, organization=note.source.organization)
            kept.append(
                Kept(described, location, note.digest, note.content_digest, note.source, note.received_at, note.name)
            )
        tx.enter(kept)
