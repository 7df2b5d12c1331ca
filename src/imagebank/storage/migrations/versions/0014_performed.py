"""What modalities say that they do, and when something was last said of a patient."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0015"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    texts = [
        sa.Column(name, TEXT, nullable=False, server_default=sa.text("''"))
        for name in ("organization", "issuer", "identifier", "state", "by", "details")
    ]
    op.create_table(
        "performed_step",
        sa.Column("uid", TEXT, primary_key=True),
        *texts,
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
    op.create_index("performed_step_patient", "performed_step", ["issuer", "identifier"])
    op.create_table(
        "patient_word",
        *(sa.Column(name, TEXT, primary_key=True) for name in ("organization", "issuer", "identifier")),
        sa.Column("event_at", sa.BigInteger, nullable=False),
    )
    op.create_index("patient_word_patient", "patient_word", ["issuer", "identifier"])
