"""How long the search over everything takes: typical questions to an index of many studies, on both databases.

    python benchmarks/searching.py [--studies 1000000] [--rounds 40] [--database sqlite,postgresql] [--keep FOLDER]

Studies are made up: names from lists, some of them frequent as names are, and some seventy words each of what headers
say. They are written straight into the tables, as `storage.words` would, since a million deposits would take hours. What
is timed is `actions.finding.everything` under a caller who may see one of two organizations, with the page, the counts
of all facets and the passages in it. Printed are p50 and p95 in milliseconds of each kind of question, over questions of
different words, and over all.
"""

import argparse
import gc
import itertools
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from contracts.postgres import postgres_server
from imagebank.actions import finding
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.attribute import catalogue
from imagebank.model.search import EDITION, Facet, Line, Weight, Wish, choices, document
from imagebank.model.search_likeness import triples
from imagebank.model.uid import Uid
from imagebank.storage.database import Database, open_database
from imagebank.storage.index import SQLIndex
from imagebank.storage.marks import lexemes_of
from imagebank.storage.migrate import migrate
from imagebank.storage.rows import dumps
from imagebank.storage.words import place_of

SYLLABLES = ["an", "ber", "chow", "dor", "el", "fin", "gar", "hol", "is", "jen", "kow", "lu", "mar", "nik", "os", "per"]
SYLLABLES += ["qui", "ros", "sch", "tom", "ul", "vas", "wei", "xan", "yil", "zim", "ba", "co", "di", "fe", "go", "hu"]
MODALITIES = ["CT", "CR", "DX", "MR", "US", "XA", "MG", "PT", "OP", "ES"]
PARTS = ["HEAD", "CHEST", "ABDOMEN", "KNEE", "HAND", "PELVIS", "SPINE", "EYE", "BREAST", "HEART"]
SIDES = ["left", "right", "", "", "both"]
WORDS = ["native", "contrast", "axial", "coronal", "lateral", "screening", "control", "follow-up", "trauma", "low dose"]
DEPARTMENTS = ["Radiology", "Cardiology", "Ophthalmology", "Emergency", "Gynaecology", "Surgery"]
DEVICES = ["Somatom Force", "Magnetom Vida", "Revolution CT", "Ingenia", "Aplio i800", "Azurion", "Mammomat"]


@dataclass(frozen=True)
class Study:
    """One made-up study, as rows."""

    row: int
    name: str
    identifier: str
    accession: str
    day: str
    time: str
    modality: str
    part: str
    department: str
    organization: str
    sex: str
    device: str
    physician: str
    lines: list[Line]


def zipf(kinds: int, flat: int = 0) -> list[float]:
    """Weights, added up, of kinds of which the n-th comes 1/n as often as the first, or 1/(n + flat) where few lead."""
    return list(itertools.accumulate(1 / (number + flat) for number in range(1, kinds + 1)))


def a_made_up_word(number: int) -> str:
    return "".join(SYLLABLES[(number >> shift) % 32] for shift in (0, 5, 10, 15) if shift < 6 or number >> shift)


# The most frequent family name is that of one in a hundred, and there are fifty thousand.
FAMILIES, FIRSTS = zipf(50_000, 8), zipf(3_000, 15)


def a_name(chance: random.Random) -> str:
    family = chance.choices(range(len(FAMILIES)), cum_weights=FAMILIES)[0]
    first = chance.choices(range(len(FIRSTS)), cum_weights=FIRSTS)[0]
    # Frequent names begin with any letter.
    return " ".join(a_made_up_word(number * 7919 % 65_536).capitalize() for number in (family, first + 50_000))


DAYS = 7600
PHYSICIANS = [a_name(random.Random(number)) for number in range(2_000)]  # noqa: S311
ORDERS = zipf(len(PHYSICIANS), 8)


