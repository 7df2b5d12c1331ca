"""Salts of lines of the ledger, and checkpoints by time: to prove a line without showing its neighbours."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0027"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("event", sa.Column("salt", TEXT, nullable=False, server_default=sa.text("''")))
    op.create_index("checkpoint_at", "checkpoint", ["at"])
