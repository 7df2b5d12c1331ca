"""What studies say of radiation; jobs write it for studies of before."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "dose",
        sa.Column("study_row", ID, autoincrement=False, nullable=False),
        sa.Column("edition", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("readings", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("study_row", name="dose_pkey"),
        sa.ForeignKeyConstraint(["study_row"], ["study.id"], name="dose_study_row_fkey"),
    )
