"""Versions of the site's rules, and what rules want sent to devices."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _words(name: str) -> "sa.Column[str]":
    return sa.Column(name, TEXT, nullable=False, server_default=sa.text("''"))


def upgrade() -> None:
    op.create_table(
        "rules_version",
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        *map(_words, ("digest", "rules", "tables")),
        sa.Column("at", sa.BigInteger, nullable=False),
        *map(_words, ("by", "way")),
        sa.PrimaryKeyConstraint("number", name="rules_version_pkey"),
    )
    op.create_table(
        "route",
        *(sa.Column(name, TEXT, nullable=False) for name in ("device", "study_instance_uid", "sop_instance_uid")),
        sa.PrimaryKeyConstraint("device", "study_instance_uid", "sop_instance_uid", name="route_pkey"),
        sqlite_with_rowid=False,
    )