def a_study(row: int, studies: int, chance: random.Random) -> Study:
    # Studies come in as they are made, but for one in ten that was brought in from elsewhere.
    at = chance.random() if chance.random() < 0.1 else row / (studies + 1)
    day = (date(2005, 1, 1) + timedelta(days=int(at * DAYS))).strftime("%Y%m%d")
    modality, part, side = chance.choice(MODALITIES), chance.choice(PARTS), chance.choice(SIDES)
    name, department = a_name(chance), chance.choice(DEPARTMENTS)
    device, physician = chance.choice(DEVICES), chance.choices(PHYSICIANS, cum_weights=ORDERS)[0]
    description = f"{modality} {part.lower()} {side} {chance.choice(WORDS)}"
    said = [
        (Weight.NAME, "PatientName", name, True),
        (Weight.NAME, "PatientID", f"P{chance.randrange(max(1, 2 * studies // 5)):07}", False),
        (Weight.NAME, "AccessionNumber", f"A{row:09}", False),
        (Weight.NAME, "StudyInstanceUID", f"2.25.{row}", False),
        (Weight.DESCRIPTION, "StudyDate", day, False),
        (Weight.DESCRIPTION, "PatientBirthDate", f"{chance.randrange(1930, 2020)}{chance.randrange(101, 1229):04}", False),
        (Weight.DESCRIPTION, "Modality", modality, False),
        (Weight.DESCRIPTION, "StudyDescription", description, False),
        (Weight.DESCRIPTION, "BodyPartExamined", part, False),
        (Weight.DESCRIPTION, "InstitutionalDepartmentName", department, False),
        (Weight.DESCRIPTION, "ReferringPhysicianName", physician, True),
        (Weight.DESCRIPTION, "ManufacturerModelName", device, False),
        (Weight.DESCRIPTION, "StationName", f"ST{chance.randrange(60)}", False),
        *((Weight.DESCRIPTION, "SeriesDescription", f"{chance.choice(WORDS)} {chance.randrange(9)}mm", False) for _ in "abc"),
        (Weight.REST, "ImageType", "ORIGINAL PRIMARY AXIAL", False),
        (Weight.REST, "SoftwareVersions", f"syngo VB{chance.randrange(40)}A", False),
        (Weight.REST, "ContrastBolusAgent", f"agent{chance.randrange(50)}", False),
        (Weight.REST, "(0029,xx10) ACME 1.1", f"private{chance.randrange(5000)} value{chance.randrange(200)}", False),
        (Weight.REST, "Report", " ".join(report_words(chance, 60)), False),
    ]  # fmt: skip
    return Study(
        row,
        name.replace(" ", "^"),
        said[1][2],
        said[2][2],
        day,
        f"{chance.randrange(7, 19):02}{chance.randrange(60):02}00",
        modality,
        part,
        department,
        chance.choice(["north", "south"]),
        chance.choice("FM"),
        device,
        physician,
        [Line(*one) for one in said],
    )


_CHANCE = random.Random(4)  # noqa: S311 - made-up studies are no secrets
RARE = ["".join(_CHANCE.choice(SYLLABLES) for _ in range(_CHANCE.randrange(2, 6))) for _ in range(40_000)]
REPORT = ["no", "the", "of", "is", "finding", "normal", "lesion", "fracture", *dict.fromkeys(RARE)]
SHARES = zipf(len(REPORT))


def report_words(chance: random.Random, number: int) -> list[str]:
    return chance.choices(REPORT, cum_weights=SHARES, k=number)


def tables_of(studies: Iterator[Study]) -> Iterator[tuple[tuple[Any, ...], ...]]:
    """For each study its rows of patient, study, finding, finding_text and mark, and the words that are spelled in it."""
    for one in studies:
        named = {
            Facet.DEPARTMENT: [one.department],
            Facet.BODY_PART: [one.part],
            Facet.DEVICE: [one.device],
            Facet.PHYSICIAN: [one.physician],
        }
        made = document(Uid(f"2.25.{one.row}"), one.lines, named)
        values = {
            Facet.MODALITY: [one.modality],
            Facet.YEAR: [one.day[:4]],
            Facet.ORGANIZATION: [one.organization],
            Facet.SEX: [one.sex],
        }
        marks = " ".join(sorted({*made.marks, *choices(values), *choices(named)}))
        place = place_of(one.row, one.day, one.time)
        json = {
            "00080020": {"vr": "DA", "Value": [one.day]},
            "00080050": {"vr": "SH", "Value": [one.accession]},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": one.name}]},
            "00100020": {"vr": "LO", "Value": [one.identifier]},
            "0020000D": {"vr": "UI", "Value": [f"2.25.{one.row}"]},
        }
        study = (
            one.row,
            one.row,
            one.organization,
            3,
            90,
            f"\\{one.modality}\\",
            dumps(json),
            "[]",
            one.day,
            one.time,
            one.sex,
        )
        lines = dumps([(line.weight, line.label, line.text, line.is_name) for line in made.lines])
        yield (
            (one.row, one.organization, one.identifier, str(one.row)),
            (*study, f"2.25.{one.row}"),
            (place, one.row, dumps(named), EDITION),
            (place, marks, " ".join(sorted(made.spelled)), lines),
            (place, marks),
            tuple(made.spelled),
        )


