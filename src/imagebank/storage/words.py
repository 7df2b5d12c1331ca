"""The search over everything in SQL: the marks of a study in each database's own index of words.

Both are given the same marks and the same question, so both find the same; neither cuts or folds anything by itself.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import cache, lru_cache
from typing import Any, Final, cast

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    and_,
    bindparam,
    case,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from imagebank.model.access import Scope
from imagebank.model.attribute import Level
from imagebank.model.imaging import Found
from imagebank.model.search import EDITION, Document, Facet, Hit, Line, Marks, Weight, choices
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.alike import Alike
from imagebank.storage.database import Database, Prepared, lock_studies
from imagebank.storage.eras import Eras
from imagebank.storage.found import found
from imagebank.storage.marks import FTS, matches, put_mark, spell, take_mark, taken_out, unspell
from imagebank.storage.outlines import without_waiting
from imagebank.storage.rows import clean, dumps, pack_said, unpack_set
from imagebank.storage.select import STUDY_RETURNED, studies_in
from imagebank.storage.sets import one_of

_STUDY, _SERIES, _WHOLE = tables.study, tables.series, tables.completeness
_FINDING, _TEXT = tables.finding, tables.finding_text
_FACETS: Final[Mapping[str, Facet]] = {facet.value: facet for facet in Facet}
_ROW_BITS: Final = 34
_MINUTES_BITS: Final = 29
_FIRST_DAY: Final = date(1800, 1, 1)
_DAY: Final = 24 * 60


def place_of(row: int, day: str, time: str) -> int:
    """Where a study stands in the order of time: minutes since 1800, then the number of its row. 0 without a date."""
    try:
        days = (date(int(day[:4]), int(day[4:6]), int(day[6:8])) - _FIRST_DAY).days
    except ValueError:
        return row
    clock = int(time[:2] or 0) * 60 + int(time[2:4] or 0) if time[:4].isascii() and time[:4].isdigit() else 0
    minutes: int = min(max(days * _DAY + clock, 0), 2**_MINUTES_BITS - 1)
    return minutes << _ROW_BITS | row


class SQLWords:
    """A `WordsReader` on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.engine.dialect.name
        self._eras = None if database.is_sqlite else Eras()
        self._alike = Alike(self._dialect)

    def hits(self, marks: Marks, scope: Scope, most: int) -> list[Hit]:
        statement = _hits(marks, scope, self._dialect)
        rows: list[Row[Any]] = []
        with self._database.reading() as connection:
            if self._eras is None or not marks:
                rows = list(connection.execute(statement.limit(most)).all())
            else:
                for places in self._eras.places(connection, marks, most):
                    some = statement.where(one_of(self._dialect, _FINDING.c.place, places))
                    rows += connection.execute(some.limit(most - len(rows))).all()
                    if len(rows) == most:
                        break
        return list(_told_all(rows))

    def graded(self, passes: Sequence[Marks], scope: Scope, most: int) -> list[tuple[int, Hit]]:
        if self._eras is not None and passes[-1]:
            with self._database.reading() as connection:
                few = self._eras.few(connection, passes)
            if few is not None:
                return self._of_few(few, scope, most)
        return self._in_turn(passes, scope, most)

    def _in_turn(self, passes: Sequence[Marks], scope: Scope, most: int) -> list[tuple[int, Hit]]:
        """One question after the other, until there are enough studies or none is left that a later one would find."""
        ask = cache(lambda number: self.hits(passes[number], scope, most))
        all_of_them = _number_of_all(passes, ask, most) if self._eras is None else None
        found: dict[int, tuple[int, Hit]] = {}
        for number in range(len(passes)):
            for hit in ask(number):
                if len(found) < most:
                    found.setdefault(hit.place, (number, hit))
            if len(found) in {most, all_of_them}:
                break
        return list(found.values())

    def _of_few(self, grades: Mapping[int, int], scope: Scope, most: int) -> list[tuple[int, Hit]]:
        if not grades:
            return []
        told = without_waiting(scope, self._dialect)
        few = one_of(self._dialect, _FINDING.c.place, sorted(grades))
        statement = _hits((), scope, self._dialect).where(few, *told)
        with self._database.reading() as connection:
            found = [(grades[hit.place], hit) for hit in _told_all(connection.execute(statement).all())]
        return sorted(found, key=lambda pair: (pair[0], -pair[1].place))[:most]

    def shown(self, places: Collection[int], scope: Scope) -> dict[int, tuple[Found, tuple[Line, ...]]]:
        statement = (
            select(*STUDY_RETURNED, _FINDING.c.place, _TEXT.c.lines)
            .join_from(_FINDING, _STUDY, _STUDY.c.id == _FINDING.c.study_row)
            .join(_TEXT, _TEXT.c.place == _FINDING.c.place)
            .where(one_of(self._dialect, _FINDING.c.place, sorted(places)), *studies_in(scope, self._dialect))
        )
        with self._database.reading() as connection:
            rows = cast("Sequence[Row[Any]]", connection.execute(statement).all())
        return {
            row.place: (study, _lines(row.lines)) for row, study in zip(rows, found(rows, Level.STUDY), strict=True)
        }

    def alike(self, word: str) -> list[str]:
        with self._database.reading() as connection:
            return self._alike.words(connection, word)

    def unwritten(self, limit: int, scope: Scope, after: str = "") -> list[Uid]:
        is_unwritten = func.coalesce(_FINDING.c.edition, 0) < EDITION
        statement = (
            select(_STUDY.c.study_instance_uid)
            .outerjoin(_FINDING, _FINDING.c.study_row == _STUDY.c.id)
            .where(_STUDY.c.study_instance_uid > after, is_unwritten, *studies_in(scope, self._dialect))
            .order_by(_STUDY.c.study_instance_uid)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [Uid(uid) for uid in connection.scalars(statement)]


def _number_of_all(passes: Sequence[Marks], ask: Callable[[int], list[Hit]], most: int) -> int | None:
    """How many studies the last question finds, where it is worth asking before its turn. None where it is not.

    FTS5 gathers the beginnings of long words anew for each question; once all that the last one finds are found, those
    between need not be asked. Whole words cost little and tell whether there may be so few: a name is in few studies.
    """
    begun = [
        number for number, marks in enumerate(passes) if any(mark.is_beginning for group in marks for mark in group)
    ]
    whole = [number for number in range(len(passes)) if number not in begun]
    if len(begun) < 2 or any(len(ask(number)) == most for number in whole):
        return None
    if len(passes[0]) == 1 and not ask(whole[-1]) and len(ask(begun[0])) == most:
        return None  # one word that only begins so
    number = len(ask(len(passes) - 1))
    return number if number < most else None


def _hits(marks: Marks, scope: Scope, dialect: str) -> Select[Any]:
    """Studies in their order; on SQLite those that have these marks.

    A study of which something waits for the caller is found by no mark, and shown without what headers name: that is of it, too.
    """
    told = without_waiting(scope, dialect)
    columns = (
        _FINDING.c.place,
        _STUDY.c.modalities,
        _STUDY.c.study_date,
        _STUDY.c.organization,
        _STUDY.c.patient_sex,
        case((and_(*told), _FINDING.c.named), else_="") if told else _FINDING.c.named,
    )
    source = _FINDING.join(_STUDY, _STUDY.c.id == _FINDING.c.study_row)
    conditions, order = studies_in(scope, dialect), _FINDING.c.place.desc()
    conditions += told if marks else []
    if marks and dialect == "sqlite":
        # The sign keeps SQLite from asking FTS5 anew for each study: it has to begin with the words.
        rowid: ColumnElement[int] = UnaryExpression(FTS.c.rowid, operator=custom_op("+"))
        source = FTS.join(_FINDING, _FINDING.c.place == rowid).join(_STUDY, _STUDY.c.id == _FINDING.c.study_row)
        conditions, order = [matches(marks, dialect), *conditions], FTS.c.rowid.desc()
    return select(*columns).select_from(source).where(*conditions).order_by(order)


def _told_all(rows: Iterable[Row[Any]]) -> Iterator[Hit]:
    for place, modalities, day, *others in (cast("tuple[Any, ...]", row) for row in rows):
        yield Hit(place, _told(modalities, day[:4], *others))


def _told(modalities: str, year: str, organization: str, sex: str, named: str) -> tuple[tuple[Facet, str], ...]:
    """The values of the facets, each with its facet."""
    told = _own(modalities, year, organization, sex)
    if not named:
        return told
    return told + tuple(_pair(facet, value) for facet, some in orjson.loads(named).items() for value in some)


@lru_cache(maxsize=4_096)
def _own(*columns: str) -> tuple[tuple[Facet, str], ...]:
    return tuple(_pair(facet, value) for facet, some in _values(*columns).items() for value in some)


@lru_cache(maxsize=16_384)
def _pair(facet: str, value: str) -> tuple[Facet, str]:
    """One for all studies: thousands of tuples a question would have the garbage collector look through all there are."""
    return _FACETS[facet], value


def _values(modalities: str, year: str, organization: str, sex: str) -> dict[Facet, tuple[str, ...]]:
    """The values of the facets that a study's own columns tell."""
    single = {Facet.YEAR: year, Facet.ORGANIZATION: organization, Facet.SEX: sex}
    several = {Facet.MODALITY: tuple(unpack_set(modalities))}
    return several | {facet: (value,) for facet, value in single.items() if value}


def _lines(packed: str) -> tuple[Line, ...]:
    return tuple(Line(Weight(w), label, line, is_name) for w, label, line, is_name in orjson.loads(packed))


def _insertion(table: Table, *names: str) -> Prepared:
    return Prepared(lambda _: insert(table).values({name: bindparam(name) for name in names}))


_ABOUT: Final = Prepared(
    lambda _: select(
        *(_STUDY.c[name] for name in ("id", "study_date", "study_time", "modalities", "organization", "patient_sex"))
    ).where(_STUDY.c.study_instance_uid == bindparam("study"))
)
_NEW_FINDING: Final = _insertion(_FINDING, "place", "study_row", "named", "said", "edition")
_NEW_TEXT: Final = _insertion(_TEXT, "place", "marks", "spelled", "lines")
_STANDING: Final = Prepared(
    lambda _: (
        select(_STUDY.c.organization, _FINDING.c.place, _FINDING.c.named, _TEXT.c.marks)
        .join_from(_STUDY, _FINDING, _FINDING.c.study_row == _STUDY.c.id)
        .join(_TEXT, _TEXT.c.place == _FINDING.c.place)
        .where(_STUDY.c.study_instance_uid == bindparam("study"))
    )
)
_NAME: Final = Prepared(
    lambda _: update(_FINDING).where(_FINDING.c.place == bindparam("at")).values(named=bindparam("told"))
)
_MARK: Final = Prepared(lambda _: update(_TEXT).where(_TEXT.c.place == bindparam("at")).values(marks=bindparam("new")))
_PROGRESS: Final = Prepared(
    lambda _: select(_WHOLE.c.progress).where(
        _WHOLE.c.study == bindparam("study"), _WHOLE.c.organization == bindparam("organization")
    )
)
_VERSIONS: Final = Prepared(
    lambda _: select(_SERIES.c.series_instance_uid, _SERIES.c.version).where(_SERIES.c.study_row == bindparam("number"))
)


class WordsChanges:
    """A `WordsWriter` on an open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, document: Document, versions: Mapping[Uid, int]) -> bool:
        connection = self._connection
        lock_studies(connection, [document.study])
        study = _ABOUT.run(connection, {"study": document.study}).fetchone()
        if study is None or _versions(connection, study[0]) != versions:
            return False
        number, day, time, modalities, organization, sex = study
        values = _values(modalities, day[:4], organization, sex)
        told = {**document.named, **_progress(connection, document.study, organization)}
        marks = " ".join(sorted({*document.marks, *choices(values), *choices(told)}))
        before = taken_out(connection, [number])
        place = place_of(number, day, time)
        named = clean(dumps(told)) if told else ""
        row = {
            "place": place,
            "study_row": number,
            "named": named,
            "said": pack_said(document.said),
            "edition": EDITION,
        }
        _NEW_FINDING.run(connection, row)
        spelled = sorted(map(clean, document.spelled))
        lines = [(one.weight, one.label, one.text, one.is_name) for one in document.lines]
        texts = {"marks": marks, "spelled": " ".join(spelled), "lines": clean(dumps(lines))}
        _NEW_TEXT.run(connection, {"place": place, **texts})
        put_mark(connection, place, marks)
        spell(connection, spelled)
        unspell(connection, before - set(spelled))
        return True

    def stand(self, study: Uid) -> None:
        connection = self._connection
        lock_studies(connection, [study])
        row = _STANDING.run(connection, {"study": study}).fetchone()
        if row is None:
            return
        organization, place, packed, marked = row
        named = orjson.loads(packed) if packed else {}
        before = {Facet.COMPLETENESS: tuple(named.pop(Facet.COMPLETENESS, ()))}
        now = _progress(connection, study, organization)
        if before.get(Facet.COMPLETENESS) == now.get(Facet.COMPLETENESS, ()):
            return
        marks = " ".join(sorted({*marked.split()} - {*choices(before)} | {*choices(now)}))
        told = clean(dumps({**named, **now})) if named or now else ""
        _NAME.run(connection, {"at": place, "told": told})
        _MARK.run(connection, {"at": place, "new": marks})
        take_mark(connection, place, marked)
        put_mark(connection, place, marks)


def _progress(connection: Connection, study: Uid, organization: str) -> dict[Facet, tuple[str, ...]]:
    """How far a study has come; nothing before it was judged."""
    row = _PROGRESS.run(connection, {"study": study, "organization": organization}).fetchone()
    return {Facet.COMPLETENESS: (row[0],)} if row and row[0] else {}


def _versions(connection: Connection, study: int) -> dict[Uid, int]:
    return {Uid(uid): version for uid, version in _VERSIONS.run(connection, {"number": study}).fetchall()}
