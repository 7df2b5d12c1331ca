"""Connections, turns, and what driver errors mean."""

import inspect
import os
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from sqlite3 import ProgrammingError

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from contracts.described import a_kept, studies
from contracts.postgres import postgres_server
from imagebank.errors import OutOfSpace, Unavailable
from imagebank.model.access import Scope
from imagebank.model.attribute import catalogue
from imagebank.storage.database import Database, Turns, open_database
from imagebank.storage.index import SQLIndex
from imagebank.storage.migrate import migrate
from schema import fresh_database

ALL = Scope(None)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path / 'index.db'}")
    migrate(database)
    yield database
    database.close()


def test_every_reader_of_imaging_data_has_to_be_given_a_scope() -> None:
    # `held` is compared with a deposit: it tells nothing to anybody without the bytes.
    # Checkpoints name lanes of the ledger, and nobody's doings.
    without = {"held", "begin", "token", "tokens", "session", "device", "devices", "is_ready", "is_complete", "close"}
    without |= {"checkpoints", "sealing"}
    without |= {"wipe", "evenly"}  # read nothing
    readers = {
        name: inspect.signature(member).parameters.get("scope")
        for name, member in vars(SQLIndex).items()
        if inspect.isfunction(member) and not name.startswith("_") and name not in without
    }

    assert readers
    assert [name for name, scope in readers.items() if scope is None or scope.default is not scope.empty] == []


def test_sqlite_syncs_every_commit(database: Database) -> None:
    def settings() -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    with database.reading() as connection:
        assert settings() == ["wal", 2, 1, 30_000]
    with database.writing() as connection:
        assert settings() == ["wal", 2, 1, 30_000]


def test_a_full_disk_is_out_of_space_and_what_was_there_stays(database: Database) -> None:
    index = SQLIndex(database, catalogue())
    with index.begin() as tx:
        tx.enter([a_kept(study="1.1")])
    with database.writing() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")

    with pytest.raises(OutOfSpace), index.begin() as tx:
        tx.enter([a_kept(study=f"2.{number}") for number in range(500)])
    assert index.count(studies(), ALL) == 1
    with database.writing() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    with index.begin() as tx:
        tx.enter([a_kept(study="1.2")])
    assert index.count(studies(), ALL) == 2


def refuse_studies(database: Database) -> None:
    """Let the database refuse every new study, as for a mistake of ours."""
    with database.writing() as connection:
        if connection.dialect.name == "sqlite":
            refusing = "CREATE TRIGGER refuse BEFORE INSERT ON study BEGIN SELECT raise(ABORT, 'no'); END"
        else:
            refusing = "ALTER TABLE study ADD CONSTRAINT refuse CHECK (study_instance_uid = '')"
        connection.exec_driver_sql(refusing)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_an_error_says_names_no_patient(tmp_path: Path, kind: str) -> None:
    with ExitStack() as stack:
        address = f"sqlite:///{tmp_path / 'index.db'}"
        if kind == "postgresql":
            address = stack.enter_context(fresh_database(stack.enter_context(postgres_server())))
        database = open_database(address)
        migrate(database)
        index = SQLIndex(database, catalogue())
        refuse_studies(database)
        kept = a_kept(PatientName="Secret^Name", patient="SECRET-ID")

        with pytest.raises(IntegrityError) as caught, index.begin() as tx:
            tx.enter([kept])
        index.close()
    said = "".join(traceback.format_exception(caught.value))

    assert "INSERT INTO study" in said
    assert "SECRET" not in said.upper()


def test_a_database_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'no' / 'such' / 'index.db'}")

    with pytest.raises(Unavailable):
        migrate(database)
    assert not SQLIndex(database, catalogue()).is_ready()


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "index.db").write_bytes(b"not a database at all, only some text " * 100)
    database = open_database(f"sqlite:///{tmp_path / 'index.db'}")

    with pytest.raises(Unavailable):
        migrate(database)


def test_a_write_transaction_within_another_is_a_mistake(database: Database) -> None:
    with database.writing(), pytest.raises(RuntimeError), database.writing():
        pass
    with database.writing() as connection:
        connection.execute(text("SELECT 1"))


def test_writers_take_turns_across_processes(tmp_path: Path) -> None:
    ours = Turns(tmp_path / "lock")
    theirs = Turns(tmp_path / "lock")
    theirs_entered = threading.Event()

    def enter() -> None:
        with theirs:
            theirs_entered.set()

    with ours:
        other = threading.Thread(target=enter)
        other.start()
        assert not theirs_entered.wait(0.2)
    assert theirs_entered.wait(5)
    other.join()


def test_no_writer_waits_for_long_while_others_are_busy(database: Database) -> None:
    index = SQLIndex(database, catalogue())
    ends = time.monotonic() + 1.5

    def work(worker: int) -> int:
        done = 0
        while time.monotonic() < ends:
            with index.begin() as tx:
                tx.enter([a_kept(study=f"1.{worker}")])
            done += 1
        return done

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(work, range(4)))
    assert min(done) > 0


def test_a_child_process_opens_its_own_lock_and_connection(database: Database) -> None:
    index = SQLIndex(database, catalogue())
    with index.begin() as tx:
        tx.enter([a_kept(study="1.1")])
    assert index.count(studies(), ALL) == 1
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with index.begin() as tx:
                tx.enter([a_kept(study="1.2")])
            status = 2 - index.count(studies(), ALL)
        finally:
            os._exit(status)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert index.count(studies(), ALL) == 2


def test_after_a_restart_of_the_server_one_call_fails_and_the_next_succeeds() -> None:
    with postgres_server() as server, fresh_database(server) as address:
        database = open_database(address)
        migrate(database)
        index = SQLIndex(database, catalogue())
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda _: index.count(studies(), ALL), range(6)))
        with psycopg.connect(server, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname LIKE 'bank_%'"
            )

        with pytest.raises(Unavailable):
            index.count(studies(), ALL)
        assert index.count(studies(), ALL) == 0
        with index.begin() as tx:
            tx.enter([a_kept()])
        assert index.count(studies(), ALL) == 1
        index.close()


def test_what_is_lent_directly_only_reads_and_is_lent_again_unless_it_failed(database: Database) -> None:
    with database.directly() as first, database.directly() as second:
        pass
    with database.directly() as again:
        assert again is first
    with pytest.raises(Unavailable), database.directly() as failing:
        failing.connection.cursor().execute("DELETE FROM study")

    assert failing is first
    with pytest.raises(ProgrammingError):
        failing.connection.cursor()
    with database.directly() as other:
        assert other is second


def test_a_server_that_is_away_is_unavailable() -> None:
    database = open_database("postgresql://nobody@127.0.0.1:1/none")

    with pytest.raises(Unavailable):
        migrate(database)


def test_nobody_else_may_read_what_sqlite_writes(tmp_path: Path) -> None:
    former = os.umask(0o022)
    try:
        database = open_database(f"sqlite:///{tmp_path / 'index.db'}")
        migrate(database)
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        database.close()
    finally:
        os.umask(former)

    assert modes == dict.fromkeys(("index.db", "index.db-wal", "index.db-shm", "index.db.lock"), 0o600)
