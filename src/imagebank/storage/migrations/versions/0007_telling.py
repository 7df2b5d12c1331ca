"""What was told to the audit record repository, who tells it, and the ledger by time."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0004"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _number(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))


def upgrade() -> None:
    op.create_table("told", sa.Column("lane", TEXT, primary_key=True), _number("position"))
    op.create_table(
        "errand",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("holder", TEXT, nullable=False, server_default=sa.text("''")),
        _number("until"),
    )
    op.create_index("event_at", "event", ["at"])
