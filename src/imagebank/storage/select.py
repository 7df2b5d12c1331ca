"""Query + Scope → SELECT. The only place that turns a scope, or a matching rule, into SQL."""

from collections.abc import Iterable, Sequence
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
    true,
    tuple_,
    union,
)
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from imagebank.model.access import Scope
from imagebank.model.attribute import Attribute, Level
from imagebank.model.query import Between, Condition, Like, OneOf, Query, Words
from imagebank.model.timeline import Place
from imagebank.storage import tables
from imagebank.storage.rows import INSTANCE_NAMES, TEXT_LIMIT, clean, cut, fit
from imagebank.storage.sets import among as is_among
from imagebank.storage.sets import one_of
from imagebank.storage.shape import Shape, delay_moments, shape_of
from imagebank.storage.tables import LAST, NUMBERS, column_name, name_columns
from imagebank.storage.visible import is_visible, series_in, visible_to

_STUDY, _SERIES, _INSTANCE, _VALUE = tables.study, tables.series, tables.instance, tables.attribute
_TABLES: Final = {
    Level.PATIENT: _STUDY,
    Level.STUDY: _STUDY,
    Level.SERIES: _SERIES,
    Level.INSTANCE: _INSTANCE,
}
# These have one value by the standard and an index; asking the attribute table as well would make the index useless.
_SINGLE: Final = frozenset(["PatientID", "PatientName", "AccessionNumber", "StudyDate", "StudyTime", "Modality"])
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
    holds = [each for one in query.conditions for each in _writings(one, dialect)]
    if dialect == "sqlite" and (among or walks):
        found = found.where(_outermost(or_(*holds)))
        found = found.where(is_among(dialect, _row(dialect), AMONG)) if among else found
        return found.order_by(*newest_first).limit(number)
    if dialect == "sqlite":
        # Each writing has an index of its own, and there SQLite is to begin: by the date it would walk.
        found = found.with_only_columns(_STUDY.c.id, _outermost(date).label("study_date"), time)
        return union(*(found.where(one) for one in holds)).order_by(*newest_first).limit(number)
    each = (select(found.where(one).order_by(*newest_first).limit(number).subquery()) for one in holds)
    return union(*each).order_by(*newest_first).limit(number)


def _row(dialect: str) -> ColumnElement[int]:
    """The row of a study as an index of SQLite's has it with all that names are sought by; by `id` it reads the table."""
    return _STUDY.c.id + literal_column("0") if dialect == "sqlite" else _STUDY.c.id


def _writings(condition: Condition, dialect: str) -> list[ColumnElement[bool]]:
    """The ways in which a condition on a name may hold, each by one writing of it."""
    match condition.match:
        case Like(pattern) if "=" not in pattern:
            columns = name_columns(column_name(condition.attribute))[:3]
            return [_text(_STUDY.c[column], form, dialect) for form in _forms(condition.match) for column in columns]
    return [_holds(condition, dialect)]


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
    spans, rest = _spans(query)
    conditions += spans
    for condition in rest:
        if condition.attribute.computed or condition.attribute.level <= own_level:
            holds = _holds(condition, dialect)
            # Where the rows are told, SQLite is not to look for the name first.
            is_key = not among or dialect != "sqlite" or condition.attribute.keyword != "PatientName"
            conditions.append(holds if is_key else _outermost(holds))
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
    held = [_holds(condition, dialect) for condition in conditions]
    if level is Level.SERIES:
        return select(1).where(_INSTANCE.c.series_row == _SERIES.c.id, *held).correlate(_SERIES).exists()
    below: FromClause = _SERIES
    if deepest is Level.INSTANCE:
        below = _SERIES.join(_INSTANCE, _INSTANCE.c.series_row == _SERIES.c.id)
    is_its = (_SERIES.c.study_row == _STUDY.c.id, *of_series)
    return select(1).select_from(below).where(*is_its, *held).correlate(_STUDY).exists()


def _spans(query: Query) -> tuple[list[ColumnElement[bool]], list[Condition]]:
    """Where it is asked for, one condition on date and time together (PS3.4 C.2.2.2.5); and the other conditions."""
    found = {c.attribute.keyword: c for c in query.conditions if c.attribute.keyword in {"StudyDate", "StudyTime"}}
    match (found.get("StudyDate"), found.get("StudyTime")):
        case (Condition(match=Between() as dates), Condition(match=Between() as times)) if query.combined:
            rest = [c for c in query.conditions if c.attribute.keyword not in found]
            return _span(dates, times), rest
    return [], list(query.conditions)


