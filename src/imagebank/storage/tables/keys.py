"""Keys of accounts and of the bank."""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table

from imagebank.storage.tables.columns import TEXT, metadata, octets, words

account_key = Table(
    "account_key",
    metadata,
    Column("name", LargeBinary, primary_key=True),
    words("owner"),
    octets("wrapped"),
    words("segment"),
    Column("segment_offset", BigInteger, nullable=False),
    Column("length", BigInteger, nullable=False),
    Index("account_key_owner", "owner"),
)
"""Keys of accounts, each wrapped by the root key; `owner` is a keyed hash. A destroyed one has neither, only its name."""

secret = Table("secret", metadata, Column("name", TEXT, primary_key=True), octets("wrapped"))
"""Keys of the bank's own, each wrapped by the root key."""
