"""Attributes that the site makes searchable, which were named in the settings alone.

And on PostgreSQL the era of each study among its marks, which takes about a minute for a million studies.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0024"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _words(name: str) -> "sa.Column[str]":
    return sa.Column(name, TEXT, nullable=False, server_default=sa.text("''"))


def _count(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))


def upgrade() -> None:
    op.create_table(
        "searchable",
        sa.Column("key", TEXT, nullable=False),
        *map(_words, ("written", "name", "vr")),
        sa.Column("level", sa.SmallInteger, nullable=False),
        _words("creator"),
        sa.Column("folded", sa.SmallInteger, nullable=False),
        _words("state"),
        sa.Column("added_at", sa.BigInteger, nullable=False),
        _words("added_by"),
        *map(_count, ("total", "done", "last")),
        sa.PrimaryKeyConstraint("key", name="searchable_pkey"),
    )
    op.create_table(
        "catalogue_version",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="catalogue_version_pkey"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("UPDATE mark SET marks = marks || ('e' || to_hex(place >> 50))::tsvector")
