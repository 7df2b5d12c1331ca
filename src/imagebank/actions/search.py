"""Finding: one Query for QIDO-RS, C-FIND and the pages."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from imagebank.bank import Bank
from imagebank.model.access import Principal, Scope
from imagebank.model.attribute import Level
from imagebank.model.imaging import Found
from imagebank.model.query import Condition, OneOf, Query
from imagebank.model.uid import Uid

_STUDY: Final = (0x0020000D,)
_PATIENT_ID: Final = (0x00100020,)
_ISSUER: Final = (0x00100021,)


def searching(bank: Bank, principal: Principal, query: Query, way: str, address: str = "") -> None:
    """Say in the ledger that a caller searches, and by which attributes; to be called before anything is found.

    What is sought stands nowhere: it may be a name.
    """
    keys = sorted({one.attribute.keyword for one in query.conditions})
    sought = f"by {', '.join(keys)}" if keys else "of any kind"
    bank.reads.search(principal, f"{way}: {query.level.name.lower()} {sought}", address)


def find(bank: Bank, query: Query, scope: Scope) -> Iterator[Found]:
    """Matches in the query's stable order, read as they are asked for."""
    return bank.index.find(query, scope)


def of_studies(bank: Bank, studies: Iterable[Uid], scope: Scope, level: Level = Level.STUDY) -> list[Found]:
    """What is held of these studies, or of what is below them, in the stable order of the level: one question for all."""
    asked = tuple(dict.fromkeys(studies))
    if not asked:
        return []
    key = bank.catalogue.by_keyword["StudyInstanceUID"]
    return [*find(bank, Query(level, (Condition(key, OneOf(asked)),)), scope)]


def count(bank: Bank, query: Query, scope: Scope) -> int:
    """How many matches there are in all, whatever limit and offset the query has."""
    return bank.index.count(query, scope)


def is_ambiguous(bank: Bank, query: Query, scope: Scope) -> bool:
    """Whether a bare PatientID, with what else is said of the patient, means more than one person in scope.

    Two people of different issuers must never appear as one; the caller has to say which. A study UID says it, too.
    """
    by_path = {one.attribute.path: one for one in query.conditions}
    bare = by_path.get(_PATIENT_ID)
    if bare is None or not isinstance(bare.match, OneOf) or _ISSUER in by_path or _STUDY in by_path:
        return False
    about = tuple(one for one in query.conditions if one is not bare and one.attribute.level is Level.PATIENT)
    each = (Query(Level.PATIENT, (replace(bare, match=OneOf((value,))), *about)) for value in bare.match.values)
    return any(count(bank, one, scope) > 1 for one in each)
