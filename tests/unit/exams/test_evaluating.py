"""How well exams are understood, held against labels."""

import pytest

from imagebank.errors import Invalid
from imagebank.exams.evaluating import ASKED, LABELS, evaluate, is_development, rows_of
from imagebank.exams.tables import tables


def table(*rows: dict[str, str], columns: tuple[str, ...] = ASKED, end: str = "\n") -> bytes:
    lines = ["\t".join(columns), *("\t".join(row.get(name, "") for name in columns) for row in rows)]
    return end.join(lines).encode() + end.encode()


HEAD = {"id": "1", "modality": "CT", "study_description": "CT HEAD WO"}


def test_each_row_is_answered_in_its_order() -> None:
    found = evaluate(rows_of(table(HEAD, {"id": "2", "modality": "DX", "laterality_tag": "u"})), tables())

    assert found.predicted == (
        {"id": "1", "modality_group": "CT", "regions": "HEAD", "laterality": "", "contrast": "no"},
        {"id": "2", "modality_group": "XR", "regions": "", "laterality": "U", "contrast": "unknown"},
    )
    assert found.figures == {}


def test_columns_may_be_in_any_order_and_the_file_from_anywhere() -> None:
    plain = rows_of(table(HEAD))
    turned = rows_of(b"\xef\xbb\xbf" + table(HEAD, columns=("note", *reversed(ASKED)), end="\r\n"))
    quoted = rows_of(table({**HEAD, "study_description": '3" CT "HEAD WO'}))

    assert [row["study_description"] for row in (*plain, *turned)] == ["CT HEAD WO"] * 2
    assert evaluate(plain, tables()).predicted == evaluate(turned, tables()).predicted
    assert evaluate(quoted, tables()).predicted == evaluate(plain, tables()).predicted
    assert rows_of(table(HEAD) + b"\n2\tCT\n")[1]["study_description"] == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no column id, modality"),
        (b"id,modality\n", "no column id, modality"),
        (b"id\tmodality\n", "no column study_description"),
        (b"id\xff", "not in UTF-8"),
    ],
)
def test_another_file_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        rows_of(content)


def test_labels_are_counted_by_halves() -> None:
    rows = [
        {**HEAD, "id": str(number), "modality_group": "CT", "regions": "HEAD;NECK", "contrast": "yes"}
        for number in range(20)
    ]
    found = evaluate(rows_of(table(*rows, columns=(*ASKED, *LABELS))), tables())
    development = sum(is_development(str(number)) for number in range(20))

    assert (found.figures["all"].precision, found.figures["all"].recall) == (1.0, 0.5)
    assert found.figures["test"].f1 == pytest.approx(0.6667)
    assert found.figures["all"].exact == {"modality_group": 1.0, "regions": 0.0, "laterality": 1.0, "contrast": 0.0}
    assert found.figures["development"].exams == development
    assert ("regions", "HEAD;NECK", "HEAD", development) in found.confusions


def test_an_empty_table_has_nothing_wrong() -> None:
    assert evaluate([], tables()).predicted == ()
