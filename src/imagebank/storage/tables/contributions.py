"""How much owners of accounts bring on a day."""

from sqlalchemy import Column, Table

from imagebank.storage.tables.columns import TEXT, count, metadata

contribution = Table(
    "contribution",
    metadata,
    Column("account", TEXT, primary_key=True),
    Column("day", TEXT, primary_key=True),
    count("files"),
    count("bytes"),
)
