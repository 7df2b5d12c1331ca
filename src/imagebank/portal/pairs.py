"""Two patient records side by side: field by field how they agree."""

from collections.abc import Mapping, Sequence
from typing import Final

from imagebank.model.candidate import Agreement, agreement
from imagebank.model.identity import Evidence, Identity, Likeness
from imagebank.portal import language, wording
from imagebank.portal.language import gettext, noted

FINDINGS: Final[Mapping[str, str]] = {
    "same": noted("same"),
    "part": noted("fits in part"),
    "near": noted("nearly the same"),
    "sound": noted("sounds alike"),
    "nickname": noted("short form"),
    "initial": noted("fits the initial"),
    "second": noted("a further name"),
    "swapped": noted("in other order"),
    "year": noted("same year"),
    "other": noted("differs"),
}
"""How two values agree, in words."""

Line = dict[str, object]


def called(identity: Identity) -> str:
    """How a record's patient is called."""
    return wording.name_of(identity.name).text


def line(field: str, given: str, cells: list[tuple[str, str]]) -> Line:
    """A row of `parts/candidates.html`."""
    return {"field": field, "given": given, "cells": cells}


def pair(one: Identity, other: Identity, likeness: Likeness) -> tuple[list[str], list[Line]]:
    """Two records side by side: how they are called, and field by field how they agree."""
    found = {each.field: each for each in likeness.evidence}

    def compared(field: str, this: str, that: str, *names: str) -> Line:
        return _compared(field, this, that, [found[name] for name in names if name in found])

    days = language.day(one.birth_date), language.day(other.birth_date)
    numbers = [f"{each.patient.identifier} · {each.patient.issuer}" for each in (one, other)]
    table = [
        compared(gettext("Name"), called(one), called(other), "family", "given"),
        compared(gettext("Born"), *days, "birth_date"),
        compared(gettext("Sex"), wording.sex(one.sex), wording.sex(other.sex), "sex"),
        compared(gettext("Address"), one.address, other.address, "address"),
        compared(gettext("Phone"), one.phone, other.phone, "phone"),
        compared(gettext("Patient ID"), numbers[0], numbers[1], "identifier"),
        line(gettext("Score"), " ", [("", f"{likeness.score:.1f}")]),
    ]
    return [called(one), called(other)], table


def _compared(field: str, one: str, other: str, evidence: Sequence[Evidence]) -> Line:
    """The second value with how it agrees, as badly as the worst of what was found; alone where nothing was compared."""
    by_agreement = {agreement(each.finding): each.finding for each in evidence}
    worst = next((each for each in reversed(Agreement) if each in by_agreement), None)
    value = other or gettext("not given")
    if worst is None:
        return line(field, one, [("", value)])
    return line(field, one, [(str(worst), f"{gettext(FINDINGS[by_agreement[worst]])}: {value}")])
