"""Places to which studies may be sent, and what was sent there."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0031"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _words(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, TEXT, nullable=False, server_default=sa.text("''")) for name in names]


def _count(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))


def upgrade() -> None:
    op.create_table(
        "destination",
        sa.Column("name", TEXT, primary_key=True),
        *_words("device", "url"),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        *_words("organization"),
    )
    op.create_table(
        "transfer",
        sa.Column("id", TEXT, primary_key=True),
        *_words("by", "role", "organization", "purpose", "address", "destination", "studies"),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        *_words("state", "reason"),
        _count("ended_at"),
    )
    op.create_index("transfer_by", "transfer", ["by", "made_at"])
    op.create_table(
        "transfer_object",
        sa.Column("transfer", TEXT, primary_key=True),
        sa.Column("sop_instance_uid", TEXT, primary_key=True),
        *_words("study", "digest"),
        _count("sent_at"),
    )
