"""Bringing in what lies in folders and archives, resumable, with every file accounted for."""

import io
import json
import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from imagebank.actions import ingest
from imagebank.actions.ingest import Arrival
from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.model.imaging import Outcome, Receipt, Source

BATCH_FILES = 64
BATCH_BYTES = 64 << 20
_ARCHIVES = frozenset({".zip"})

# What a hostile archive could make us do is bounded before anything is expanded.
_MAX_ENTRIES = 1_000_000
_MAX_RATIO = 200
_RATIO_FROM_BYTES = 1 << 20

# What zipfile and its decompressors raise for a damaged archive. RuntimeError is how they say that an entry is encrypted,
# ValueError that a name is not in the coding it names or that an entry lies before the start.
_BROKEN = (
    *(zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError, struct.error),
    *(zlib.error, lzma.LZMAError, EOFError, OSError),
)


@dataclass(slots=True)
class Tally:
    """How far an import has come. Counts are of objects; `bytes_done` and `bytes_total` of what lies on disk."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[str, str]] = field(default_factory=list)
    skipped: int = 0
    files_done: int = 0
    files_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0

    @property
    def is_complete(self) -> bool:
        return self.files_done == self.files_total

    def add(self, receipt: Receipt) -> None:
        self.outcomes[receipt.outcome] += 1
        self.warnings.update(receipt.warnings)
        if receipt.error is not None:
            self.reasons[str(receipt.error)] += 1
            self.refused.append((receipt.name, str(receipt.error)))


@dataclass(frozen=True, slots=True)
class Found:
    """A file that was found: where, how long, and when it was last changed."""

    path: Path
    size: int
    changed_ns: int

    @property
    def mark(self) -> str:
        return f"{self.size}:{self.changed_ns}"


class Journal:
    """Which files are in already, so that an import that was interrupted does not read them again.

    One line of JSON for each file that is settled; a line is written only after the bank has acknowledged it.
    """

    def __init__(self, file: Path) -> None:
        self._settled: dict[str, str] = {}
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                self._note(line)
        self._stream = file.open("a", encoding="utf-8")

    def _note(self, line: str) -> None:
        try:
            path, mark = json.loads(line)
        except ValueError:
            return  # the line that an interruption cut short
        self._settled[path] = mark

    def knows(self, found: Found) -> bool:
        return self._settled.get(str(found.path)) == found.mark

    def settle(self, files: Iterable[Found]) -> None:
        for found in files:
            self._settled[str(found.path)] = found.mark
            self._stream.write(json.dumps([str(found.path), found.mark]) + "\n")
        self._stream.flush()

    def close(self) -> None:
        self._stream.close()


def look(paths: Sequence[Path]) -> list[Found]:
    """Every regular file below the paths, in a stable order; links are not followed out of a folder.

    Raises Invalid for a path that is not there.
    """
    found: list[Found] = []
    for path in paths:
        if not path.exists():
            raise Invalid(f"there is no file or folder {_name(path)}")
        found.extend(_walk(path.resolve()))
    return found


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
) -> None:
    """Deposit files in batches and count them. A file is settled in the journal once the bank has answered for it.

    A file that was refused is settled, too; it is read again only when it has changed.
    """
    tally.files_total += len(files)
    tally.bytes_total += sum(found.size for found in files)
    batch: list[Arrival] = []
    pending: list[Found] = []

    def send() -> None:
        for receipt in ingest.receive(bank, batch, source) if batch else ():
            tally.add(receipt)
        for arrival in batch:
            arrival.content.close()
        journal.settle(pending)
        tally.files_done += len(pending)
        tally.bytes_done += sum(found.size for found in pending)
        batch.clear()
        pending.clear()
        progress()

    try:
        for found in files:
            if journal.knows(found):
                tally.skipped += 1
                tally.files_done += 1
                tally.bytes_done += found.size
                continue
            for arrival in _arrivals(found, tally):
                batch.append(arrival)
                if len(batch) >= BATCH_FILES or sum(one.size for one in batch) >= BATCH_BYTES:
                    send()
            pending.append(found)
            if len(pending) >= BATCH_FILES:
                send()
        send()
    finally:
        for arrival in batch:
            arrival.content.close()


def _arrivals(found: Found, tally: Tally) -> Iterator[Arrival]:
    """The objects in a file: itself, or the entries of an archive."""
    try:
        if found.path.suffix.lower() in _ARCHIVES and zipfile.is_zipfile(found.path):
            yield from _entries(found.path, tally)
        elif size := _size_now(found.path):
            yield Arrival(found.path.open("rb"), size, _name(found.path))
        else:
            _refuse(tally, _name(found.path), Invalid("the file is empty"))
    except OSError as error:
        _refuse(tally, _name(found.path), Invalid(f"it cannot be read: {error.strerror}"))


def _name(path: Path) -> str:
    """A path for receipts and notes. On disk it is bytes, in whatever coding; what is not UTF-8 is marked."""
    return os.fsencode(path).decode("utf-8", "replace")


def _size_now(path: Path) -> int:
    """The length of a file, which may have changed since it was found. Raises OSError for a folder that is closed."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        os.scandir(path).close()
    return status.st_size


def _entries(path: Path, tally: Tally) -> Iterator[Arrival]:
    """The entries of a ZIP, read one by one. An entry that expands beyond reason is refused by name."""
    try:
        with zipfile.ZipFile(path) as archive:
            # Not `is_dir`, which fails on an entry without a name.
            entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
            for entry in entries[:_MAX_ENTRIES]:
                name = f"{_name(path)}!/{entry.filename}"
                try:
                    yield _entry(archive, entry, name)
                except (Invalid, *_BROKEN) as error:
                    _refuse(tally, name, Invalid(f"the entry cannot be read: {_reason(error)}"))
            if len(entries) > _MAX_ENTRIES:
                _refuse(tally, _name(path), Invalid(f"only the first {_MAX_ENTRIES} entries of an archive are read"))
    except _BROKEN as error:
        _refuse(tally, _name(path), Invalid(f"the archive cannot be read: {_reason(error)}"))


def _reason(error: Exception) -> str:
    return str(error) or "it ends too early"  # an EOFError says nothing


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> Arrival:
    if entry.file_size > _RATIO_FROM_BYTES and entry.file_size > _MAX_RATIO * max(entry.compress_size, 1):
        raise Invalid(f"it would expand more than {_MAX_RATIO} times")
    if entry.file_size > BATCH_BYTES * 8:
        raise Invalid("it is too large inside an archive; unpack it first")
    with archive.open(entry) as stream:
        data = stream.read(entry.file_size)
    return Arrival(io.BytesIO(data), len(data), name)


def _refuse(tally: Tally, name: str, error: Invalid) -> None:
    tally.add(Receipt(Outcome.REFUSED, name, error=error))
