"""`imagebank bench` from end to end, with the smallest corpus and without a peer."""

import json
from pathlib import Path

from running import start_program

ROWS = ["store-1", "study", "get", "memory"]


def test_every_row_is_measured_and_nothing_is_left_but_the_results(tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text("<!-- bench sqlite-files --><!-- end of bench sqlite-files -->")
    (tmp_path / "work").mkdir()
    where = ("--within", tmp_path / "work", "--out", tmp_path / "out", "--into", document)
    options = ("--quick", "--scale", "0.01", "--runs", "1", "--alone", "--rows", ",".join(ROWS))
    process = start_program("bench", *options, *where, log=tmp_path / "log")

    assert process.wait(150) == 0, (tmp_path / "log").read_text()[-2000:]
    found = json.loads((tmp_path / "out" / "sqlite-files.json").read_text())
    assert [row["name"] for row in found["rows"]] == ROWS
    assert [row["Imagebank"]["wrong"] for row in found["rows"]] == [""] * len(ROWS)
    assert all(row["Imagebank"]["values"][0] > 0 for row in found["rows"])
    assert "| C-GET of 8 |" in document.read_text()
    assert not list((tmp_path / "work").iterdir())
