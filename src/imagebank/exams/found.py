"""What was found in all that is said of an exam, with where it stood and how far that is to be trusted."""

from dataclasses import dataclass

from imagebank.exams.lexicon import Hit, Meaning, Reading
from imagebank.model.exam import Evidence, Source


@dataclass(frozen=True, slots=True)
class Told:
    """A reading with where it stood and how far that is to be trusted."""

    place: str
    source: Source
    trust: float
    reading: Reading


@dataclass(frozen=True, slots=True)
class Found:
    """One meaning of a phrase that counts for this exam, as evidence for something."""

    told: Told
    hit: Hit
    meaning: Meaning

    @property
    def is_weak(self) -> bool:
        return self.meaning.is_weak or self.hit.is_reason

    def evidence(self, field: str, value: str) -> Evidence:
        share = self.told.trust * self.hit.share * (0.6 if self.is_weak else 1.0)
        return Evidence(field, value, self.told.source, self.hit.text, round(share, 2))
