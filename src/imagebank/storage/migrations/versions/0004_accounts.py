"""People's accounts, passkeys, activation links, challenges and tries; whose a session is, and when it was used.

Sessions that were open before are idle from then on: everybody signs in anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, TEXT, nullable=False, server_default=sa.text("''"))


def _number(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))


def _moment(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False)


def _blob(name: str) -> "sa.Column[bytes]":
    return sa.Column(name, sa.LargeBinary, nullable=False)


def upgrade() -> None:
    for column in (_text("account"), _text("address"), _number("seen_at"), _number("proven_at")):
        op.add_column("session", column)
    op.create_index("session_account", "session", ["account"])
    op.create_table(
        "account",
        sa.Column("id", TEXT, primary_key=True),
        *(_text(name) for name in ("name", "display_name", "organization", "role")),
        _moment("created_at"),
        sa.Column("is_locked", sa.SmallInteger, nullable=False),
        _text("password"),
        _blob("totp"),
        _blob("totp_waiting"),
        _number("totp_step"),
    )
    op.create_index("account_name", "account", ["name"], unique=True)
    op.create_table(
        "passkey",
        sa.Column("id", sa.LargeBinary, primary_key=True),
        _text("account"),
        _blob("public_key"),
        _number("count"),
        _text("name"),
        _moment("created_at"),
    )
    op.create_index("passkey_account", "passkey", ["account"])
    op.create_table(
        "invitation",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        *(_text(name) for name in ("account", "role", "organization")),
        _moment("expires_at"),
    )
    op.create_table(
        "challenge",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        _text("account"),
        _moment("expires_at"),
    )
    op.create_table("attempt", sa.Column("key", TEXT, primary_key=True), _number("count"), _moment("ends_at"))
