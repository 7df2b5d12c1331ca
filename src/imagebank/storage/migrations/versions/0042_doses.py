"""What studies say of radiation; jobs write it for studies of before."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0036"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "dose",
        sa.Column("study_row", ID, sa.ForeignKey("study.id"), primary_key=True, autoincrement=False),
        sa.Column("edition", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("readings", TEXT, nullable=False, server_default=sa.text("''")),
    )
