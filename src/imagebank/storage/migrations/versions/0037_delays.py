"""Of which types reports are, and since when their delays count."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0038"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    for table in ("report", "series"):
        op.add_column(table, sa.Column("types", TEXT, nullable=False, server_default=sa.text("''")))
        op.add_column(table, sa.Column("since", sa.BigInteger, nullable=False, server_default=sa.text("0")))
    # Of which types they are cannot be told without their bytes; a delay of all reports counts for them, too.
    op.execute("UPDATE report SET since = received_at")
