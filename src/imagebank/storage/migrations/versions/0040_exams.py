"""What the headers of a study say of the exam stands beside what is found of it; jobs write it for studies of before."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("finding", sa.Column("said", TEXT, nullable=False, server_default=sa.text("''")))
