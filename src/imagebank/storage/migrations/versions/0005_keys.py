"""Keys of accounts, and which of them sealed what."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0007"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "account_key",
        sa.Column("name", sa.LargeBinary, primary_key=True),
        sa.Column("owner", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.Column("segment", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("segment_offset", sa.BigInteger, nullable=False),
        sa.Column("length", sa.BigInteger, nullable=False),
    )
    op.create_index("account_key_owner", "account_key", ["owner"])
    for table in ("instance", "instance_history", "quarantine"):
        op.add_column(table, sa.Column("sealed_by", sa.LargeBinary))
        op.create_index(f"{table}_sealed_by", table, ["sealed_by"])
