"""Consents, grants, care relationships, emergencies; labels of studies."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, TEXT, nullable=False, server_default=sa.text("''"))


def upgrade() -> None:
    op.create_table(
        "provision",
        sa.Column("id", TEXT, primary_key=True),
        _text("kind"),
        sa.Column("permits", sa.SmallInteger, nullable=False),
        *(_text(name) for name in ("issuer", "identifier", "study", "modality", "since", "until")),
        *(_text(name) for name in ("organization", "principal", "role", "purpose")),
        sa.Column("starts_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        _text("by"),
        _text("reason"),
        sa.Column("revoked_at", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        _text("reviewed_by"),
        _text("review"),
    )
    op.create_index("provision_patient", "provision", ["issuer", "identifier"])
    op.create_table("label", sa.Column("study", TEXT, primary_key=True), sa.Column("label", TEXT, primary_key=True))
