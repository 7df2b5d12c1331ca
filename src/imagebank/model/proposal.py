"""What may be so of a file that says nothing of itself: each proposal with where it comes from and how sure it is."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from imagebank.errors import Invalid
from imagebank.model.upload import FIELDS, read_about


class ProposalSource(StrEnum):
    """What a proposal comes from."""

    SAID = "said"
    """Whoever uploads the file said so."""
    EXIF = "exif"
    XMP = "xmp"
    NAME = "name"
    """The name of the file."""
    FOLDER = "folder"
    """The names of the folders that it lay in."""
    DOCUMENT = "document"
    """The text of a document, or what the document says of itself."""
    BURNED_IN = "burned_in"
    """Letters in the picture, as a plug-in reads them."""
    ORDER = "order"
    ENCOUNTER = "encounter"
    DEPARTMENT = "department"
    """What this uploader's department has as a rule."""
    EARLIER = "earlier"
    """What somebody decided about another file of the same kind or batch."""


SURE: Final = 0.95
"""From here on a proposal is filled in when the file comes, unless its field is one of `OF_A_PERSON`."""
LIKELY: Final = 0.5
"""From here on a proposal is offered as the first choice; below it is shown, and has to be chosen."""
OF_A_PERSON: Final = frozenset(
    {"patient_id", "patient_issuer", "hospital", "patient_name", "birth_date", "sex"}
    | {"accession_number", "order", "encounter"}
)
"""Fields that say whose the file is. They are filled in only from what is said, or from an order or a visit that is named."""
MOST: Final = 64
"""How many proposals are kept of one file."""
_LONGEST: Final = 512
_BARS: Final = (0.15, 0.35, LIKELY, 0.75, SURE)


@dataclass(frozen=True, slots=True)
class Proposal:
    """One value that a field of `FIELDS` may have, in the form that `read_about` takes.

    `evidence` says to a person what it was read from (`file name: 2026-03-01_OD.jpg`). `confidence` is from 0 to 1.
    """

    field: str
    value: str
    source: ProposalSource
    evidence: str
    confidence: float

    @property
    def is_named(self) -> bool:
        """Whether a person said so, or named the order or the visit that says so."""
        return self.source in (ProposalSource.SAID, ProposalSource.ORDER, ProposalSource.ENCOUNTER)

    @property
    def is_sure(self) -> bool:
        """Whether it is filled in without a person's look."""
        return self.confidence >= SURE and (self.is_named or self.field not in OF_A_PERSON)

    @property
    def is_likely(self) -> bool:
        return self.confidence >= LIKELY

    @property
    def bars(self) -> int:
        """How sure it is, from 0 to 5, for a person: five is sure, four and five need no second look."""
        return sum(self.confidence >= step for step in _BARS)


def proposal(field: str, value: str, source: ProposalSource, evidence: str, confidence: float) -> Proposal:
    """A proposal that can be taken as it stands. Raises Invalid for a field or a value that `read_about` refuses."""
    if field not in FIELDS:
        raise Invalid("there is no field {field}", field=field)
    read_about({field: value})
    return Proposal(field, value.strip(), source, evidence[:_LONGEST], min(max(confidence, 0.0), 1.0))


def ranked(proposals: Iterable[Proposal]) -> tuple[Proposal, ...]:
    """By field in the order of `FIELDS`, the most confident first; of those with the same value, the most confident one."""
    best: dict[tuple[str, str], Proposal] = {}
    for one in proposals:
        key = one.field, one.value.casefold()
        if key not in best or best[key].confidence < one.confidence:
            best[key] = one
    return tuple(sorted(best.values(), key=lambda one: (FIELDS.index(one.field), -one.confidence)))[:MOST]


def first_choices(proposals: Iterable[Proposal]) -> dict[str, Proposal]:
    """The most confident proposal of each field; none of a field where two that differ are equally so."""
    chosen: dict[str, Proposal] = {}
    tied: set[str] = set()
    for one in ranked(proposals):
        if one.field not in chosen:
            chosen[one.field] = one
        elif chosen[one.field].confidence == one.confidence:
            tied.add(one.field)
    return {field: one for field, one in chosen.items() if field not in tied}
