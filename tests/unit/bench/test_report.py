"""The table of the benchmark: ratios by round, rows that are worse, and what was done wrong."""

from collections.abc import Sequence
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from imagebank.bench import report
from imagebank.bench.machine import Machine
from imagebank.bench.picture import picture
from imagebank.bench.report import Report
from imagebank.bench.rounds import Results, Series
from imagebank.bench.rows import ROWS, named

MACHINE = Machine("A processor", 2, 8.0, "Linux 6", "ext4", "3.11.7", "3.6.7", 1.5)


def a_report(ours: Sequence[float], peer: Sequence[float], *, row: str = "store-1", wrong: str = "") -> Report:
    results = Results()
    results.rows[row] = {
        "Imagebank": Series(list(ours), [2.0, 3.0, 4.0]),
        "Orthanc": Series(list(peer), [5.0, 6.0, 7.0], wrong),
    }
    return Report(
        list(report.lines(named([row]), results, {"series": 1000})),
        "Orthanc",
        {"Imagebank": "as it is", "Orthanc": "files synced"},
        {"Imagebank": "0.1", "Orthanc": "1.10.1"},
        MACHINE,
        {"runs": 3, "scale": 1.0, "seed": 1, "date": "2026-01-02", "load_before": 0.2},
    )


def test_a_ratio_is_of_pairs_of_the_same_round() -> None:
    (line,) = a_report([300, 100, 900], [100, 50, 150]).lines

    assert line.ratio == report.Ratio(3, 2, 6)
    assert line.reached


def test_of_times_less_is_better() -> None:
    (line,) = a_report([2, 4, 5], [8, 8, 8], row="qido-patient").lines

    assert line.ratio == report.Ratio(2, 1.6, 4)
    assert not line.reached, "the goal is four times"


def test_the_table_says_what_is_ahead_what_is_behind_and_on_what_it_was_measured() -> None:
    ahead = report.markdown(a_report([300, 300, 300], [100, 75, 150]))
    behind = report.markdown(a_report([50, 60, 70], [100, 120, 140]))

    row = "| C-STORE of CT, one association | 300 instances/s | 100 instances/s | 3.00x | 2.00x to 4.00x | 3 ✓ | 3.00 / 6.00 |"
    assert row in ahead
    assert "**0.50x, worse**" in behind
    assert "3 ✗" in behind
    assert "A processor, 2 cores, 8 GiB, ext4, Linux 6; Python 3.11.7, dcmtk 3.6.7" in ahead
    assert "- Orthanc 1.10.1: files synced" in ahead


def test_a_row_that_an_archive_did_wrong_has_no_ratio_and_is_told() -> None:
    made = a_report([300, 300, 300], [9000, 9000, 9000], wrong="GET is answered by 500")

    assert made.lines[0].ratio is None
    assert "| wrong | - | - | 3 |" in report.markdown(made)
    assert "- store-1, Orthanc: GET is answered by 500" in report.markdown(made)
    assert "times_as_good" not in report.facts(made)["rows"][0]


def test_without_a_peer_there_are_values_alone() -> None:
    made = a_report([300, 310, 320], [1, 1, 1])
    alone = replace(made, peer="", lines=[replace(line, peer=None, ratio=None) for line in made.lines])

    assert "| C-STORE of CT, one association | 310 instances/s | 3.00 |" in report.markdown(alone)


def test_the_facts_hold_every_round() -> None:
    (row,) = report.facts(a_report([300, 100, 900], [100, 50, 150]))["rows"]

    assert row["Imagebank"]["values"] == [300, 100, 900]
    assert (row["name"], row["better"], row["goal"], row["reached"]) == ("store-1", "more", 3, True)


def test_the_picture_has_a_line_for_each_ratio() -> None:
    ahead, behind = a_report([300] * 3, [100] * 3).lines[0], a_report([5] * 3, [1] * 3, row="qido-date").lines[0]
    root = ET.fromstring(picture("Ratios <all>", [ahead, behind]))
    texts = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]

    assert {"C-STORE of CT, one association", "3.00x", "QIDO, studies of a day", "0.20x"} <= set(texts)


def test_a_table_goes_to_its_place_in_a_document() -> None:
    document = "# Title\n\n<!-- bench one -->\nold\n<!-- end of bench one -->\n\nrest\n"

    assert report.placed(document, "one", "new\n") == (
        "# Title\n\n<!-- bench one -->\n\nnew\n\n<!-- end of bench one -->\n\nrest\n"
    )
    with pytest.raises(ValueError, match="has no place"):
        report.placed(document, "two", "new")


def test_rows_have_names_of_their_own_and_come_in_the_order_of_the_table() -> None:
    names = [row.name for row in ROWS]

    assert len(set(names)) == len(names)
    assert [row.name for row in named(["study", "store-1"])] == ["store-1", "study"]
    assert len(named([])) == len(ROWS)
    with pytest.raises(KeyError):
        named(["nothing"])
