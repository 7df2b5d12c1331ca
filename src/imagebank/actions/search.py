"""Finding: one Query for QIDO-RS, C-FIND and the pages."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
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
_NAMING: Final = frozenset({_STUDY, _PATIENT_ID, (0x00080050,), (0x0020000E,), (0x00080018,)})
"""Identifiers that an index leads by: of a study, a patient, a request, a series, an instance."""


def searching(bank: Bank, principal: Principal, query: Query, way: str, address: str = "") -> None:
    """Say in the ledger that a caller searches, and by which attributes; to be called before anything is found.

    What is sought stands nowhere: it may be a name.
    """
    bank.reads.search(principal, _sought(query, way), address)


def searching_again(bank: Bank, principal: Principal, query: Query, way: str, address: str = "") -> bool:
    """The same where it writes nothing now, because the first such search stands in the ledger; else False."""
    return bank.reads.search_again(principal, _sought(query, way), address)


def _sought(query: Query, way: str) -> str:
    keys = sorted({one.attribute.keyword for one in query.conditions})
    return f"{way}: {query.level.name.lower()} " + (f"by {', '.join(keys)}" if keys else "of any kind")


def find(bank: Bank, query: Query, scope: Scope) -> Iterator[Found]:
    """Matches in the query's stable order, read as they are asked for."""
    return bank.index.find(query, scope)


def of_one(bank: Bank, query: Query, scope: Scope) -> Iterator[Found] | None:
    """The same; None where the question `is_ambiguous`."""
    matches = find(bank, query, scope)
    if _bare(query) is None:
        return matches
    first = [*islice(matches, 2)]
    if len(first) < 2 and _tells_all(query):
        return iter(first)  # one study is one person's
    return None if is_ambiguous(bank, query, scope) else chain(first, matches)


def _tells_all(query: Query) -> bool:
    """Whether the matches are the studies of whoever is meant, all of them."""
    is_of_people = all(one.attribute.level is Level.PATIENT for one in query.conditions)
    return is_of_people and query.level is Level.STUDY and not query.offset and query.limit != 1


def is_about_few(query: Query) -> bool:
    """Whether an index leads straight to whatever matches: values are asked for, among them one that names something."""
    return all(isinstance(one.match, OneOf) for one in query.conditions) and _names_something(query)


def _names_something(query: Query) -> bool:
    return any(one.attribute.path in _NAMING and isinstance(one.match, OneOf) for one in query.conditions)


def of_studies(bank: Bank, studies: Iterable[Uid], scope: Scope, level: Level = Level.STUDY) -> list[Found]:
    """What is held of these studies, or of what is below them, in the stable order of the level: one question for all."""
    asked = tuple(dict.fromkeys(studies))
    if not asked:
        return []
    key = bank.catalogue.by_keyword["StudyInstanceUID"]
    return [*find(bank, Query(level, (Condition(key, OneOf(asked)),)), scope)]


COUNTED: Final = 1_000
"""So many matches are counted behind the first pages, which do not wait until a whole bank is."""


@dataclass(frozen=True, slots=True)
class Total:
    """How many matches there are; unless `is_exact`, more than that."""

    number: int
    is_exact: bool = True


def total(bank: Bank, query: Query, scope: Scope) -> Total:
    """How many matches there are in all.

    Behind a page that ends before `COUNTED`, no more than these are counted, unless something is named, such as a study:
    all that is below it is soon counted.
    """
    if query.limit is None or query.offset + query.limit >= COUNTED or _names_something(query):
        return Total(count(bank, query, scope))
    number = bank.index.count(query, scope, COUNTED + 1)
    return Total(number) if number <= COUNTED else Total(COUNTED, is_exact=False)


def count(bank: Bank, query: Query, scope: Scope) -> int:
    """How many matches there are in all, whatever limit and offset the query has."""
    return bank.index.count(query, scope)


def is_ambiguous(bank: Bank, query: Query, scope: Scope) -> bool:
    """Whether a bare PatientID, with what else is said of the patient, means more than one person in scope.

    Two people of different issuers must never appear as one; the caller has to say which. A study UID says it, too.
    """
    bare = _bare(query)
    if bare is None:
        return False
    about = tuple(one for one in query.conditions if one is not bare[0] and one.attribute.level is Level.PATIENT)
    each = (Query(Level.PATIENT, (replace(bare[0], match=OneOf((value,))), *about)) for value in bare[1])
    return any(count(bank, one, scope) > 1 for one in each)


def _bare(query: Query) -> tuple[Condition, Sequence[str]] | None:
    """The condition on PatientID and its values, where nothing else says whose it is."""
    by_path = {one.attribute.path: one for one in query.conditions}
    bare = by_path.get(_PATIENT_ID)
    if bare is None or not isinstance(bare.match, OneOf) or _ISSUER in by_path or _STUDY in by_path:
        return None
    return bare, bare.match.values
