"""How much each agreement weighs, and what follows from the sum (Fellegi and Sunter 1969).

A finding's weight is the binary logarithm of how much more often it is met between two records of one person than
between records of two. A name's weight follows from how common that very name is here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import log2
from typing import Final

from imagebank.model.identity import Evidence
from imagebank.model.identity_comparison import Nicknames, Profile, compare

BOTH_CONTRADICT: Final = "sex and birth date both contradict"
OTHER_NAME: Final = "another given name: it may be a brother or sister"
OTHER_BIRTH: Final = "another birth date, or none to compare"
TWO_NAMES: Final = "two given names that both exist: it may be a twin"
_NAMES: Final = ("family", "given")
_COMMON: Final = 3


class Verdict(StrEnum):
    """What becomes of two records: one person's, a question to somebody, or nothing."""

    LINK = "link"
    ASK = "ask"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Chance:
    """How often a finding is met between records of one person, and between records of two."""

    same: float
    different: float


@dataclass(frozen=True, slots=True)
class Weights:
    """A site's table.

    From `automatic` on two records are linked, from `review` on somebody is asked. Both hold for banks of up to
    `population` records, and rise by one with every doubling: so does the number of records that are alike by chance.
    `shrink` is how many records the table's own frequency of a name counts for beside what is counted here.
    """

    automatic: float
    review: float
    population: int
    shrink: int
    chances: Mapping[str, Mapping[str, Chance]]
    nicknames: Nicknames = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Census:
    """How many records there are, and how many have a name, by the keys of `names_of`."""

    records: int
    names: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Weighed:
    """The sum of what the fields say, each with its reason. A `bar` keeps two records from being linked unasked."""

    score: float
    evidence: tuple[Evidence, ...]
    bar: str


def weigh(weights: Weights, one: Profile, other: Profile, census: Census) -> Weighed:
    """How like two records are, field by field."""
    findings = compare(one, other, weights.nicknames)
    evidence = tuple(
        Evidence(name, finding, _weight(weights, name, finding, one, census)) for name, finding in findings.items()
    )
    score = round(sum(each.weight for each in evidence), 2)
    return Weighed(score, evidence, _bar(findings, one, other, census))


def verdict(weights: Weights, weighed: Weighed, records: int) -> Verdict:
    """What follows from a score in a bank of so many records."""
    rise = log2(max(1.0, records / weights.population))
    if weighed.score >= weights.automatic + rise and not weighed.bar:
        return Verdict.LINK
    return Verdict.ASK if weighed.score >= weights.review + rise else Verdict.NOTHING


def _weight(weights: Weights, name: str, finding: str, one: Profile, census: Census) -> float:
    chance = weights.chances[name][finding]
    different = chance.different
    if finding == "same" and name in _NAMES:
        counted = max(census.names.get(key, 0) for key in _keys(one, name))
        different = (counted + weights.shrink * different) / (census.records + weights.shrink)
    return round(log2(chance.same / different), 2)


def _keys(one: Profile, name: str) -> list[str]:
    parts = [pair[_NAMES.index(name)] for pair in one.names.values()]
    return [f"{name} {part.joined}" for part in parts]


def _bar(findings: Mapping[str, str], one: Profile, other: Profile, census: Census) -> str:
    """Why somebody has to look before these two are linked, whatever the score; empty when nobody has to.

    Twins share everything but the given name.
    """
    given = findings.get("given", "other")
    if findings.get("birth_date") == "other" and findings.get("sex") == "other":
        return BOTH_CONTRADICT
    if given == "other":
        return OTHER_NAME
    if findings.get("birth_date", "other") in ("other", "year"):
        return OTHER_BIRTH
    is_slip = given not in ("same", "swapped", "part")
    are_names = all(max(census.names.get(key, 0) for key in _keys(each, "given")) >= _COMMON for each in (one, other))
    if given == "second" or (is_slip and (are_names or findings.get("sex") == "other")):
        return TWO_NAMES
    return ""
