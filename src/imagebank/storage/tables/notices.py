"""What people are told, their addresses and choices, codes that were mailed, and places where they signed in."""

from sqlalchemy import Column, Index, LargeBinary, Table

from imagebank.storage.tables.columns import TEXT, count, metadata, moment, octets, words

notice = Table(
    "notice",
    metadata,
    Column("id", TEXT, primary_key=True),
    words("account"),
    words("kind"),
    moment("at"),
    words("link"),
    words("state"),
    words("mail"),
    words("address"),
    count("number"),
    words("reason"),
    count("seen_at"),
    Column("leave", LargeBinary),
    Index("notice_account", "account", "at"),
    Index("notice_mail", "mail"),
    Index("notice_state", "state", "at"),
    Index("notice_leave", "leave"),
)
"""`leave` is the digest of the secret by which mails like the one it went with can be ended."""

mailbox = Table(
    "mailbox",
    metadata,
    Column("account", TEXT, primary_key=True),
    words("address"),
    moment("verified_at"),
    words("language"),
    words("folded"),
    Index("mailbox_folded", "folded"),
)
"""`folded` is the address by which its owner signs in: `model.notice.folded_address`."""

notice_choice = Table(
    "notice_choice",
    metadata,
    Column("account", TEXT, primary_key=True),
    Column("kind", TEXT, primary_key=True),
    words("way"),
)

mailed_code = Table(
    "mailed_code",
    metadata,
    Column("key", TEXT, primary_key=True),
    words("address"),
    octets("kept"),
    count("tries"),
    moment("ends_at"),
)

place = Table(
    "place",
    metadata,
    Column("account", TEXT, primary_key=True),
    Column("place", TEXT, primary_key=True),
    moment("at"),
)
"""From where an account was signed in to, and when last."""
