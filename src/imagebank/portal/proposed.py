"""Proposals as pages show them: in a person's words, with five bars."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from imagebank.model.proposal import Proposal, ranked
from imagebank.model.region import REGIONS
from imagebank.model.upload import Laterality
from imagebank.portal.language import noted

LABELS: Final[Mapping[str, str]] = {
    "patient_id": noted("Patient ID"),
    "patient_issuer": noted("Organization that gave the ID"),
    "patient_name": noted("Name"),
    "birth_date": noted("Date of birth"),
    "sex": noted("Sex"),
    "department": noted("Department"),
    "taken_at": noted("Taken"),
    "description": noted("Description"),
    "body_part": noted("Body part"),
    "laterality": noted("Side"),
    "accession_number": noted("Accession number"),
    "operator": noted("Taken by"),
    "batch": noted("Batch"),
    "order": noted("Order"),
    "encounter": noted("Visit"),
    "technique": noted("Kind of picture"),
    "hospital": noted("Hospital that they are from"),
}
"""What a field is called on pages."""
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "laterality": {Laterality.RIGHT: noted("right"), Laterality.LEFT: noted("left"), Laterality.BOTH: noted("both")},
    "sex": {"F": noted("female"), "M": noted("male"), "O": noted("other")},
    "body_part": {term: region.code.meaning for term, region in REGIONS.items()},
}
"""What a value of a field is called there, where it is a code."""
MOST: Final = 12
"""How many are shown of one file."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One proposal: `is_word` says that the value is a word of ours, which has a translation."""

    label: str
    value: str
    bars: int
    evidence: str
    is_sure: bool
    is_word: bool


def shown(proposals: Iterable[Proposal]) -> tuple[Shown, ...]:
    """The first of them, by field, the most confident first."""
    return tuple(map(_shown, ranked(proposals)[:MOST]))


def _shown(one: Proposal) -> Shown:
    word = WORDS.get(one.field, {}).get(one.value)
    value = word or (one.value.replace("T", " ") if one.field == "taken_at" else one.value.replace("^", " "))
    return Shown(LABELS[one.field], value, one.bars, one.evidence, one.is_sure, word is not None)
