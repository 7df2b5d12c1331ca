"""Cards, and what they were used for."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0032"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _words(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, TEXT, nullable=False, server_default=sa.text("''")) for name in names]


def upgrade() -> None:
    op.create_table(
        "card",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("number", sa.LargeBinary, nullable=False),
        *_words("pin", "issuer", "identifier", "organization", "by"),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        *_words("holder", "label", "recipient", "email", "purpose"),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("tries_left", "uses_left", "uses")),
        *(
            sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))
            for name in ("frozen_at", "revoked_at")
        ),
    )
    op.create_index("card_number", "card", ["number"], unique=True)
    op.create_index("card_patient", "card", ["issuer", "identifier"])
    op.create_table(
        "withdrawal",
        sa.Column("card", TEXT, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        *_words("name", "institution", "purpose", "address"),
    )
