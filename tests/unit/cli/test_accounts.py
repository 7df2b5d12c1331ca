"""`imagebank account`: people's own accounts, from the command line."""

import json
from pathlib import Path

import pytest

from bank import keep, open_test_bank
from imagebank.actions import persons
from imagebank.model.identity import Identity
from imagebank.model.person import PatientId, PersonName
from make import a_file
from running import imagebank


@pytest.fixture
def here(tmp_path: Path) -> tuple[str, str]:
    with open_test_bank(tmp_path) as bank:
        keep(bank, a_file(PatientID="ADA"))
        persons.hear(bank, Identity(PatientId("local", "ADA"), PersonName("Lovelace^Ada")))
    return ("--data", str(tmp_path / "bank"))


def test_an_account_is_opened_printed_again_listed_and_ended(here: tuple[str, str], tmp_path: Path) -> None:
    pdf = tmp_path / "sheet.pdf"
    opened = imagebank("account", "open", "--patient", "ADA", "--until", "2090-01-01", "--pdf", str(pdf), *here)
    (listed,) = json.loads(imagebank("account", "list", "--patient", "ADA", "--json", *here).out)
    again = json.loads(imagebank("account", "sheet", listed["account"], "--json", *here).out)
    ended = imagebank("account", "end", listed["id"], *here)

    assert opened.status == ended.status == 0
    assert pdf.read_bytes().startswith(b"%PDF")
    assert again["account"] == listed["account"] == "".join(opened.out.split(",")[0].split()[1:])
    assert again["secret"] not in opened.out.replace(" ", "")
    assert json.loads(imagebank("account", "list", "--patient", "ADA", "--json", *here).out) == []


def test_who_signs_in_elsewhere_gets_no_secret_and_what_is_not_there_is_told(here: tuple[str, str]) -> None:
    elsewhere = imagebank("account", "open", "--patient", "ADA", "--account", "login.example/ada", *here)
    unknown = imagebank("account", "end", "0" * 32, *here)

    assert elsewhere.out.strip() == "account login.example/ada"
    assert (unknown.status, unknown.out) == (1, "")
