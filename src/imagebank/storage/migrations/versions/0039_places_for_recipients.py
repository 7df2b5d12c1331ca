"""Which places are offered to who has redeemed a card: none of those that are there, until somebody says so."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0035"


def upgrade() -> None:
    flag = sa.Column("is_for_recipients", sa.SmallInteger, nullable=False, server_default=sa.text("0"))
    op.add_column("destination", flag)
