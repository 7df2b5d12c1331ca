"""The shape of a scope, which the text of a statement depends on, and the values that go into its places."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Final

from imagebank.model.access import Asker, Clause, Scope
from imagebank.model.person import fold
from imagebank.storage.rows import clean, cut, micros
from imagebank.storage.sets import members
from imagebank.storage.waiting import lengths_of, moments_of

_SETS: Final = ("organizations", "departments", "modalities", "labels")
_DATES: Final = ("since", "until")
_OF_CLAUSE: Final = tuple(field.name for field in fields(Clause))
_REMEMBERED: Final = 256
"""Clauses follow from the site's rules, so that the same few are read for every answer."""

Parts = tuple[tuple[str, object], ...]
"""The parts of a clause that are given."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Which parts of a scope are given, without their values."""

    has_organizations: bool
    has_studies: bool
    permits: tuple[Parts, ...]
    denies: tuple[Parts, ...]
    has_asker: bool
    has_heeded: bool
    patients: int | None
    reports: bool
    delays: tuple[int, ...] = ()
    """The number of types of each."""


def shape_of(scope: Scope) -> Shape:
    return Shape(
        scope.organizations is not None,
        scope.studies is not None,
        _parts_of(scope.permits),
        _parts_of(scope.denies),
        scope.asker is not None,
        scope.heeds is not None,
        None if scope.patients is None else len(scope.patients),
        scope.reports,
        lengths_of(scope.binding),
    )


@lru_cache(_REMEMBERED)
def _parts_of(clauses: tuple[Clause, ...]) -> tuple[Parts, ...]:
    return tuple(map(_parts, clauses))


def _parts(clause: Clause) -> Parts:
    """The parts of a clause that are given; with its value only the one that is a claim."""
    given = ((name, getattr(clause, name)) for name in _OF_CLAUSE)
    return tuple((name, value if name == "in_care" else None) for name, value in given if value not in (None, ""))


def parameters_of(scope: Scope, dialect: str) -> dict[str, Any]:
    """The values for a scope's shape, by the names of parameters."""
    return {**dict(values_of(scope, dialect)), **delay_moments(scope)}


def delay_moments(scope: Scope) -> dict[str, Any]:
    """The values for a scope's delays, at its asker's moment."""
    return {} if scope.asker is None else dict(moments_of(scope.delays, scope.asker.at))


def values_of(scope: Scope, dialect: str) -> Iterator[tuple[str, Any]]:
    """The same without its delays."""
    for name in ("organizations", "studies"):
        if (values := getattr(scope, name)) is not None:
            yield name, members(dialect, sorted(values))
    for number, patient in enumerate(sorted(scope.patients or (), key=str)):
        yield f"patient_{number}_issuer", clean(patient.issuer)
        yield f"patient_{number}_identifier", clean(patient.identifier)
    yield from _of_clauses(scope.permits, "permit", dialect)
    yield from _of_clauses(scope.denies, "deny", dialect)
    if scope.asker is not None:
        yield from _of_asker(scope.asker).items()
    if scope.heeds is not None:
        yield "heeded", members(dialect, sorted(scope.heeds))


@lru_cache(_REMEMBERED)
def _of_clauses(clauses: tuple[Clause, ...], word: str, dialect: str) -> tuple[tuple[str, Any], ...]:
    return tuple(
        each for number, clause in enumerate(clauses) for each in _of_clause(clause, f"{word}_{number}", dialect)
    )


def _of_clause(clause: Clause, prefix: str, dialect: str) -> Iterator[tuple[str, Any]]:
    for name, _ in _parts(clause):
        value = getattr(clause, name)
        if name == "departments":
            value = {cut(fold(each)) for each in value}  # as the column has them
        if name in _SETS:
            yield f"{prefix}_{name}", members(dialect, sorted(value))
        elif name in _DATES:
            yield f"{prefix}_{name}", value


def _of_asker(asker: Asker) -> Mapping[str, Any]:
    return {
        "asker_organization": asker.organization,
        "asker_principal": asker.principal,
        "asker_role": asker.role.value,
        "asker_purpose": asker.purpose.value,
        "asker_at": micros(asker.at),
    }
