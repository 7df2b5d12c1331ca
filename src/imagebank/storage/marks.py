"""Writing and taking out marks and words, in each database's own kind of index (`tables.words`)."""

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Final

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Table,
    Text,
    bindparam,
    cast,
    delete,
    insert,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from imagebank.model.search import Mark, Marks, Weight
from imagebank.model.search_likeness import triples
from imagebank.storage import tables
from imagebank.storage.database import Database
from imagebank.storage.sets import one_of

_FINDING, _TEXT, _SPELLING = tables.finding, tables.finding_text, tables.spelling
# FTS5 calls the key `rowid`, and the whole of a row by the name of the table.
FTS: Final = Table("mark", MetaData(), Column("rowid", tables.ID, primary_key=True), Column("mark", Text))
LEXEMES: Final = Table("mark", MetaData(), Column("place", tables.ID, primary_key=True), Column("marks", TSVECTOR))

_ERA_BITS: Final = 50
"""A place has minutes above 34 bits, and an era 65,536 of them."""
_PAGES: Final = 500
"""How much of the index is merged in one transaction: others write in between."""


def matches(marks: Marks, dialect: str) -> ColumnElement[bool]:
    """Whether a row of either index has these marks. They are letters and digits alone, so that nothing is to be escaped."""
    if dialect == "sqlite":
        groups = (" OR ".join(f'"{mark.text}"{"*" * mark.is_beginning}' for mark in group) for group in marks)
        asked = " AND ".join(f"({group})" for group in groups)
        return FTS.c.mark.op("MATCH", is_comparison=True)(asked)
    return LEXEMES.c.marks.op("@@", is_comparison=True)(cast(lexeme_query(marks), TSQUERY))


def era_of(place: int) -> int:
    """Which stretch of 45 days a place is in; 0 without a date."""
    return place >> _ERA_BITS


def era_mark(era: int) -> Mark:
    """A mark that PostgreSQL keeps of a study beside its own, so that a question can be put to some eras alone."""
    return Mark(f"e{era:x}")


def lexemes_of(place: int, marks: str) -> str:
    """What PostgreSQL keeps of a study, as it takes it."""
    return " ".join(f"'{mark}'" for mark in (*marks.split(), era_mark(era_of(place)).text))


def lexeme_query(marks: Marks) -> str:
    """The question as PostgreSQL takes it."""
    groups = (" | ".join(f"'{mark.text}'{':*' * mark.is_beginning}" for mark in group) for group in marks)
    return " & ".join(f"({group})" for group in groups)


def share(marks: Marks, shares: Mapping[str, float]) -> float:
    """Which share of all studies has these marks, by the shares of frequent ones."""
    return prod(min(1.0, sum(_share(mark, shares) for mark in group)) for group in marks)


def _share(mark: Mark, shares: Mapping[str, float]) -> float:
    if not mark.is_beginning:
        return shares.get(mark.text, 0.0)
    return sum(number for text, number in shares.items() if text.startswith(mark.text))


def forget(connection: Connection, studies: Sequence[int]) -> None:
    """Take out what is said of studies, by the numbers of their rows."""
    unspell(connection, taken_out(connection, studies))


def clear(connection: Connection) -> None:
    """Take out everything."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("INSERT INTO mark (mark) VALUES ('delete-all')")
    else:
        connection.execute(delete(LEXEMES))
    for table in (_TEXT, _FINDING, _SPELLING):
        connection.execute(delete(table))


def settle(database: Database) -> None:
    """Merge all of FTS5's index into one, so that nothing of what was taken out is left in it, in steps.

    PostgreSQL clears such rows away by itself.
    """
    if not database.is_sqlite:
        return
    pages, is_done = -_PAGES, False
    while not is_done:
        with database.writing() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            before = driver.total_changes
            connection.exec_driver_sql("INSERT INTO mark (mark, rank) VALUES ('merge', ?)", (pages,))
            # FTS5 documents this as the sign that there is nothing left to merge.
            is_done = driver.total_changes - before < 2
        pages = _PAGES


def taken_out(connection: Connection, studies: Sequence[int]) -> set[str]:
    """Take out what is said of studies; the words that were spelled there, and may be no more."""
    statement = (
        select(_FINDING.c.place, _TEXT.c.marks, _TEXT.c.spelled)
        .join(_TEXT, _TEXT.c.place == _FINDING.c.place)
        .where(one_of(connection.dialect.name, _FINDING.c.study_row, sorted(studies)))
    )
    rows = connection.execute(statement).all()
    for place, marks, _ in rows:
        _unmark(connection, place, marks)
        connection.execute(delete(_TEXT).where(_TEXT.c.place == place))
        connection.execute(delete(_FINDING).where(_FINDING.c.place == place))
    return {word for *_, spelled in rows for word in spelled.split()}


_FTS_PUT: Final = text("INSERT INTO mark (rowid, marks) VALUES (:place, :marks)")
_FTS_TAKE: Final = text("INSERT INTO mark (mark, rowid, marks) VALUES ('delete', :place, :marks)")


def put_mark(connection: Connection, place: int, marks: str) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(_FTS_PUT, {"place": place, "marks": marks})
    else:
        quoted: BindParameter[str] = bindparam("words", lexemes_of(place, marks))
        connection.execute(insert(LEXEMES).values(place=place, marks=cast(quoted, TSVECTOR)))


def _unmark(connection: Connection, place: int, marks: str) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(_FTS_TAKE, {"place": place, "marks": marks})
    else:
        connection.execute(delete(LEXEMES).where(LEXEMES.c.place == place))


def spell(connection: Connection, words: Iterable[str]) -> None:
    """Words in one order, so that writers do not wait for each other in a ring."""
    rows = sorted((triple, word) for word in words for triple in triples(word))
    if rows:
        make = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
        statement = make(_SPELLING).on_conflict_do_nothing()
        connection.execute(statement, [{"triple": triple, "word": word} for triple, word in rows])


def unspell(connection: Connection, words: Iterable[str]) -> None:
    """Forget words that no study has any more.

    One that goes and comes in the same moment may be missing until its study is written again.
    """
    dialect = connection.dialect.name
    table = FTS if dialect == "sqlite" else LEXEMES
    for word in sorted(words):
        marks = ((Mark(Weight.NAME + word), Mark(Weight.DESCRIPTION + word)),)
        if connection.execute(select(1).select_from(table).where(matches(marks, dialect)).limit(1)).first() is None:
            theirs = (one_of(dialect, _SPELLING.c.triple, sorted(triples(word))), _SPELLING.c.word == word)
            connection.execute(delete(_SPELLING).where(*theirs))
