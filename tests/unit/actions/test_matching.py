"""The table of weights: what it may say, and what it must."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from tomllib import loads
from typing import Any

import pytest

from bank import open_test_bank
from imagebank.actions.matching import keys_of, parse, weights
from imagebank.errors import Invalid
from imagebank.model.identity import Identity
from imagebank.model.person import PatientId, PersonName
from imagebank.settings import SettingsError

BUILT_IN = (files("imagebank.actions") / "matching.toml").read_text("utf-8")


def table(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    made = loads(BUILT_IN)
    change(made)
    return made


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.update(shoe_size={}), "shoe_size"),
        (lambda t: t.pop("phone"), "says nothing of 'phone'"),
        (lambda t: t.update(review=40), "automatic is above review"),
        (lambda t: t.update(population=0), "1 or more"),
        (lambda t: t.update(automatic="high"), "automatic"),
        (lambda t: t["sex"].pop("other"), r"\[sex\] has a line for each of same, other"),
        (lambda t: t["sex"].update(same=[1.5, 0.5]), "above 0 and at most 1"),
        (lambda t: t["sex"].update(same=[0, 0.5]), "above 0 and at most 1"),
        (lambda t: t.update(nicknames=3), "nicknames"),
    ],
)
def test_what_a_table_cannot_say_is_told(change: Callable[[dict[str, Any]], object], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        parse(table(change))


def test_nicknames_are_optional_and_folded() -> None:
    assert parse(table(lambda t: t.pop("nicknames"))).nicknames == {}
    assert parse(table(lambda t: t.update(nicknames={"groups": [["José", "Pepe"]]}))).nicknames == {
        "jose": frozenset({"jose"}),
        "pepe": frozenset({"jose"}),
    }


def test_a_site_has_its_own_table(tmp_path: Path) -> None:
    file = tmp_path / "matching.toml"
    file.write_text(BUILT_IN.replace("automatic = 30.0", "automatic = 44.5"), "utf-8")

    assert weights(file).automatic == 44.5
    with open_test_bank(tmp_path, matching_file=file):
        pass


def test_a_table_with_a_fault_keeps_the_bank_from_starting(tmp_path: Path) -> None:
    file = tmp_path / "matching.toml"
    file.write_text("automatic = 30", "utf-8")

    told = pytest.raises(SettingsError, match=r"matching\.toml: the table of weights says nothing")
    with told, open_test_bank(tmp_path, matching_file=file):
        pass


def test_a_record_is_found_by_each_of_its_identifiers() -> None:
    ada = Identity(PatientId("north", "1"), PersonName("Varga^Ada"), others=(PatientId("national", "N"),))

    assert {"id north 1", "id national N", "is family varga", "is given ada"} <= keys_of(ada)
