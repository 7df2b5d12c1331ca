"""What was filed into the reconciliation queue, and what somebody did about anything in it (`model.task`)."""

from typing import Final

from sqlalchemy import Column, Index, SmallInteger, Table, text

from imagebank.storage.tables.columns import TEXT, count, metadata, moment, words

IS_WAITING: Final = text("is_filed = 1 AND how = ''")
"""A task that was filed and that nobody has settled."""

# One that is not filed only says what was done about what follows from the objects.
task = Table(
    "task",
    metadata,
    Column("id", TEXT, primary_key=True),
    Column("is_filed", SmallInteger, nullable=False),
    words("kind"),
    words("organization"),
    words("department"),
    count("priority"),
    count("opened_at"),
    words("note"),
    words("taken_by"),
    count("taken_until"),
    count("postponed_until"),
    words("how"),
    words("by"),
    moment("at"),
    words("reason"),
    Index("task_waiting", "priority", "opened_at", "id", sqlite_where=IS_WAITING, postgresql_where=IS_WAITING),
    Index("task_settled", "at", "id"),
)

task_study = Table(
    "task_study",
    metadata,
    Column("task", TEXT, primary_key=True),
    Column("study", TEXT, primary_key=True),
)
"""The studies that a filed task is about: it is shown to whoever sees all of them."""
