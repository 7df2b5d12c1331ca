"""What owners of accounts ask organizations for."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _words(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, TEXT, nullable=False, server_default=sa.text("''")) for name in names]


def upgrade() -> None:
    op.create_table(
        "request",
        sa.Column("id", TEXT, primary_key=True),
        *_words("kind", "account", "issuer", "identifier", "facility", "what", "place", "period"),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        *_words("state", "by", "study", "reason"),
    )
    op.create_index("request_patient", "request", ["issuer", "identifier"])
    op.create_index("request_facility", "request", ["facility", "state", "made_at"])
