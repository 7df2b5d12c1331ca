"""What alerts about repeated exams brought: how many there were, what was done about them, and what was not made again."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Final, Self

from imagebank.model.alert import Outcome


class By(StrEnum):
    """By what counts are told apart. MONTH is that of the alert, YYYY-MM; EXAM its group and regions."""

    MONTH = "month"
    ORGANIZATION = "organization"
    DEPARTMENT = "department"
    EXAM = "exam"
    RULE = "rule"


class Came(StrEnum):
    """What came of an exam whose alert was accepted: it was not made, it was made all the same, or that is not known."""

    AVOIDED = "avoided"
    MADE = "made"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Saved:
    """What an exam that was not made would have taken in mSv and cost. None: nothing is known, or nobody asked."""

    msv: float | None = None
    is_measured: bool = False
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many alerts. Those of rules on trial are in `shadow` and in no other count.

    Each that was `shown` is accepted, overridden, ignored or waits for an answer. Of exams whose alert was accepted,
    each once, `avoided` were not made, `made` were, of `unknown` it is not known yet. `measured` and `estimated` are
    mSv of those avoided, without `undosed` exams; `cost` is without `uncosted` ones.
    """

    shown: int = 0
    accepted: int = 0
    overridden: int = 0
    ignored: int = 0
    shadow: int = 0
    avoided: int = 0
    made: int = 0
    unknown: int = 0
    measured: float = 0.0
    estimated: float = 0.0
    undosed: int = 0
    cost: float = 0.0
    uncosted: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        """Shown, and nobody has said what was done."""
        return self.shown - self.accepted - self.overridden - self.ignored

    @property
    def msv(self) -> float:
        return self.measured + self.estimated

    @property
    def estimated_share(self) -> float:
        """From 0 to 1: how much of the dose is typical only. 0 where there is none."""
        return self.estimated / self.msv if self.msv else 0.0

    def with_alert(self, outcome: Outcome, reason: str = "") -> Self:
        """These and one alert more."""
        if outcome is Outcome.UNSHOWN:
            return replace(self, shadow=self.shadow + 1)
        more = replace(self, shown=self.shown + 1)
        if outcome is Outcome.SHOWN:
            return more
        more = replace(more, **{outcome.value: getattr(self, outcome.value) + 1})
        if outcome is not Outcome.OVERRIDDEN:
            return more
        return replace(more, reasons={**self.reasons, reason: self.reasons.get(reason, 0) + 1})

    def with_exam(self, came: Came, saved: Saved) -> Self:
        """These and one exam more whose alert was accepted."""
        more = replace(self, **{came.value: getattr(self, came.value) + 1})
        if came is not Came.AVOIDED:
            return more
        return replace(
            more,
            measured=self.measured + (saved.msv or 0.0) * saved.is_measured,
            estimated=self.estimated + (saved.msv or 0.0) * (not saved.is_measured),
            undosed=self.undosed + (saved.msv is None),
            cost=self.cost + (saved.cost or 0.0),
            uncosted=self.uncosted + (saved.cost is None),
        )


@dataclass(frozen=True, slots=True)
class Line:
    """Counts of alerts that have these values in common, in the order in which they were asked for."""

    key: tuple[str, ...]
    counts: Counts


@dataclass(frozen=True, slots=True)
class Brought:
    """A report over some days, both inclusive. `currency` is empty where the site has no table of costs.

    `silent` rules said nothing in this time; `noisy` ones were mostly overridden.
    """

    since: date
    until: date
    by: tuple[By, ...]
    total: Counts
    lines: tuple[Line, ...]
    silent: tuple[str, ...]
    noisy: tuple[str, ...]
    currency: str = ""


NOISY_LEAST: Final = 10
NOISY_SHARE: Final = 0.5


def is_noisy(counts: Counts) -> bool:
    """Whether more than half of ten alerts or more that were shown were overridden."""
    return counts.shown >= NOISY_LEAST and counts.overridden > NOISY_SHARE * counts.shown
