"""Places to which studies may be sent, and what was sent there (`model.transfer`)."""

from sqlalchemy import Column, Index, SmallInteger, Table, text

from imagebank.storage.tables.columns import TEXT, count, metadata, moment, octets, words

destination = Table(
    "destination",
    metadata,
    Column("name", TEXT, primary_key=True),
    words("device"),
    words("url"),
    octets("secret"),
    words("organization"),
    Column("is_for_recipients", SmallInteger, nullable=False, server_default=text("0")),
)

transfer = Table(
    "transfer",
    metadata,
    Column("id", TEXT, primary_key=True),
    words("by"),
    words("role"),
    words("organization"),
    words("purpose"),
    words("address"),
    words("destination"),
    words("studies"),
    moment("made_at"),
    words("state"),
    words("reason"),
    count("ended_at"),
    Index("transfer_by", "by", "made_at"),
)

transfer_object = Table(
    "transfer_object",
    metadata,
    Column("transfer", TEXT, primary_key=True),
    Column("sop_instance_uid", TEXT, primary_key=True),
    words("study"),
    words("digest"),
    count("sent_at"),
)
