"""Proving that what is kept is whole, and rebuilding the index from the objects alone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice

import msgspec

from imagebank.actions import open_file
from imagebank.actions.audit import unbounded
from imagebank.bank import Bank
from imagebank.dicom import read
from imagebank.dicom.describe import describe
from imagebank.dicom.digest import digest_of, digest_of_stream
from imagebank.errors import Conflict, Invalid, NotFound
from imagebank.model.access import Scope
from imagebank.model.imaging import Kept, Location
from imagebank.model.note import Note
from imagebank.ports import Record

Progress = Callable[[int, int], None]
"""Told how many records are done, and how many there are (0 when that is not known)."""

_BATCH = 200
_YOUNG = timedelta(hours=1)
"""How long a record may be without a row because its deposit is under way."""


def _in_silence(_done: int, _total: int) -> None:
    """For callers that nobody watches."""


@dataclass(slots=True)
class Findings:
    """What a check of everything found. Each entry names an object and says what is wrong with it.

    `orphans` are records that no row refers to (an interrupted deposit leaves one), `lost` rows whose record is gone,
    `damaged` records whose bytes are not what arrived. `is_indexed` is false while the index itself is not complete:
    it was lost, or is being rebuilt, and then an orphan may be anything.
    """

    is_indexed: bool = True
    checked: int = 0
    bytes: int = 0
    orphans: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return self.is_indexed and not (self.lost or self.damaged)


def verify(bank: Bank, *, sweep: bool = False, progress: Progress = _in_silence) -> Findings:
    """Read every record, compare its digest with what arrived, and hold the records against the rows.

    It may run beside a busy server: what came or went meanwhile is no finding. With `sweep`, the keys of orphans
    are destroyed, but not of young ones, whose rows may still be on their way. Raises Conflict for a sweep while the
    index is not complete, and Unavailable when a part does not answer.
    """
    if sweep:
        _require_complete(bank)
    scope = unbounded(bank, Scope.everything("verify"))
    began = bank.now()
    rows = _rows(bank, scope)
    findings = Findings(is_indexed=bank.index.is_complete())
    orphans: list[Record] = []
    faults: dict[_Place, str] = {}
    met: set[_Place] = set()
    for record in bank.blobs.records():
        place = _place(record.location)
        if place not in rows:
            orphans += [record] if _received_at(record) < began else []
            continue
        met.add(place)
        findings.checked += 1
        findings.bytes += record.location.size
        if fault := _fault(bank, record):
            faults[place] = fault
        progress(findings.checked, len(rows))
    now_there = _rows(bank, scope)
    orphans = [record for record in orphans if _place(record.location) not in now_there]
    findings.orphans = [_where(_place(record.location)) for record in orphans]
    findings.damaged = [f"{rows[at]}: {fault} ({_where(at)})" for at, fault in faults.items() if at in now_there]
    findings.lost = [
        f"{name}: no record ({_where(at)})" for at, name in rows.items() if at in now_there and at not in met
    ]
    if sweep:
        _sweep(bank, orphans)
    return findings


_Place = tuple[str, int]


def _rows(bank: Bank, scope: Scope) -> dict[_Place, str]:
    return {_place(location): name for name, location in bank.index.locations(scope)}


def _place(location: Location) -> _Place:
    return location.segment, location.offset


def _where(place: _Place) -> str:
    return f"segment {place[0]} at {place[1]}"


def _sweep(bank: Bank, orphans: list[Record]) -> None:
    _require_complete(bank)
    old = bank.now() - _YOUNG
    # A damaged one may have lost its row for that alone; somebody may know how to mend it.
    spare = [record.location for record in orphans if _received_at(record) < old and not _fault(bank, record)]
    if spare:
        bank.blobs.destroy(spare)


def _require_complete(bank: Bank) -> None:
    """What has no row is spare only where every object that was acknowledged has one."""
    if not bank.index.is_complete():
        raise Conflict("the index is not complete, so nothing can be swept; run `imagebank reindex` first")


def _received_at(record: Record) -> datetime:
    """When a record came; at the end of time for one that is destroyed or torn, which is nobody's orphan."""
    if record.note is None:
        return datetime.max.replace(tzinfo=UTC)
    return msgspec.json.decode(record.note, type=Note).received_at


