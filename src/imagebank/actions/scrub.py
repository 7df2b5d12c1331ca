"""Proving that what is kept is whole."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from imagebank.actions import notes, open_file
from imagebank.actions.audit import unbounded
from imagebank.bank import Bank
from imagebank.dicom import describe, read
from imagebank.dicom.digest import digest_of, digest_of_stream
from imagebank.dicom.walk import More
from imagebank.errors import Conflict, Invalid, NotFound, Unreadable
from imagebank.model.access import Scope
from imagebank.model.imaging import Location, Selection
from imagebank.model.note import Enclosure, Note
from imagebank.model.uid import Uid
from imagebank.ports import Record

Progress = Callable[[int, int], None]
"""Told how many records are done, and how many there are (0 when that is not known)."""

_HEAD = 64 << 10
"""Bytes in which the UIDs of nearly every object stand."""
_YOUNG = timedelta(hours=1)
"""How long a record may be without a row because its deposit is under way."""
_ASIDE = "quarantine "
"""How the names of rows begin that no instance has; nothing is given out under the UIDs of what lies there."""
_ENCLOSED = ("message ", "report ")
"""The same of rows that lead to no object."""
_NEVER = datetime.max.replace(tzinfo=UTC)


def in_silence(_done: int, _total: int) -> None:
    """For callers that nobody watches."""


@dataclass(slots=True)
class Findings:
    """What a check of everything found. Each entry names an object and says what is wrong with it.

    `orphans` are records that no row refers to (an interrupted deposit leaves one), `lost` rows whose record is gone,
    `damaged` records whose bytes are not what arrived, or cannot be read. `is_indexed` is false while the index itself is not complete:
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


def verify(bank: Bank, *, sweep: bool = False, progress: Progress = in_silence) -> Findings:
    """Read every record, compare its digest with what arrived, and hold the records against the rows.

    A row that leads to the record of another object is damaged, and nothing is swept then: what it has led to before
    seems to be nobody's. It may run beside a busy server: what came or went meanwhile is no finding. With `sweep`, the keys of orphans
    are destroyed, but not of young ones, whose rows may still be on their way. What the store cannot read is damaged,
    and the rest is read all the same. Raises Conflict for a sweep while the index is not complete, and Unavailable
    when a part does not answer at all.
    """
    if sweep:
        _require_complete(bank)
    scope = unbounded(bank, Scope.everything("verify"))
    began = bank.now()
    check = _Check(bank, scope, _rows(bank, scope), progress, Findings(is_indexed=bank.index.is_complete()))
    orphans: list[Record] = []
    cut_short = ""
    try:
        for record in bank.blobs.records():
            if place_of(record.location) in check.rows:
                check.look(record)
            elif _received_at(record) < began:
                orphans.append(record)
    except Unreadable as error:
        cut_short = f"not all records that no row refers to could be looked for: {error}"
        _follow_rows(bank, scope, check)
    now_there = _rows(bank, scope)
    orphans = [record for record in orphans if place_of(record.location) not in now_there]
    findings = check.conclude(now_there)
    findings.orphans = [where(place_of(record.location)) for record in orphans]
    findings.damaged += [cut_short] if cut_short else []
    if sweep and check.is_crossed:
        findings.damaged.append("nothing was swept, while rows lead to records of other objects")
    elif sweep:
        _sweep(bank, orphans)
    return findings


Place = tuple[str, int]


@dataclass(slots=True)
class _Check:
    """Which rows there were at the start, which of their records were met since, and what is wrong with those."""

    bank: Bank
    scope: Scope
    rows: dict[Place, tuple[str, ...]]
    progress: Progress
    findings: Findings
    met: set[Place] = field(default_factory=set)
    faults: dict[Place, str] = field(default_factory=dict)
    crossed: dict[Place, dict[str, str]] = field(default_factory=dict)

    @property
    def is_crossed(self) -> bool:
        """Whether a row leads to the record of another object."""
        return bool(self.crossed)

    def look(self, record: Record) -> None:
        """Read the record of a row."""
        place = place_of(record.location)
        self.met.add(place)
        self.findings.checked += 1
        self.findings.bytes += record.location.size
        if fault := _fault(self.bank, record):
            self.faults[place] = fault
        elif others := _of_others(self.bank, self.scope, record.location, self.rows[place]):
            self.crossed[place] = others
        self.progress(self.findings.checked, len(self.rows))

    def conclude(self, now_there: dict[Place, tuple[str, ...]]) -> Findings:
        """What is wrong with what is still there."""
        told = [(at, name, fault) for at, fault in self.faults.items() for name in self.rows[at]]
        told += [(at, name, fault) for at, others in self.crossed.items() for name, fault in others.items()]
        self.findings.damaged = [
            f"{name}: {fault} ({where(at)})" for at, name, fault in told if name in now_there.get(at, ())
        ]
        self.findings.lost = [
            f"{name}: no record ({where(at)})"
            for at, names in self.rows.items()
            for name in names
            if at in now_there and at not in self.met
        ]
        return self.findings


