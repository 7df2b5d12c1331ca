"""Query + Scope → SELECT. The only place that turns a scope into SQL; `matching` has the conditions."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    Integer,
    Select,
    Table,
    and_,
    bindparam,
    desc,
    false,
    func,
    literal_column,
    or_,
    select,
    union,
)
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from imagebank.model.access import Scope
from imagebank.model.attribute import Level
from imagebank.model.query import Condition, OneOf, Query
from imagebank.model.timeline import Place
from imagebank.storage import tables
from imagebank.storage.matching import holds, spans, writings
from imagebank.storage.rows import INSTANCE_NAMES
from imagebank.storage.sets import among as is_among
from imagebank.storage.sets import one_of
from imagebank.storage.shape import Shape, delay_moments, shape_of
from imagebank.storage.visible import is_visible, series_in, visible_to

_STUDY, _SERIES, _INSTANCE, _VALUE = tables.study, tables.series, tables.instance, tables.attribute
NEWEST: Final = (_STUDY.c.study_date.desc(), _STUDY.c.study_time.desc(), _STUDY.c.study_instance_uid)
"""The order of studies: see `behind`."""
AMONG: Final = "among"
COUNTED: Final = "counted"
NEWEST_OF: Final = "newest_of"
"""Parameters of statements."""
SERIES_ORDER: Final = (_SERIES.c.series_number, _SERIES.c.series_instance_uid)
_INSTANCE_ORDER: Final = (_INSTANCE.c.instance_number, _INSTANCE.c.sop_instance_uid)

STUDY_RETURNED: Final = (
    _STUDY.c.id.label("study_row"),
    _STUDY.c.json.label("study_json"),
    _STUDY.c.series_count,
    _STUDY.c.instance_count.label("study_count"),
    _STUDY.c.modalities,
    _STUDY.c.sop_classes,
)
SERIES_RETURNED: Final = (
    _SERIES.c.id.label("series_row"),
    _SERIES.c.json.label("series_json"),
    _SERIES.c.instance_count.label("series_count_of_instances"),
)
INSTANCE_RETURNED: Final = (
    _INSTANCE.c.transfer_syntax,
    _INSTANCE.c.rest,
    *(_INSTANCE.c[name] for name in INSTANCE_NAMES),
)


def matches(
    query: Query,
    scope: Scope,
    dialect: str,
    *,
    among: bool = False,
    goes_on: bool = False,
) -> Select[Any]:
    """The matches of a query in their order, with what `found` needs to tell their attributes.

    A question `among` some finds those of the rows of studies that the parameter `AMONG` holds. One that `goes_on`
    begins behind a study: see `paging.parameters_of`.
    """
    if query.level is Level.PATIENT:
        statement = _patients(query, scope, dialect, among=among)
    else:
        returned = (STUDY_RETURNED, SERIES_RETURNED, INSTANCE_RETURNED)[: query.level]
        order = (NEWEST, SERIES_ORDER, _INSTANCE_ORDER)[: query.level]
        statement = (
            select(*(column for columns in returned for column in columns))
            .select_from(_joined(query, dialect))
            .where(*_conditions(query, scope, dialect, among=among))
            .order_by(*(column for columns in order for column in columns))
        )
    if goes_on:
        statement = statement.where(_is_behind(*map(bindparam, ("behind_date", "behind_time", "behind_study"))))
    if query.limit is not None:
        statement = statement.limit(query.limit)
    elif query.offset and dialect == "sqlite":
        statement = statement.limit(-1)  # SQLite knows OFFSET only after LIMIT
    return statement.offset(query.offset) if query.offset else statement


def number_of_matches(
    query: Query, scope: Scope, dialect: str, *, among: bool = False, ends: bool = False
) -> Select[Any]:
    """How many matches there are. A count that `ends` does so at the number that the parameter `COUNTED` says."""
    if query.level is Level.PATIENT:
        each: Select[Any] = select(_STUDY.c.patient_row).distinct()
    else:
        each = select(literal_column("1").label("one"))
    each = each.select_from(_joined(query, dialect)).where(
        *_conditions(query, scope, dialect, among=among, by=_row(dialect))
    )
    each = each.limit(bindparam(COUNTED, type_=Integer())) if ends else each
    return select(func.count()).select_from(each.subquery())


def newest_named(
    query: Query, scope: Scope, dialect: str, *, among: bool = False, walks: bool = False
) -> Select[Any] | CompoundSelect[Any]:
    """The rows of the newest studies for which a query on a name holds, with date and time; the parameter `NEWEST_OF` says
    how many. All this is in indexes (`tables.order`), and no row of a study is read.

    One `among` some looks at these alone, and one that `walks` at all studies in their order: for a name that many have.
    """
    date, time = _STUDY.c.study_date, _STUDY.c.study_time
    number: ColumnElement[int] = bindparam(NEWEST_OF, type_=Integer())
    newest_first: Sequence[ColumnElement[Any]] = (desc("study_date"), desc("study_time"))
    found = select(_STUDY.c.id, date, time).where(*studies_in(scope, dialect))
    wanted = [each for one in query.conditions for each in writings(one, dialect)]
    if dialect == "sqlite" and (among or walks):
        found = found.where(_outermost(or_(*wanted)))
        found = found.where(is_among(dialect, _row(dialect), AMONG)) if among else found
        return found.order_by(*newest_first).limit(number)
    if dialect == "sqlite":
        # Each writing has an index of its own, and there SQLite is to begin: by the date it would walk.
        found = found.with_only_columns(_STUDY.c.id, _outermost(date).label("study_date"), time)
        return union(*(found.where(one) for one in wanted)).order_by(*newest_first).limit(number)
    each = (select(found.where(one).order_by(*newest_first).limit(number).subquery()) for one in wanted)
    return union(*each).order_by(*newest_first).limit(number)


def _row(dialect: str) -> ColumnElement[int]:
    """The row of a study as an index of SQLite's has it with all that names are sought by; by `id` it reads the table."""
    return _STUDY.c.id + literal_column("0") if dialect == "sqlite" else _STUDY.c.id


