"""Bringing in what lies in folders and archives, resumable, with every file accounted for."""

import json
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from imagebank.actions import media
from imagebank.actions.archives import ARCHIVED, contents_of, name_of, refused
from imagebank.actions.ingest import Arrival
from imagebank.actions.medium import ABSENT, Inventory
from imagebank.bank import Bank
from imagebank.errors import Invalid, OutOfSpace, Unavailable
from imagebank.model.imaging import Outcome, Receipt, Source
from imagebank.model.upload import About

BATCH_FILES = 64
BATCH_BYTES = 64 << 20
_PASSING = (OutOfSpace, Unavailable)
"""What may be otherwise the next time."""


@dataclass(frozen=True, slots=True)
class Untaken:
    """An object that did not come into the archive, and why."""

    outcome: Outcome
    name: str
    reason: str


@dataclass(slots=True)
class Tally:
    """How far an import has come. Counts are of objects; `bytes_done` and `bytes_total` of what lies on disk.

    What an earlier import did not take and is not read again is among `outcomes`, `reasons` and `refused`; `before`
    counts it apart. `skipped` are the files that were not read again, `skipped_whole` those that are in with all they
    hold. `missing` are files that a medium's table of contents names, and that were not there. `unread` are files that could not be read and are tried the next time.
    """

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[str, str]] = field(default_factory=list)
    before: Counter[Outcome] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    unread: set[Path] = field(default_factory=set)
    skipped: int = 0
    skipped_whole: int = 0
    files_done: int = 0
    files_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0

    @property
    def is_complete(self) -> bool:
        return self.files_done == self.files_total

    def add(self, receipt: Receipt) -> None:
        self.outcomes[receipt.outcome] += 1
        self.warnings.update(receipt.changed + receipt.warnings)
        if receipt.error is not None:
            self._explain(receipt.name, str(receipt.error))

    def skip(self, found: "Found", untaken: Sequence[Untaken]) -> None:
        """Count a file that is settled already, with what was not taken of it then."""
        self.skipped += 1
        self.skipped_whole += not untaken
        self.finish(found)
        self.missing += [one.name for one in untaken if one.reason == ABSENT]
        for one in (one for one in untaken if one.reason != ABSENT):
            self.outcomes[one.outcome] += 1
            self.before[one.outcome] += 1
            self._explain(one.name, one.reason)

    def finish(self, found: "Found", *, is_unread: bool = False) -> None:
        (self.unread.add if is_unread else self.unread.discard)(found.path)
        self.files_done += 1
        self.bytes_done += found.size

    def _explain(self, name: str, reason: str) -> None:
        self.reasons[reason] += 1
        self.refused.append((name, reason))


@dataclass(frozen=True, slots=True)
class Found:
    """A file that was found: where, how long, and when it was last changed."""

    path: Path
    size: int
    changed_ns: int

    @property
    def mark(self) -> str:
        return f"{self.size}:{self.changed_ns}"


@dataclass(slots=True)
class _Reading:
    """A file that is being brought in, and what was not taken of it so far."""

    found: Found
    untaken: list[Untaken] = field(default_factory=list)
    is_unread: bool = False

    def hear(self, receipt: Receipt) -> None:
        if isinstance(receipt.error, _PASSING):
            self.is_unread = True
        elif receipt.error is not None:
            self.untaken.append(Untaken(receipt.outcome, receipt.name, str(receipt.error)))


class Journal:
    """Which files are settled, so that they are not read again, and what of them was not taken.

    One line of JSON for each: the digest of its path, which may name a patient, its mark and, where something was not
    taken, outcome, name and reason of every such object. A line is written only after the bank has answered for all
    that the file holds.
    """

    def __init__(self, file: Path) -> None:
        self._settled: dict[str, tuple[str, Sequence[Untaken]]] = {}
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                self._note(line)
        self._stream = file.open("a", encoding="utf-8")

    def _note(self, line: str) -> None:
        try:
            path, mark, *rest = json.loads(line)
            untaken = [Untaken(Outcome(outcome), name, reason) for outcome, name, reason in (rest[0] if rest else ())]
        except ValueError:
            return  # the line that an interruption cut short
        self._settled[path if path.isalnum() else _hidden(path)] = mark, untaken

    def knows(self, found: Found) -> bool:
        return self.untaken(found) is not None

    def untaken(self, found: Found) -> Sequence[Untaken] | None:
        """What was not taken of a file that is settled and has not changed since; None for any other."""
        mark, untaken = self._settled.get(_hidden(str(found.path)), ("", ()))
        return untaken if mark == found.mark else None

    def settle(self, readings: Iterable[_Reading]) -> None:
        for one in readings:
            path, mark = _hidden(str(one.found.path)), one.found.mark
            self._settled[path] = mark, one.untaken
            told = [[str(each.outcome), each.name, each.reason] for each in one.untaken]
            self._stream.write(json.dumps([path, mark, told] if told else [path, mark]) + "\n")
        self._stream.flush()

    def close(self) -> None:
        self._stream.close()


def _hidden(path: str) -> str:
    return sha256(os.fsencode(path)).hexdigest()


def look(paths: Sequence[Path]) -> list[Found]:
    """Every regular file below the paths, in a stable order; links are not followed out of a folder.

    Raises Invalid for a path that is not there.
    """
    check(paths)
    return [found for path in paths for found in _walk(path.resolve())]


