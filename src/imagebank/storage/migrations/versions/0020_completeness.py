"""What was announced of studies, and whether it has come; what modalities made."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0022"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _words(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, TEXT, nullable=False, server_default=sa.text("''")) for name in names]


def _key(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _counts(*names: str) -> "list[sa.Column[int]]":
    return [sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0")) for name in names]


def upgrade() -> None:
    for column in _words("modality", "series", "dose"):
        op.add_column("performed_step", column)
    op.create_table(
        "expectation",
        *_key("study", "organization", "origin", "key"),
        *_words("issuer", "identifier", "word"),
        sa.PrimaryKeyConstraint("study", "organization", "origin", "key", name="expectation_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("expectation_patient", "expectation", ["issuer", "identifier"])
    op.create_table(
        "completeness",
        *_key("study", "organization"),
        *_words("progress"),
        *_counts("expected", "missing"),
        sa.Column("is_certain", sa.SmallInteger, nullable=False),
        *_words("modalities", "study_date", "origins", "issuer", "identifier", "details"),
        sa.Column("judged_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("study", "organization", name="completeness_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("completeness_progress", "completeness", ["progress", "study_date", "study"])
    op.create_index("completeness_patient", "completeness", ["issuer", "identifier"])
