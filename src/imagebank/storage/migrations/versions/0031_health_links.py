"""Health links, the sealed files that wait to be got, and records by their own names."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0033"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _words(name: str) -> "sa.Column[str]":
    return sa.Column(name, TEXT, nullable=False, server_default=sa.text("''"))


def upgrade() -> None:
    op.create_table(
        "health_link",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("card", TEXT, nullable=False),
        *map(_words, ("flags", "access")),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    )
    op.create_index("health_link_card", "health_link", ["card"])
    op.create_table(
        "health_link_file",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        _words("card"),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
    )
    op.create_index("health_link_file_ends_at", "health_link_file", ["ends_at"])
    op.create_index("identity_own", "identity", ["own"])