def check(paths: Sequence[Path]) -> None:
    """Raises Invalid for a path that is not there, or that may not be looked at."""
    for path in paths:
        try:
            path.stat()
        except OSError as error:
            raise Invalid(
                "there is no file or folder {file} to be read: {why}", file=name_of(path), why=error.strerror
            ) from error


def _walk(top: Path) -> Iterator[Found]:
    if top.is_file():
        yield from _found(top)
        return
    closed: list[OSError] = []
    for folder, folders, names in os.walk(top, onerror=closed.append):
        folders.sort()
        for name in sorted(names):
            yield from _found(Path(folder) / name)
    # A folder that may not be looked into stands for what lies in it, so that it is not passed over in silence.
    for error in closed:
        yield Found(Path(error.filename), 0, 0)


def _found(path: Path) -> Iterator[Found]:
    """The file, unless it is none or went while we looked."""
    with suppress(FileNotFoundError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            yield Found(path, status.st_size, status.st_mtime_ns)


def bring_in(
    bank: Bank,
    files: Sequence[Found],
    source: Source,
    journal: Journal,
    tally: Tally,
    progress: Callable[[], None] = lambda: None,
    about: About | None = None,
) -> None:
    """Deposit files in batches and count them. A file is settled in the journal once the bank has answered for it.

    `about` is what is known of those that are not DICOM.

    A file that was refused is settled, too; it is read again only when it has changed. One that could not be read is
    not: it may be readable the next time.
    """
    tally.files_total += len(files)
    tally.bytes_total += sum(found.size for found in files)
    with closing(_Batch(bank, source, journal, tally, progress, about)) as batch:
        for found in files:
            if (untaken := journal.untaken(found)) is not None:
                batch.inventory.saw(name_of(found.path))
                batch.inventory.look_into(found.path, name_of(found.path))
                tally.skip(found, untaken)
                continue
            reading = _Reading(found)
            for one in _arrivals(found):
                batch.take(one, reading)
            batch.finish(reading)
        batch.send()
        tally.missing += [receipt.name for receipt in batch.inventory.missing()]


@dataclass(slots=True)
class _Batch:
    """Objects that go to the bank at once. It holds their files open; `close` lets go of those that were not sent."""

    bank: Bank
    source: Source
    journal: Journal
    tally: Tally
    progress: Callable[[], None]
    about: About | None = None
    inventory: Inventory = field(default_factory=Inventory)
    arrivals: list[tuple[Arrival, _Reading]] = field(default_factory=list)
    readings: list[_Reading] = field(default_factory=list)

    def take(self, one: Arrival | Receipt, reading: _Reading) -> None:
        self.inventory.saw(one.name)
        if isinstance(one, Receipt):
            self._hear(one, reading)
            return
        self.arrivals.append((one, reading))
        if len(self.arrivals) >= BATCH_FILES or sum(arrival.size for arrival, _ in self.arrivals) >= BATCH_BYTES:
            self.send()

    def finish(self, reading: _Reading) -> None:
        """Nothing more comes of this file."""
        archive = name_of(reading.found.path) + ARCHIVED
        waiting = (arrival.name.casefold() for arrival, _ in self.arrivals if arrival.name.startswith(archive))
        if any(name.endswith("dicomdir") for name in waiting):
            self.send()
        for receipt in self.inventory.missing(archive):
            self.tally.missing.append(receipt.name)
            reading.untaken.append(Untaken(receipt.outcome, receipt.name, ABSENT))
        self.readings.append(reading)
        if len(self.readings) >= BATCH_FILES:
            self.send()

    def send(self) -> None:
        given = [arrival for arrival, _ in self.arrivals]
        receipts = media.receive(self.bank, given, self.source, self.about, inventory=self.inventory) if given else []
        for (_, reading), receipt in zip(self.arrivals, receipts, strict=True):
            self._hear(receipt, reading)
        self.close()
        self.journal.settle(one for one in self.readings if not one.is_unread)
        for one in self.readings:
            self.tally.finish(one.found, is_unread=one.is_unread)
        self.readings.clear()
        self.progress()

    def _hear(self, receipt: Receipt, reading: _Reading) -> None:
        self.tally.add(receipt)
        reading.hear(receipt)

    def close(self) -> None:
        for arrival, _ in self.arrivals:
            arrival.content.close()
        self.arrivals.clear()


def _arrivals(found: Found) -> Iterator[Arrival | Receipt]:
    """The objects in a file: itself, or the entries of an archive. A receipt stands for what is refused unseen."""
    try:
        contents = contents_of(found.path)
        if contents is not None:
            yield from contents
        elif size := _size_now(found.path):
            yield Arrival(found.path.open("rb"), size, name_of(found.path))
        else:
            yield refused(name_of(found.path), Invalid("the file is empty"))
    except OSError as error:
        yield refused(name_of(found.path), Unavailable("it cannot be read: {why}", why=error.strerror))


def can_read(found: Found) -> bool:
    """Whether a file that could not be read can be by now."""
    try:
        if _size_now(found.path) and found.path.is_file():
            found.path.open("rb").close()
    except OSError:
        return False
    return True


def _size_now(path: Path) -> int:
    """The length of a file, which may have changed since it was found. Raises OSError for a folder that is closed."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        os.scandir(path).close()
    return status.st_size
