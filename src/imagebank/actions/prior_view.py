"""The priors of a study or an order as the answer to a search, for workstations that know no other way to ask."""

from dataclasses import replace
from typing import Final

from imagebank.actions import priors, search
from imagebank.bank import Bank
from imagebank.errors import Mismatch, NotFound
from imagebank.model.access import Principal, Right
from imagebank.model.imaging import Found
from imagebank.model.query import Condition, OneOf, Query
from imagebank.model.uid import Uid

_STUDY: Final = "StudyInstanceUID"
_ACCESSION: Final = "AccessionNumber"
_NAMING: Final = frozenset({_STUDY, _ACCESSION, "PatientID", "IssuerOfPatientID"})
"""Keys that say of what priors are wanted. The priors themselves may be of other records of the same person."""


def find(bank: Bank, query: Query, principal: Principal, way: str, address: str = "") -> list[Found]:
    """The priors of the study that a query at the level of studies names, best first; what else it asks narrows them.

    A study is named by its UID or its accession number, which, alone, may be that of an order whose study is not here
    yet. What the caller does not see is not there: nothing is found then. Raises NotAllowed, and Mismatch for a query that names
    no single study.
    """
    principal.require(Right.FIND)
    naming = {one.attribute.keyword: one for one in query.conditions if one.attribute.keyword in _NAMING}
    uid, accession = _single(naming.get(_STUDY)), _single(naming.get(_ACCESSION))
    if not (uid or accession):
        raise Mismatch("name the study whose priors are wanted, by one StudyInstanceUID or one AccessionNumber")
    try:
        ranked = _ranked(bank, replace(query, conditions=tuple(naming.values())), principal, accession, way, address)
    except NotFound:
        return []
    order = {prior.past.id: place for place, (prior, _) in enumerate(ranked.priors)}
    if not order:
        return []
    chosen = Condition(bank.catalogue.by_keyword[_STUDY], OneOf(tuple(order)))
    rest = (one for one in query.conditions if one.attribute.keyword not in _NAMING)
    found = search.find(bank, replace(query, conditions=(chosen, *rest)), principal.scope)
    return sorted(found, key=lambda one: order[_uid(one)])


def _ranked(bank: Bank, query: Query, principal: Principal, accession: str, way: str, address: str) -> priors.Ranked:
    search.searching(bank, principal, query, f"{way} for priors", address)
    held = list(search.find(bank, query, principal.scope))
    if len(held) > 1:
        raise Mismatch("several studies have this AccessionNumber; name one by its StudyInstanceUID")
    if held:
        return priors.of_study(bank, principal, Uid(_uid(held[0])), way, address)
    if {one.attribute.keyword for one in query.conditions} != {_ACCESSION}:
        raise NotFound("there is no such study here")
    return priors.of_order(bank, principal, accession, way, address, by_accession=True)


def _single(condition: Condition | None) -> str:
    match = None if condition is None else condition.match
    return match.values[0] if isinstance(match, OneOf) and len(match.values) == 1 else ""


def _uid(found: Found) -> str:
    return str(found.attributes["0020000D"]["Value"][0])
