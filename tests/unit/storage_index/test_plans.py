"""Hot questions are answered by an index, on both databases."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event, text

from contracts.described import a_kept, asked, studies
from contracts.postgres import postgres_server
from imagebank.model.access import Asker, Purpose, Role, Scope
from imagebank.model.attribute import Level, catalogue
from imagebank.model.imaging import Selection
from imagebank.model.query import Query
from imagebank.model.rights import Rights, scope_for
from imagebank.model.uid import Uid
from imagebank.storage.database import Database, open_database
from imagebank.storage.index import SQLIndex
from imagebank.storage.migrate import migrate
from imagebank.storage.names import may_match
from imagebank.storage.select import AMONG, NEWEST_OF, matches, newest_named
from imagebank.storage.sets import members
from schema import fresh_database

LOCAL = Scope.of("local")
HOT = {
    "newest first": studies(limit=50),
    "newest of a modality": studies(asked("ModalitiesInStudy", "CT"), limit=50),
    "a name anywhere, newest first": studies(asked("PatientName", "*doe*"), limit=50),
    "patient id": studies(asked("PatientID", "P77")),
    "name prefix": studies(asked("PatientName", "name7*")),
    "name": studies(asked("PatientName", "name7^x")),
    "date": studies(asked("StudyDate", "20200107")),
    "accession": studies(asked("AccessionNumber", "A77")),
    "study": studies(asked("StudyInstanceUID", "1.77")),
    "studies": studies(asked("StudyInstanceUID", "1.77,1.78")),
    "series of a study": Query(Level.SERIES, (asked("StudyInstanceUID", "1.77"),)),
    "series": Query(Level.SERIES, (asked("SeriesInstanceUID", "1.77.1"),)),
    "instances of a series": Query(
        Level.INSTANCE, (asked("StudyInstanceUID", "1.77"), asked("SeriesInstanceUID", "1.77.1"))
    ),
    "instance": Query(Level.INSTANCE, (asked("SOPInstanceUID", "1.77.1.1"),)),
    "instances of a patient": Query(Level.INSTANCE, (asked("PatientID", "P77"),)),
    "first instances of all": Query(Level.INSTANCE, limit=50),
    "procedure code": studies(asked("ProcedureCodeSequence.CodeValue", "C77")),
}


def procedure(code: str) -> dict[str, Any]:
    return {"ProcedureCodeSequence.CodeValue": code}


def fill(index: SQLIndex) -> None:
    """Six hundred studies of one image each."""
    kept = [
        a_kept(
            study=f"1.{n}",
            uid=f"1.{n}.1.1",
            patient=f"P{n}",
            PatientName=f"Name{n}^X",
            StudyDate=f"20{n % 20:02}01{n % 28 + 1:02}",
            AccessionNumber=f"A{n}",
            **procedure(f"C{n}"),
        )
        for n in range(600)
    ]
    with index.begin() as tx:
        tx.enter(kept)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    if request.param == "sqlite":
        yield from _filled(f"sqlite:///{tmp_path_factory.mktemp('plans') / 'index.db'}")
    else:
        with postgres_server() as server, fresh_database(server) as address:
            yield from _filled(address)


def _filled(address: str) -> Iterator[Database]:
    database = open_database(address)
    migrate(database)
    fill(SQLIndex(database, catalogue()))
    if not database.is_sqlite:
        with database.writing() as connection:
            connection.execute(text("ANALYZE"))
    yield database
    database.close()


def plan(
    database: Database,
    query: Query,
    scope: Scope = LOCAL,
    among: Sequence[int] | None = None,
) -> list[str]:
    """The database's own words on how it would answer."""
    dialect = database.engine.dialect.name
    statement = matches(query, scope, dialect, among=among is not None)
    told = {} if among is None else {AMONG: members(dialect, among)}
    return explained(database, statement.params(**told))


def explained(database: Database, statement: Any) -> list[str]:
    with database.reading() as connection:
        compiled = statement.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
        if database.is_sqlite:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", dict(compiled.params))
            return [row[3] for row in rows]
        # Six hundred rows fit into a few pages, which PostgreSQL would rather read as a whole.
        connection.exec_driver_sql("SET enable_seqscan = off")
        return [row[0] for row in connection.exec_driver_sql(f"EXPLAIN {compiled}", dict(compiled.params))]