def _follow_rows(bank: Bank, scope: Scope, check: _Check) -> None:
    """Look where rows say that records are: they cannot be met one after the other behind a place that is not read."""
    for location in [location for _, location in bank.index.locations(scope)]:
        place = place_of(location)
        if place not in check.rows or place in check.met:
            continue
        with suppress(NotFound):
            with suppress(Unreadable, Invalid):
                bank.blobs.wrapped_by(location)
            check.look(Record(location, note=b""))


def _rows(bank: Bank, scope: Scope) -> dict[Place, tuple[str, ...]]:
    """What leads to each record: one row, unless somebody has altered another."""
    rows: dict[Place, tuple[str, ...]] = {}
    for name, location in bank.index.locations(scope):
        rows[place_of(location)] = (*rows.get(place_of(location), ()), name)
    return rows


def place_of(location: Location) -> Place:
    return location.segment, location.offset


def where(place: Place) -> str:
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
    """When it came; at the end of time for a record that is destroyed, torn or an amendment: nobody's orphan."""
    note = notes.unpack(record.note) if record.note is not None else None
    if isinstance(note, Enclosure):
        enclosed = note.message or note.report
        return (enclosed and enclosed.received_at) or _NEVER
    return note.received_at if isinstance(note, Note) else _NEVER


def _of_others(bank: Bank, scope: Scope, location: Location, names: tuple[str, ...]) -> dict[str, str]:
    """Which rows do not belong to the record that they lead to, and what the record is instead."""
    note = notes.unpack(bank.blobs.note(location))
    found: dict[str, str] = {}
    for name in names:
        if isinstance(note, Note) and not name.startswith(_ENCLOSED):
            fault = "" if name.startswith(_ASIDE) else _cross(bank, scope, location, note, Uid(name))
        else:
            is_its_own = isinstance(note, Enclosure) and name.startswith(_ENCLOSED[note.message is None])
            fault = "" if is_its_own else "its row leads to the record of something else"
        found |= {name: fault} if fault else {}
    return found


def _cross(bank: Bank, scope: Scope, location: Location, note: Note, name: Uid) -> str:
    held = [one for one in bank.index.instances(Selection(instance=name), scope) if one.location == location]
    if note.made_into:
        is_its_own = note.made_into == name and not held
        return "" if is_its_own else f"its row leads to the file of another object, {note.made_into}"
    study, series, uid = _uids(bank, location)
    if uid != name:
        return f"its row leads to the record of another object, {uid}"
    for one in held:
        if (one.study, one.series) != (study, series):
            return f"its row stands in another study or series than its record, which is of series {series}"
        if (one.digest, one.content_digest) != (note.digest, note.content_digest):
            return "its row has other digests than its record"
    return ""


def _uids(bank: Bank, location: Location) -> tuple[Uid, Uid, Uid]:
    try:
        return describe.uids_of(bank.blobs.read(location, 0, _HEAD), size=location.size)
    except More:
        with memoryview(open_file.opened(bank, location)) as data:
            return describe.uids_of(data, size=len(data))


def _fault(bank: Bank, record: Record) -> str:
    """What is wrong with a record, in words; empty when it is what arrived."""
    return record.fault if record.note is None else fault_at(bank, record.location)


def fault_at(bank: Bank, location: Location) -> str:
    """What is wrong with the bytes of a record that has a note, in words; empty when they are what arrived."""
    try:
        note = notes.content_at(bank, location)
        if note.digest == digest_of_stream(bank.blobs.from_store(location)):
            return ""
        if isinstance(note, Note) and note.digest == note.content_digest:
            # It came without a file header, which is ours: the digest is of the data set.
            with memoryview(open_file.opened(bank, location)) as data:
                start = read.open_header(data, size=len(data)).dataset_offset
                if digest_of(data[start:]) == note.digest:
                    return ""
    except (Invalid, NotFound, Unreadable) as error:
        return str(error)
    return "its digest is not the one it arrived with"
