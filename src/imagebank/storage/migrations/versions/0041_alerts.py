"""Alerts about exams that may be repeats."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0036"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _words(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, TEXT, nullable=False, server_default=sa.text("''")) for name in names]


def _count(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))


def upgrade() -> None:
    op.create_table(
        "repeat_alert",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        *_words("organization", "department", "issuer", "identifier", "user_name", "order_number", "way", "task"),
        *_words("modality_group", "regions", "side", "contrast", "kind", "purpose", "day", "study"),
        _count("days"),
        *_words("rule", "severity", "outcome", "reason", "comment", "answered_by"),
        _count("answered_at"),
    )
    op.create_index("repeat_alert_patient", "repeat_alert", ["issuer", "identifier"])
    op.create_index("repeat_alert_at", "repeat_alert", ["at"])
    op.create_index("repeat_alert_order", "repeat_alert", ["organization", "order_number"])
    op.create_index("repeat_alert_task", "repeat_alert", ["task"])
