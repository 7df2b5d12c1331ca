"""Who a study may be of that names nobody, compared with what is known of it, and what it may be itself."""

from dataclasses import dataclass
from enum import StrEnum

from imagebank.model.identity import Evidence, Identity
from imagebank.model.proposal import LIKELY, SURE, Proposal


class Agreement(StrEnum):
    """How a candidate agrees with what is known."""

    SAME = "same"
    ALIKE = "alike"
    DIFFERS = "differs"


ALIKE = frozenset({"nickname", "part", "near", "sound", "initial", "second", "swapped", "year"})
"""Findings of a comparison that speak for one person without being equal (`model.identity_comparison`)."""


def agreement(finding: str) -> Agreement:
    """What a finding comes to."""
    if finding == "same":
        return Agreement.SAME
    return Agreement.ALIKE if finding in ALIKE else Agreement.DIFFERS


@dataclass(frozen=True, slots=True)
class Candidate:
    """A patient whom a study may be of. `score` and `evidence` say how like it is; None where only an order names them.

    `is_likely` is what may be chosen beforehand. `that_day` are times, HHMM or empty, at which the patient was here or
    to be examined on the day of the study; None where the day is not known. `order` is an open order of that day.
    """

    identity: Identity
    score: float | None = None
    evidence: tuple[Evidence, ...] = ()
    is_likely: bool = False
    that_day: tuple[str, ...] | None = None
    accession: str = ""

    def finding(self, *fields: str) -> Agreement | None:
        """How the fields agree together: as badly as the worst of them; None where they could not be compared."""
        found = [agreement(one.finding) for one in self.evidence if one.field in fields]
        for worst in (Agreement.DIFFERS, Agreement.ALIKE):
            if worst in found:
                return worst
        return Agreement.SAME if found else None


@dataclass(frozen=True, slots=True)
class Guess:
    """One field of what a study may be: what it says now, and what is proposed, the most confident first.

    `chosen` is what may be filled in beforehand; empty where nothing is likely.
    """

    field: str
    held: str
    proposals: tuple[Proposal, ...] = ()
    is_said: bool = True

    @property
    def chosen(self) -> Proposal | None:
        """The most confident proposal, where it is likely."""
        return next((one for one in self.proposals[:1] if one.is_likely), None)

    @property
    def value(self) -> str:
        if self.held and self.is_said:
            return self.held
        return self.chosen.value if self.chosen else ""

    @property
    def bars(self) -> int:
        """How sure that is, in five steps: four and five are at least likely; none where nothing is known."""
        if self.held and self.is_said:
            return 5
        confidence = self.proposals[0].confidence if self.proposals else 0.0
        if confidence >= LIKELY:
            return 5 if confidence >= SURE else 4
        return max(1, round(3 * confidence / LIKELY)) if confidence else 0

    @property
    def is_low(self) -> bool:
        """Whether somebody has to choose: something is proposed, or was put there for want of better, and is not likely."""
        return not self.value and bool(self.proposals or self.held)
