"""What people are told, their addresses and choices, codes that were mailed, and places where they signed in."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _words(name: str) -> "sa.Column[str]":
    return sa.Column(name, TEXT, nullable=False, server_default=sa.text("''"))


def _key(name: str) -> "sa.Column[str]":
    return sa.Column(name, TEXT, primary_key=True)


def _moment(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False)


def _count(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))


def upgrade() -> None:
    op.create_table(
        "notice",
        _key("id"),
        *map(_words, ("account", "kind")),
        _moment("at"),
        *map(_words, ("link", "state", "mail", "address")),
        _count("number"),
        _words("reason"),
        _count("seen_at"),
        sa.Column("leave", sa.LargeBinary),
    )
    op.create_index("notice_account", "notice", ["account", "at"])
    op.create_index("notice_mail", "notice", ["mail"])
    op.create_index("notice_state", "notice", ["state", "at"])
    op.create_index("notice_leave", "notice", ["leave"])
    op.create_table("mailbox", _key("account"), _words("address"), _moment("verified_at"), _words("language"))
    op.create_table("notice_choice", _key("account"), _key("kind"), _words("way"))
    op.create_table(
        "mailed_code",
        _key("key"),
        _words("address"),
        sa.Column("kept", sa.LargeBinary, nullable=False),
        _count("tries"),
        _moment("ends_at"),
    )
    op.create_table("place", _key("account"), _key("place"), _moment("at"))
