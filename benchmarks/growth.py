"""How queries and deposits slow down as the index grows, on both databases.

    python benchmarks/growth.py [--small 10000] [--large 1000000] [--rounds 40] [--database sqlite,postgresql] [--images 2]
                               [--kinds "a deposit,…"] [--keep FOLDER] [--by-day] [--cpu]

Two banks of made-up studies, a small and a large one, are asked the same kinds of questions and given the same objects,
in turns, so that a busy machine is busy for both. Each study has two series of two instances or more; their rows are
written straight into the tables, as copies of what a real deposit writes. Printed are p50 and p95 in milliseconds in both, and
the ratio of large to small. A question that many studies answer asks for the first 50. Days are at random, so that those
of one lie as far from each other as can be; `--by-day` has studies come in the order of their days, as they do where they
are made. `--cpu` measures the processor time of this process and not the clock: on SQLite that is all that was done, without
what a busy machine or a disk has one wait for.
"""

import argparse
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from sqlalchemy import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from bank import keep, open_test_bank
from contracts.postgres import postgres_server
from imagebank.actions import search
from imagebank.bank import Bank
from imagebank.model.access import Scope
from imagebank.model.attribute import Level
from imagebank.model.query import Query, condition
from imagebank.storage import tables
from make import a_file

HERE = Scope.of("local")
COUNTED = " with their number"
SYLLABLES = ["an", "ber", "chow", "dor", "el", "fin", "gar", "hol", "is", "jen", "kow", "lu", "mar", "nik", "os", "per"]
MODALITIES = ["CT", "CR", "DX", "MR", "US", "XA", "MG", "PT", "OP", "ES"]
DAYS, FIRST_DAY = 5000, date(2012, 1, 1)
BATCH = 5000
MARKS = {"name": "MARKNAME", "identifier": "MARKID", "accession": "MARKACC", "day": "19010101", "modality": "ZZ"}
_IS_ADDED = tables.instance.c.sop_instance_uid == "2.25.0.0.0.2"
TABLES: Sequence[Table] = (tables.patient, tables.study, tables.series, tables.instance)

Row = dict[str, Any]


def a_word(chance: random.Random) -> str:
    return "".join(chance.choice(SYLLABLES) for _ in range(chance.randrange(2, 5)))


def template(bank: Bank) -> dict[str, Row]:
    """The rows that a real deposit writes, with marks where studies differ."""
    about = {"PatientName": f"{MARKS['name']}^X", "PatientID": MARKS["identifier"], "StudyDate": MARKS["day"]}
    keep(bank, a_file(AccessionNumber=MARKS["accession"], Modality=MARKS["modality"], **about))
    with bank.index._database.reading() as connection:  # type: ignore[attr-defined]  # noqa: SLF001 - it is to see the rows
        return {table.name: dict(connection.execute(table.select()).mappings().one()) for table in TABLES}


def marked(row: Row, told: dict[str, str]) -> Row:
    """A copy of a row in which the marks are what they stand for, in lower case where they are."""

    def said(value: Any) -> Any:
        if isinstance(value, str):
            for mark, text in told.items():
                value = value.replace(mark, text).replace(mark.lower(), text.lower())
        return value

    return {name: said(value) for name, value in row.items()}


def rows_of(
    made: dict[str, Row], number: int, people: int, day: int, chance: random.Random
) -> Iterator[tuple[Table, Row]]:
    """Rows of one study; every second one is of a person who was here before."""
    person = number % people
    of_person = random.Random(person)  # noqa: S311 - made-up people are no secrets
    told = {
        MARKS["name"]: a_word(of_person).capitalize(),
        MARKS["identifier"]: f"P{person:08}",
        MARKS["accession"]: f"A{number:09}",
        MARKS["day"]: (FIRST_DAY + timedelta(days=day)).strftime("%Y%m%d"),
        MARKS["modality"]: chance.choice(MODALITIES),
        "\\ZZ\\": "",
    }
    study = f"2.25.{number}"
    told[made["study"]["study_instance_uid"]] = study
    key = 10 + number
    if number < people:
        yield tables.patient, marked(made["patient"], told) | {"id": 10 + person}
    yield tables.study, marked(made["study"], told) | {"id": key, "patient_row": 10 + person}
    for which in range(2):
        series = 10 + 2 * number + which
        told[made["series"]["series_instance_uid"]] = f"{study}.{which}"
        yield tables.series, marked(made["series"], told) | {"id": series, "study_row": key}
        for slice_ in range(2):
            told[made["instance"]["sop_instance_uid"]] = f"{study}.{which}.{slice_}"
            row = marked(made["instance"], told)
            place = {"segment_offset": 4096 * (4 * number + 2 * which + slice_), "instance_number": slice_}
            yield tables.instance, row | place | {"id": 10 + 4 * number + 2 * which + slice_, "series_row": series}


