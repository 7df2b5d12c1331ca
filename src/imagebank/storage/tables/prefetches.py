"""Studies that are made ready before somebody reads (`model.prefetch`)."""

from sqlalchemy import Column, Index, Table

from imagebank.storage.tables.columns import TEXT, count, metadata, moment, words

prefetch = Table(
    "prefetch",
    metadata,
    Column("device", TEXT, primary_key=True),
    Column("study_instance_uid", TEXT, primary_key=True),
    words("state"),
    moment("at"),
    count("objects"),
    count("octets"),
    Index("prefetch_at", "at"),
)
