"""`imagebank import` before a person: progress while it runs, a table at the end."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from imagebank.actions.collect import Found, Journal, Tally, bring_in, can_read, look
from imagebank.bank import Bank
from imagebank.errors import OutOfSpace, Unavailable
from imagebank.model.imaging import Outcome, Source

WATCH_S = 2.0
_SETTLED_AFTER_S = 5.0
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be brought in."""

    paths: Sequence[Path]
    organization: str
    again: bool = False
    watch: bool = False


def run(bank: Bank, wish: Wish, console: Console) -> Tally:
    """Bring in what lies below the paths; with `watch`, go on until Ctrl-C."""
    source = Source("import", "import", wish.organization)
    journal = Journal(_journal_file(bank, wish))
    tally = Tally()
    try:
        _once(bank, wish, source, journal, tally, console)
        while wish.watch:
            time.sleep(WATCH_S)
            _watch(bank, wish, source, journal, tally, console)
    except KeyboardInterrupt:
        console.print("stopped; the same command goes on from here")
    finally:
        journal.close()
    return tally


def _journal_file(bank: Bank, wish: Wish) -> Path:
    """One journal for each organization that is imported for; paths inside it are absolute."""
    name = sha256(wish.organization.encode()).hexdigest()[:16]
    file = bank.settings.data / "imports" / f"{name}.jsonl"
    if wish.again:
        file.unlink(missing_ok=True)
    return file


def _once(bank: Bank, wish: Wish, source: Source, journal: Journal, tally: Tally, console: Console) -> None:
    files = _settled(wish) if wish.watch else look(wish.paths)
    with Progress(
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[files]} files"),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        task = progress.add_task("importing", total=sum(found.size for found in files), files=f"0/{len(files)}")

        def show() -> None:
            progress.update(task, completed=tally.bytes_done, files=f"{tally.files_done}/{tally.files_total}")

        bring_in(bank, files, source, journal, tally, show)


def _settled(wish: Wish) -> list[Found]:
    """Files that have not changed for some seconds, so that none is read half written."""
    before = (time.time() - _SETTLED_AFTER_S) * 1e9
    return [found for found in look(wish.paths) if found.changed_ns < before]


def _watch(bank: Bank, wish: Wish, source: Source, journal: Journal, tally: Tally, console: Console) -> None:
    """Bring in what is new. What could not be read, or the bank cannot take now, is tried again the next time."""
    new = [found for found in _settled(wish) if not journal.knows(found)]
    try:
        # What is closed still has been told once.
        bring_in(bank, [one for one in new if one.path not in tally.unread or can_read(one)], source, journal, tally)
    except (OutOfSpace, Unavailable) as error:
        console.print(str(error))


def report(tally: Tally, console: Console, *, as_json: bool) -> None:
    """What became of every object."""
    if as_json:
        answer: dict[str, Any] = {str(outcome): tally.outcomes[outcome] for outcome in Outcome}
        answer |= {
            "skipped": tally.skipped,
            "unread": len(tally.unread),
            "files": tally.files_total,
            "warnings": dict(tally.warnings),
            "refusals": [{"file": name, "reason": reason} for name, reason in tally.refused],
        }
        print(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())  # noqa: T201 - the command's answer
        return
    counts = Table("outcome", "objects")
    for outcome in Outcome:
        counts.add_row(outcome, str(tally.outcomes[outcome] - tally.before[outcome]))
    for outcome, count in tally.before.items():
        counts.add_row(f"{outcome} before, not read again", str(count))
    if tally.skipped_whole:
        counts.add_row("in already, not read again (files)", str(tally.skipped_whole))
    console.print(counts)
    _reasons(tally, console)


def _reasons(tally: Tally, console: Console) -> None:
    if tally.reasons:
        table = Table("not in the archive, because", "objects", "for example")
        for reason, count in tally.reasons.most_common(_SHOWN):
            example = next(name for name, why in tally.refused if why == reason)
            table.add_row(reason, str(count), example)
        console.print(table)
    if tally.warnings:
        table = Table("kept, with a warning", "objects")
        for warning, count in tally.warnings.most_common(_SHOWN):
            table.add_row(warning, str(count))
        console.print(table)