def fill(bank: Bank, studies: int, *, by_day: bool) -> None:
    """Write the rows of so many studies, unless they are there."""
    with bank.index._database.reading() as connection:  # type: ignore[attr-defined]  # noqa: SLF001 - it is to see the rows
        if connection.execute(tables.study.select().limit(2)).all()[1:]:
            return
    made = template(bank)
    put = _into_sqlite(bank) if not bank.settings.database else _into_postgres(bank)
    waiting: dict[str, list[Row]] = {table.name: [] for table in TABLES}
    chance = random.Random(studies)  # noqa: S311 - as above
    for number in range(studies):
        day = DAYS * number // studies if by_day else chance.randrange(DAYS)
        for table, row in rows_of(made, number, max(1, studies // 2), day, chance):
            waiting[table.name].append(row)
        if len(waiting["study"]) >= BATCH or number == studies - 1:
            for table in TABLES:
                put(table, waiting[table.name])
                waiting[table.name].clear()
            print(f"\r{number + 1:,} of {studies:,} studies", end="", file=sys.stderr)
    put(tables.patient, None)
    print(file=sys.stderr)


def add_images(bank: Bank, images: int) -> None:
    """Have each series hold so many instances, unless it does: the first one's row again, by the database itself."""
    names = [column.name for column in tables.instance.columns]
    told = {name: f'instance."{name}"' for name in names} | {
        "id": "instance.id + top.id * (more.number - 1)",
        "sop_instance_uid": "instance.sop_instance_uid || '.' || more.number",
        "instance_number": "more.number",
    }
    statement = f"""
        WITH RECURSIVE more(number) AS (SELECT 2 UNION ALL SELECT number + 1 FROM more WHERE number + 1 < {images}),
        top AS (SELECT max(id) AS id FROM instance)
        INSERT INTO instance ({", ".join(f'"{name}"' for name in names)}) SELECT {", ".join(told.values())}
        FROM instance CROSS JOIN more CROSS JOIN top WHERE instance.instance_number = 0 AND instance.id >= 10
        """  # noqa: S608 - our own names
    with bank.index._database.writing() as connection:  # type: ignore[attr-defined]  # noqa: SLF001 - as above
        if images > 2 and not connection.execute(tables.instance.select().where(_IS_ADDED).limit(1)).all():
            connection.exec_driver_sql(statement)


def _into_sqlite(bank: Bank) -> Callable[[Table, list[Row] | None], None]:
    raw = sqlite3.connect(bank.settings.data / "index.db", isolation_level=None)
    raw.execute("PRAGMA synchronous = OFF")

    def put(table: Table, rows: list[Row] | None) -> None:
        if rows is None:
            raw.execute("ANALYZE")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            raw.close()
        elif rows:
            names = list(rows[0])
            marks = ", ".join("?" for _ in names)
            raw.execute("BEGIN")
            statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - our own names
            raw.executemany(statement, [tuple(row.values()) for row in rows])
            raw.execute("COMMIT")

    return put


def _into_postgres(bank: Bank) -> Callable[[Table, list[Row] | None], None]:
    raw = psycopg.connect(bank.settings.database.replace("+psycopg", ""), autocommit=True)

    def put(table: Table, rows: list[Row] | None) -> None:
        if rows is None:
            for one in TABLES:
                top = f"SELECT setval(pg_get_serial_sequence('{one.name}', 'id'), (SELECT max(id) FROM {one.name}))"  # noqa: S608
                raw.execute(top.encode())
            raw.execute("VACUUM ANALYZE")
            raw.close()
        elif rows:
            names = ", ".join(f'"{name}"' for name in rows[0])
            with raw.cursor().copy(f"COPY {table.name} ({names}) FROM STDIN".encode()) as copy:
                for row in rows:
                    copy.write_row(tuple(row.values()))

    return put


def asked(bank: Bank, level: Level, limit: int | None = 50, *, total: bool = False, **keys: str) -> Callable[[], int]:
    """A question by keyword; it gives back how many matches there were. With `total`, their number is asked, too."""
    known = bank.catalogue.by_keyword
    conditions = [condition(known[name], text) for name, text in keys.items()]
    query = Query(level, tuple(one for one in conditions if one is not None), limit)

    def ask() -> int:
        found = sum(1 for _ in search.find(bank, query, HERE))
        if total and found == limit:
            search.total(bank, query, HERE)
        return found

    return ask


def question(bank: Bank, kind: str, studies: int, chance: random.Random) -> Callable[[], int]:
    """One question of a kind, by other words each time; the same for both banks as far as they hold the same."""
    number = chance.randrange(studies)
    person = chance.randrange(max(1, studies // 2))
    word = a_word(random.Random(person))  # noqa: S311 - as above
    day = (FIRST_DAY + timedelta(days=chance.randrange(DAYS))).strftime("%Y%m%d")
    is_counted = kind.endswith(COUNTED)
    kind = kind.removesuffix(COUNTED)
    if kind == "a deposit":
        file = a_file(PatientID=f"N{chance.randrange(10**9)}")
        return lambda: len(keep(bank, file))
    if kind == "instances of a series":
        series = {"StudyInstanceUID": f"2.25.{number}", "SeriesInstanceUID": f"2.25.{number}.1"}
        return asked(bank, Level.INSTANCE, None, **series)
    if kind == "an instance by its UID":
        return asked(bank, Level.INSTANCE, None, SOPInstanceUID=f"2.25.{number}.0.1")
    if kind == "all studies of a day":
        return asked(bank, Level.STUDY, None, StudyDate=day)
    keys = {
        "study by PatientID": {"PatientID": f"P{person:08}"},
        "study by AccessionNumber": {"AccessionNumber": f"A{number:09}"},
        "study by name that begins so": {"PatientName": f"{word}*"},
        "study by name with a star before it": {"PatientName": f"*{word[1:]}*"},
        "study by a name of nobody": {"PatientName": "*qqxqq*"},
        "first 50 of a day": {"StudyDate": day},
        "first 50 of sixty days": {"StudyDate": f"{day}-{(date.fromisoformat(day) + timedelta(days=60)):%Y%m%d}"},
        "studies of a day and a modality": {"StudyDate": day, "ModalitiesInStudy": "MG"},
        "first 50 of everything": {},
        "first 50 of a modality": {"ModalitiesInStudy": chance.choice(MODALITIES)},
    }
    return asked(bank, Level.STUDY, total=is_counted, **keys[kind])


KINDS = (
    "study by PatientID", "study by AccessionNumber", "study by name that begins so", "study by name with a star before it",
    "study by a name of nobody", "first 50 of a day", "all studies of a day", "first 50 of sixty days",
    "studies of a day and a modality", "first 50 of everything", "first 50 of everything" + COUNTED, "first 50 of a modality",
    "first 50 of a modality" + COUNTED, "study by name with a star before it" + COUNTED, "instances of a series", "an instance by its UID", "a deposit",
)  # fmt: skip


def measure(banks: Sequence[tuple[Bank, int]], kinds: Sequence[str], rounds: int, clock: Callable[[], float]) -> None:
    print(f"{'kind':58}{'p50':>8}{'p95':>8}{'p50':>9}{'p95':>8}{'x p50':>8}{'x p95':>8}   matches")
    for kind in kinds:
        taken: list[list[float]] = [[], []]
        found = [0, 0]
        for turn in range(rounds + 3):
            for which, (bank, studies) in enumerate(banks):
                ask = question(bank, kind, studies, random.Random(turn))  # noqa: S311 - as above
                began = clock()
                found[which] += ask()
                if turn >= 3:
                    taken[which].append((clock() - began) * 1000)
        (a50, a95), (b50, b95) = ((statistics.median(one), statistics.quantiles(one, n=20)[18]) for one in taken)
        print(
            f"{kind:58}{a50:8.2f}{a95:8.2f}{b50:9.2f}{b95:8.2f}{b50 / a50:8.2f}{b95 / a95:8.2f}   {found[0]}, {found[1]}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="How queries and deposits slow down as the index grows.")
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--database", default="sqlite,postgresql")
    parser.add_argument("--images", type=int, default=2, help="of each series")
    parser.add_argument("--kinds", default=",".join(KINDS), help="of questions, with commas")
    parser.add_argument("--by-day", action="store_true", help="studies in the order of their days")
    parser.add_argument("--cpu", action="store_true", help="the processor time of this process")
    parser.add_argument("--keep", type=Path, help="a folder in which the banks stay for the next time")
    given = parser.parse_args()
    sizes = (given.small, given.large)
    with tempfile.TemporaryDirectory() as spare:
        folder = given.keep or Path(spare)
        for database in given.database.split(","):
            with ExitStack() as stack:
                addresses = dict.fromkeys(sizes, "")
                if database == "postgresql":
                    kept = folder / "postgres" if given.keep else None
                    server = stack.enter_context(postgres_server(kept, durable=True))
                    addresses = {
                        size: _database(server, f"growth_{size}{'_by_day' if given.by_day else ''}") for size in sizes
                    }
                banks = []
                for size in sizes:
                    where = folder / f"{database}-{size}{'-by-day' if given.by_day else ''}"
                    bank = stack.enter_context(open_test_bank(where, database=addresses[size]))
                    fill(bank, size, by_day=given.by_day)
                    add_images(bank, given.images)
                    banks.append((bank, size))
                print(
                    f"\n{database}: {given.small:,} and {given.large:,} studies, {given.images} images a series, {given.rounds} rounds"
                )
                measure(
                    banks, given.kinds.split(","), given.rounds, time.process_time if given.cpu else time.perf_counter
                )


def _database(server: str, name: str) -> str:
    """The address of a database of that name, made where it is not there."""
    with closing(psycopg.connect(server, autocommit=True)) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if known is None:
            connection.execute(f"CREATE DATABASE {name}".encode())
    return urlsplit(server)._replace(path=f"/{name}").geturl()


if __name__ == "__main__":
    main()