COLUMNS = {
    "patient": "id, issuer, identifier, anchor",
    "study": "id, patient_row, organization, series_count, instance_count, modalities, json, origins, study_date,"
    " study_time, patient_sex, study_instance_uid",
    "finding": "place, study_row, named, edition",
    "finding_text": "place, marks, spelled, lines",
    "mark": "place, marks",
    "spelling": "triple, word",
}


def fill(database: Database, address: str, number: int) -> None:
    """Fill the tables past the bank, in bulk: what stays is what as many deposits would have left."""
    chance = random.Random(7)  # noqa: S311
    made = tables_of(a_study(row, number, chance) for row in range(1, number + 1))
    spelled: set[str] = set()
    with into_sqlite(Path(address.removeprefix("sqlite:///"))) if database.is_sqlite else into_postgres(address) as put:
        while batch := list(itertools.islice(made, 20_000)):
            for at, table in enumerate(list(COLUMNS)[:5]):
                put(table, [rows[at] for rows in batch])
            spelled.update(word for rows in batch for word in rows[5])
        put("spelling", sorted((triple, word) for word in spelled for triple in triples(word)))


Put = Callable[[str, list[tuple[Any, ...]]], None]


@contextmanager
def into_sqlite(path: Path) -> Iterator[Put]:
    connection = sqlite3.connect(path, isolation_level=None)

    def put(table: str, rows: list[tuple[Any, ...]]) -> None:
        columns = COLUMNS[table].replace("place", "rowid") if table == "mark" else COLUMNS[table]
        marks = ", ".join("?" * len(columns.split(", ")))
        connection.execute("BEGIN")
        connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608
        connection.execute("COMMIT")

    for pragma in ("synchronous = OFF", "foreign_keys = OFF", "cache_size = -400000"):
        connection.execute(f"PRAGMA {pragma}")
    # More words are gathered in memory before they are written: a tenth of the merging.
    connection.execute("INSERT INTO mark (mark, rank) VALUES ('hashsize', ?)", (256 << 20,))
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f'DROP INDEX "{name}"')
    yield put
    for _, make in indexes:
        connection.execute(make)
    connection.execute("INSERT INTO mark (mark, rank) VALUES ('hashsize', ?)", (1 << 20,))
    connection.execute("ANALYZE")
    connection.close()


@contextmanager
def into_postgres(address: str) -> Iterator[Put]:
    with psycopg.connect(address, autocommit=True) as connection:

        def put(table: str, rows: list[tuple[Any, ...]]) -> None:
            with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({COLUMNS[table]}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row((row[0], lexemes_of(*row)) if table == "mark" else row)

        # Foreign keys are not looked at, and the indexes are made at the end.
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET maintenance_work_mem = '1GB'")
        indexes = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY (%s)"
            " AND indexname NOT IN (SELECT conname FROM pg_constraint)",
            ([*COLUMNS],),
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f'DROP INDEX "{name}"')
        yield put
        for _, make in indexes:
            connection.execute(make)
        connection.execute("SELECT setval('study_id_seq', (SELECT max(id) FROM study))")
        connection.execute("VACUUM ANALYZE")


@contextmanager
def filled(kind: str, number: int, folder: Path) -> Iterator[SQLIndex]:
    if kind == "sqlite":
        with opened(f"sqlite:///{folder / 'index.db'}", number) as index:
            yield index
    else:
        with postgres_server(folder / "postgres") as server, opened(server, number) as index:
            yield index


@contextmanager
def opened(address: str, number: int) -> Iterator[SQLIndex]:
    database = open_database(address)
    migrate(database)
    began = time.perf_counter()
    with database.reading() as connection:
        is_filled = connection.exec_driver_sql("SELECT 1 FROM finding LIMIT 1").first() is not None
    if not is_filled:
        fill(database, address, number)
        print(f"  filled in {time.perf_counter() - began:.0f} s", flush=True)
    index = SQLIndex(database, catalogue())
    try:
        yield index
    finally:
        index.close()


