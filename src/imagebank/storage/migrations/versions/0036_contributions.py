"""How much owners of accounts bring on a day."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0037"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _count(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))


def upgrade() -> None:
    op.create_table(
        "contribution",
        sa.Column("account", TEXT, primary_key=True),
        sa.Column("day", TEXT, primary_key=True),
        _count("files"),
        _count("bytes"),
    )
