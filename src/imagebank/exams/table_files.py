"""The tables by which exams are compared and repeats are found: those that are built in, or a site's own file."""

from importlib.resources import files
from pathlib import Path
from tomllib import loads
from typing import Any, TypeVar

import msgspec

from imagebank.errors import Invalid
from imagebank.settings import read_toml

T = TypeVar("T")


def read_table(file: Path | None, built_in: str, kind: type[T]) -> T:
    """The table that a file holds, or the one of that name that is built in.

    Raises Invalid with the file and the place in it, and SettingsError for a file that cannot be read or is no TOML.
    """
    if file is None:
        return parse_table(loads((files("imagebank.exams") / built_in).read_text("utf-8")), kind)
    try:
        return parse_table(read_toml(file), kind)
    except Invalid as error:
        raise Invalid("{file}: {reason}", file=str(file), reason=str(error)) from None


def parse_table(table: dict[str, Any], kind: type[T]) -> T:
    """A table as values. Raises Invalid with the place, such as `$.repeat[2].days`, and the reason."""
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise Invalid("{reason}", reason=str(error)) from None