def questions(chance: random.Random, studies: int) -> dict[str, Wish]:
    """One of each kind, of other words each time."""
    one = a_study(chance.randrange(1, studies), studies, chance)
    last, first = one.name.split("^")
    at = chance.randrange(1, max(2, len(last) - 1))
    return {
        "a name": Wish(f"{last} {first}"),
        "the beginning of a name": Wish(last[:4]),
        "a name with a slip": Wish(last[:at] + last[at + 1 :] + " " + first),
        "an identifier": Wish(one.identifier),
        "an accession number": Wish(one.accession),
        "name and modality": Wish(f"{last} {one.modality}"),
        "a modality": Wish(one.modality),
        "a description": Wish(f"{one.modality} {one.part} {chance.choice(WORDS)}"),
        "description, chosen by year and modality": Wish(
            one.part, {Facet.YEAR: (one.day[:4],), Facet.MODALITY: (one.modality,)}
        ),
        "words of a report": Wish(" ".join(report_words(chance, 2))),
        "a frequent word of reports": Wish("normal"),
        "a private value": Wish(f"private{chance.randrange(5000)}"),
        "a date": Wish(f"{one.day[:4]}-{one.day[4:6]}-{one.day[6:]}"),
        "nothing, chosen by department": Wish("", {Facet.DEPARTMENT: (one.department,)}),
    }


def processor_ms(pids: list[int]) -> float:
    """What this process and the server's have had of the processor: on a shared machine that tells more than the clock."""
    used = sum(int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) for pid in pids)
    return time.process_time() * 1000 + used / 1_000_000


def backends(index: SQLIndex) -> list[int]:
    database = index._database  # noqa: SLF001 - nobody else has a use for it
    if database.is_sqlite:
        return []
    with database.reading() as connection:
        mine = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
        return list(connection.exec_driver_sql(mine).scalars())


def measure(index: SQLIndex, studies: int, rounds: int, only: str = "") -> None:
    bank: Any = SimpleNamespace(index=index, reads=SimpleNamespace(search=lambda *_: None))
    caller = Principal("ada", Role.CLINICIAN, "north", RIGHTS[Role.CLINICIAN], Scope.of("north"))
    clock: dict[str, list[float]] = {}
    processor: dict[str, list[float]] = {}
    hits: dict[str, list[int]] = {}
    chance = random.Random(11)  # noqa: S311
    # The corpus's own lists are no work of a bank's garbage collector.
    gc.collect()
    gc.freeze()
    for number in range(rounds + 3):
        pids = backends(index)
        for kind, wish in questions(chance, studies).items():
            if only not in kind:
                continue
            began, used = time.perf_counter(), processor_ms(pids)
            answer = finding.everything(bank, wish, caller, "benchmark", 20)
            if number >= 3:
                clock.setdefault(kind, []).append(1000 * (time.perf_counter() - began))
                processor.setdefault(kind, []).append(processor_ms(pids) - used)
                hits.setdefault(kind, []).append(answer.total)
    print(f"  {'':42} {'processor, ms':>17} {'by the clock, ms':>17}")
    print(f"  {'question':42} {'p50':>8} {'p95':>8} {'p50':>8} {'p95':>8} {'hits':>6}")
    for kind in [*clock, "all"]:
        taken = [list(itertools.chain(*some.values())) if kind == "all" else some[kind] for some in (processor, clock)]
        figures = [one for some in taken for one in (statistics.median(some), statistics.quantiles(some, n=20)[-1])]
        shown = f"{statistics.median(hits[kind]):6.0f}" if kind in hits else ""
        print(f"  {kind:42} " + " ".join(f"{one:8.1f}" for one in figures) + f" {shown}", flush=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--studies", type=int, default=1_000_000)
    asked.add_argument("--rounds", type=int, default=40)
    asked.add_argument("--database", default="sqlite,postgresql")
    asked.add_argument("--only", default="", help="ask only the kinds of questions that have this in their name")
    asked.add_argument("--keep", type=Path, help="a folder in which the databases stay, to be used again")
    given = asked.parse_args()
    for kind in given.database.split(","):
        print(f"{kind}, {given.studies} studies", flush=True)
        with tempfile.TemporaryDirectory() as made:
            folder = given.keep or Path(made)
            folder.mkdir(exist_ok=True)
            with filled(kind, given.studies, folder) as index:
                size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
                print(f"  {size / 2**30:.2f} GiB in the folder")
                measure(index, given.studies, given.rounds, given.only)


if __name__ == "__main__":
    main()
