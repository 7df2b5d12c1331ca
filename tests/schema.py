"""Databases that have the schema of now, as copies of one that the migrations made.

Nearly every test begins with one, and the migrations cost a hundred times as much as a copy of what they lead to.
"""

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import psycopg

from imagebank.storage.database import open_database
from imagebank.storage.migrate import migrate


def migrated_file(path: Path) -> str:
    """The URL of an SQLite file, which is made as the migrations leave it where there is none yet."""
    with suppress(FileExistsError), os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(_file())
    return f"sqlite:///{path}"


@cache
def _file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.db"
        _migrate(f"sqlite:///{path}")  # which moves the log into the file at its end
        return path.read_bytes()


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """A new, empty database on a PostgreSQL server; its URL. It is dropped at the end."""
    with _database(server, "template1") as address:
        yield address


@contextmanager
def migrated_database(server: str) -> Iterator[str]:
    """A new database on a PostgreSQL server as the migrations leave it; its URL. It is dropped at the end."""
    with _database(server, _template(server)) as address:
        yield address


@contextmanager
def _database(server: str, template: str) -> Iterator[str]:
    name = f"bank_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield _on(server, name)
        finally:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@cache
def _template(server: str) -> str:
    """What the others are copied from. It goes with the server, or by `forget_template`."""
    name = f"schema_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    _migrate(_on(server, name))
    return name


def forget_template(server: str) -> None:
    """Leave nothing on a server that outlives the tests."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{_template(server)}"')


def _on(server: str, name: str) -> str:
    return server.replace("/postgres?", f"/{name}?")


def _migrate(address: str) -> None:
    database = open_database(address)
    migrate(database)
    database.close()