def _patients(query: Query, scope: Scope, dialect: str, *, among: bool) -> Select[Any]:
    """One row a patient: that of the newest study in scope that matches."""
    place = func.row_number().over(partition_by=_STUDY.c.patient_row, order_by=NEWEST).label("place")
    ranked = select(_STUDY.c.id, place).where(*_conditions(query, scope, dialect, among=among)).subquery()
    return select(*STUDY_RETURNED).join(ranked, ranked.c.id == _STUDY.c.id).where(ranked.c.place == 1).order_by(*NEWEST)


def _joined(query: Query, dialect: str) -> FromClause:
    joined: FromClause = _STUDY
    if query.level >= Level.SERIES:
        study = _STUDY.c.id if dialect != "sqlite" or _names_row_below(query) else _outermost(_STUDY.c.id)
        joined = joined.join(_SERIES, _SERIES.c.study_row == study)
    if query.level >= Level.INSTANCE:
        joined = joined.join(_INSTANCE, _INSTANCE.c.series_row == _SERIES.c.id)
    return joined


def _names_row_below(query: Query) -> bool:
    return any(
        c.attribute.vr == "UI" and c.attribute.level > Level.STUDY and isinstance(c.match, OneOf)
        for c in query.conditions
    )


def _outermost(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The same value, yet no key for SQLite to look a row up by.

    So it walks the studies in their order and goes down from each, where it would read and sort all instances of the
    bank for the first page.
    """
    return UnaryExpression(column, operator=custom_op("+", precedence=8))


def behind(place: Place) -> ColumnElement[bool]:
    """What a study must be to come after a place in the order of `NEWEST`."""
    return _is_behind(place.date, place.time, place.study)


def _is_behind(day: Any, moment: Any, uid: Any) -> ColumnElement[bool]:
    date, time = _STUDY.c.study_date, _STUDY.c.study_time
    is_later_that_day = or_(time < moment, and_(time == moment, _STUDY.c.study_instance_uid > uid))
    # The first part says nothing more: by it the index is entered at that day.
    return and_(date <= day, or_(date < day, and_(date == day, is_later_that_day)))


def studies_in(scope: Scope, dialect: str) -> list[ColumnElement[bool]]:
    """What a study must be to be visible, with the scope's values in it."""
    return visible_to(scope, dialect)


def events_in(scope: Scope, dialect: str) -> list[ColumnElement[bool]]:
    """Events of the scope's organizations and those about their studies; under a scope of studies, those about these."""
    conditions: list[ColumnElement[bool]] = []
    if scope.organizations is not None:
        names = sorted(scope.organizations)
        theirs = select(_STUDY.c.study_instance_uid).where(one_of(dialect, _STUDY.c.organization, names))
        by_them = one_of(dialect, tables.event.c.organization, names)
        conditions.append(or_(by_them, tables.event.c.study.in_(theirs)))
    if scope.studies is not None:
        conditions.append(one_of(dialect, tables.event.c.study, sorted(scope.studies)))
    return conditions


def quarantined_in(scope: Scope, dialect: str) -> list[ColumnElement[bool]]:
    """Deposits of the scope's organizations. They belong to no study, so a scope of studies shows none."""
    return brought_by(scope, tables.quarantine, dialect)


def brought_by(scope: Scope, table: Table, dialect: str) -> list[ColumnElement[bool]]:
    """The scope's organizations' own of what belongs to no study, or is found by its study alone."""
    if scope.studies is not None:
        return [false()]
    if scope.organizations is None:
        return []
    return [one_of(dialect, table.c.organization, sorted(scope.organizations))]


def chosen(given: frozenset[str], shape: Shape, dialect: str) -> list[ColumnElement[bool]]:
    """Selection and scope of one shape, with named parameters: study, series, instance, and those of the scope."""
    by_name = {
        "study": _STUDY.c.study_instance_uid == bindparam("study"),
        "series": _SERIES.c.series_instance_uid == bindparam("series"),
        "instance": _INSTANCE.c.sop_instance_uid == bindparam("instance"),
    }
    visible = [*is_visible(shape, dialect), *series_in(shape, dialect)]
    return [*(by_name[name] for name in sorted(given)), *visible]


def _conditions(
    query: Query, scope: Scope, dialect: str, *, among: bool = False, by: ColumnElement[int] = _STUDY.c.id
) -> list[ColumnElement[bool]]:
    conditions = studies_in(scope, dialect)
    conditions += [is_among(dialect, by, AMONG)] if among else []
    conditions += series_of(scope, dialect) if query.level >= Level.SERIES else []
    own_level = max(query.level, Level.STUDY)
    below: list[Condition] = []
    joint, rest = spans(query)
    conditions += joint
    for condition in rest:
        if condition.attribute.computed or condition.attribute.level <= own_level:
            held = holds(condition, dialect)
            # Where the rows are told, SQLite is not to look for the name first.
            is_key = not among or dialect != "sqlite" or condition.attribute.keyword != "PatientName"
            conditions.append(held if is_key else _outermost(held))
        else:
            below.append(condition)
    if below:
        conditions.append(_has_below(own_level, below, dialect, series_of(scope, dialect)))
    return conditions


def series_of(scope: Scope, dialect: str) -> list[ColumnElement[bool]]:
    """What a series must be to be shown, with the scope's values in it."""
    return series_in(shape_of(scope), dialect, delay_moments(scope))


def _has_below(
    level: Level, conditions: Sequence[Condition], dialect: str, of_series: Sequence[ColumnElement[bool]]
) -> ColumnElement[bool]:
    """There is one series (and instance of it) under this row for which all the conditions hold, and that is shown."""
    deepest = max(condition.attribute.level for condition in conditions)
    held = [holds(condition, dialect) for condition in conditions]
    if level is Level.SERIES:
        return select(1).where(_INSTANCE.c.series_row == _SERIES.c.id, *held).correlate(_SERIES).exists()
    below: FromClause = _SERIES
    if deepest is Level.INSTANCE:
        below = _SERIES.join(_INSTANCE, _INSTANCE.c.series_row == _SERIES.c.id)
    is_its = (_SERIES.c.study_row == _STUDY.c.id, *of_series)
    return select(1).select_from(below).where(*is_its, *held).correlate(_STUDY).exists()
