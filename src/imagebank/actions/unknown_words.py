"""Words of exams that no table of the site knows, so that somebody can say what they mean."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from imagebank.actions import exams
from imagebank.bank import Bank
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.exam import Exam, Said
from imagebank.model.person import PatientId, fold

MOST_STUDIES: Final = 200_000
"""Of so many studies at most headers are looked at, the last that came first."""
PERSONS: Final = 3
"""A word of fewer persons is not told: it may be a name."""
_BATCH: Final = 1_000
_LONGEST: Final = 40


@dataclass(slots=True)
class _Word:
    studies: int = 0
    patients: set[PatientId] = field(default_factory=set)
    groups: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Unknown:
    """A word that no table has: in how many studies it stands, and in those of which group most often."""

    word: str
    studies: int
    group: str


def unknown(bank: Bank, principal: Principal, studies: int = MOST_STUDIES, most: int = 100) -> list[Unknown]:
    """Words that no table has, the most frequent first: those only that stand in studies of three different persons.

    Words with a digit in them, and words of a patient's own name, are left out. Raises NotAllowed.
    """
    principal.require(Right.ADMINISTER)
    words: dict[str, _Word] = {}
    for patient, name, said in _said(bank, principal.scope, min(studies, MOST_STUDIES)):
        exam = exams.understood(bank, said)
        for word in _words(exam, name):
            found = words.setdefault(word, _Word())
            found.studies += 1
            found.groups[exam.group.value] += 1
            found.patients.add(patient)
    frequent = sorted(words.items(), key=lambda one: (-one[1].studies, one[0]))
    told = ((word, one) for word, one in frequent if _is_of_several(bank, one.patients, principal.scope))
    return [
        Unknown(word, one.studies, one.groups.most_common(1)[0][0])
        for (word, one), _ in zip(told, range(most), strict=False)
    ]


def _said(bank: Bank, scope: Scope, studies: int) -> Iterator[tuple[PatientId, str, Said]]:
    before: int | None = None
    while studies > 0 and (found := bank.index.histories.said(scope, before, min(_BATCH, studies))):
        for before, patient, name, said in found:  # noqa: B007 - the last place is where the next batch begins
            yield patient, name, said
        studies -= len(found)


def _words(exam: Exam, name: str) -> Iterator[str]:
    own = set(fold(name.replace("^", " ").replace("=", " ")).split())
    folded = {fold(one) for one in exam.unknown}
    return (one for one in folded - own if one.isalpha() and len(one) <= _LONGEST)


def _is_of_several(bank: Bank, patients: Iterable[PatientId], scope: Scope) -> bool:
    persons: set[str] = set()
    for patient in patients:
        if not patient.identifier:
            continue
        known = bank.index.persons.identity(patient, scope)
        persons.add(f"{patient.issuer} {patient.identifier}" if known is None else known.person)
        if len(persons) >= PERSONS:
            return True
    return False
