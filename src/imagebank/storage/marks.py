"""Writing and taking out marks and words, in each database's own kind of index (`tables.words`)."""

from collections.abc import Iterable, Sequence
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
from sqlalchemy.sql.elements import ClauseElement

from imagebank.model.search import Mark, Marks, Weight
from imagebank.model.search_likeness import triples
from imagebank.storage import tables
from imagebank.storage.database import Database, Prepared
from imagebank.storage.sets import among, members, one_of

_FINDING, _TEXT, _SPELLING = tables.finding, tables.finding_text, tables.spelling
# FTS5 calls the key `rowid`, and the whole of a row by the name of the table.
FTS: Final = Table("mark", MetaData(), Column("rowid", tables.ID, primary_key=True), Column("mark", Text))
LEXEMES: Final = Table("mark", MetaData(), Column("place", tables.ID, primary_key=True), Column("marks", TSVECTOR))

_ERA_BITS: Final = 50
"""A place has minutes above 34 bits, and an era 65,536 of them."""
_SPANS: Final = (("e", 0), ("g", 2), ("h", 4), ("i", 6))
"""The letters before spans of one, four, sixteen and sixty-four eras: eight years."""
UNDATED: Final = Mark("e0")
_WEIGHTS: Final = frozenset(Weight)
_BEGINNINGS: Final = (1, 3, 4, 5, 6)
"""Of so many signs of a word PostgreSQL keeps the beginning as a lexeme of its own, as FTS5 does by itself.

To ask it for all lexemes that begin so has them all gathered, whatever else is asked, and all again of each era.
"""
_MOST_BYTES: Final = 1_000_000
"""What a `tsvector` holds, and some room."""
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


def era_marks(place: int) -> tuple[str, ...]:
    """What PostgreSQL keeps of a study beside its marks, so that a question can be put to some eras alone."""
    era = era_of(place)
    return tuple(_span(letter, era >> bits) for letter, bits in _SPANS) if era else (UNDATED.text,)


def beginning_of(newest: int, width: int) -> int:
    """The first era of a stretch of about so many, so that few marks are enough for them."""
    bits = max(bits for _, bits in _SPANS if 1 << bits <= width)
    return max((newest - width + 1) >> bits << bits, 1)


def eras_within(oldest: int, newest: int, *, is_first: bool) -> tuple[Mark, ...]:
    """As few marks as there are for the eras from one to another. `is_first` when nobody has asked for later ones yet.

    PostgreSQL tries every mark of a question at each study that it comes to: sixty eras by name took it 50 ms.
    """
    spans: list[Mark] = []
    while newest >= oldest:
        fitting = (
            (letter, bits)
            for letter, bits in reversed(_SPANS)
            if newest >> bits << bits >= oldest and (is_first or (newest + 1) % (1 << bits) == 0)
        )
        letter, bits = next(fitting)
        spans.append(Mark(_span(letter, newest >> bits)))
        newest, is_first = (newest >> bits << bits) - 1, False
    return tuple(spans)


def _span(letter: str, number: int) -> str:
    return f"{letter}{number:x}"


def lexemes_of(place: int, marks: str) -> str:
    """What PostgreSQL keeps of a study, as it takes it: its marks, the beginnings of its words, and its era."""
    own = marks.split()
    words = (mark for mark in sorted(own) if mark[0] in _WEIGHTS)
    begun = dict.fromkeys(_begun(mark[: signs + 1]) for mark in words for signs in _BEGINNINGS if _is_kept(mark, signs))
    room = _MOST_BYTES - sum(len(mark.encode()) for mark in own)
    kept = (mark for mark in begun if (room := room - len(mark.encode())) >= 0)
    return " ".join(f"'{mark}'" for mark in (*own, *kept, *era_marks(place)))


def _is_kept(mark: str, signs: int) -> bool:
    """Whether the beginning of a word is kept: a single sign is asked for in scripts without blanks alone."""
    return len(mark) > signs and (signs > 1 or mark[1] > "\x7f")


def _begun(beginning: str) -> str:
    """A word stands behind a small letter, and a beginning behind a large one."""
    return beginning[0].upper() + beginning[1:]


def asked_as(mark: Mark) -> tuple[str, bool]:
    """The lexeme that a study with this mark has, and whether it has to begin so only: of beginnings that are not kept."""
    signs = len(mark.text) - 1
    if not mark.is_beginning:
        return mark.text, False
    if signs in _BEGINNINGS and _is_kept(mark.text, signs):
        return _begun(mark.text), False
    return mark.text, True


def lexeme_query(marks: Marks) -> str:
    """The question as PostgreSQL takes it."""
    groups = (" | ".join(f"'{lexeme}'{':*' * begins}" for lexeme, begins in map(asked_as, group)) for group in marks)
    return " & ".join(f"({group})" for group in groups)


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


_SAID: Final = Prepared(
    lambda dialect: (
        select(_FINDING.c.place, _TEXT.c.marks, _TEXT.c.spelled)
        .join(_TEXT, _TEXT.c.place == _FINDING.c.place)
        .where(among(dialect, _FINDING.c.study_row, "numbers"))
    )
)


def taken_out(connection: Connection, studies: Sequence[int]) -> set[str]:
    """Take out what is said of studies; the words that were spelled there, and may be no more."""
    numbers = {"numbers": members(connection.dialect.name, sorted(studies))}
    rows = _SAID.run(connection, numbers).fetchall()
    for place, marks, _ in rows:
        take_mark(connection, place, marks)
        connection.execute(delete(_TEXT).where(_TEXT.c.place == place))
        connection.execute(delete(_FINDING).where(_FINDING.c.place == place))
    return {word for *_, spelled in rows for word in spelled.split()}


_FTS_PUT: Final = Prepared(lambda _: text("INSERT INTO mark (rowid, marks) VALUES (:place, :marks)"))
_FTS_TAKE: Final = Prepared(lambda _: text("INSERT INTO mark (mark, rowid, marks) VALUES ('delete', :place, :marks)"))


def put_mark(connection: Connection, place: int, marks: str) -> None:
    if connection.dialect.name == "sqlite":
        _FTS_PUT.run(connection, {"place": place, "marks": marks})
    else:
        quoted: BindParameter[str] = bindparam("words", lexemes_of(place, marks))
        connection.execute(insert(LEXEMES).values(place=place, marks=cast(quoted, TSVECTOR)))


def take_mark(connection: Connection, place: int, marks: str) -> None:
    if connection.dialect.name == "sqlite":
        _FTS_TAKE.run(connection, {"place": place, "marks": marks})
    else:
        connection.execute(delete(LEXEMES).where(LEXEMES.c.place == place))


def _spelling(dialect: str) -> ClauseElement:
    make = sqlite_insert if dialect == "sqlite" else postgresql_insert
    return make(_SPELLING).values(triple=bindparam("triple"), word=bindparam("word")).on_conflict_do_nothing()


_SPELL: Final = Prepared(_spelling)


def spell(connection: Connection, words: Iterable[str]) -> None:
    """Words in one order, so that writers do not wait for each other in a ring."""
    rows = sorted((triple, word) for word in words for triple in triples(word))
    if rows:
        _SPELL.run_many(connection, [{"triple": triple, "word": word} for triple, word in rows])


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
