"""Files that objects were made of stand among the history of those objects, told apart by their media type."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0009"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    for column in ("media_type", "name"):
        op.add_column("instance_history", sa.Column(column, TEXT, nullable=False, server_default=sa.text("''")))
    op.create_index("instance_history_digest", "instance_history", ["digest"])
