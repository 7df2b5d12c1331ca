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
    surely: dict[str, list[Found]] = {}
    weakly: dict[str, list[Found]] = {}
    for one in found:
        if one.meaning.regions:
            (weakly if one.is_weak else surely).setdefault(one.told.place, []).append(one)
    hints = {place: _said(those, found, tables) for place, those in weakly.items()}
    chosen = _chosen({place: _said(those, found, tables) for place, those in surely.items()}, tables)
    if not chosen:
        return tuple(_chosen(hints, tables))
    return tuple(_narrowed(chosen, [one for place in _ORDER for one in hints.get(place, ())], tables))


def _chosen(said: dict[str, list[Evidence]], tables: Tables) -> list[Evidence]:
    order = [said[place] for place in _ORDER if place in said]
    code, words = said.get("code"), said.get("study")
    if code:
        order.insert(1 if words and _are_near(code, words, tables) else 0, code)
    if not order:
        return []
    chosen = order[0]
    for others in order[1:]:
        chosen = _narrowed(chosen, others, tables)
    return chosen


def _said(those: list[Found], found: Sequence[Found], tables: Tables) -> list[Evidence]:
    """What one place says, without wide words that a finer one beside them makes plain."""
    those = [one for one in those if not one.meaning.is_alone] or those
    kept = [one for one in those if not any(_makes_plain(other, one, found, tables) for other in those)]
    return [one.evidence("region", region) for one in kept for region in one.meaning.regions]


def _makes_plain(fine: Found, wide: Found, found: Sequence[Found], tables: Tables) -> bool:
    """Whether a finer word is meant with a wide one: CT HEAD BRAIN, but not abdomen and kidney.

    A phrase of several regions stays whole.
    """
    if len(wide.meaning.regions) > 1:
        return False
    term = wide.meaning.regions[0]
    parts = [tables.parts[one] for one in fine.meaning.regions]
    if any(term in part.replaces for part in parts):
        return True
    if fine.told is not wide.told or not any(term in part.refines for part in parts):
        return False
    first, last = sorted((fine.hit, wide.hit), key=lambda hit: hit.last)
    between = [one for one in found if one.told is wide.told and first.last < one.hit.last < last.last]
    is_joined = last.gap == "/" or any(one.meaning.role == "join" or one.hit.gap == "/" for one in between)
    return not is_joined


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
