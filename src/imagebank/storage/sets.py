"""Membership in a set of any size by one parameter, so that a statement keeps its text and no limit on parameters bites."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import BigInteger, BindParameter, ColumnElement, Text, any_, bindparam, column, false, func, select
from sqlalchemy.dialects.postgresql import ARRAY


def among(dialect: str, of: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Whether a column's value is one of a named parameter's, which `members` packs."""
    return _among(dialect, of, bindparam(name, type_=_kind(dialect, of)))


def members(dialect: str, values: Iterable[str] | Iterable[int]) -> Any:
    """The parameter for `among`."""
    return orjson.dumps([*values]).decode() if dialect == "sqlite" else [*values]


def one_of(dialect: str, of: ColumnElement[Any], values: Sequence[str] | Sequence[int]) -> ColumnElement[bool]:
    """Whether a column's value is one of these."""
    match len(values):
        case 0:
            return false()
        case 1:
            return of == values[0]
    return _among(dialect, of, bindparam(None, members(dialect, values), type_=_kind(dialect, of)))


def _kind(dialect: str, of: ColumnElement[Any]) -> Any:
    if dialect == "sqlite":
        return Text()
    return ARRAY(BigInteger() if of.type.python_type is int else Text())


def _among(dialect: str, of: ColumnElement[Any], parameter: BindParameter[Any]) -> ColumnElement[bool]:
    if dialect == "sqlite":
        each = func.json_each(parameter).table_valued(column("value"))
        return of.in_(select(each.c.value))
    return of == any_(parameter)
