"""`imagebank import` before a person: progress while it runs, a line for each round of a watch."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from imagebank.actions.collect import Found, Journal, Tally, bring_in, can_read, look
from imagebank.bank import Bank
from imagebank.errors import Invalid, OutOfSpace, Unavailable
from imagebank.model.imaging import Source
from imagebank.model.upload import About

WATCH_S = 2.0
_SETTLED_AFTER_S = 5.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be brought in."""

    paths: Sequence[Path]
    organization: str
    again: bool = False
    watch: bool = False
    about: About | None = None


def run(bank: Bank, wish: Wish, console: Console) -> Tally:
    """Bring in what lies below the paths; with `watch`, go on until Ctrl-C."""
    source = Source("import", "import", wish.organization)
    journal = Journal(_journal_file(bank, wish))
    tally = Tally()
    try:
        _once(bank, wish, source, journal, tally, console)
        last = ""
        while wish.watch:
            time.sleep(WATCH_S)
            said = _watch(bank, wish, source, journal, tally)
            if said and said != last:  # a trouble that lasts is told once
                console.print(said, markup=False)
            last = said or last
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

        bring_in(bank, files, source, journal, tally, show, wish.about)


def _settled(wish: Wish) -> list[Found]:
    """Files that have not changed for some seconds, so that none is read half written."""
    before = (time.time() - _SETTLED_AFTER_S) * 1e9
    return [found for found in look(wish.paths) if found.changed_ns < before]


def _watch(bank: Bank, wish: Wish, source: Source, journal: Journal, tally: Tally) -> str:
    """Bring in what is new, and say what came of it in one line; nothing when there was nothing.

    What could not be read, or the bank cannot take now, is tried again the next time.
    """
    before, trouble = tally.outcomes.copy(), ""
    try:
        new = [found for found in _settled(wish) if not journal.knows(found)]
        # What is closed still has been told once.
        new = [one for one in new if one.path not in tally.unread or can_read(one)]
        bring_in(bank, new, source, journal, tally, about=wish.about)
    except (Invalid, OutOfSpace, Unavailable) as error:
        trouble = str(error)
    brought = ", ".join(f"{count} {outcome}" for outcome, count in (tally.outcomes - before).items())
    return "; ".join(part for part in (brought and f"{bank.now():%H:%M:%S} UTC: {brought}", trouble) if part)
