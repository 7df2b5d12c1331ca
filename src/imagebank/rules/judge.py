"""Judging one deposit by a site's rules, in their running order."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, cast

from imagebank.dicom.named import Named, Spot, element_for, named, require_writable, shown, value_of
from imagebank.errors import Invalid
from imagebank.model.imaging import Deeds, Element
from imagebank.model.provision import LABEL
from imagebank.model.rules import Change, Decision, Deposit, Opinion, Verdict
from imagebank.rules.expression import Unanswered, Unjudged
from imagebank.rules.facts import Facts, around
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

Ask = Callable[[str, Deposit], Opinion]
"""Asks the plug-in of that name. Raises Unjudged when it fails."""

_LONGEST: Final = 200


def judge(rules: Ruleset, facts: Facts, ask: Ask) -> Verdict:
    """What the rules say of a deposit. A rule sees what those before it have changed; the first that decides ends it.

    A rule that cannot be judged quarantines: what it was to keep out must not come in by a fault.
    """
    hearing = _Hearing(rules, facts, ask)
    for rule in rules.rules:
        try:
            if hearing.applies(rule) and hearing.is_decided(rule):
                break
        except Unjudged as error:
            hearing.give_up(rule, str(error))
            break
    return hearing.verdict()


@dataclass(slots=True)
class _Hearing:
    """One deposit while it is judged: what the rules have made of it so far."""

    rules: Ruleset
    facts: Facts
    ask: Ask
    elements: dict[Spot, Element] = field(init=False)
    packed: Any = None
    around: dict[str, Any] = field(init=False)
    decision: Decision = Decision.ACCEPT
    by: str = ""
    reason: str = ""
    applied: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    changed_by: dict[str, str] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)
    drops: frozenset[str] | None = None
    drops_by: str = ""
    labels: dict[str, None] = field(default_factory=dict)
    routes: dict[str, None] = field(default_factory=dict)
    notices: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.elements = dict(self.facts.seen.elements)
        self.around = around(self.rules, self.facts)

    def applies(self, rule: Rule) -> bool:
        """Whether a rule is meant for it and its condition holds."""
        if not rule.is_for(self.facts.source) or (rule.when is not None and not rule.when.holds(self.values())):
            return False
        self.applied.append(rule.name)
        return True

    def values(self) -> Any:
        """What expressions are given, packed anew only after something was changed."""
        if self.packed is None:
            given = dict(self.around)
            for name, one in self.rules.language.attributes.items():
                element = self.elements.get(one.spot)
                value = value_of(one, element)
                if value is not None:
                    given[name] = value
                given[f"has_{name}"] = bool(element and element.get("Value"))
            self.packed = self.rules.language.values(given)
        return self.packed

    def is_decided(self, rule: Rule) -> bool:
        """Do what a rule says; whether it has decided about the object."""
        for step in rule.steps:
            _DO[type(step)](self, rule, cast("Any", step))
            if self.by:
                return True
        return False

    def decide(self, rule: Rule, decision: Decision, reason: str) -> None:
        self.decision, self.by, self.reason = decision, rule.name, reason

    def give_up(self, rule: Rule, words: str) -> None:
        self.unjudged.append(f"rule “{rule.name}” could not be judged: {words}")
        self.decide(rule, Decision.QUARANTINE, f"it could not be judged: {words}")

    def change(self, rule: Rule, one: Named, element: Element | None) -> None:
        """Give an attribute a value, or take it out."""
        held = self.elements.get(one.spot)
        if held is None and element is None:
            return
        before, after = shown(one, held), shown(one, element)
        if before == after and held is not None and element is not None:
            return
        made = Change(rule.name, one.name, one.key, before, after, element)
        other = self.changed_by.get(one.key)
        if other is not None:
            self.conflicts.append(f"rules “{other}” and “{rule.name}” give {one.name} different values")
        elif made.is_conflict:
            self.conflicts.append(f"rule “{rule.name}” replaces a value of {one.name}")
        self.changes.append(made)
        self.changed_by[one.key] = rule.name
        if element is None:
            self.elements.pop(one.spot, None)
        else:
            self.elements[one.spot] = element
        self.packed = None

    def give(self, rule: Rule, one: Named, value: Any) -> None:
        """Give an attribute a value that was computed. Raises Unjudged for one that its VR does not allow."""
        try:
            element = element_for(one, value)
        except Invalid as error:
            raise Unjudged(str(error)) from None
        self.change(rule, one, element)

    def is_empty(self, one: Named) -> bool:
        return not (self.elements.get(one.spot) or {}).get("Value")

    def verdict(self) -> Verdict:
        return Verdict(
            self.decision,
            self.by,
            self.reason,
            tuple(self.applied),
            tuple(self.changes),
            self.drops,
            self.drops_by,
            Deeds(tuple(self.labels), tuple(self.routes), tuple(self.notices)),
            tuple(self.conflicts),
            tuple(self.unjudged),
        )


def _decide(hearing: _Hearing, rule: Rule, step: Decide) -> None:
    hearing.decide(rule, step.decision, step.reason)


def _set(hearing: _Hearing, rule: Rule, step: Set) -> None:
    if step.only_if_empty and not hearing.is_empty(step.attribute):
        return
    if step.expression is None:
        hearing.change(rule, step.attribute, step.element)
        return
    try:
        value = step.expression.value(hearing.values())
    except Unanswered:
        return
    hearing.give(rule, step.attribute, value)


def _lookup(hearing: _Hearing, rule: Rule, step: Lookup) -> None:
    try:
        key = step.expression.value(hearing.values()) if step.expression else _text(hearing, step.source)
    except Unanswered:
        key = ""
    value = step.entries.get(str(key))
    if value is not None:
        hearing.give(rule, step.attribute, value)
    elif step.otherwise == "empty":
        hearing.change(rule, step.attribute, {"vr": step.attribute.vr})
    elif step.otherwise != "keep":
        source = "what it looks up" if step.expression else step.source.name
        hearing.decide(rule, Decision(step.otherwise), f"the table {step.table} has nothing for {source}")


def _text(hearing: _Hearing, one: Named) -> str:
    return shown(one, hearing.elements.get(one.spot))


def _copy(hearing: _Hearing, rule: Rule, step: Copy) -> None:
    if hearing.is_empty(step.source) or (step.only_if_empty and not hearing.is_empty(step.attribute)):
        return
    hearing.give(rule, step.attribute, value_of(step.source, hearing.elements.get(step.source.spot)))


def _drop(hearing: _Hearing, rule: Rule, step: Drop) -> None:
    hearing.change(rule, step.attribute, None)


def _drop_private(hearing: _Hearing, rule: Rule, step: DropPrivate) -> None:
    if hearing.facts.seen.has_private and not (
        hearing.facts.seen.creators and hearing.facts.seen.creators <= step.keep
    ):
        hearing.drops = step.keep if hearing.drops is None else hearing.drops & step.keep
        hearing.drops_by = rule.name


def _route(hearing: _Hearing, _: Rule, step: Route) -> None:
    hearing.routes |= dict.fromkeys(step.devices)


def _tag(hearing: _Hearing, _: Rule, step: Tag) -> None:
    hearing.labels[step.label] = None


def _notify(hearing: _Hearing, rule: Rule, step: Notify) -> None:
    hearing.notices.append((rule.name, step.message, step.to))


def _require(hearing: _Hearing, rule: Rule, step: Require) -> None:
    missing = [one.name for one in step.attributes if hearing.is_empty(one)]
    if missing:
        hearing.decide(rule, step.otherwise, step.reason or f"it has no {' and no '.join(missing)}")


def _call(hearing: _Hearing, rule: Rule, step: Call) -> None:
    facts = hearing.facts
    given = Deposit(_changed(hearing), facts.source, facts.file_name, step.options)
    opinion = hearing.ask(step.name, given)
    for name, value in opinion.sets.items():
        try:
            one = named(name)
            require_writable(one)
        except Invalid as error:
            raise Unjudged(f"plug-in {step.name}: {error}") from None
        hearing.give(rule, one, value)
    for label in opinion.labels:
        if not LABEL.fullmatch(label):
            raise Unjudged(f"plug-in {step.name}: a label is a word or two in small letters")
        hearing.labels[label] = None
    if opinion.decision is not None:
        reason = "".join(sign for sign in opinion.reason if sign.isprintable())[:_LONGEST]
        hearing.decide(rule, opinion.decision, reason or f"plug-in {step.name} says so")


def _changed(hearing: _Hearing) -> dict[str, Any]:
    """The header as the rules before have made it."""
    found = dict(hearing.facts.header())
    for change in hearing.changes:
        if change.element is None:
            found.pop(change.key, None)
        else:
            found[change.key] = dict(change.element)
    return found


_DO: Final[dict[type[Step], Callable[[_Hearing, Rule, Any], None]]] = {
    Decide: _decide,
    Set: _set,
    Lookup: _lookup,
    Copy: _copy,
    Drop: _drop,
    DropPrivate: _drop_private,
    Route: _route,
    Tag: _tag,
    Notify: _notify,
    Require: _require,
    Call: _call,
}
