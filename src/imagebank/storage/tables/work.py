"""Jobs that are to be done."""

from typing import Final

from sqlalchemy import Column, Index, Integer, Table, text

from imagebank.storage.tables.columns import metadata, moment, row_id, words

IS_WAITING: Final = text("state = 'waiting' AND key <> ''")
"""A job that a later one of its kind and key is merged with."""

# `due` is when a waiting job may be taken, or when the lease of a taken one ends.
job = Table(
    "job",
    metadata,
    row_id(),
    words("kind"),
    words("key"),
    words("payload"),
    moment("due"),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    words("state"),
    words("reason"),
    Index("job_due", "state", "due"),
    Index(
        "job_waiting",
        "kind",
        "key",
        unique=True,
        sqlite_where=IS_WAITING,
        postgresql_where=IS_WAITING,
    ),
    sqlite_autoincrement=True,
)
