"""docs/features.md is for users, so what it says has to be true."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COUNTS = {"I": 13, "K": 8, "F": 8, "L": 5, "O": 11, "A": 5, "P": 8, "G": 8, "R": 8}
STATES = {"works", "partly", "not yet"}


def rows() -> list[list[str]]:
    lines = (ROOT / "docs" / "features.md").read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if re.match(r"\| [A-Z]\d+ \|", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_every_capability_has_exactly_one_row() -> None:
    expected = [f"{letter}{number}" for letter, count in COUNTS.items() for number in range(1, count + 1)]

    assert sorted(row[0] for row in rows()) == sorted(expected)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_state_is_backed_by_tests_that_exist(row: list[str]) -> None:
    _, _, state, shown_by, limits = row
    named = re.findall(r"`(tests/[^`]+)`", shown_by)

    assert state in STATES
    assert bool(named) == (state != "not yet"), "what works or partly works names a test; what is not there names none"
    assert state != "partly" or limits, "say what is missing"
    for test in named:
        path, _, function = test.partition("::")
        file = ROOT / path
        assert file.is_file(), f"{path} does not exist"
        assert not function or re.search(
            rf"^\s*def {re.escape(function)}\b", file.read_text(encoding="utf-8"), re.MULTILINE
        )
