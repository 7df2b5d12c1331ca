"""`imagebank card`: given, listed, frozen, thawed and taken back from the command line."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cards_here import filled, quick_hashes
from running import Said, imagebank

__all__ = ["filled"]


@pytest.fixture
def folder(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    quick_hashes(monkeypatch)
    shutil.copytree(filled, tmp_path / "bank")
    return tmp_path / "bank"


def card(folder: Path, *words: str) -> Said:
    return imagebank("card", *words, "--data", folder, environ={"IMAGEBANK_ORGANIZATION": "north"})


def answer(folder: Path, *words: str) -> Any:
    said = card(folder, *words, "--json")
    assert said.status == 0, said.err
    return json.loads(said.out)


def test_a_card_is_given_and_switched(folder: Path) -> None:
    said = card(folder, "issue", "--patient", "ADA", "--modality", "ct", "--days", "3", "--pin", "730215")
    made = answer(folder, "issue", "--study", "1.3", "--uses", "2", "--look-only", "--expires", "2027-01-31")

    assert said.status == 0
    assert "PIN     730215" in said.out
    assert (made["studies"], made["expires"]) == (["1.3"], "2027-01-31T23:59:59.999999+00:00")
    for verb, state in (("freeze", "frozen"), ("thaw", "works"), ("revoke", "taken back")):
        assert answer(folder, verb, made["id"])["state"] == state
    listed = answer(folder, "list")
    assert {(one["patient"], one["state"], one["uses"]) for one in listed} == {
        *{("north ADA", "works", "0"), ("north BOB", "taken back", "0 of 2")}
    }
    assert [one["id"] for one in answer(folder, "list", "--patient", "BOB")] == [made["id"]]
    assert made["number"] not in json.dumps(listed)


def test_what_cannot_be_is_refused(folder: Path) -> None:
    assert card(folder, "issue").status == 2
    assert card(folder, "issue", "--patient", "ADA", "--days", "3", "--expires", "2027-01-31").status == 2
    assert card(folder, "issue", "--study", "../x").status == 2
    assert card(folder, "issue", "--patient", "NOBODY").status == 1
    assert card(folder, "revoke", "c0ffee").status == 1
