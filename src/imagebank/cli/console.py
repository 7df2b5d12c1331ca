"""What every command has: where the bank is, and how to answer."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from imagebank import app as composition
from imagebank.actions import scrub
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.settings import Settings, load

ALL_WELL, NOT_WELL, WRONG_USAGE = 0, 1, 2

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Which bank, and how to answer."""

    data: Path | None = None
    """Folder of the bank."""
    config: Path | None = None
    """An imagebank.toml with settings."""
    json: bool = False
    """Answer in JSON, for machines."""

    def settings(self, **given: Any) -> Settings:
        return load(self.config, data=self.data, **given)


HERE = Common()


@contextmanager
def bank_of(common: Common) -> Iterator[Bank]:
    with composition.opened(common.settings()) as bank:
        yield bank


@contextmanager
def progress_bar(what: str) -> Iterator[scrub.Progress]:
    """A bar on standard error for long work on many objects."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("objects"), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def operator(bank: Bank) -> Principal:
    """Whoever may run commands on the bank's own folder may do everything."""
    return Principal("operator", Role.ADMIN, bank.settings.organization, RIGHTS[Role.ADMIN], Scope(None))


def say(common: Common, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Rows as a table for people, or as JSON for machines."""
    if common.json:
        sys.stdout.write(orjson.dumps(rows, default=str, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns))
    out.print(table)
