"""Patient records of several organizations, the persons that they are linked to, and who decided so.

A study keeps its issuer and identifier for ever: links change only which person a record belongs to. To which one, that
follows from the decisions in their order. None of them is ever changed; what is undone is left out by a later one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import product
from typing import Final

from imagebank.model.access import LONG_AGO
from imagebank.model.person import PatientId, PersonName

NO_NAME: Final = PersonName()


class Origin(StrEnum):
    """Where a record was heard of. What a person typed or a patient system told goes before what stands in images."""

    DICOM = "dicom"
    HL7 = "hl7"
    DESK = "desk"


@dataclass(frozen=True, slots=True)
class Identity:
    """One issuer-qualified patient identifier with the demographics that were last heard of it.

    `birth_date` is YYYYMMDD, `mother` the mother's maiden name, `others` are further identifiers of the same patient,
    such as a national number. `own` is the person that the record makes while it is linked to none.
    """

    patient: PatientId
    name: PersonName = NO_NAME
    birth_date: str = ""
    sex: str = ""
    address: str = ""
    phone: str = ""
    mother: str = ""
    others: tuple[PatientId, ...] = ()
    origin: Origin = Origin.DICOM
    heard_at: datetime = LONG_AGO
    own: str = ""


@dataclass(frozen=True, slots=True)
class Linked:
    """A record and the person that it belongs to now."""

    identity: Identity
    person: str


class Deed(StrEnum):
    """What a decision does.

    LINK lets the first record that it names join the second's person, MERGE the first's whole person, UNLINK lets the
    first stand alone again, APART says that the first is nobody of the others, UNDO takes an earlier decision back.
    """

    LINK = "link"
    MERGE = "merge"
    UNLINK = "unlink"
    APART = "apart"
    UNDO = "undo"


class Ground(StrEnum):
    """Why a decision was made: equal identifiers or an issuer's own word, a score, or somebody's judgement."""

    RULE = "rule"
    SCORE = "score"
    HUMAN = "human"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one field says for two records being one person's: how it agrees, in words, and how much that weighs."""

    field: str
    finding: str
    weight: float


@dataclass(frozen=True, slots=True)
class Likeness:
    """How like two records are. `bar` says in words why they are never linked without somebody's judgement."""

    first: PatientId
    second: PatientId
    score: float
    evidence: tuple[Evidence, ...]
    bar: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """A record, the person that it belonged to before a decision, and the one after it."""

    patient: PatientId
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision, never changed. `records` are those that it names, `moves` what stood before and what came of it.

    It holds identifiers and findings, and no demographics.
    """

    id: str
    at: datetime
    deed: Deed
    ground: Ground
    by: str
    records: tuple[PatientId, ...]
    reason: str = ""
    undoes: str = ""
    score: float | None = None
    evidence: tuple[Evidence, ...] = ()
    moves: tuple[Move, ...] = ()


def taken_back(decisions: Iterable[Decision]) -> frozenset[str]:
    """The identifiers of decisions that hold no more."""
    undone: set[str] = set()
    # An undoing comes after what it undoes, and may have been undone itself.
    for one in sorted(decisions, key=_place, reverse=True):
        if one.deed is Deed.UNDO and one.id not in undone:
            undone.add(one.undoes)
    return frozenset(undone)


def _place(decision: Decision) -> tuple[datetime, str]:
    return decision.at, decision.id


def in_force(decisions: Sequence[Decision]) -> list[Decision]:
    """The decisions that nobody took back, oldest first; those that take back are not among them."""
    undone = taken_back(decisions)
    return [one for one in sorted(decisions, key=_place) if one.deed is not Deed.UNDO and one.id not in undone]


def persons(own: Mapping[PatientId, str], decisions: Sequence[Decision]) -> dict[PatientId, str]:
    """To which person each record belongs, after all decisions about any of them."""
    person = dict(own)
    for one in in_force(decisions):
        first, others = one.records[0], one.records[1:]
        match one.deed:
            case Deed.MERGE:
                gone, into = person[first], person[others[0]]
                person |= {each: into for each, whose in person.items() if whose == gone}
            case Deed.LINK:
                person[first] = person[others[0]]
            case Deed.UNLINK:
                taken = any(whose == own[first] for each, whose in person.items() if each != first)
                person[first] = one.id if taken else own[first]
    return person


def parted(decisions: Sequence[Decision]) -> frozenset[frozenset[PatientId]]:
    """Pairs of records of which somebody has said that they are not one person's: nothing links them by itself."""
    undone = taken_back(decisions)
    apart = [one for one in in_force(decisions) if one.deed in (Deed.UNLINK, Deed.APART)]
    joined = [one for one in decisions if one.id in undone and one.deed in (Deed.LINK, Deed.MERGE)]
    return frozenset(frozenset((one.records[0], other)) for one in (*apart, *joined) for other in one.records[1:])


def across(pairs: frozenset[frozenset[PatientId]], these: Iterable[PatientId], those: Iterable[PatientId]) -> bool:
    """Whether one of the pairs has one record among these and the other among those."""
    return any(frozenset(pair) in pairs for pair in product(these, those))
