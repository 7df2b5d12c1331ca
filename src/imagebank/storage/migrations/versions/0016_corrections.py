"""Corrections, new versions on their way, and which former version a correction took the place of."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0019"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("instance_history", _words("superseded_by"))
    names = ("study", "series", "instance", "principal", "organization", "address", "reason", "undoes", "state")
    op.create_table(
        "correction",
        sa.Column("id", TEXT, primary_key=True),
        *(_words(name) for name in (*names, "fault", "issuer", "identifier", "told")),
        sa.Column("at", sa.BigInteger, nullable=False),
        *(
            sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))
            for name in ("instances", "total")
        ),
    )
    op.create_index("correction_study", "correction", ["study", "at"])
    former = ("former_segment_id", "former_offset", "former_length", "former_size")
    places = (*former, "segment_id", "segment_offset", "length", "size")
    op.create_table(
        "correction_step",
        *(sa.Column(name, TEXT, primary_key=True) for name in ("correction", "sop_instance_uid")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in places),
        sa.Column("sealed_by", sa.LargeBinary),
        _words("told"),
    )
    op.create_index("correction_step_instance", "correction_step", ["sop_instance_uid"])


def _words(name: str) -> "sa.Column[str]":
    return sa.Column(name, TEXT, nullable=False, server_default=sa.text("''"))
