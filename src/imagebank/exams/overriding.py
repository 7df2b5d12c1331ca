"""Reasons for which an exam is ordered although an earlier one answers it: those that are built in, or a site's own."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated

import msgspec

from imagebank.errors import Invalid
from imagebank.exams.table_files import read_table

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code that is kept with an alert, and the words that people choose by."""

    code: _Text
    display: _Text


class Overrides(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A site's reasons, in the order in which they are offered. `system` is the URI by which FHIR names their codes."""

    system: _Text
    reason: tuple[Reason, ...]

    @property
    def codes(self) -> frozenset[str]:
        return frozenset(one.code for one in self.reason)


@lru_cache(maxsize=4)
def overrides(file: Path | None) -> Overrides:
    """The reasons of a file, or those that are built in. Raises Invalid and SettingsError as `read_table` does."""
    found = read_table(file, "overriding.toml", Overrides)
    if not found.reason or len(found.codes) != len(found.reason):
        raise Invalid("{file}: each reason has a code of its own, and there is one at least", file=str(file or ""))
    return found
