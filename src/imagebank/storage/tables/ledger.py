"""The ledger, and how far it was signed and told."""

from typing import Final

from sqlalchemy import Column, Index, Table, text

from imagebank.storage.tables.columns import ID, TEXT, count, metadata, moment, row_id, words

HAS_PERSON: Final = text("person <> ''")

event = Table(
    "event",
    metadata,
    row_id(),
    moment("at"),
    words("act"),
    words("principal"),
    words("organization"),
    words("address"),
    words("study"),
    count("count"),
    words("detail"),
    words("person"),
    words("purpose"),
    words("lane"),
    count("position"),
    words("link"),
    words("salt"),
    Index("event_place", "lane", "position", unique=True),
    Index("event_study", "study"),
    Index("event_at", "at"),
    Index("event_person", "person", sqlite_where=HAS_PERSON, postgresql_where=HAS_PERSON),
    sqlite_autoincrement=True,
)
"""The ledger. The database itself refuses to change or delete a line (see the migration)."""

lane = Table(
    "lane",
    metadata,
    Column("lane", TEXT, primary_key=True),
    count("position"),
    words("link"),
    count("at"),
    count("known"),
)
"""Where each lane of the ledger ends, and up to where a checkpoint knows it."""

told = Table("told", metadata, Column("lane", TEXT, primary_key=True), count("position"))
"""Up to where each lane of the ledger was told to the audit record repository."""

errand = Table("errand", metadata, Column("name", TEXT, primary_key=True), words("holder"), count("until"))
"""Lasting work that one process does at a time: who has it, and until when."""

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("number", ID, primary_key=True, autoincrement=False),
    count("at"),
    words("heads"),
    words("before"),
    words("key"),
    words("signature"),
    Index("checkpoint_at", "at"),
)
