"""What every command has: where the bank is, and how to answer."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson
from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from imagebank import ending
from imagebank.errors import Conflict, Invalid
from imagebank.model.access import RIGHTS, Principal, Purpose, Role, Scope
from imagebank.settings import Settings, load

if TYPE_CHECKING:
    from imagebank.actions import scrub
    from imagebank.bank import Bank

ALL_WELL, NOT_WELL, WRONG_USAGE = 0, ending.NOT_WELL, ending.WRONG_USAGE

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)


class WrongUsage(Exception):
    """What was typed cannot be meant. The message says what can be."""


@contextmanager
def typed() -> Iterator[None]:
    """What is Invalid in this block is what was typed, and not what the bank holds."""
    try:
        yield
    except Invalid as error:
        raise WrongUsage(str(error)) from error


def purpose_typed(code: str) -> Purpose | None:
    """A purpose of use by its code; None for none. Raises WrongUsage."""
    if not code:
        return None
    try:
        return Purpose(code.upper())
    except ValueError:
        raise WrongUsage(f"a purpose is one of {', '.join(Purpose)}") from None


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
def bank_of(common: Common, *, may_create: bool = False) -> Iterator["Bank"]:
    """The bank of the command. Raises WrongUsage where there is none, unless the command may make one."""
    from imagebank import app as composition

    settings = common.settings()
    if not composition.is_there(settings):
        if not may_create:
            raise WrongUsage(
                f"there is no bank in {settings.data}; name its folder by --data. "
                "`imagebank serve` and `imagebank import` make a new one"
            )
        err.print(f"a new bank is made in {settings.data}", markup=False)
    with composition.opened(settings) as bank:
        yield bank


def content(file: Path | None) -> bytes | None:
    """What stands in a file, if one was named."""
    return None if file is None else file.read_bytes()


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that was not there; it is taken away again when it could not be written to its end.

    Raises Conflict when it is there already.
    """
    try:
        stream = path.open("xb")
    except FileExistsError:
        raise Conflict(f"{path} is there already, and nothing was written; name another file") from None
    try:
        with stream:
            yield stream
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@contextmanager
def progress_bar(what: str) -> Iterator["scrub.Progress"]:
    """A bar on standard error for long work on many objects."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("objects"), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def operator(bank: "Bank") -> Principal:
    """Whoever may run commands on the bank's own folder may do everything."""
    return Principal("operator", Role.ADMIN, bank.settings.organization, RIGHTS[Role.ADMIN], Scope(None))


def tell(common: Common, text: str, **facts: Any) -> None:
    """What was done: one line for people, the facts for machines."""
    if common.json:
        sys.stdout.write(orjson.dumps(facts).decode() + "\n")
    else:
        out.print(text, markup=False)


def say(common: Common, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Rows as a table for people, or as JSON for machines."""
    if common.json:
        sys.stdout.write(orjson.dumps(rows, default=str, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    out.print(table(columns, [[row[column] for column in columns] for row in rows]))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Nothing is cut: what has no room goes on in the next line."""
    made = Table(*(Column(name, overflow="fold") for name in columns))
    for row in rows:
        made.add_row(*map(_cell, row))
    return made


def _cell(value: object) -> Text:
    if isinstance(value, datetime):
        return Text(f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")
    # Names of files may hold anything, also what a terminal would obey.
    return Text("".join(each if each.isprintable() else "\ufffd" for each in str(value)))
