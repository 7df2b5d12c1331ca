"""The program that measures: its plan as JSON and a folder to work in are its arguments. `guard` starts it."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType

import msgspec

from imagebank.bench import archives, corpus, picture, report
from imagebank.bench.machine import here
from imagebank.bench.plan import Plan
from imagebank.bench.rounds import Results, measure
from imagebank.bench.rows import Row, named
from imagebank.errors import BankError


def main(arguments: Sequence[str]) -> int:
    plan, folder = Plan.read(arguments[0]), Path(arguments[1])
    signal.signal(signal.SIGTERM, _ended)
    # For dcmtk at both ends: without it, small packets wait for each other.
    os.environ["TCP_NODELAY"] = "1"
    load, rows = os.getloadavg()[0], named(plan.rows)
    parts = {part for row in rows for part in (*row.needs, *row.brings)}
    files = corpus.make(folder / "corpus", plan.seed, plan.scale, parts, _told)
    openings = [partial(archives.imagebank, database=plan.database, objects=plan.objects)]
    results = measure(
        openings if plan.alone else [*openings, archives.orthanc],
        rows,
        files,
        folder,
        runs=plan.runs,
        seconds=plan.seconds,
        told=_told,
    )
    _write(plan, _report(plan, rows, results, files, folder, load))
    return 0


def _ended(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _told(what: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {what}\n")
    sys.stderr.flush()


def _report(
    plan: Plan, rows: Sequence[Row], results: Results, files: corpus.Corpus, folder: Path, load: float
) -> report.Report:
    counts = {part: len(files.of(part)) if part in files.parts else 0 for part in corpus.PARTS}
    run = {
        **{name: value for name, value in asdict(plan).items() if name not in {"out", "into", "rows"}},
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "load_before": round(load, 1),
    }
    return report.Report(
        list(report.lines(rows, results, counts)),
        next((name for name in results.archives if name != report.OURS), ""),
        {name: one.setting for name, one in results.archives.items()},
        {name: one.version for name, one in results.archives.items()},
        here(folder),
        run,
    )


def _write(plan: Plan, found: report.Report) -> None:
    """Markdown, JSON and, with a peer, a picture; and the table in its place in a document."""
    table, name = report.markdown(found), f"{plan.database}-{plan.objects}"
    plan.out.mkdir(parents=True, exist_ok=True)
    (plan.out / f"{name}.md").write_text(table, "utf-8")
    (plan.out / f"{name}.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(report.facts(found)), indent=2) + b"\n"
    )
    if found.peer:
        title = f"How many times as good as {found.peer} {found.versions[found.peer]}"
        (plan.out / f"{name}.svg").write_text(picture.picture(title, found.lines), "utf-8")
    if plan.into is not None:
        plan.into.write_text(report.placed(plan.into.read_text("utf-8"), name, table), "utf-8")
    sys.stdout.write(table)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BankError as error:
        sys.exit(str(error))
