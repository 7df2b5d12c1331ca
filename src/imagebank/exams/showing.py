"""Which regions an exam shows, where words, codes and tags each say some."""

from collections.abc import Iterable, Sequence
from typing import Final

from imagebank.exams.found import Found
from imagebank.exams.tables import Tables
from imagebank.model.exam import Evidence

_ORDER: Final = ("study", "series", "part", "own code")
"""Whose word counts, the best first, where no code is known."""


def regions_shown(found: Sequence[Found], tables: Tables) -> tuple[Evidence, ...]:
    """Evidence for each region that is shown.

    A code decides what is shown, and words say it more finely. Without a code words decide, and tags count where words
    say nothing or only something broad. What is said weakly, or as a reason, counts where nothing else is said.
    """
    for weak in (False, True):
        said = {place: _said(found, place, tables, weak=weak) for place in ("code", *_ORDER)}
        chosen = _chosen(said, tables)
        if chosen:
            return tuple(chosen)
    return ()


def _chosen(said: dict[str, list[Evidence]], tables: Tables) -> list[Evidence]:
    code, order = said["code"], [said[place] for place in _ORDER if said[place]]
    words = said["study"]
    if code and not (words and _are_near(code, words, tables)):
        order.insert(0, code)
    elif code:
        order.insert(1, code)
    if not order:
        return []
    chosen = order[0]
    for others in order[1:]:
        chosen = _narrowed(chosen, others, tables)
    return chosen


def _said(found: Sequence[Found], place: str, tables: Tables, *, weak: bool) -> list[Evidence]:
    """What one place says, without wide words that a finer one beside them makes plain."""
    those = [one for one in found if one.told.place == place and one.meaning.regions and one.is_weak is weak]
    return [
        one.evidence("region", region)
        for one in those
        for region in one.meaning.regions
        if not any(_refines(other, region, one, found, tables) for other in those)
    ]


def _refines(fine: Found, wide: str, of: Found, found: Sequence[Found], tables: Tables) -> bool:
    """Whether a finer word is meant with a wide one: CT HEAD BRAIN, but not abdomen and kidney."""
    if fine is of:
        return False
    parts = [tables.parts[term] for term in fine.meaning.regions]
    if any(wide in part.replaces for part in parts):
        return True
    if fine.told is not of.told or not any(wide in part.refines for part in parts):
        return False
    first, last = sorted((fine.hit.last, of.hit.last))
    between = (one for one in found if one.told is of.told and first < one.hit.last < last)
    return not any(one.meaning.role == "join" for one in between)


def _are_near(some: Iterable[Evidence], others: Iterable[Evidence], tables: Tables) -> bool:
    return any(
        one.value == other.value or tables.holds(one.value, other.value) or tables.holds(other.value, one.value)
        for one in some
        for other in others
    )


def _narrowed(wide: list[Evidence], fine: list[Evidence], tables: Tables) -> list[Evidence]:
    """Regions of which the broad ones are those finer ones that others say."""
    kept: list[Evidence] = []
    for one in wide:
        inner = [other for other in fine if tables.holds(one.value, other.value)]
        kept += inner if inner and tables.parts[one.value].is_broad else [one]
    return kept
