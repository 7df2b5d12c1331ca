"""Systems that ask for tokens themselves, by their public keys."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "client",
        sa.Column("name", TEXT, primary_key=True),
        *(
            sa.Column(name, TEXT, nullable=False, server_default=sa.text("''"))
            for name in ("role", "organization", "key")
        ),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
