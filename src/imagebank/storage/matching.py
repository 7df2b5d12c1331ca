"""One condition of a query → SQL, by the matching rules of PS3.4 C.2.2.2."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, and_, false, or_, select, true, tuple_

from imagebank.model.attribute import Attribute, Level
from imagebank.model.query import Between, Condition, Like, OneOf, Query, Words
from imagebank.storage import tables
from imagebank.storage.rows import TEXT_LIMIT, clean, cut, fit
from imagebank.storage.sets import one_of
from imagebank.storage.tables import LAST, NUMBERS, column_name, name_columns

_STUDY, _SERIES, _INSTANCE, _VALUE = tables.study, tables.series, tables.instance, tables.attribute
_TABLES: Final = {
    Level.PATIENT: _STUDY,
    Level.STUDY: _STUDY,
    Level.SERIES: _SERIES,
    Level.INSTANCE: _INSTANCE,
}
# These have one value by the standard and an index; asking the attribute table as well would make the index useless.
_SINGLE: Final = frozenset(["PatientID", "PatientName", "AccessionNumber", "StudyDate", "StudyTime", "Modality"])


def spans(query: Query) -> tuple[list[ColumnElement[bool]], list[Condition]]:
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


def holds(condition: Condition, dialect: str) -> ColumnElement[bool]:
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


def writings(condition: Condition, dialect: str) -> list[ColumnElement[bool]]:
    """The ways in which a condition on a name may hold, each by one writing of it."""
    match condition.match:
        case Like(pattern) if "=" not in pattern:
            columns = name_columns(column_name(condition.attribute))[:3]
            return [_text(_STUDY.c[column], form, dialect) for form in _forms(condition.match) for column in columns]
    return [holds(condition, dialect)]


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
