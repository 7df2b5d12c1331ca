"""All rows in several rounds, in each of which the archives take turns row by row."""

import statistics
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imagebank.bench import footprint, ingesting, keeping
from imagebank.bench.archives import Archive
from imagebank.bench.asking import Wrong
from imagebank.bench.corpus import Corpus
from imagebank.bench.rows import Row
from imagebank.bench.work import Work

Opening = Callable[[Path], Any]
"""A context manager that starts an archive in a folder."""


@dataclass(slots=True)
class Series:
    """One row at one archive: a value for each round, CPU milliseconds for each instance or answer, or what was wrong."""

    values: list[float | None] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    wrong: str = ""

    @property
    def median(self) -> float | None:
        known = [one for one in self.values if one is not None]
        return statistics.median(known) if known and not self.wrong else None


@dataclass(slots=True)
class Results:
    """What was measured, by the name of the row and then of the archive."""

    archives: dict[str, Archive] = field(default_factory=dict)
    rows: dict[str, dict[str, Series]] = field(default_factory=dict)


def measure(
    openings: Sequence[Opening],
    rows: Sequence[Row],
    corpus: Corpus,
    folder: Path,
    *,
    runs: int,
    seconds: float,
    told: Callable[[str], None],
) -> Results:
    """Measure every row in every round. An archive that does a row wrong has that said of it, and the others go on."""
    results = Results()
    for number in range(runs):
        with ExitStack() as stack:
            works = []
            for index, opening in enumerate(openings):
                told(f"round {number + 1} of {runs}: starting archive {index + 1} of {len(openings)}")
                place = folder / f"round-{number}-{index}"
                works.append(stack.enter_context(_resting(opening, place, corpus, seconds)))
            results.archives = {work.archive.name: work.archive for work in works}
            for index, row in enumerate(rows):
                # Who goes first alternates, so that neither always finds the machine as the other has left it.
                for work in works if (number + index) % 2 == 0 else reversed(works):
                    told(f"round {number + 1} of {runs}: {row.name}, {work.archive.name}")
                    _one(work, row, results)
    return results


@contextmanager
def _resting(opening: Opening, folder: Path, corpus: Corpus, seconds: float) -> Iterator[Work]:
    """An archive that was started and does nothing until its turn comes."""
    with opening(folder) as archive:
        scratch = folder / "scratch"
        scratch.mkdir()
        work = Work(archive, corpus, scratch, seconds, footprint.Peak(archive.processes))
        work.settle()
        keeping.begun(work)
        archive.rest()
        try:
            yield work
        finally:
            # What is stopped does not end when it is asked to.
            archive.go_on()


def _one(work: Work, row: Row, results: Results) -> None:
    series = results.rows.setdefault(row.name, {}).setdefault(work.archive.name, Series())
    work.archive.go_on()
    try:
        with work.peak.watched():
            for part in row.needs:
                ingesting.bring(work, part)
            if work.busy and not row.brings:
                work.settle()
            before = work.cpu()
            reading = row.measure(work)
            if reading.count:
                series.cpu_ms.append((work.cpu() - before) / reading.count * 1000)
        series.values.append(reading.value)
    except (Wrong, subprocess.TimeoutExpired) as error:
        series.values.append(None)
        series.wrong = str(error)
    finally:
        work.archive.rest()
