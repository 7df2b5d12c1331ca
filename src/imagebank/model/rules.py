"""A site's rules for what arrives: what is wrong with a text of them, its versions, and what they lead to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from imagebank.model.imaging import NO_DEEDS, Deeds, Source

FILE: Final = "rules.toml"
"""The name of the file in a bank's data folder."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a text of rules, and in which of its lines, from 1; 0 for the whole."""

    line: int
    words: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.words}" if self.line else self.words


@dataclass(frozen=True, slots=True)
class Text:
    """Rules as they are written: the file, and the tables beside it by their names."""

    rules: str
    tables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """Rules that were switched on. The one with the greatest number is in force.

    `way` is by which they came: file, command, page or api. `digest` is the SHA-256 of the text, hexadecimal.
    """

    number: int
    text: Text
    at: datetime
    by: str
    way: str
    digest: str


class Decision(StrEnum):
    """What rules decide about an object. ACCEPT is also what no rule decides otherwise."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True)
class Change:
    """A value that a rule gives an attribute, or takes from it: before and after as people read them.

    `element` is the value in the DICOM JSON model, None where the attribute is taken out; `key` is its tag.
    """

    rule: str
    attribute: str
    key: str
    before: str
    after: str
    element: Mapping[str, Any] | None = field(compare=False)

    @property
    def is_conflict(self) -> bool:
        """Whether a value is replaced by another one."""
        return bool(self.before) and self.element is not None and self.before != self.after


@dataclass(frozen=True, slots=True)
class Verdict:
    """What rules say of one object. `by` is the rule that decided, empty where none did; `applied` those that held.

    `drops` says which private creators keep their attributes where the others' are to go; None where all stay.
    `unjudged` are reasons why a rule could not be judged; then the decision is QUARANTINE.
    """

    decision: Decision = Decision.ACCEPT
    by: str = ""
    reason: str = ""
    applied: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    drops: frozenset[str] | None = None
    drops_by: str = ""
    deeds: Deeds = NO_DEEDS
    conflicts: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()

    @property
    def final(self) -> dict[str, Change]:
        """The last change of each attribute that differs from what arrived, by tag."""
        first: dict[str, str] = {}
        last: dict[str, Change] = {}
        for change in self.changes:
            first.setdefault(change.key, change.before)
            last[change.key] = change
        return {key: change for key, change in last.items() if change.after != first[key] or change.element is None}


@dataclass(frozen=True, slots=True)
class Deposit:
    """What a plug-in is told of an object: the header in the DICOM JSON model without bytes, who sent it, and its name.

    `options` are those of the rule that calls the plug-in.
    """

    header: Mapping[str, Mapping[str, Any]]
    source: Source
    file_name: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a plug-in makes of an object. `sets` gives attributes by keyword a value, as text or number.

    `decision` None lets the rules that follow decide.
    """

    decision: Decision | None = None
    reason: str = ""
    sets: Mapping[str, str | int | float] = field(default_factory=dict)
    labels: tuple[str, ...] = ()


class PlugIn(Protocol):
    """What an entry point of the group `imagebank.rules` names."""

    def __call__(self, deposit: Deposit, /) -> Opinion: ...
