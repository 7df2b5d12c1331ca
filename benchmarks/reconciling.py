"""How long the reconciliation queue takes where much waits: pages, counts and single tasks, on both databases.

    python benchmarks/reconciling.py [--waiting 10000] [--others 20000] [--rounds 15] [--database sqlite,postgresql]

Studies of one image each are entered as deposits are, those that name nobody first. What is timed is what the page and
the bar of every page ask of the index, under a caller of one organization; printed are medians in milliseconds.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from contracts.described import a_kept
from contracts.indexes import opened
from contracts.postgres import postgres_server
from imagebank.model.access import Asker, Purpose, Role, Scope
from imagebank.model.task import ASIDE, Mark, Wanted, unidentified
from imagebank.storage.index import SQLIndex
from schema import fresh_database

NOW = datetime(2026, 2, 1, tzinfo=UTC)
BATCH = 500


@contextmanager
def database(kind: str) -> Iterator[str]:
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/index.db"
    else:
        with postgres_server() as server, fresh_database(server) as address:
            yield address


def fill(index: SQLIndex, root: str, count: int, *, is_named: bool) -> None:
    for begin in range(0, count, BATCH):
        with index.begin() as tx:
            tx.enter(
                [
                    a_kept(
                        study=f"{root}.{number}",
                        patient=f"P{number}" if is_named else "",
                        organization="north",
                        received=number,
                        InstitutionalDepartmentName=f"Department {number % 9}",
                    )
                    for number in range(begin, min(begin + BATCH, count))
                ]
            )


def timed(rounds: int, act: Callable[[], Any]) -> str:
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        took.append(1000 * (time.perf_counter() - began))
    return f"{statistics.median(took):8.1f}"


def measure(index: SQLIndex, waiting: int, rounds: int) -> Iterator[tuple[str, str]]:
    asker = Asker("tess", Role.TECHNOLOGIST, "north", Purpose.TREATMENT, NOW)
    scope = Scope(frozenset({"north"}), asker=asker)
    tasks, after = index.tasks, ""
    yield "first page of 50", timed(rounds, lambda: tasks.tasks(Wanted(), scope, NOW))
    for _ in range(waiting // 50 - 1):
        after = tasks.tasks(Wanted(after=after), scope, NOW).after
    yield "last page", timed(rounds, lambda: tasks.tasks(Wanted(after=after), scope, NOW))
    yield (
        "first page of a department",
        timed(rounds, lambda: tasks.tasks(Wanted(department="Department 3"), scope, NOW)),
    )
    yield "number in the bar", timed(rounds, lambda: tasks.waiting(scope, NOW, 100))
    yield "counts by kind, department and age", timed(3, lambda: tasks.counts(scope, NOW))
    yield "one task", timed(rounds, lambda: tasks.task(unidentified(f"1.2.{waiting // 2}"), scope, NOW))
    with index.begin() as tx:
        for number in range(waiting - 100):
            tx.tasks.mark(Mark(unidentified(f"1.2.{number}"), how=ASIDE, at=NOW))
    yield "first page, all but 100 laid aside", timed(rounds, lambda: tasks.tasks(Wanted(), scope, NOW))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--waiting", type=int, default=10_000)
    parser.add_argument("--others", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--database", default="sqlite,postgresql")
    given = parser.parse_args()
    for kind in given.database.split(","):
        with database(kind) as address, opened(address) as index:
            fill(index, "1.2", given.waiting, is_named=False)
            fill(index, "1.3", given.others, is_named=True)
            if kind == "postgresql":
                with psycopg.connect(address.replace("+psycopg", ""), autocommit=True) as connection:
                    connection.execute("ANALYZE")
            for what, took in measure(index, given.waiting, given.rounds):
                print(f"{kind:12}{took} ms  {what}")


if __name__ == "__main__":
    main()