def _span(dates: Between, times: Between) -> list[ColumnElement[bool]]:
    date, time = _STUDY.c.study_date, _STUDY.c.study_time
    conditions: list[ColumnElement[bool]] = [_between(date, dates)]
    if dates.low and times.low:
        conditions.append(tuple_(date, time) >= tuple_(dates.low, times.low))
    if dates.high and times.high:
        conditions.append(tuple_(date, time) <= tuple_(dates.high, times.high))
    return conditions


_Plain = OneOf | Like | Between
"""What a column of values is compared with."""


def _holds(condition: Condition, dialect: str) -> ColumnElement[bool]:
    attribute, match = condition.attribute, condition.match
    if isinstance(match, Words):
        return _has_words(attribute, match, dialect)
    if attribute.computed:
        return _computed(attribute, match, dialect)
    if len(attribute.path) > 1 or column_name(attribute) not in _TABLES[attribute.level].c:
        return _has_value(attribute, match, dialect)
    table = _TABLES[attribute.level]
    if attribute.vr == "PN":
        holds = _name(table, column_name(attribute), match, dialect)
    elif attribute.vr in NUMBERS:
        holds = _number(table.c[column_name(attribute)], match, dialect)
    else:
        holds = _text(table.c[column_name(attribute)], match, dialect)
    is_single = attribute.vr == "UI" or attribute.keyword in _SINGLE
    return holds if is_single else or_(holds, _has_value(attribute, match, dialect))


_COUNTED: Final = {
    "NumberOfStudyRelatedSeries": _STUDY.c.series_count,
    "NumberOfStudyRelatedInstances": _STUDY.c.instance_count,
    "NumberOfSeriesRelatedInstances": _SERIES.c.instance_count,
}
_GATHERED: Final = {"ModalitiesInStudy": _STUDY.c.modalities, "SOPClassesInStudy": _STUDY.c.sop_classes}


def _has_words(attribute: Attribute, match: Words, dialect: str) -> ColumnElement[bool]:
    """Whether each word begins some word of a name, all of them in one row."""
    table, run = _TABLES[attribute.level], _RUN[dialect]
    if len(attribute.path) > 1 or column_name(attribute) not in table.c:
        return _has_words_beside(attribute, match, dialect)
    *_, words = (table.c[column] for column in name_columns(column_name(attribute)))
    holds = and_(true(), *(_like(words, f"{run} {_escaped(clean(w), dialect)}{run}", dialect) for w in match.words))
    return holds if attribute.keyword in _SINGLE else or_(holds, _has_words_beside(attribute, match, dialect))


def _has_words_beside(attribute: Attribute, match: Words, dialect: str) -> ColumnElement[bool]:
    """The same in the attribute table, which has no column of words."""
    owner, here = _values_of(attribute)
    return and_(
        true(),
        *(owner.in_(select(_VALUE.c.owner).where(*here, _begins_word(dialect, word))) for word in match.words),
    )


def _computed(attribute: Attribute, match: _Plain, dialect: str) -> ColumnElement[bool]:
    """Matching on what is counted rather than read from a header."""
    if attribute.keyword in _COUNTED:
        return _number(_COUNTED[attribute.keyword], match, dialect)
    if attribute.keyword == "AvailableTransferSyntaxUID":
        return _text(_INSTANCE.c.transfer_syntax, match, dialect)
    if isinstance(match, OneOf):
        return _packed(_GATHERED[attribute.keyword], match.values, dialect)
    # A wildcard must not run from one modality of the packed set into the next.
    series = _SERIES.alias("any_series")
    has_one = (series.c.study_row == _STUDY.c.id, _text(series.c.modality, match, dialect))
    return select(1).where(*has_one).correlate(_STUDY).exists()


def _packed(column: ColumnElement[Any], values: Iterable[str], dialect: str) -> ColumnElement[bool]:
    """Whether a packed set holds any of these."""
    run = _RUN[dialect]
    wanted = (f"{run}{_escaped(f'{chr(92)}{clean(value)}{chr(92)}', dialect)}{run}" for value in values)
    return or_(false(), *(_like(column, pattern, dialect) for pattern in wanted))


def _has_value(attribute: Attribute, match: _Plain, dialect: str) -> ColumnElement[bool]:
    """Whether the attribute table has a value that matches, for the row of the attribute's level."""
    owner, here = _values_of(attribute)
    holds = (
        _any_name([_VALUE.c.value], match, dialect) if attribute.vr == "PN" else _text(_VALUE.c.value, match, dialect)
    )
    return owner.in_(select(_VALUE.c.owner).where(*here, holds))


