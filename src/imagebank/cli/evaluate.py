"""`imagebank evaluate`: how well exams are understood, held against labels."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, Common, out, say, typed

if TYPE_CHECKING:
    from imagebank.exams.evaluating import Evaluation, Figures

app = App(name="evaluate", help="How well exams and priors are understood, held against labels: exams.")


@app.command
def exams(
    file: Path, *, common: Common = HERE, out: Path | None = None, confusions: bool = False, unknown: bool = False
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
    """
    from imagebank.exams.evaluating import TOLD, evaluate, rows_of
    from imagebank.exams.tables import tables

    with typed():
        found = evaluate(rows_of(file.read_bytes()), tables(common.settings().exams_file))
    if out is not None:
        _write(out, TOLD, found.predicted)
    _show(common, found, confusions=confusions, unknown=unknown)
    return ALL_WELL


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
