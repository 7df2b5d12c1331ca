"""Studies that are made ready before somebody reads."""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "prefetch",
        sa.Column("device", TEXT, nullable=False),
        sa.Column("study_instance_uid", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("objects", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("octets", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("device", "study_instance_uid", name="prefetch_pkey"),
    )
    op.create_index("prefetch_at", "prefetch", ["at"])
