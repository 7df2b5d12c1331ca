"""What a rule does where its condition holds, each as a value, and the rules themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from imagebank.dicom.named import Named, Spot
from imagebank.model.imaging import Element, Source
from imagebank.model.rules import Decision
from imagebank.rules.expression import Expression, Language

Otherwise = Literal["keep", "empty", "quarantine", "refuse"]


@dataclass(frozen=True, slots=True)
class Decide:
    """Accept, refuse or quarantine; no later rule is asked then."""

    decision: Decision
    reason: str


@dataclass(frozen=True, slots=True)
class Set:
    """Give an attribute a value that stands in the rule, or that an expression comes to."""

    attribute: Named
    element: Element | None
    expression: Expression | None
    only_if_empty: bool


@dataclass(frozen=True, slots=True)
class Lookup:
    """Give an attribute what a table has for a key: the value of an attribute, or what an expression comes to."""

    attribute: Named
    source: Named
    expression: Expression | None
    table: str
    entries: Mapping[str, str]
    otherwise: Otherwise


@dataclass(frozen=True, slots=True)
class Copy:
    """Give an attribute the value of another one."""

    attribute: Named
    source: Named
    only_if_empty: bool


@dataclass(frozen=True, slots=True)
class Drop:
    """Take an attribute out."""

    attribute: Named


@dataclass(frozen=True, slots=True)
class DropPrivate:
    """Take all private attributes out, but those of some creators."""

    keep: frozenset[str]


@dataclass(frozen=True, slots=True)
class Route:
    """Send it to registered devices once it is in."""

    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tag:
    """Put a label on its study."""

    label: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Write into the ledger that something came which somebody wants to know of, and mail them a link to it."""

    message: str
    to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Require:
    """Quarantine or refuse it unless all of these attributes have a value."""

    attributes: tuple[Named, ...]
    otherwise: Decision
    reason: str


@dataclass(frozen=True, slots=True)
class Call:
    """Ask a plug-in."""

    name: str
    options: Mapping[str, Any]


Step = Decide | Set | Lookup | Copy | Drop | DropPrivate | Route | Tag | Notify | Require | Call


@dataclass(frozen=True, slots=True)
class Rule:
    """For which deposits, under which condition, what is done. Without organizations, sources or ways: for all."""

    name: str
    line: int
    organizations: tuple[str, ...]
    sources: tuple[str, ...]
    ways: tuple[str, ...]
    when: Expression | None
    steps: tuple[Step, ...]

    @property
    def is_for_all(self) -> bool:
        """Whether it holds for every object."""
        always = self.when is None or self.when.text.strip() == "true"
        return always and not (self.organizations or self.sources or self.ways)

    def is_for(self, source: Source) -> bool:
        """Whether it is meant for what comes from there."""
        return (
            _fits(source.organization, self.organizations)
            and _fits(source.principal, self.sources)
            and (not self.ways or source.way in self.ways)
        )


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Ruleset:
    """A text of rules that is right, in running order."""

    rules: tuple[Rule, ...]
    language: Language
    wanted: Mapping[Spot, Named]
    zone: tzinfo

    @property
    def asks_for_person(self) -> bool:
        return any(name.startswith("person.") for name in self.language.fixed)

    @property
    def calls(self) -> bool:
        """Whether a rule asks a plug-in."""
        return any(isinstance(step, Call) for rule in self.rules for step in rule.steps)


WAYS: Final = ("dimse", "stow", "api", "upload", "import")
"""By which ways objects come (`model.imaging.Source`)."""
