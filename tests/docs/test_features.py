"""docs/features.md is for users, so what it says has to be true."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COUNTS = {"I": 13, "K": 8, "F": 8, "L": 5, "O": 11, "A": 5, "P": 8, "G": 8, "R": 8}
STATES = {"works", "partly", "not yet"}
GOOD = ["O1", "a page", "works", "`tests/docs/test_features.py`", "[how](rights.md)"]


def rows() -> list[list[str]]:
    lines = (ROOT / "docs" / "features.md").read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if re.match(r"\| [A-Z]\d+ \|", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def faults(row: list[str]) -> list[str]:
    """What a row claims that is not so."""
    if len(row) != 5:
        return [f"the row has {len(row)} cells, not 5"]
    _, _, state, shown_by, limits = row
    named = re.findall(r"`([^`]+)`", shown_by)
    found = [] if state in STATES else [f"{state} is no state"]
    if ", ".join(f"`{one}`" for one in named) != shown_by:
        found.append("what shows it is a list of tests, and nothing else")
    if bool(named) is (state == "not yet"):
        found.append("what works or partly works names a test; what is not there names none")
    if state == "partly" and not limits:
        found.append("say what is missing")
    return found + [fault for one in named if (fault := missing(one))]


def missing(test: str) -> str:
    """What is not there of a test, which is named by its file, or by `file::function`."""
    path, _, function = test.partition("::")
    file = ROOT / path
    if not (path.startswith("tests/") and file.is_file()):
        return f"{path} does not exist"
    text = file.read_text(encoding="utf-8")
    wanted = re.escape(function) if function else r"test_\w+"
    if not re.search(rf"^\s*def {wanted}\(", text, re.MULTILINE):
        return f"{path} has no {function or 'tests'}"
    return f"{path} is skipped" if re.search(r"^pytestmark = .*\bskip", text, re.MULTILINE) else ""


def test_every_capability_has_exactly_one_row() -> None:
    expected = [f"{letter}{number}" for letter, count in COUNTS.items() for number in range(1, count + 1)]

    assert sorted(row[0] for row in rows()) == sorted(expected)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_state_is_backed_by_tests_that_exist(row: list[str]) -> None:
    assert faults(row) == []


@pytest.mark.parametrize(
    ("place", "text", "words"),
    [
        (2, "does", "no state"),
        (2, "not yet", "names none"),
        (3, "", "names a test"),
        (3, "`tests/docs/test_nothing.py`", "does not exist"),
        (3, "`docs/features.md`", "does not exist"),
        (3, "tests/docs/test_features.py", "and nothing else"),
        (3, "`tests/docs/test_features.py`, by hand", "and nothing else"),
        (3, "`tests/docs/test_features.py::test_nothing`", "has no test_nothing"),
        (3, "`tests/make.py`", "has no tests"),
        (4, "a | b", ""),
    ],
)
def test_a_claim_that_is_not_so_is_found(place: int, text: str, words: str) -> None:
    row = [*GOOD[:place], text, *GOOD[place + 1 :]]
    found = faults([cell for each in row for cell in each.split(" | ")])

    assert found
    assert words in found[0] + found[-1]
    assert faults(GOOD) == []
