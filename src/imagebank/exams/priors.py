"""Which earlier exams are worth comparing with the one at hand, best first, each with its reasons."""

from collections.abc import Iterable
from datetime import date
from math import prod

from imagebank.exams.comparing import Comparing, Likeness, factors, is_of
from imagebank.model.exam import Asked, Factor, Past, Prior


def ranked(like: Likeness, asked: Asked, history: Iterable[Past]) -> list[Prior]:
    """The priors of an exam. What is later than it, and the exam itself, is none."""
    found = [prior for past in history if (prior := _prior(like, asked, past)) is not None]
    found.sort(key=lambda prior: (-prior.score, -(prior.past.day or date.min).toordinal(), prior.past.id))
    return found[: like.table.most]


def _prior(like: Likeness, asked: Asked, past: Past) -> Prior | None:
    days = None if past.day is None else (asked.day - past.day).days
    is_none = past.id == asked.id or past.exam.is_pictureless
    if is_none or (days is not None and (days < 0 or not _is_in_reach(like, asked, past, days))):
        return None
    found = factors(like, asked.exam, past.exam)
    if prod(each.weight for each in found) < like.table.least:
        return None
    told = (*found, _age(like.table, days), _organization(like.table, asked, past))
    return Prior(past, prod(each.weight for each in told), told)


def _is_in_reach(like: Likeness, asked: Asked, past: Past, days: int) -> bool:
    fitting = [
        each
        for each in like.table.look_back
        if past.exam.group in each.groups and is_of(like, asked.exam.regions, each.regions)
    ]
    reach = sorted(fitting, key=lambda each: not each.regions)
    return not reach or not reach[0].days or days <= reach[0].days


def _age(table: Comparing, days: int | None) -> Factor:
    """What age makes of a score; the least, where nobody says when."""
    if days is None:
        return Factor("age", table.floor)
    return Factor("age", max(table.floor, 0.5 ** (days / table.half_life)), theirs=str(days))


def _organization(table: Comparing, asked: Asked, past: Past) -> Factor:
    is_other = bool(asked.organization and past.organization and asked.organization != past.organization)
    weight = table.weights.other_organization if is_other else 1.0
    return Factor("organization", weight, asked.organization, past.organization)
