"""`imagebank evaluate`: how well exams are understood, priors ranked and repeats found, held against labels."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, Common, out, say, typed

if TYPE_CHECKING:
    from imagebank.exams.evaluating import Evaluation, Figures

app = App(name="evaluate", help="How well exams and priors are understood, held against labels: exams · cases.")


@app.command
def exams(
    file: Path,
    *,
    common: Common = HERE,
    out: Path | None = None,
    confusions: bool = False,
    unknown: bool = False,
    plot: Path | None = None,
) -> int:
    """Say of each row of a table what the exam is, and how much of that is right where the table has labels.

    The table is in UTF-8 with tabs between its columns: id, modality, study_description, series_description,
    body_part_examined, procedure_code, procedure_code_scheme, laterality_tag. Labels are modality_group, regions,
    laterality and contrast. The half whose SHA-256 of the id begins with an even byte is for development, the other one
    for the test.

    Example: imagebank evaluate exams exams.tsv --out predicted.tsv
    Example: imagebank evaluate exams exams.tsv --confusions
    Example: IMAGEBANK_EXAMS_FILE=own.toml imagebank evaluate exams exams.tsv --json

    Parameters
    ----------
    file
        The table.
    out
        Where the answers go: id, modality_group, regions, laterality, contrast. A file that is there is replaced.
    confusions
        Also what was taken for what, in the development half.
    unknown
        Also words that no table has, and how often they stand there.
    plot
        Where a picture of the figures goes, as SVG.
    """
    from imagebank.exams.evaluating import TOLD, evaluate, rows_of
    from imagebank.exams.tables import tables

    with typed():
        found = evaluate(rows_of(file.read_bytes()), tables(common.settings().exams_file))
    if out is not None:
        _write(out, TOLD, found.predicted)
    if plot is not None and found.figures:
        _plot(plot, "How well exams are understood", _rows(found.figures))
    _show(common, found, confusions=confusions, unknown=unknown)
    return ALL_WELL


@app.command
def cases(
    file: Path,
    *,
    common: Common = HERE,
    out: Path | None = None,
    confusions: bool = False,
    plot: Path | None = None,
) -> int:
    """Rank each person's earlier exams for a new one, and say whether it is a repeat; and how much of that is right.

    The file has one JSON object a line: {"id", "new": {exam, "date", "context", "organization"}, "history": [{"id",
    "date", exam, "organization"}]}, where an exam has the columns of `evaluate exams`. Labels are {"label": {"relevant",
    "first", "repeat", "repeat_of", "also"}}. The halves are as in `evaluate exams`.

    Example: imagebank evaluate cases cases.jsonl --out predicted.jsonl
    Example: IMAGEBANK_REPEATS_FILE=own.toml imagebank evaluate cases cases.jsonl --confusions

    Parameters
    ----------
    file
        The cases.
    out
        Where the answers go: {"id", "ranked", "repeat", "repeat_of"} a line. A file that is there is replaced.
    confusions
        Also what was taken for what, in the development half.
    plot
        Where a picture of the figures goes, as SVG.
    """
    from imagebank.exams import evaluating_cases as held
    from imagebank.exams.comparing import likeness
    from imagebank.exams.repeats import repeats
    from imagebank.exams.tables import tables

    settings = common.settings()
    with typed():
        found = list(held.cases_of(file.read_bytes(), tables(settings.exams_file)))
        like, table = likeness(settings.priors_file, settings.exams_file), repeats(settings.repeats_file)
    pairs = [(case, held.answer(case, like, table)) for case in found]
    if out is not None:
        out.write_bytes(b"".join(orjson.dumps(one.told()) + b"\n" for _, one in pairs))
    by_half = {name: asdict(one) for name, one in held.figures(pairs).items()}
    if plot is not None and by_half:
        _plot(plot, "How well priors are ranked and repeats found", _of_cases(by_half))
    _show_cases(common, by_half, list(held.confusions(pairs)) if confusions else [], len(pairs))
    return ALL_WELL


_MEASURES: Final = {
    "cases": "cases",
    "first": "first prior",
    "none": "no prior where there is none",
    "relevant_precision": "priors precision",
    "relevant_recall": "priors recall",
    "repeat_precision": "repeats precision",
    "repeat_recall": "repeats recall",
}


def _plot(file: Path, title: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """The first row counts; the others are shares."""
    from imagebank.exams.plotting import picture

    shares = {row["right"]: {half: float(row[half]) for half in ("development", "test")} for row in list(rows)[1:]}
    file.write_text(picture(title, shares), "utf-8")


def _show_cases(common: Common, by_half: Mapping[str, Any], confusions: Sequence[tuple[str, ...]], number: int) -> None:
    mixed = [dict(zip(("case", "what", "wanted", "said"), one, strict=True)) for one in confusions]
    if common.json:
        facts = {"cases": number, "figures": by_half} | ({"confusions": mixed} if mixed else {})
        sys.stdout.write(orjson.dumps(facts).decode() + "\n")
        return
    out.print(f"{number} cases are answered", markup=False)
    if by_half:
        say(common, list(_of_cases(by_half)), ("right", *by_half))
    if mixed:
        say(common, mixed, tuple(mixed[0]))


def _of_cases(by_half: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """One row for each measure, with a column for each half."""
    for name, words in _MEASURES.items():
        yield {"right": words} | {
            half: one[name] if name == "cases" else f"{one[name]:.4f}" for half, one in by_half.items()
        }


def _write(file: Path, columns: Iterable[str], rows: Iterable[Mapping[str, str]]) -> None:
    lines = ["\t".join(columns), *("\t".join(row.values()) for row in rows)]
    file.write_text("".join(f"{line}\n" for line in lines), "utf-8", newline="")


def _show(common: Common, found: "Evaluation", *, confusions: bool, unknown: bool) -> None:
    words = sorted(found.unknown.items(), key=lambda one: (-one[1], one[0]))
    if common.json:
        facts: dict[str, Any] = {"exams": len(found.predicted)}
        facts["figures"] = {name: asdict(one) for name, one in found.figures.items()}
        facts |= {"confusions": found.confusions} if confusions else {}
        facts |= {"unknown": dict(words)} if unknown else {}
        sys.stdout.write(orjson.dumps(facts).decode() + "\n")
        return
    out.print(f"{len(found.predicted)} exams are described", markup=False)
    if found.figures:
        say(common, list(_rows(found.figures)), ("right", *found.figures))
    if confusions and found.confusions:
        named = [dict(zip(("field", "wanted", "said", "times"), one, strict=True)) for one in found.confusions]
        say(common, named, ("field", "wanted", "said", "times"))
    if unknown and words:
        say(common, [{"word": word, "times": times} for word, times in words], ("word", "times"))


def _rows(figures: Mapping[str, "Figures"]) -> Iterator[dict[str, Any]]:
    """One row for each measure, with a column for each half."""
    yield {"right": "exams"} | {half: one.exams for half, one in figures.items()}
    for name, field in (("region precision", "precision"), ("region recall", "recall"), ("region F1", "f1")):
        yield {"right": name} | {half: f"{getattr(one, field):.4f}" for half, one in figures.items()}
    for label in figures["all"].exact:
        yield {"right": f"{label}, whole"} | {half: f"{one.exact[label]:.4f}" for half, one in figures.items()}
