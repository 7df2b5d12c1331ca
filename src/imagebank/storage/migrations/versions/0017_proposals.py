"""What is proposed of files that say nothing of themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0014"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "proposal",
        sa.Column("sop_instance_uid", TEXT, nullable=False),
        sa.Column("proposals", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("sop_instance_uid", name="proposal_pkey"),
        sqlite_with_rowid=False,
    )
