"""Studies that are brought in from another bank, whose card was shown."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0030"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _words(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, TEXT, nullable=False, server_default=sa.text("''")) for name in names]


def _count(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))


def upgrade() -> None:
    op.create_table(
        "fetch",
        sa.Column("id", TEXT, primary_key=True),
        *_words("by", "role", "organization", "address", "url"),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        *_words("studies"),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        _count("total"),
        _count("kept"),
        *_words("state", "reason"),
        _count("ended_at"),
    )
    op.create_index("fetch_by", "fetch", ["by", "made_at"])
