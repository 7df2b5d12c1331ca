"""Whether a decision holds for all records of a person, or for those of one issuer."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("provision", sa.Column("of_person", sa.SmallInteger, nullable=False, server_default=sa.text("0")))
