"""How well exams are understood: a labelled table read, its exams described, and what was wrong counted."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import StringIO
from typing import Final

from imagebank.errors import Invalid
from imagebank.exams.describing import describe
from imagebank.exams.tables import Tables
from imagebank.model.exam import Contrast, Exam, Said
from imagebank.model.region import Code

ASKED: Final = (
    "id",
    "modality",
    "study_description",
    "series_description",
    "body_part_examined",
    "procedure_code",
    "procedure_code_scheme",
    "laterality_tag",
)
TOLD: Final = ("id", "modality_group", "regions", "laterality", "contrast")
LABELS: Final = TOLD[1:]
_ROW = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Figures:
    """What was right of so many exams: shares of whole fields, and of regions one by one over all exams (micro)."""

    exams: int
    precision: float
    recall: float
    f1: float
    exact: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Predictions in their order; figures by half and the development half's confusions where there are labels."""

    predicted: tuple[_ROW, ...]
    figures: Mapping[str, Figures]
    confusions: tuple[tuple[str, str, str, int], ...]
    unknown: Mapping[str, int]


def rows_of(content: bytes) -> list[dict[str, str]]:
    """The rows of a table in UTF-8 with tabs between columns, in any order. Raises Invalid for another file."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid("the table is not in UTF-8: byte {at} does not fit", at=error.start) from None
    lines = csv.reader(StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    head = [name.strip().lower() for name in next(lines, [])]
    missing = [name for name in ASKED if name not in head]
    if missing:
        raise Invalid("the table has no column {missing}; its first line names columns", missing=", ".join(missing))
    rows = [dict(zip(head, (cell.strip() for cell in line), strict=False)) for line in lines if any(line)]
    return [dict.fromkeys(head, "") | row for row in rows]


def said_of(row: _ROW) -> Said:
    """What a row says of an exam."""
    code = row["procedure_code"]
    modalities = row["modality"].replace("/", "\\").replace(",", "\\").replace(";", "\\").split("\\")
    return Said(
        modalities=tuple(one for one in modalities if one),
        descriptions=tuple(filter(None, [row["study_description"]])),
        series=tuple(filter(None, [row["series_description"]])),
        body_parts=tuple(filter(None, [row["body_part_examined"]])),
        codes=(Code(code, row["procedure_code_scheme"], ""),) if code else (),
        laterality=row["laterality_tag"].upper()[:1],
    )


def told_of(row: _ROW, exam: Exam) -> dict[str, str]:
    """The row that says what an exam is. Without a side it has the U of a tag: that the part is none of two."""
    side = exam.side.value or ("U" if row["laterality_tag"].upper()[:1] == "U" else "")
    values = (row["id"], exam.group.value, ";".join(exam.regions), side, exam.contrast.value)
    return dict(zip(TOLD, values, strict=True))


def is_development(name: str) -> bool:
    """Whether a row is of the half by which tables may be changed; the other half only tells how good they are."""
    return sha256(name.encode()).digest()[0] % 2 == 0


def evaluate(rows: Sequence[_ROW], tables: Tables) -> Evaluation:
    """Describe every row, and hold it against its labels when it has all of them."""
    exams = [describe(said_of(row), tables) for row in rows]
    predicted = tuple(told_of(row, exam) for row, exam in zip(rows, exams, strict=True))
    unknown = Counter(word for exam in exams for word in exam.unknown)
    if not rows or any(label not in rows[0] for label in LABELS):
        return Evaluation(predicted, {}, (), unknown)
    pairs = [(_labels(row), got) for row, got in zip(rows, predicted, strict=True)]
    halves = {"all": pairs, "development": [], "test": []}
    for pair in pairs:
        halves["development" if is_development(pair[1]["id"]) else "test"].append(pair)
    figures = {name: _figures(those) for name, those in halves.items()}
    return Evaluation(predicted, figures, tuple(_confusions(halves["development"])), unknown)


def _labels(row: _ROW) -> dict[str, str]:
    regions = ";".join(sorted(_regions(row["regions"])))
    contrast = row["contrast"].lower() or Contrast.UNKNOWN.value
    values = (row["modality_group"].upper(), regions, row["laterality"].upper(), contrast)
    return dict(zip(LABELS, values, strict=True))


def _regions(text: str) -> set[str]:
    return {term.strip().upper() for term in text.split(";") if term.strip()}


def _figures(pairs: Sequence[tuple[_ROW, _ROW]]) -> Figures:
    right = said = wanted = 0
    for label, got in pairs:
        want, have = _regions(label["regions"]), _regions(got["regions"])
        right, said, wanted = right + len(want & have), said + len(have), wanted + len(want)
    precision, recall = _share(right, said), _share(right, wanted)
    exact = {name: _share(sum(label[name] == got[name] for label, got in pairs), len(pairs)) for name in LABELS}
    return Figures(len(pairs), precision, recall, _share(2 * right, said + wanted), exact)


def _share(some: int, of: int) -> float:
    return round(some / of, 4) if of else 1.0


def _confusions(pairs: Iterable[tuple[_ROW, _ROW]]) -> Iterator[tuple[str, str, str, int]]:
    """Field, what was wanted, what was said, how often; most often first."""
    counted = Counter(
        (name, label[name], got[name]) for label, got in pairs for name in LABELS if label[name] != got[name]
    )
    for (name, want, have), times in counted.most_common():
        yield name, want, have, times
