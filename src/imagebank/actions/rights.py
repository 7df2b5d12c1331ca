"""The site's rules: read from its file, turned into what a caller may see, and explained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import msgspec

from imagebank.actions import holders
from imagebank.actions.audit import looking
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import HOLDERS, RIGHTS, Asker, Clause, Principal, Purpose, Right, Role, Scope
from imagebank.model.imaging import Selection
from imagebank.model.provision import Kind, Provision, Term
from imagebank.model.rights import DEFAULT_RULES, OWN, SHARING_RULE, Rights, Rule, purpose_of, scope_for
from imagebank.model.uid import Uid

_RULES: Final = ("permit", "deny")
_KEYS: Final = frozenset({*_RULES, "sharing", "rights"})
_PARTS: Final = frozenset(field.name for field in fields(Rule)) - {"permits"}


def parse(table: Mapping[str, Any]) -> Rights:
    """The rules of a site's file. What it does not speak of is as `model.rights` has it. Raises Invalid, naming the rule.

    `[[permit]]` and `[[deny]]` are rules and take the place of the default ones, `[rights]` says what a role may do,
    `sharing = "opt-out"` lets staff see all organizations' studies, unless a patient objects.
    """
    if unknown := sorted(set(table) - _KEYS):
        raise Invalid(f"the rules have no {unknown[0]!r}; there are {', '.join(sorted(_KEYS))}")
    rules = tuple(_rule(effect, entry) for effect in _RULES for entry in _entries(table, effect))
    sharing = table.get("sharing", "opt-in")
    if sharing not in ("opt-in", "opt-out"):
        raise Invalid("sharing is opt-in or opt-out")
    shared = (SHARING_RULE,) if sharing == "opt-out" else ()
    return Rights((rules or DEFAULT_RULES) + shared, dict(RIGHTS) | _by_role(table.get("rights", {})))


def _entries(table: Mapping[str, Any], effect: str) -> Sequence[Mapping[str, Any]]:
    entries = table.get(effect, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Invalid(f"write each rule under a heading of its own: [[{effect}]]")
    return entries


def _rule(effect: str, entry: Mapping[str, Any]) -> Rule:
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise Invalid(f"each rule has a name; one under [[{effect}]] has none")
    if unknown := sorted(set(entry) - _PARTS):
        raise Invalid(f"the rule {name!r} has no part {unknown[0]!r}; there are {', '.join(sorted(_PARTS))}")
    try:
        return msgspec.convert({**entry, "permits": effect == "permit"}, Rule)
    except msgspec.ValidationError as error:
        raise Invalid(f"the rule {name!r}: {error}") from error


def _by_role(table: Any) -> dict[Role, frozenset[Right]]:
    try:
        return msgspec.convert(table, dict[Role, frozenset[Right]])
    except msgspec.ValidationError as error:
        raise Invalid(f"under [rights] stands what each role may do: {error}") from error


def principal(
    bank: Bank,
    name: str,
    role: Role,
    organization: str,
    purpose: Purpose | None = None,
    rights: frozenset[Right] | None = None,
    *,
    is_proven: bool = True,
) -> Principal:
    """A caller as the rules have it, now. `rights` narrows what the role may do, as a device's own do.

    What was decided for somebody by name is for no caller whose name nothing proves.
    """
    may = bank.rights.by_role.get(role, frozenset()) if rights is None else rights
    if role in HOLDERS:
        may -= {Right.STORE}  # what they add is their own (`contributing`), and never comes in as an organization's
    known_as = holders.asked_as(name, role) if is_proven else ""
    asker = Asker(known_as, role, organization, purpose or purpose_of(role), bank.now())
    scope, terms = holders.narrowed(bank, scope_for(bank.rights, asker), asker)
    return Principal(name, role, organization, may, scope, only_looks=Term.TAKING not in terms)


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule or decision that bears on whether somebody sees a study, and whether it holds for that study."""

    effect: str
    name: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Explained:
    """Whether somebody may see a study, and every rule and decision that was looked at."""

    may_see: bool
    reasons: tuple[Reason, ...]


