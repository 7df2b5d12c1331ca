"""`imagebank evaluate`: how well exams are understood, priors ranked and repeats found."""

import json
from pathlib import Path

from running import imagebank

COLUMNS = "id modality study_description series_description body_part_examined procedure_code procedure_code_scheme laterality_tag"
LABELS = "modality_group regions laterality contrast"


def write(file: Path, *rows: str, columns: str = COLUMNS) -> Path:
    lines = [columns.replace(" ", "\t"), *(row.replace("|", "\t") for row in rows)]
    file.write_text("\r\n".join(lines) + "\r\n", "utf-8-sig")
    return file


def test_answers_are_written_in_the_fixed_format(tmp_path: Path) -> None:
    file = write(tmp_path / "exams.tsv", "a|CT|CT HEAD WO|||||", "b|DX|Zwörgel Knie li||KNEE||L|")
    out = tmp_path / "out.tsv"
    told = imagebank("evaluate", "exams", file, "--out", out, "--unknown")

    assert told.status == 0
    assert "2 exams are described" in told.out
    assert "zworgel" in told.out
    assert out.read_text("utf-8").split("\n") == [
        "id\tmodality_group\tregions\tlaterality\tcontrast",
        "a\tCT\tHEAD\t\tno",
        "b\tXR\tKNEE\tL\tunknown",
        "",
    ]


def test_figures_and_confusions_are_shown_where_there_are_labels(tmp_path: Path) -> None:
    rows = [f"{number}|CT|CT HEAD WO||||||MR|HEAD;NECK||no" for number in range(9)]
    file = write(tmp_path / "exams.tsv", *rows, columns=f"{COLUMNS} {LABELS}")
    plot = tmp_path / "exams.svg"
    shown = imagebank("evaluate", "exams", file, "--confusions", "--plot", plot)
    told = json.loads(imagebank("evaluate", "exams", file, "--confusions", "--unknown", "--json").out)

    assert "development" in shown.out
    assert "HEAD;NECK" in shown.out
    assert "region F1" in plot.read_text("utf-8")
    assert told["exams"] == 9
    assert told["figures"]["all"]["recall"] == 0.5
    assert told["figures"]["test"]["exact"]["modality_group"] == 0.0
    assert told["unknown"] == {}
    assert any(one[0] == "modality_group" for one in told["confusions"])


def test_another_file_is_wrong_usage(tmp_path: Path) -> None:
    said = imagebank("evaluate", "exams", write(tmp_path / "x.tsv", columns="id modality"))

    assert said.status == 2
    assert "no column study_description" in said.err


HEAD = {"modality": "CT", "study_description": "CT HEAD WO"}
CASE = {
    "id": "a",
    "new": {**HEAD, "date": "2026-11-02", "context": "routine"},
    "history": [{**HEAD, "id": "h1", "date": "2026-10-20"}],
}


def test_cases_are_answered_in_the_fixed_format(tmp_path: Path) -> None:
    file, out = tmp_path / "cases.jsonl", tmp_path / "out.jsonl"
    file.write_text(json.dumps(CASE), "utf-8")
    told = imagebank("evaluate", "cases", file, "--out", out)

    assert (told.status, told.out.strip()) == (0, "1 cases are answered")
    assert [json.loads(line) for line in out.read_text("utf-8").splitlines()] == [
        {"id": "a", "ranked": ["h1"], "repeat": True, "repeat_of": "h1"}
    ]


def test_figures_of_cases_are_shown_where_there_are_labels(tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text(json.dumps(CASE | {"label": {"relevant": [], "repeat": False}}), "utf-8")
    plot = tmp_path / "cases.svg"
    shown = imagebank("evaluate", "cases", file, "--confusions", "--plot", plot)
    told = json.loads(imagebank("evaluate", "cases", file, "--confusions", "--json").out)
    file.write_text("{}", "utf-8")
    wrong = imagebank("evaluate", "cases", file)

    assert "repeats precision" in shown.out
    assert "repeats precision" in plot.read_text("utf-8")
    assert "not wanted" in shown.out
    assert (told["cases"], told["figures"]["all"]["repeat_precision"]) == (1, 0.0)
    assert [one["what"] for one in told["confusions"]] == ["first", "repeat", "not wanted"]
    assert (wrong.status, "line 1" in wrong.err) == (2, True)
