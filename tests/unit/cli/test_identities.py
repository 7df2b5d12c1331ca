"""`imagebank identity`: records, persons and decisions from the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from bank import open_test_bank
from imagebank.actions import persons
from imagebank.model.identity import Identity, Origin
from imagebank.model.person import PatientId, PersonName
from running import Said, imagebank


@pytest.fixture
def here(tmp_path: Path) -> tuple[str, str]:
    """A bank with two like records of one issuer, and one of another."""
    with open_test_bank(tmp_path) as bank:
        for issuer, identifier in (("local", "1"), ("local", "2"), ("south", "1")):
            name = PersonName("Varga^Ada") if issuer == "local" else PersonName("Novak^Piotr")
            about = Identity(PatientId(issuer, identifier), name, "19610723", "F", phone="01234 567890")
            persons.hear(bank, about if issuer == "local" else Identity(about.patient, name, origin=Origin.HL7))
    return ("--data", str(tmp_path / "bank"))


def answer(*words: str) -> Any:
    said = imagebank("identity", *words, "--json")
    assert said.status == 0, said.err
    return json.loads(said.out)


def test_records_are_listed_page_by_page(here: tuple[str, str]) -> None:
    first = answer("list", "--limit", "2", *here)

    assert [(one["issuer"], one["identifier"], one["name"]) for one in first] == [
        ("local", "1", "Varga^Ada"),
        ("local", "2", "Varga^Ada"),
    ]
    assert [one["issuer"] for one in answer("list", "--after", "local/2", *here)] == ["south"]


def test_the_queue_is_answered_and_the_answer_undone(here: tuple[str, str]) -> None:
    (asked,) = answer("queue", *here)
    same = answer("decide", "same", "1", "local/2", "--why", "asked her", *here)
    shown = answer("show", "1", *here)
    undone = answer("undo", same["id"], *here)

    assert "phone same" in asked["evidence"]
    assert "one issuer" in asked["why_asked"]
    assert (same["outcome"], undone["outcome"]) == ("merge", "undo")
    assert [one["identifier"] for one in shown["records"]] == ["1", "2"]
    assert [one["reason"] for one in shown["decisions"]] == ["asked her"]
    assert len(answer("show", "1", *here)["records"]) == 1


def test_records_are_linked_merged_and_unlinked_by_hand(here: tuple[str, str]) -> None:
    done = [
        answer(*words, *here)["outcome"]
        for words in (("link", "local/1", "south/1"), ("unlink", "south/1"), ("merge", "local/1", "south/1"))
    ]
    said: Said = imagebank("identity", "show", "south/1", *here, environ={"COLUMNS": "200"})

    assert done == ["link", "unlink", "merge"]
    assert "Novak^Piotr" in said.out
    assert "unlink" in said.out


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("show", "north/9"), 1, "no such patient record"),
        (("show", "/9"), 2, "ISSUER/IDENTIFIER"),
        (("undo", "1"), 1, "no such decision"),
        (("decide", "apart", "1", "south/1"), 1, "no such question"),
        (("evaluate", "--records", "0"), 2, "records"),
    ],
)
def test_what_cannot_be_done_is_told(here: tuple[str, str], words: tuple[str, ...], status: int, told: str) -> None:
    said = imagebank("identity", *words, *([] if words[0] == "evaluate" else here))

    assert (said.status, said.out) == (status, "")
    assert told in said.err


def test_matching_is_measured_without_a_bank(tmp_path: Path) -> None:
    picture = tmp_path / "scores.svg"
    said = imagebank("identity", "evaluate", "--records", "500", "--no-contact", "--plot", picture)
    facts = json.loads(imagebank("identity", "evaluate", "--records", "500", "--json").out)

    assert said.status == 0
    assert "precision of automatic links" in said.out
    assert picture.read_text("utf-8").startswith("<svg")
    assert facts["records"] >= 500


def test_a_table_that_misses_the_goals_ends_with_one(tmp_path: Path) -> None:
    table = (Path(persons.__file__).with_name("matching.toml")).read_text("utf-8")
    strict = tmp_path / "strict.toml"
    strict.write_text(table.replace("review = 16.0", "review = 29.5"), "utf-8")
    broken = tmp_path / "broken.toml"
    broken.write_text("review = 1", "utf-8")

    assert imagebank("identity", "evaluate", "--records", "1000", "--weights", strict).status == 1
    assert imagebank("identity", "evaluate", "--weights", broken).status == 2
