"""What accounts hold and cards open: by part of the body, and on which terms."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    for name in ("body_part", "terms"):
        op.add_column("provision", sa.Column(name, TEXT, nullable=False, server_default=sa.text("''")))