def _values_of(attribute: Attribute) -> tuple[ColumnElement[Any], list[ColumnElement[bool]]]:
    """What a row of the attribute's level is known by in the attribute table, and which rows of that are its values."""
    level = max(attribute.level, Level.STUDY)
    return _TABLES[level].c.id, [_VALUE.c.level == int(level), _VALUE.c.key == attribute.key]


def _begins_word(dialect: str, word: str) -> ColumnElement[bool]:
    """Whether some word of a folded name begins so, in a row that has no column of words."""
    run = _RUN[dialect]
    starts = [run + _escaped(mark + clean(word), dialect) + run for mark in "^=,.- "]
    return or_(*(_like(_VALUE.c.value, start, dialect) for start in [_escaped(clean(word), dialect) + run, *starts]))


def _text(column: ColumnElement[Any], match: _Plain, dialect: str) -> ColumnElement[bool]:
    if isinstance(match, OneOf):
        # An empty value stands for a missing one in the column, which matches nothing.
        return one_of(dialect, column, [form for value in match.values if (form := cut(value))])
    if isinstance(match, Like):
        return _wildcard(column, match.pattern, dialect)
    return _between(column, match)


def _between(column: ColumnElement[Any], match: Between) -> ColumnElement[bool]:
    """Both ends included; a row without a value never matches."""
    low = column >= match.low if match.low else column > ""
    return and_(low, column <= match.high) if match.high else low


def _number(column: ColumnElement[Any], match: _Plain, dialect: str) -> ColumnElement[bool]:
    if not isinstance(match, OneOf):
        return false()
    numbers = [number for value in match.values if (number := fit(value)) is not None and number != LAST]
    return one_of(dialect, column, numbers)


def _name(table: Table, name: str, match: _Plain, dialect: str) -> ColumnElement[bool]:
    """A person name matches by any of its writings, or group by group where the key has `=` (PS3.4 C.2.2.2.1)."""
    alphabetic, ideographic, phonetic, _ = (table.c[column] for column in name_columns(name))
    text = match.pattern if isinstance(match, Like) else match.values[0] if isinstance(match, OneOf) else ""
    if "=" not in text:
        return _any_name([alphabetic, ideographic, phonetic], match, dialect)
    pairs = zip((alphabetic, ideographic, phonetic), text.split("="), strict=False)
    return and_(
        true(), *(_any_name([column], _pattern(group), dialect) for column, group in pairs if group.strip("* "))
    )


def _pattern(group: str) -> _Plain:
    return Like(group) if "*" in group or "?" in group else OneOf((group.rstrip("^ "),))


def _any_name(columns: Sequence[ColumnElement[Any]], match: _Plain, dialect: str) -> ColumnElement[bool]:
    """Trailing empty components carry no meaning (PS3.5 6.2.1.1): `doe^*` finds the bare `doe`, too."""
    return or_(*(_text(column, form, dialect) for form in _forms(match) for column in columns))


def _forms(match: _Plain) -> list[_Plain]:
    if isinstance(match, Like) and (short := bare(match.pattern)) not in ("", match.pattern):
        return [match, _pattern(short)]
    return [match]


def bare(pattern: str) -> str:
    while pattern.endswith("^*"):
        pattern = pattern.removesuffix("^*").rstrip("^")
    return pattern


_RUN: Final = {"sqlite": "*", "postgresql": "%"}
_ANY_ONE: Final = {"sqlite": "?", "postgresql": "_"}


def _wildcard(column: ColumnElement[Any], pattern: str, dialect: str) -> ColumnElement[bool]:
    """DICOM wildcards by the database's own; what is special to it alone is escaped.

    SQLite's GLOB minds case as its LIKE does not. The bounds let an index serve the part before the first wildcard.
    """
    pattern = clean(pattern)[: 2 * TEXT_LIMIT]
    while "**" in pattern:
        pattern = pattern.replace("**", "*")
    own = "".join(
        _RUN[dialect] if c == "*" else _ANY_ONE[dialect] if c == "?" else _escaped(c, dialect) for c in pattern
    )
    holds = _like(column, own, dialect)
    stem = pattern[: min((pattern + "*").index("*"), (pattern + "?").index("?"))][:TEXT_LIMIT]
    if stem:
        return and_(column >= stem, column < stem + "\U0010ffff", holds)
    return holds if pattern.strip("*") else column > ""


def _escaped(literal: str, dialect: str) -> str:
    if dialect == "sqlite":
        return "".join(f"[{c}]" if c in "*?[" else c for c in literal)
    return "".join(f"\\{c}" if c in "%_\\" else c for c in literal)


def _like(column: ColumnElement[Any], pattern: str, dialect: str) -> ColumnElement[bool]:
    return column.op("GLOB", is_comparison=True)(pattern) if dialect == "sqlite" else column.like(pattern, escape="\\")