def explain(bank: Bank, study: Uid, asker: Asker, by: Principal) -> Explained:
    """Why somebody sees a study or does not. Each rule is asked of the database by itself, as every read asks it.

    `by` is who wants to know, which stands in the ledger. Raises NotFound for a study that is not here.
    """
    everything = looking(bank, by, "", "explain access", study=study)
    _require(bank, study, everything)
    scope, _ = holders.narrowed(bank, scope_for(bank.rights, asker), asker)
    may_see = _sees(bank, study, scope)
    if asker.role is Role.ADMIN:
        return Explained(may_see, (Reason("permit", "an admin sees everything", may_see),))
    patients = {one.patient for one in bank.index.instances(Selection(study=study), everything)}
    decided = [one for patient in patients for one in bank.index.provisions(everything, patient)]
    # Some roles heed nothing that was decided: for them none of it holds, whatever it says.
    heeded = [one for one in decided if scope.heeds is None or one.id in scope.heeds]
    care = frozenset(one.id for one in heeded if one.kind is Kind.CARE)
    rules = [
        Reason("permit" if rule.permits else "deny", rule.name, _holds(bank, study, rule, asker, care))
        for rule in bank.rights.rules
        if rule.speaks_of(asker)
    ]
    decisions = [
        Reason(
            f"{'permit' if one.permits else 'deny'} by {one.kind}",
            one.reason or one.id,
            one in heeded and _heeds(bank, study, one, asker),
        )
        for one in decided
    ]
    return Explained(may_see, (*rules, *decisions))


@dataclass(frozen=True, slots=True)
class Onlooker:
    """Anybody of a role in an organization, asking for what the role usually asks for, and whether they see a study."""

    role: Role
    organization: str
    may_see: bool


def who(bank: Bank, study: Uid, by: Principal) -> list[Onlooker]:
    """Every role of every organization that the bank knows of, and whether it sees a study.

    These are who issued the patient's identifier, and who is named by rules, tokens, devices and decisions. Decisions
    for one person by name count for nobody here. That `by` wants to know stands in the ledger. Raises NotFound for a
    study that is not here.
    """
    everything = looking(bank, by, "", "who may see a study", study=study)
    _require(bank, study, everything)
    now = bank.now()
    return [
        Onlooker(role, name, _sees(bank, study, scope_for(bank.rights, Asker("", role, name, purpose_of(role), now))))
        for role in Role
        for name in sorted(_organizations(bank, study, everything))
    ]


def _organizations(bank: Bank, study: Uid, everything: Scope) -> set[str]:
    patients = {one.patient for one in bank.index.instances(Selection(study=study), everything)}
    decided = [one for patient in patients for one in bank.index.provisions(everything, patient)]
    known = {bank.settings.organization, *(patient.issuer for patient in patients)}
    known.update(name for rule in bank.rights.rules for name in rule.of | rule.organizations)
    known.update(token.organization for token in bank.index.tokens())
    known.update(device.organization for device in bank.index.devices())
    known.update(one.organization for one in decided)
    return known - {OWN, ""}


def _require(bank: Bank, study: Uid, everything: Scope) -> None:
    if not _sees(bank, study, everything):
        raise NotFound("there is no such study here")


def _holds(bank: Bank, study: Uid, rule: Rule, asker: Asker, care: frozenset[str]) -> bool:
    clause = rule.clause(asker)
    if rule.permits:
        return _sees(bank, study, Scope(frozenset(), permits=(clause,), asker=asker, heeds=care))
    return not _sees(bank, study, Scope(None, denies=(clause,), asker=asker, heeds=care))


def _heeds(bank: Bank, study: Uid, one: Provision, asker: Asker) -> bool:
    if one.kind is Kind.CARE:
        care = Scope(frozenset(), permits=(Clause(in_care=True),), asker=asker, heeds=frozenset({one.id}))
        return _sees(bank, study, care)
    heeding = Scope(frozenset() if one.permits else None, asker=asker, heeds=frozenset({one.id}))
    return _sees(bank, study, heeding) is one.permits


def _sees(bank: Bank, study: Uid, scope: Scope) -> bool:
    return bool(bank.index.series_of(Selection(study=study), scope))
