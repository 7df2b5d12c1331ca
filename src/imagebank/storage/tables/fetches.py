"""Studies that are brought in from another bank, whose card was shown (`model.fetch`)."""

from sqlalchemy import Column, Index, Table

from imagebank.storage.tables.columns import TEXT, count, metadata, moment, octets, words

fetch = Table(
    "fetch",
    metadata,
    Column("id", TEXT, primary_key=True),
    words("by"),
    words("role"),
    words("organization"),
    words("address"),
    words("url"),
    octets("secret"),
    words("studies"),
    moment("made_at"),
    moment("ends_at"),
    count("total"),
    count("kept"),
    words("state"),
    words("reason"),
    count("ended_at"),
    Index("fetch_by", "by", "made_at"),
)
