"""What the search over everything looks in (`model.search`).

Which study has which marks is kept in each database's own kind of index: a table of FTS5 without content on SQLite, a
column of lexemes on PostgreSQL. Both are called `mark` and know a study by its place.
"""

from typing import Any, Final

from sqlalchemy import Column, ForeignKey, Table, event

from imagebank.storage.tables.columns import ID, TEXT, count, metadata, words

# `place` orders by date and time: FTS5 and a B-tree give the newest first without sorting.
finding = Table(
    "finding",
    metadata,
    Column("place", ID, primary_key=True, autoincrement=False),
    Column("study_row", ID, ForeignKey("study.id"), nullable=False, unique=True),
    words("named"),
    count("edition"),
    words("said"),
)
"""One row a study that can be found. `named` has what its headers say for facets, and `said` what they say of the exam
(`model.exam`), both as JSON."""

finding_text = Table(
    "finding_text",
    metadata,
    Column("place", ID, ForeignKey("finding.place"), primary_key=True, autoincrement=False),
    words("marks"),
    words("spelled"),
    words("lines"),
)
"""What is said of a study: to be shown, and to be taken out of the other tables."""

spelling = Table(
    "spelling",
    metadata,
    Column("triple", TEXT, primary_key=True),
    Column("word", TEXT, primary_key=True),
    sqlite_with_rowid=False,
)
"""Words that a typo can be of, by the triples of letters in them."""

# The tokenizer called `ascii` cuts at blanks, where there are only letters, digits and signs beyond ASCII. Beginnings are
# indexed as they are typed, of one sign or of three to six, behind the letter of a mark.
MARKS: Final = {
    "sqlite": (
        "CREATE VIRTUAL TABLE mark USING fts5(marks, content='', columnsize=0, detail=none, prefix='2 4 5 6 7', tokenize='ascii')",
    ),
    # Marks stand apart, so that few pages hold all places. And without a list of pending entries, through which every
    # search would have to go.
    "postgresql": (
        "CREATE TABLE mark (place BIGINT PRIMARY KEY, marks TSVECTOR NOT NULL) WITH (toast_tuple_target = 128)",
        "ALTER TABLE mark ALTER marks SET STORAGE EXTERNAL",
        "CREATE INDEX mark_marks ON mark USING gin (marks) WITH (fastupdate = off)",
    ),
}


def _make_marks(_: Any, connection: Any, **__: Any) -> None:
    for statement in MARKS[connection.dialect.name]:
        connection.exec_driver_sql(statement)


event.listen(finding_text, "after_create", _make_marks)
