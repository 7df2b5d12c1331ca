"""Rules told in words, for those who do not read TOML."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from imagebank.dicom.named import DECIMAL, WHOLE, Named, shown
from imagebank.model.rules import Decision
from imagebank.rules.steps import (
    Call,
    Copy,
    Decide,
    Drop,
    DropPrivate,
    Lookup,
    Notify,
    Require,
    Route,
    Rule,
    Ruleset,
    Set,
    Step,
    Tag,
)


@dataclass(frozen=True, slots=True)
class Told:
    """A rule in words: its name and line, for whom it is, under which condition, and what it does."""

    name: str
    line: int
    whom: str
    condition: str
    acts: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """All of it in one."""
        when = f" when {self.condition}" if self.condition else ""
        return f"For {self.whom}{when}: {'; '.join(self.acts)}."


def in_words(rules: Ruleset) -> list[Told]:
    """Every rule, in running order."""
    return [_told(rule) for rule in rules.rules]


def _told(rule: Rule) -> Told:
    condition = "" if rule.when is None else " ".join(rule.when.text.split())
    acts = tuple(_SAY[type(step)](step) for step in rule.steps)
    return Told(rule.name, rule.line, _whom(rule), condition, acts)


def _whom(rule: Rule) -> str:
    parts = ["everything that comes"]
    if rule.sources:
        parts.append(f"from {_or(rule.sources)}")
    if rule.organizations:
        parts.append(f"of {_or(rule.organizations)}")
    if rule.ways:
        parts.append(f"by {_or(rule.ways)}")
    return " ".join(parts)


def _or(texts: Sequence[str], word: str = "or") -> str:
    *rest, last = texts
    return f"{', '.join(rest)} {word} {last}" if rest else last


def _decided(step: Decide) -> str:
    if step.decision is Decision.ACCEPT:
        return "take it in, and ask no further rule"
    return f"{_OUTCOMES[step.decision]}, because {step.reason}"


_OUTCOMES: Final = {Decision.REFUSE: "refuse it", Decision.QUARANTINE: "hold it for a person"}


def _set(step: Set) -> str:
    only = f" where {step.attribute.name} is empty" if step.only_if_empty else ""
    if step.expression is not None:
        return f"set {step.attribute.name} to what {' '.join(step.expression.text.split())} comes to{only}"
    value = shown(step.attribute, step.element)
    if not value:
        return f"empty {step.attribute.name}{only}"
    is_number = step.attribute.vr in WHOLE | DECIMAL
    return f"set {step.attribute.name} to {value if is_number else f'“{value}”'}{only}"


def _looked_up(step: Lookup) -> str:
    key = " ".join(step.expression.text.split()) if step.expression is not None else step.source.name
    otherwise = {
        "keep": "leave it as it is",
        "empty": "empty it",
        "quarantine": "hold the object for a person",
        "refuse": "refuse the object",
    }[step.otherwise]
    return f"set {step.attribute.name} to what the table {step.table} has for {key}; where it has nothing, {otherwise}"


def _copied(step: Copy) -> str:
    only = f" where {step.attribute.name} is empty" if step.only_if_empty else ""
    return f"set {step.attribute.name} to the value of {step.source.name}{only}"


def _dropped(step: Drop) -> str:
    return f"take out {step.attribute.name}"


def _dropped_private(step: DropPrivate) -> str:
    kept = f", but those of {_or(sorted(step.keep), 'and')}" if step.keep else ""
    return f"take out private attributes{kept}"


def _routed(step: Route) -> str:
    return f"send it to {_or(step.devices, 'and')}"


def _tagged(step: Tag) -> str:
    return f"put the label “{step.label}” on its study"


def _notified(step: Notify) -> str:
    mailed = f", and mail {_or(step.to, 'and')} a link to it" if step.to else ""
    return f"write into the ledger: {step.message}{mailed}"


def _required(step: Require) -> str:
    names = _or([_name(one) for one in step.attributes])
    return (
        f"{_OUTCOMES[step.otherwise]} unless it has a value for {names}"
        if len(step.attributes) == 1
        else (f"{_OUTCOMES[step.otherwise]} where it lacks {names}")
    )


def _name(one: Named) -> str:
    return one.name


def _called(step: Call) -> str:
    return f"ask the plug-in {step.name}"


_SAY: Final[dict[type[Step], Callable[[Any], str]]] = {
    Decide: _decided,
    Set: _set,
    Lookup: _looked_up,
    Copy: _copied,
    Drop: _dropped,
    DropPrivate: _dropped_private,
    Route: _routed,
    Tag: _tagged,
    Notify: _notified,
    Require: _required,
    Call: _called,
}
