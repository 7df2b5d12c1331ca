"""Links by which a forgotten password is replaced, and mail addresses by which people sign in."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0040"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _words(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, TEXT, nullable=False, server_default=sa.text("''")) for name in names]


def upgrade() -> None:
    op.create_table(
        "recovery",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        *_words("account", "address"),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        *_words("fate"),
    )
    op.create_index("recovery_account", "recovery", ["account"])
    op.add_column("mailbox", *_words("folded"))
    # Of ASCII letters alone, on both databases: as `model.notice.folded_address` does.
    op.execute("UPDATE mailbox SET folded = lower(address)")
    op.create_index("mailbox_folded", "mailbox", ["folded"])
