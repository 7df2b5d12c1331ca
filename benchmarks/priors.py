"""How long it takes to rank the priors of one study of a person who has many, against reading that person's series.

    python benchmarks/priors.py [--studies 2000] [--rounds 40]

Studies are made up: ten kinds of exams over twenty years, written straight into the tables of an embedded bank, with
what headers say of each as the bank's own job writes it down. What is timed is `actions.priors.of_study` for different
studies of the person, with the page of 50 that REST answers, and `histories.series` of the same records, which every
timeline reads. Printed are p50 and p95 of both in milliseconds, and the ratio of the medians, which says more than they
do on a machine that is busy; `of the processor` are milliseconds that the thread computed, which waiting does not lengthen.
"""

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from bank import open_test_bank
from contracts.described import a_kept
from imagebank.actions import priors
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.exam import Said
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId
from imagebank.model.search import document
from imagebank.model.uid import Uid
from imagebank.process import loading

EXAMS = [
    *(("CT", "CT HEAD WO"), ("CT", "CT CHEST/ABD/PEL W"), ("MR", "MRI BRAIN W WO"), ("DX", "XR CHEST 2 VIEWS")),
    *(("DX", "XR KNEE LT"), ("US", "US ABDOMEN COMPLETE"), ("MG", "MG SCREENING BILAT"), ("CT", "CT Thorax nativ")),
    *(("MR", "MRT LWS nativ"), ("PT", "PET/CT WHOLE BODY")),
]
ALL = Scope(None)
ADMIN = Principal("root", Role.ADMIN, "north", RIGHTS[Role.ADMIN], ALL)
ADA = PatientId("north", "ADA")


def fill(bank: Bank, studies: int) -> None:
    """So many studies of one person, a few days apart, the last one of today."""
    for number in range(studies):
        modality, words = EXAMS[number % len(EXAMS)]
        uid = Uid(f"1.2.{number + 1}")
        day = (date(2026, 3, 1) - timedelta(days=(studies - 1 - number) * 7300 // studies)).strftime("%Y%m%d")
        about = {"StudyDate": day, "StudyDescription": words, "Modality": modality}
        with bank.index.begin() as tx:
            tx.enter([a_kept(study=uid, patient="ADA", issuer="north", organization="north", **about)])
        versions = {one: version for _, one, version in bank.index.series_of(Selection(study=uid), ALL)}
        with bank.index.begin() as tx:
            tx.words.put(replace(document(uid, {}, {}), said=Said((modality,), (words,))), versions)


def timed(do: Callable[[int], object], rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each round, after one that warms: by the clock, and of the processor."""
    do(0)
    clock, processor = [], []
    for number in range(rounds):
        start, computed = time.perf_counter(), time.thread_time()
        do(number)
        processor.append((time.thread_time() - computed) * 1000)
        clock.append((time.perf_counter() - start) * 1000)
    return clock, processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=40)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, open_test_bank(Path(folder), organization="north") as bank:
        fill(bank, given.studies)
        gc.collect()
        with loading():  # as a web process does
            pass

        def rank(number: int) -> object:
            return priors.of_study(bank, ADMIN, Uid(f"1.2.{given.studies - number % 20}"), "benchmark")

        ranked = timed(rank, given.rounds)
        read = timed(lambda _: bank.index.histories.series([ADA], ALL), given.rounds)
    for name, each in (("priors.of_study", ranked), ("histories.series", read)):
        for how, found in zip(("by the clock", "of the processor"), each, strict=True):
            print(f"{name:<17} {how:<17} p50 {statistics.median(found):7.1f} ms   p95 {p95(found):7.1f} ms")
    print(f"ratio of the medians {statistics.median(ranked[0]) / statistics.median(read[0]):.2f}")


def p95(found: list[float]) -> float:
    return statistics.quantiles(found, n=20)[-1]


if __name__ == "__main__":
    main()
