"""Reasons for which an exam is ordered although an earlier one answers it: those that are built in, or a site's own."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, cast

import msgspec

from imagebank.errors import Invalid
from imagebank.exams.table_files import read_table
from imagebank.model.phrase import Phrase
from imagebank.settings import Language

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A code that is kept with an alert, and the words that people choose by: `display`, and in other languages `displays`.

    One that is not `offered` any more is known still: what was given as a reason before keeps its words.
    """

    code: _Text
    display: _Text
    displays: dict[Language, _Text] = {}
    offered: bool = True

    def said_in(self, language: str) -> str | Phrase:
        """Its words: the site's own in a language, else the words of the table, which may be known in that language."""
        return self.displays.get(cast("Language", language)) or Phrase(self.display)


class Overrides(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A site's reasons, in the order in which they are offered. `system` is the URI by which FHIR names their codes."""

    system: _Text
    reason: tuple[Reason, ...]

    @property
    def offered(self) -> tuple[Reason, ...]:
        """Those that people may choose from now."""
        return tuple(one for one in self.reason if one.offered)

    def named(self, code: str) -> Reason | None:
        """The reason of a code, also one that is offered no more."""
        return next((one for one in self.reason if one.code == code), None)

    @property
    def codes(self) -> frozenset[str]:
        return frozenset(one.code for one in self.reason)


@lru_cache(maxsize=4)
def overrides(file: Path | None) -> Overrides:
    """The reasons of a file, or those that are built in. Raises Invalid and SettingsError as `read_table` does."""
    found = read_table(file, "overriding.toml", Overrides)
    if not found.offered or len(found.codes) != len(found.reason):
        raise Invalid("{file}: each reason has a code of its own, and one at least is offered", file=str(file or ""))
    return found
