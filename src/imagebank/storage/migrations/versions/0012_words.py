"""What the search over everything looks in. Studies that are there already are written into it by jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0010"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_MARKS = {
    "sqlite": (
        "CREATE VIRTUAL TABLE mark USING fts5(marks, content='', columnsize=0, detail=none, prefix='3 4', tokenize='ascii')",
    ),
    "postgresql": (
        "CREATE TABLE mark (place BIGINT PRIMARY KEY, marks TSVECTOR NOT NULL)",
        "CREATE INDEX mark_marks ON mark USING gin (marks) WITH (fastupdate = off)",
    ),
}


def _words(name: str) -> "sa.Column[str]":
    return sa.Column(name, TEXT, nullable=False, server_default=sa.text("''"))


def upgrade() -> None:
    op.create_table(
        "finding",
        sa.Column("place", ID, autoincrement=False, nullable=False),
        sa.Column("study_row", ID, nullable=False),
        _words("departments"),
        _words("body_parts"),
        sa.PrimaryKeyConstraint("place", name="finding_pkey"),
        sa.UniqueConstraint("study_row", name="finding_study_row_key"),
        sa.ForeignKeyConstraint(["study_row"], ["study.id"], name="finding_study_row_fkey"),
    )
    op.create_table(
        "finding_text",
        sa.Column("place", ID, autoincrement=False, nullable=False),
        *map(_words, ("marks", "spelled", "lines")),
        sa.PrimaryKeyConstraint("place", name="finding_text_pkey"),
        sa.ForeignKeyConstraint(["place"], ["finding.place"], name="finding_text_place_fkey"),
    )
    op.create_table(
        "spelling",
        sa.Column("triple", TEXT, nullable=False),
        sa.Column("word", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("triple", "word", name="spelling_pkey"),
        sqlite_with_rowid=False,
    )
    for statement in _MARKS[op.get_bind().dialect.name]:
        op.execute(statement)
