"""`imagebank rules`: checked, tried, switched on and gone back to from the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from bank import keep, open_test_bank
from make import a_file
from rulesets import FIX_ISSUER, HOLD
from running import Said, imagebank

WRONG = FIX_ISSUER.replace('"set"', '"sett"')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bank with two objects, and rules in files beside it."""
    with open_test_bank(tmp_path) as bank:
        keep(bank, a_file(), a_file(AccessionNumber=""))
    (tmp_path / "new.toml").write_text(FIX_ISSUER + HOLD)
    (tmp_path / "wrong.toml").write_text(WRONG)
    odd = FIX_ISSUER.replace('header.IssuerOfPatientID == ""', "1 / (header.Rows - 8) == 1")
    (tmp_path / "odd.toml").write_text(odd)
    return tmp_path


def rules(folder: Path, *words: str | Path) -> Said:
    return imagebank("rules", *words, "--data", folder / "bank")


def answer(folder: Path, *words: str | Path) -> Any:
    said = rules(folder, *words, "--json")
    assert said.status == 0, said.err
    return json.loads(said.out)


def test_a_file_is_checked_line_by_line(folder: Path) -> None:
    right, wrong = rules(folder, "check", folder / "new.toml"), rules(folder, "check", folder / "wrong.toml")
    told = imagebank("rules", "check", folder / "wrong.toml", "--data", folder / "bank", "--json")

    assert (right.status, right.out) == (0, "new.toml is right\n")
    assert (wrong.status, wrong.err) == (1, "line 6: there is no action sett; did you mean set?\n")
    assert json.loads(told.out) == [{"line": 6, "words": "there is no action sett; did you mean set?"}]
    assert rules(folder, "check", folder / "gone.toml").status == 2


def test_a_file_is_tried_on_the_past(folder: Path) -> None:
    said = rules(folder, "try", "--file", folder / "new.toml", "--since", "1d")
    report = answer(folder, "try", "--file", folder / "new.toml")

    assert said.status == 0
    assert "2 deposits since" in said.out
    assert "1 would be changed, 1 held" in said.out
    assert "Accession" in said.out
    assert report["samples"][1]["changes"][0]["after"] == "NORTH"
    assert (report["looked_at"], report["changed"], report["held"]) == (2, 1, 1)
    odd = rules(folder, "try", "--file", folder / "odd.toml")
    assert (odd.status, "divide by zero" in odd.err) == (1, True)
    assert rules(folder, "try", "--file", folder / "wrong.toml").status == 1
    assert rules(folder, "try").status == 2
    assert rules(folder, "try", "--since", "soon").status == 2


def test_rules_are_switched_on_listed_compared_and_gone_back_to(folder: Path) -> None:
    assert "there are no rules" in rules(folder, "list").out
    assert rules(folder, "apply", folder / "wrong.toml").status == 1
    assert rules(folder, "apply", folder / "odd.toml").status == 1
    assert "version 1 is in force" in rules(folder, "apply", folder / "new.toml").out
    (folder / "new.toml").write_text(FIX_ISSUER)
    assert answer(folder, "apply", folder / "new.toml") == {"version": 2, "outcome": "in force"}

    listed = rules(folder, "list")
    assert listed.out.startswith("version 2, by operator by command\n1. Fix issuer: For everything that comes when")
    assert [one["name"] for one in answer(folder, "list")["rules"]] == ["Fix issuer"]
    assert [one["number"] for one in answer(folder, "versions")] == [2, 1]
    assert rules(folder, "show").out == FIX_ISSUER
    assert answer(folder, "show", "1")["text"] == FIX_ISSUER + HOLD
    assert '- name = "Accession"\n' in rules(folder, "diff", "1", "2").out
    assert answer(folder, "diff", "2", "1")[1] == {"kind": "added", "line": 10, "text": "[[rule]]"}
    assert answer(folder, "back", "1") == {"version": 3, "outcome": "in force"}
    assert answer(folder, "try")["looked_at"] == 2
    assert rules(folder, "show", "9").status == 1


def test_tables_are_shown_with_the_rules(folder: Path) -> None:
    (folder / "t.csv").write_text("CT,ONE\n")
    (folder / "new.toml").write_text(
        '[tables.t]\nfile = "t.csv"\n[[rule]]\nname = "T"\n[[rule.do]]\naction = "map"\ntag = "StationName"\ntable = "t"\n'
    )
    rules(folder, "apply", folder / "new.toml")

    assert rules(folder, "show").out.endswith("\n# t.csv\nCT,ONE\n")


def test_the_doctor_says_when_the_file_is_wrong_or_not_what_is_in_force(folder: Path) -> None:
    file = folder / "bank" / "rules.toml"

    def found() -> list[str]:
        said = imagebank("doctor", "--data", folder / "bank", "--json")
        return [one["words"] for one in json.loads(said.out) if one["check"] == "rules"]

    assert found() == []
    rules(folder, "apply", folder / "new.toml")
    assert found() == []
    file.write_text(FIX_ISSUER)
    assert found() == [f"{file} is not what is in force: version 1, by operator by command"]
    file.write_text(WRONG)
    assert found() == [
        f"{file} is wrong, and what was in force before stays: line 6: there is no action sett; did you mean set?"
    ]
