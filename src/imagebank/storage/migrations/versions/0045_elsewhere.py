"""What other archives have said they hold, how they answer, and what is fetched from them."""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0043"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _words(name: str) -> "sa.Column[str]":
    return sa.Column(name, TEXT, nullable=False, server_default=sa.text("''"))


def _count(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))


def _key(name: str) -> "sa.Column[str]":
    return sa.Column(name, TEXT, nullable=False)


def _moment(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False)


def upgrade() -> None:
    op.create_table(
        "archive_question",
        *map(_key, ("archive", "issuer", "identifier")),
        _moment("at"),
        sa.PrimaryKeyConstraint("archive", "issuer", "identifier", name="archive_question_pkey"),
    )
    op.create_index("archive_question_at", "archive_question", ["at"])
    op.create_table(
        "archive_study",
        *map(_key, ("archive", "issuer", "identifier", "study_instance_uid")),
        *map(
            _words,
            ("organization", "study_date", "study_time", "description", "accession", "modalities"),
        ),
        _count("objects"),
        _moment("at"),
        sa.PrimaryKeyConstraint("archive", "issuer", "identifier", "study_instance_uid", name="archive_study_pkey"),
    )
    op.create_index("archive_study_of", "archive_study", ["issuer", "identifier"])
    op.create_table(
        "archive_series",
        *map(_key, ("archive", "issuer", "identifier", "study_instance_uid", "modality")),
        sa.PrimaryKeyConstraint(
            "archive", "issuer", "identifier", "study_instance_uid", "modality", name="archive_series_pkey"
        ),
    )
    op.create_table(
        "archive_line",
        _key("archive"),
        *map(_count, ("failures", "since", "rests_until")),
        _words("reason"),
        _count("answered_at"),
        sa.PrimaryKeyConstraint("archive", name="archive_line_pkey"),
    )
    op.create_table(
        "archive_recall",
        *map(_key, ("archive", "study_instance_uid")),
        *map(_words, ("issuer", "identifier", "by", "role", "organization", "address")),
        _count("by_rule"),
        _moment("made_at"),
        *map(_count, ("total", "kept")),
        *map(_words, ("state", "reason")),
        _count("ended_at"),
        sa.PrimaryKeyConstraint("archive", "study_instance_uid", name="archive_recall_pkey"),
    )
    op.create_index("archive_recall_made_at", "archive_recall", ["made_at"])