@pytest.mark.parametrize("name", HOT)
def test_a_hot_question_never_reads_a_whole_table(database: Database, name: str) -> None:
    steps = plan(database, HOT[name])
    whole = [step for step in steps if _reads_all(step)]

    assert whole == [], "\n".join(steps)


def _reads_all(step: str) -> bool:
    if "Seq Scan" in step:
        return True
    return step.startswith("SCAN") and "INDEX" not in step and "json_each" not in step and "VIRTUAL" not in step


def test_a_name_anywhere_is_looked_up_by_its_parts_where_few_have_them(database: Database) -> None:
    query = studies(asked("PatientName", "*ame12*"), limit=50)
    few = may_match(database, query)
    steps = plan(database, query, among=few)

    used = "INTEGER PRIMARY KEY" if database.is_sqlite else "Bitmap Index Scan on name_part"
    assert len(few or []) == (11 if database.is_sqlite else 0)
    assert any(used in step for step in steps), "\n".join(steps)


@pytest.mark.parametrize(
    ("pattern", "way"),
    [
        ("name1*", "named"),
        ("name1^*", "named"),
        ("*ame12*", "among"),
        ("*ame1*", "walks"),
        ("name*", "walks"),
    ],
)
def test_the_newest_of_a_name_are_told_by_indexes_alone(database: Database, pattern: str, way: str) -> None:
    query, dialect = studies(asked("PatientName", pattern)), database.engine.dialect.name
    chosen = {} if way == "named" or not database.is_sqlite else {way: True}
    told = {NEWEST_OF: 50} | ({AMONG: members(dialect, [1, 2])} if "among" in chosen else {})
    steps = explained(database, newest_named(query, LOCAL, dialect, **chosen).params(**told))

    assert not any(_reads_all(step) for step in steps), "\n".join(steps)
    if database.is_sqlite:
        index = {"named": "study_name", "among": "study_row", "walks": "study_newest"}[way]
        assert any(f"USING COVERING INDEX {index}" in step for step in steps), "\n".join(steps)


@pytest.mark.parametrize("name", ["newest first", "newest of a modality"])
def test_the_newest_are_found_by_walking_the_dates(database: Database, name: str) -> None:
    steps = plan(database, HOT[name])

    assert any("study_newest" in step for step in steps), "\n".join(steps)
    whole = [step for step in steps if step == "USE TEMP B-TREE FOR ORDER BY" or step.strip().startswith("->  Sort")]
    assert whole == [], "\n".join(steps)


def test_the_first_page_of_all_instances_sorts_one_study_at_a_time(database: Database) -> None:
    steps = plan(database, HOT["first instances of all"])

    assert any("study_newest" in step for step in steps), "\n".join(steps)
    assert not any(step == "USE TEMP B-TREE FOR ORDER BY" for step in steps), "\n".join(steps)


def test_decisions_are_found_by_the_patients_and_not_the_other_way_round(database: Database) -> None:
    asker = Asker("ann", Role.CLINICIAN, "local", Purpose.TREATMENT, datetime(2026, 1, 1, tzinfo=UTC))
    steps = plan(database, HOT["study"], scope_for(Rights(), asker))

    assert any("provision_patient" in step for step in steps), "\n".join(steps)
    assert not any("provision_principal" in step for step in steps), "\n".join(steps)
    assert not any(_reads_all(step) for step in steps), "\n".join(steps)


def test_one_instance_is_read_by_its_uid(database: Database) -> None:
    seen: list[str] = []
    index = SQLIndex(database, catalogue())
    selection = Selection(Uid("1.77"), Uid("1.77.1"), Uid("1.77.1.1"))

    @event.listens_for(database.engine, "before_cursor_execute")
    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    assert len(index.instances(selection, LOCAL)) == 1
    event.remove(database.engine, "before_cursor_execute", note)
    assert len(seen) <= 1, "one statement, run by the driver itself"
