"""Delays → SQL: which reports, and series of documents, cannot be read yet. Part of `visible`.

Where a bank has no delay, no statement is another for it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Integer,
    Text,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    or_,
)

from imagebank.model.delay import Delay
from imagebank.storage.rows import micros, pack_set

_NOWHERE: Final[ColumnElement[int]] = literal_column("0", Integer)  # a constant: drivers are given named values alone


def lengths_of(delays: Sequence[Delay]) -> tuple[int, ...]:
    """How many types each delay names: the shape of these delays."""
    return tuple(len(each.types) for each in delays)


def moments_of(delays: Sequence[Delay], at: datetime) -> Iterator[tuple[str, Any]]:
    """The values for that shape at a moment, by the names of parameters."""
    for number, delay in enumerate(delays):
        yield f"delay_{number}_since", micros(delay.since(at))
        yield from ((f"delay_{number}_{place}", pack_set([each])) for place, each in enumerate(delay.types))


def waits(
    lengths: Sequence[int], table: Any, dialect: str, values: Mapping[str, Any] = MappingProxyType({})
) -> ColumnElement[bool]:
    """Whether a row, of a report or of a series, waits still under delays of this shape; with named parameters.

    These have `values`, or are given theirs later.
    """
    find = func.instr if dialect == "sqlite" else func.strpos
    each: list[ColumnElement[bool]] = []
    for number, length in enumerate(lengths):
        is_young = table.c.since > _named(f"delay_{number}_since", values, BigInteger())
        named = (_named(f"delay_{number}_{place}", values, Text()) for place in range(length))
        types = (find(table.c.types, name) > _NOWHERE for name in named)
        each.append(and_(is_young, or_(*types)) if length else is_young)
    return or_(false(), *each)


def _named(name: str, values: Mapping[str, Any], kind: Any) -> BindParameter[Any]:
    return bindparam(name, values[name], type_=kind) if name in values else bindparam(name, type_=kind)
