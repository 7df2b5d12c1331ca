"""Steps that tasks of the reconciliation queue are shown as."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0021"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "workitem",
        sa.Column("uid", TEXT, primary_key=True),
        *(
            sa.Column(name, TEXT, nullable=False, server_default=sa.text("''"))
            for name in ("task", "transaction_uid", "said")
        ),
    )
