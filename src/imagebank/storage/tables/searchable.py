"""Attributes that the site makes searchable (`model.declared`)."""

from typing import Final

from sqlalchemy import BigInteger, Column, SmallInteger, Table

from imagebank.storage.tables.columns import ID, TEXT, count, metadata, moment, words

searchable: Final = Table(
    "searchable",
    metadata,
    Column("key", TEXT, primary_key=True),
    words("written"),
    words("name"),
    words("vr"),
    Column("level", SmallInteger, nullable=False),
    words("creator"),
    Column("folded", SmallInteger, nullable=False),
    words("state"),
    moment("added_at"),
    words("added_by"),
    count("total"),
    count("done"),
    count("last"),
)
"""`key` is the path in DICOM JSON's way, private tags in the blocks that they have in the index."""

catalogue_version: Final = Table(
    "catalogue_version",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
)
"""One row, which every process looks at to know whether to read the other table again."""
