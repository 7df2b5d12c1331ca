"""Links by which a forgotten password is replaced (`model.recovery`)."""

from sqlalchemy import Column, Index, LargeBinary, Table

from imagebank.storage.tables.columns import metadata, moment, words

recovery = Table(
    "recovery",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    words("account"),
    words("address"),
    moment("asked_at"),
    moment("ends_at"),
    words("fate"),
    Index("recovery_account", "account"),
)