def _fault(bank: Bank, record: Record) -> str:
    """What is wrong with a record, in words; empty when it is what arrived."""
    if record.note is None:
        return record.fault
    try:
        note = msgspec.json.decode(record.note, type=Note)
        if note.digest == digest_of_stream(bank.blobs.stream(record.location)):
            return ""
        if note.digest == note.content_digest:
            # It came without a file header, which is ours: the digest is of the data set.
            with memoryview(open_file.opened(bank, record.location)) as data:
                start = read.open_header(data, size=len(data)).dataset_offset
                if digest_of(data[start:]) == note.digest:
                    return ""
    except (Invalid, NotFound, msgspec.DecodeError) as error:
        return str(error)
    return "its digest is not the one it arrived with"


@dataclass(slots=True)
class Rebuilt:
    """What came of a reindex: how many objects were entered, and which cannot be read: they lie in quarantine, where
    it could be read how they came, and are never swept.
    """

    objects: int = 0
    unreadable: list[str] = field(default_factory=list)


def reindex(bank: Bank, progress: Progress = _in_silence) -> Rebuilt:
    """Empty the index of images and fill it again from the objects.

    Objects are entered in the order in which they were received, so that the rows come out as they were. Nothing is
    emptied before all records have been met once.
    """
    rebuilt = Rebuilt()
    notes = list(_notes(bank, rebuilt))
    with bank.index.begin() as tx:
        tx.clear()
    _enter_all(bank, notes, rebuilt, progress)
    # What a server that was not stopped took in while the records were read has lost its rows, too.
    known = {_place(location) for _, location in notes}
    _enter_all(bank, [pair for pair in _notes(bank, Rebuilt()) if _place(pair[1]) not in known], rebuilt, progress)
    with bank.index.begin() as tx:
        tx.complete()
    return rebuilt


def _notes(bank: Bank, rebuilt: Rebuilt) -> Iterator[tuple[Note, Location]]:
    for record in bank.blobs.records():
        if record.note is None and not record.is_gone:
            rebuilt.unreadable.append(f"{record.fault} ({_where(_place(record.location))})")
        elif record.note is not None:
            yield msgspec.json.decode(record.note, type=Note), record.location


def _enter_all(bank: Bank, notes: list[tuple[Note, Location]], rebuilt: Rebuilt, progress: Progress) -> None:
    todo = iter(sorted(notes, key=lambda pair: (pair[0].received_at, pair[1].segment, pair[1].offset)))
    while batch := list(islice(todo, _BATCH)):
        _enter(bank, batch, rebuilt)
        progress(rebuilt.objects, len(notes))


def _enter(bank: Bank, batch: list[tuple[Note, Location]], rebuilt: Rebuilt) -> None:
    kept = []
    with bank.index.begin() as tx:
        for note, location in batch:
            try:
                one = kept_again(bank, note, location)
            except NotFound:
                continue  # deleted since its note was read
            except Invalid as error:
                rebuilt.unreadable.append(f"{note.name}: {error} ({_where(_place(location))})")
                # A row keeps it from the next sweep: somebody may know how to mend it.
                tx.quarantine(f"unreadable: {error}", note.name, note.source, note.received_at, location, note.digest)
                continue
            rebuilt.objects += 1
            if note.quarantine:
                tx.quarantine(
                    note.quarantine, one.name, one.source, one.received_at, location, one.digest, one.description.uid
                )
            else:
                kept.append(one)
        tx.enter(kept)


def kept_again(bank: Bank, note: Note, location: Location) -> Kept:
    """What was to be entered when this record was written. Raises NotFound when destroyed, Invalid when damaged.

    Damaged is also what its own digest contradicts, such as a file that was refused because it changed while it came.
    """
    with memoryview(open_file.opened(bank, location)) as data:
        described = describe(data, size=len(data), catalogue=bank.catalogue, organization=note.source.organization)
        if digest_of(data[described.dataset_offset :]) != note.content_digest:
            raise Invalid("its digest is not the one it arrived with")
    return Kept(described, location, note.digest, note.content_digest, note.source, note.received_at, note.name)
