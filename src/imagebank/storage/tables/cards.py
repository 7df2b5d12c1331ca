"""Cards and what they were used for (`model.card`)."""

from sqlalchemy import Column, Index, Integer, Table

from imagebank.storage.tables.columns import TEXT, count, metadata, moment, octets, words

card = Table(
    "card",
    metadata,
    Column("id", TEXT, primary_key=True),
    octets("number"),
    words("pin"),
    words("issuer"),
    words("identifier"),
    words("organization"),
    words("by"),
    moment("made_at"),
    moment("ends_at"),
    words("holder"),
    words("label"),
    words("recipient"),
    words("email"),
    words("purpose"),
    Column("tries_left", Integer, nullable=False),
    Column("uses_left", Integer, nullable=False),
    Column("uses", Integer, nullable=False),
    count("frozen_at"),
    count("revoked_at"),
    Index("card_number", "number", unique=True),
    Index("card_patient", "issuer", "identifier"),
)

withdrawal = Table(
    "withdrawal",
    metadata,
    Column("card", TEXT, primary_key=True),
    Column("number", Integer, primary_key=True),
    moment("at"),
    moment("ends_at"),
    words("name"),
    words("institution"),
    words("purpose"),
    words("address"),
)
