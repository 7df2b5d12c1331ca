"""The site's table of weights, and the search for records that may be one person's."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from tomllib import loads
from typing import Any, Final

import msgspec

from imagebank.errors import Invalid
from imagebank.model.identity import Evidence, Identity, Likeness, Linked
from imagebank.model.identity_comparison import FINDINGS, Nicknames, keys, names_of, profile
from imagebank.model.identity_weights import Census, Chance, Verdict, Weighed, Weights, verdict, weigh
from imagebank.model.person import PatientId, fold
from imagebank.settings import read_toml

_NUMBERS: Final = ("automatic", "review", "population", "shrink")


@lru_cache(maxsize=4)
def weights(file: Path | None) -> Weights:
    """The table in a file, or the one that is built in. Raises Invalid, naming what is wrong, and SettingsError."""
    if file is None:
        return parse(loads((files("imagebank.actions") / "matching.toml").read_text("utf-8")))
    return parse(read_toml(file))


def parse(table: Mapping[str, Any]) -> Weights:
    """A table of weights. Raises Invalid, naming what is missing, unknown or out of range."""
    expected = {*_NUMBERS, *FINDINGS, "nicknames"}
    if unknown := sorted(set(table) - expected):
        raise Invalid(f"the table of weights has no {unknown[0]!r}; there are {', '.join(sorted(expected))}")
    if missing := sorted(expected - {"nicknames"} - set(table)):
        raise Invalid(f"the table of weights says nothing of {missing[0]!r}")
    automatic, review = (_converted(table[name], float, name) for name in _NUMBERS[:2])
    population, shrink = (_converted(table[name], int, name) for name in _NUMBERS[2:])
    if not automatic > review or population < 1 or shrink < 1:
        raise Invalid("automatic is above review, and population and shrink are 1 or more")
    chances = {field: _chances(field, table[field]) for field in FINDINGS}
    return Weights(automatic, review, population, shrink, chances, _nicknames(table.get("nicknames", {})))


def _converted(value: object, kind: type, name: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Invalid(f"{name}: {error}") from error


def _chances(field: str, table: object) -> dict[str, Chance]:
    given = _converted(table, dict[str, tuple[float, float]], field)
    if set(given) != set(FINDINGS[field]):
        raise Invalid(f"[{field}] has a line for each of {', '.join(FINDINGS[field])}")
    if any(not 0 < share <= 1 for pair in given.values() for share in pair):
        raise Invalid(f"[{field}]: each number is a share, above 0 and at most 1")
    return {finding: Chance(*pair) for finding, pair in given.items()}


def _nicknames(table: object) -> Nicknames:
    given = _converted(table, dict[str, list[list[str]]], "nicknames")
    groups: dict[str, set[str]] = {}
    for group in given.get("groups", []):
        for name in group:
            groups.setdefault(fold(name), set()).add(fold(group[0]))
    return {name: frozenset(leaders) for name, leaders in groups.items()}


CONTRADICTED: Final = "they share an identifier, but what is known of them contradicts it"


@dataclass(frozen=True, slots=True)
class Match:
    """A record that may be the same person's, how like it is, and what follows; by rule where they share an identifier."""

    linked: Linked
    likeness: Likeness
    verdict: Verdict
    is_by_rule: bool = False


def keys_of(identity: Identity) -> frozenset[str]:
    """What a record is found by: its identifiers, and what its demographics share with a like one's; and its names."""
    mine = profile(identity)
    by_identifier = {f"id {each.issuer} {each.identifier}" for each in _identifiers(identity)}
    return frozenset(by_identifier | keys(mine) | {f"is {name}" for name in names_of(mine)})


def _identifiers(identity: Identity) -> frozenset[PatientId]:
    return frozenset((identity.patient, *identity.others))


def matches(
    table: Weights, identity: Identity, candidates: Iterable[Linked], count: Callable[[Iterable[str]], Census]
) -> list[Match]:
    """Those candidates that may be the same person's, the likest first. `count` tells how common names are."""
    return [match for match in compared(table, identity, candidates, count) if match.verdict is not Verdict.NOTHING]


def compared(
    table: Weights, identity: Identity, candidates: Iterable[Linked], count: Callable[[Iterable[str]], Census]
) -> list[Match]:
    """Every candidate with how like it is, the likest first."""
    mine = profile(identity)
    others = [(each, profile(each.identity)) for each in candidates]
    census = count({*names_of(mine), *(name for _, theirs in others for name in names_of(theirs))})
    found = [
        _match(table, identity, each, weigh(table, mine, theirs, census), census.records) for each, theirs in others
    ]
    return sorted(found, key=lambda match: (not match.is_by_rule, -match.likeness.score, str(match.likeness.second)))


def _match(table: Weights, identity: Identity, other: Linked, weighed: Weighed, records: int) -> Match:
    one, two = identity.patient, other.identity.patient
    if not _identifiers(identity) & _identifiers(other.identity):
        likeness = Likeness(one, two, weighed.score, weighed.evidence, weighed.bar)
        return Match(other, likeness, verdict(table, weighed, records))
    evidence = (Evidence("identifier", "same", 0.0), *weighed.evidence)
    likeness = Likeness(one, two, weighed.score, evidence, CONTRADICTED if weighed.score < 0 else "")
    return Match(other, likeness, Verdict.LINK, is_by_rule=True)
