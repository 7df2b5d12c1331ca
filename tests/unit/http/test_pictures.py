"""`/api/v1/pixels/findings` and `imagebank pixels`: what they answer, and what they refuse."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bank import a_token, bearer, keep, open_test_bank, serving
from imagebank.bank import Bank
from imagebank.model.access import Role, Scope
from imagebank.model.picture import Fingerprint, Ground, Pair
from imagebank.model.uid import Uid
from make import a_dataset, a_file, as_file
from running import Said, imagebank

ONE, OTHER, THIRD = Uid("1.2.1"), Uid("1.2.2"), Uid("1.2.3")
PATH = "/api/v1/pixels/findings"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def bank(folder: Path) -> Iterator[Bank]:
    with open_test_bank(folder) as opened:
        for number, study in enumerate((ONE, OTHER, THIRD)):
            keep(opened, a_file(StudyInstanceUID=study, SOPInstanceUID=f"{study}.7", PatientID=f"P{number // 2}"))
        with opened.index.begin() as tx:
            tx.pictures.put([(Uid(f"{study}.7"), Fingerprint(b"d")) for study in (ONE, OTHER, THIRD)])
            for first, second in ((ONE, OTHER), (ONE, THIRD)):
                pair = Pair(Uid(f"{first}.7"), Uid(f"{second}.7"), first, second, Ground.EXACT)
                tx.pictures.file([pair], opened.now())
        yield opened


@pytest.fixture(scope="module")
def client(bank: Bank) -> Iterator[httpx.Client]:
    token = bearer(a_token(bank, Role.TECHNOLOGIST))
    with serving(bank) as url, httpx.Client(base_url=url, headers=token, timeout=60) as opened:
        yield opened


def listed(client: httpx.Client, **asked: str) -> list[tuple[str, list[str]]]:
    answer = client.get(PATH, params=asked)
    assert answer.status_code == 200, answer.text
    return [(one["whose"], [side["study"] for side in one["sides"]]) for one in answer.json()["findings"]]


def test_findings_are_listed_other_patients_first(client: httpx.Client) -> None:
    assert listed(client) == [("other patient", [ONE, THIRD]), ("same patient", [ONE, OTHER])]
    assert len(listed(client, limit="1")) == 1
    assert listed(client, offset="2") == listed(client, state="settled") == []


@pytest.mark.parametrize("asked", ["state=gone", "limit=0", "offset=x", "study=1"])
def test_what_cannot_be_asked_is_refused(client: httpx.Client, asked: str) -> None:
    assert client.get(f"{PATH}?{asked}").status_code == 400


def test_a_finding_is_settled_by_who_may_reconcile(bank: Bank, client: httpx.Client) -> None:
    said = {"studies": [OTHER, ONE], "answer": "same picture is right", "reason": "a copy"}
    settled = client.post(PATH, json=said)
    again = client.post(PATH, json=said)
    unknown = client.post(PATH, json={**said, "studies": [OTHER, THIRD]})
    odd = client.post(PATH, json={**said, "answer": "maybe"})
    reader = client.post(PATH, json=said, headers=bearer(a_token(bank, Role.CLINICIAN)))

    assert settled.json()["settled"]["reason"] == "a copy"
    assert [one.status_code for one in (again, unknown, odd, reader)] == [409, 404, 400, 403]
    assert listed(client, state="settled") == [("same patient", [ONE, OTHER])]


def test_the_same_by_command(bank: Bank, folder: Path) -> None:
    def asked(*arguments: str) -> Said:
        return imagebank("pixels", *arguments, "--data", folder / "bank", environ={"COLUMNS": "300"})

    loud = asked("findings", "--json")
    settled = asked("settle", "different", ONE, THIRD, "--why", "twins")
    shown = asked("findings", "--settled")
    wrong, unknown = asked("settle", "maybe", ONE, THIRD), asked("settle", "right", ONE, "1.9")

    assert (loud.status, json.loads(loud.out)[0]["whose"]) == (1, "other patient")
    assert settled.out == f"{ONE} and {THIRD}: not the same\n"
    assert (shown.status, asked("findings").status) == (0, 0)
    assert "not the same, by operator" in " ".join(shown.out.split())
    assert (wrong.status, unknown.status) == (2, 1)
    keep(bank, as_file(a_dataset(PatientID="P9")))
    filled = json.loads(asked("fill", "--json").out)
    assert filled == {"known": 4, "pictures": 4, "findings": 0}
    assert bank.index.pictures.count(Scope(None)) == (4, 4)
