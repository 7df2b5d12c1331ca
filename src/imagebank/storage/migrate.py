"""Bringing a database to the schema that this program needs."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, inspect, select
from sqlalchemy.sql import column, table

from imagebank.storage.database import Database, lock

# Alembic itself is loaded only when there is something to migrate: every command and every process asks here first.
if TYPE_CHECKING:
    from alembic.config import Config

NEEDED: Final = "0048"
"""The newest revision in `migrations/versions`."""

# Any number will do, as long as every process takes the same.
_LOCK: Final = 0x696D616765


def migrate(database: Database) -> None:
    """Run what is missing. Safe when several processes start at once: one does it, the others wait and find it done.

    Raises Unavailable when the database does not answer, OutOfSpace when there is no room.
    """
    with database.writing() as connection:
        lock(connection, _LOCK)
        if _revision(connection) != NEEDED:
            from alembic import command

            command.upgrade(_config(connection), "head")


def is_migrated(database: Database) -> bool:
    """Whether the database has the schema that this program needs. Raises Unavailable."""
    with database.reading() as connection:
        return _revision(connection) == NEEDED


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(select(column("version_num")).select_from(table("alembic_version")))


def _config(connection: Connection | None = None) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def newest() -> str | None:
    """The newest revision there is, which has to be `NEEDED`."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config()).get_current_head()
