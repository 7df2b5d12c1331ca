"""The certificates that devices and systems have to show, and those that tokens are bound to: their fingerprints."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    for table in ("device", "client", "token"):
        op.add_column(table, sa.Column("certificate", TEXT, nullable=False, server_default=sa.text("''")))
