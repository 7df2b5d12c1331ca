"""The migrations lead to the tables that the program uses."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from contracts.postgres import postgres_server
from imagebank.model.access import Scope
from imagebank.model.attribute import catalogue
from imagebank.model.event import Act, Event
from imagebank.model.ledger import Checkpoint, faults
from imagebank.storage import migrate as migration
from imagebank.storage.database import Database, open_database
from imagebank.storage.index import SQLIndex
from imagebank.storage.migrate import migrate
from imagebank.storage.tables import metadata
from schema import fresh_database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        database = open_database(f"sqlite:///{tmp_path / 'index.db'}")
        yield database
        database.close()
    else:
        with postgres_server() as server, fresh_database(server) as address:
            database = open_database(address)
            yield database
            database.close()


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index study_row")
def test_the_migrated_schema_is_that_of_the_tables(database: Database) -> None:
    migrate(database)
    # Some indexes are each database's own, and SQLAlchemy knows nothing of them.
    own = ("mark", "name_part", "study_newest", "study_row")
    compared = {"include_object": lambda _, name, *__: not (name or "").startswith(own)}
    with database.reading() as connection:
        opts = {"compare_type": True, "compare_server_default": True, **compared}
        context = MigrationContext.configure(connection, opts=opts)
        differences = compare_metadata(context, metadata)

    assert differences == []


def test_the_migration_makes_the_very_tables(tmp_path: Path) -> None:
    """What the comparison does not see: AUTOINCREMENT, WITHOUT ROWID, conditions of indexes."""
    texts = []
    for name, make in (("one", migrate), ("two", lambda d: metadata.create_all(d.engine))):
        database = open_database(f"sqlite:///{tmp_path / name}")
        make(database)
        with database.reading() as connection:
            rows = connection.exec_driver_sql(
                "SELECT name, sql FROM sqlite_master WHERE type <> 'trigger' AND name NOT LIKE 'alembic%'"
            )
            # SQLite keeps the words of a table as they were written; a column that was added stands on a line of its own.
            texts.append({name: sql and "".join(sql.split()) for name, sql in rows if "autoindex_alembic" not in name})
        database.close()

    assert texts[0] == texts[1]


def test_migrating_again_changes_nothing(database: Database) -> None:
    migrate(database)
    migrate(database)

    assert migration.is_migrated(database)


def test_the_program_needs_the_newest_revision() -> None:
    assert migration.newest() == migration.NEEDED


def test_lines_from_before_there_were_lanes_are_linked(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'index.db'}")
    with database.writing() as connection:
        command.upgrade(migration._config(connection), "0001")
        for number in range(3):
            connection.exec_driver_sql(f"INSERT INTO event (at, act, principal) VALUES ({number}, 'changed', 'old')")
    migrate(database)
    index = SQLIndex(database, catalogue())
    with index.begin() as tx:
        heads = tx.ends_of_lanes()
        tx.record([Event(datetime.now(UTC), Act.CHANGED, "new", "local")])
    lines = list(index.ledger(Scope(None)))
    database.close()

    assert [(line.principal, line.position) for line in lines if line.principal == "old"] == [
        ("old", n) for n in (1, 2, 3)
    ]
    assert [head.position for head in heads] == [3]
    assert list(faults(lines, [Checkpoint(1, 0, tuple(heads), "", "")], lambda _: True)) == []
