"""Whose study it is that something comes into contact with: what its depositor may not see tells nothing and takes nothing."""

from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, bindparam, select

from imagebank.model.access import Scope
from imagebank.model.imaging import Kept
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.database import Prepared
from imagebank.storage.direct import Driver
from imagebank.storage.select import studies_in
from imagebank.storage.shape import Shape, parameters_of, shape_of
from imagebank.storage.visible import is_visible

_STUDY = tables.study


class Holder(NamedTuple):
    """A study that something is held in."""

    study: int
    organization: str


def holder_of_series(connection: Connection, study: int) -> Holder:
    """Whose the study of that number is, which a series lies in."""
    return Holder._make(connection.execute(_holder().where(_STUDY.c.id == study)).one())


def holder_of_instance(connection: Connection, row: int) -> Holder:
    """Whose the study is that an instance lies in."""
    joined = _STUDY.join(tables.series).join(tables.instance)
    return Holder._make(connection.execute(_holder().select_from(joined).where(tables.instance.c.id == row)).one())


def owner_of(connection: Connection | Driver, study: Uid, scope: Scope) -> str | None:
    """The organization whose a study in scope is; None where there is no such study."""
    asked = {"study": study, **parameters_of(scope, connection.dialect.name)}
    row = _owner(shape_of(scope)).run(connection, asked).fetchone()
    return None if row is None else row[0]


@cache
def _owner(shape: Shape) -> Prepared:
    of_study = select(_STUDY.c.organization).where(_STUDY.c.study_instance_uid == bindparam("study"))
    return Prepared(lambda dialect: of_study.where(*is_visible(shape, dialect)))


def _holder() -> Select[Any]:
    return select(_STUDY.c.id, _STUDY.c.organization)


def is_open_to(connection: Connection, item: Kept, holder: Holder) -> bool:
    """Whether what comes may touch a study: one of its own organization, or that its depositor sees."""
    if item.sees is None or item.source.organization == holder.organization:
        return True
    visible = studies_in(item.sees, connection.dialect.name)
    return connection.scalar(select(_STUDY.c.id).where(_STUDY.c.id == holder.study, *visible)) is not None
