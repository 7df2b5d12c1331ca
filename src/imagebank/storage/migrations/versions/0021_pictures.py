"""What pictures are known again by, and which are held twice."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0023"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _words(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, TEXT, nullable=False, server_default=sa.text("''")) for name in names]


def upgrade() -> None:
    op.create_table(
        "fingerprint",
        sa.Column("instance_row", ID, autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("look", sa.BigInteger),
        sa.Column("is_telling", sa.SmallInteger, nullable=False),
        *(sa.Column(f"band_{number}", sa.Integer) for number in range(4)),
        sa.PrimaryKeyConstraint("instance_row", name="fingerprint_pkey"),
        sa.ForeignKeyConstraint(["instance_row"], ["instance.id"], name="fingerprint_instance_row_fkey"),
    )
    op.create_index("fingerprint_digest", "fingerprint", ["digest"])
    for number in range(4):
        op.create_index(f"fingerprint_band_{number}", "fingerprint", [f"band_{number}"])
    op.create_table(
        "picture_pair",
        *(sa.Column(name, TEXT, nullable=False) for name in ("first", "second")),
        *_words("first_study", "second_study", "ground"),
        sa.Column("distance", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("found_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("first", "second", name="picture_pair_pkey"),
    )
    op.create_index("picture_pair_second", "picture_pair", ["second"])
    op.create_index("picture_pair_studies", "picture_pair", ["first_study", "second_study"])
    op.create_table(
        "picture_verdict",
        *(sa.Column(name, TEXT, nullable=False) for name in ("first_study", "second_study")),
        *_words("answer", "by", "reason"),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("first_study", "second_study", name="picture_verdict_pkey"),
    )
