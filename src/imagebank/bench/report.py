"""What was measured, as a table of ratios in Markdown and as JSON."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from imagebank.bench.machine import Machine
from imagebank.bench.rounds import Results, Series
from imagebank.bench.rows import Row

OURS: Final = "Imagebank"
_NONE: Final = "-"


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as good as the peer: the median of the rounds, the worst and the best of them."""

    median: float
    low: float
    high: float

    @property
    def is_behind(self) -> bool:
        """Worse than the peer, also when rounded as it is shown."""
        return round(self.median, 2) < 1


@dataclass(frozen=True, slots=True)
class Line:
    """One row with all that was measured of it. `ratio` is None without a peer, or where one of them did it wrong."""

    row: Row
    words: str
    ours: Series
    peer: Series | None
    ratio: Ratio | None

    @property
    def reached(self) -> bool:
        return self.ratio is not None and self.ratio.median >= self.row.goal


@dataclass(frozen=True, slots=True)
class Report:
    """All of one run. `peer` is empty without one."""

    lines: Sequence[Line]
    peer: str
    settings: Mapping[str, str]
    versions: Mapping[str, str]
    machine: Machine
    run: Mapping[str, Any]


def lines(rows: Sequence[Row], results: Results, counts: Mapping[str, int]) -> Iterator[Line]:
    """In the order of the rows; `counts` fills the places in their words."""
    for row in rows:
        of = results.rows.get(row.name, {})
        ours, peer = of.get(OURS, Series()), next((one for name, one in of.items() if name != OURS), None)
        yield Line(row, row.words.format(**counts), ours, peer, ratio(row, ours, peer))


def ratio(row: Row, ours: Series, peer: Series | None) -> Ratio | None:
    """By the pairs of each round, which were measured one right after the other."""
    if peer is None or ours.wrong or peer.wrong:
        return None
    pairs = [(a, b) for a, b in zip(ours.values, peer.values, strict=False) if a and b]
    found = [a / b if row.more_is_better else b / a for a, b in pairs]
    return Ratio(statistics.median(found), min(found), max(found)) if found else None


def markdown(report: Report) -> str:
    """The table, what stands behind it, and the rows that were done wrong."""
    return "\n".join([*_table(report), "", *_below(report), *_wrong(report), ""])


def _table(report: Report) -> Iterator[str]:
    if not report.peer:
        yield f"| work | {OURS} | CPU ms each |"
        yield "|---|--:|--:|"
        for line in report.lines:
            yield f"| {line.words} | {_value(line.row, line.ours)} | {_cpu(line.ours)} |"
        return
    yield f"| work | {OURS} | {report.peer} | times as good | from, to | goal | CPU ms each, {OURS} / {report.peer} |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for line in report.lines:
        peer = line.peer or Series()
        cells = [line.words, _value(line.row, line.ours), _value(line.row, peer), *_of(line)]
        yield f"| {' | '.join(cells)} | {_cpu(line.ours)} / {_cpu(peer)} |"


def _of(line: Line) -> list[str]:
    goal = f"{line.row.goal:g}"
    if line.ratio is None:
        return [_NONE, _NONE, goal]
    told = f"{short(line.ratio.median)}x"
    # Worse than the peer has to be seen at a glance.
    shown = f"**{told}, worse**" if line.ratio.is_behind else told
    return [shown, f"{short(line.ratio.low)}x to {short(line.ratio.high)}x", f"{goal} {'✓' if line.reached else '✗'}"]


def _value(row: Row, series: Series) -> str:
    if series.wrong:
        return "wrong"
    return _NONE if series.median is None else f"{short(series.median)} {row.unit}"


def _cpu(series: Series) -> str:
    return short(statistics.median(series.cpu_ms)) if series.cpu_ms else _NONE


def short(number: float) -> str:
    """Three figures of a number, and no more after the point than two."""
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def _below(report: Report) -> Iterator[str]:
    machine, run = report.machine, report.run
    yield (
        f"{machine.processor}, {machine.cores} cores, {machine.memory_gib:g} GiB, {machine.disk}, {machine.system};"
        f" Python {machine.python}, dcmtk {machine.dcmtk}."
    )
    yield (
        f"Rounds: {run['runs']}. Scale {run['scale']:g}, seed {run['seed']}, {run['date']};"
        f" load {run['load_before']:g} before, {machine.load:g} at the end."
    )
    yield ""
    for name, setting in report.settings.items():
        yield f"- {name} {report.versions[name]}: {setting}"


def _wrong(report: Report) -> Iterator[str]:
    said = [
        f"- {line.row.name}, {name}: {series.wrong}"
        for line in report.lines
        for name, series in ((OURS, line.ours), (report.peer, line.peer))
        if series is not None and series.wrong
    ]
    if said:
        yield ""
        yield "Not done as asked for:"
        yield ""
        yield from said


def facts(report: Report) -> dict[str, Any]:
    """Everything, for machines."""
    return {
        "run": dict(report.run),
        "machine": asdict(report.machine),
        "archives": {
            name: {"version": report.versions[name], "setting": said} for name, said in report.settings.items()
        },
        "rows": [_fact(line, report.peer) for line in report.lines],
    }


def _fact(line: Line, peer: str) -> dict[str, Any]:
    row = line.row
    better = "more" if row.more_is_better else "less"
    found: dict[str, Any] = {
        "name": row.name,
        "words": line.words,
        "unit": row.unit,
        "better": better,
        "goal": row.goal,
    }
    found[OURS] = asdict(line.ours)
    if line.peer is not None:
        found[peer] = asdict(line.peer)
    if line.ratio is not None:
        found |= {"times_as_good": asdict(line.ratio), "reached": line.reached}
    return found


def placed(document: str, name: str, text: str) -> str:
    """A document with the text in its place: between the comments `bench NAME` and `end of bench NAME`.

    Raises ValueError for a document without such a place.
    """
    begin, end = f"<!-- bench {name} -->", f"<!-- end of bench {name} -->"
    before, found, rest = document.partition(begin)
    _, also, after = rest.partition(end)
    if not found or not also:
        raise ValueError(f"the document has no place {begin} … {end}")
    return f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}"
