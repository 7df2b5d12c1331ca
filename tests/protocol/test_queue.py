"""`/api/v1/queue` and `imagebank queue`: the reconciliation queue as other programs meet it."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from bank import SOURCE, a_token, bearer, open_test_bank, serving
from imagebank.actions import media, persons
from imagebank.actions.ingest import Arrival
from imagebank.bank import Bank
from imagebank.cli.commands import run
from imagebank.model.access import Role, Scope
from imagebank.model.identity import Identity, Origin
from imagebank.model.imaging import Instance, Selection
from imagebank.model.person import PatientId, PersonName
from imagebank.model.proposal import Proposal, ProposalSource
from imagebank.model.task import unidentified
from imagebank.model.upload import About

ALL = Scope(organizations=None)
AMINA = PatientId("north", "HX-204")


def a_photo(bank: Bank, name: str) -> Instance:
    with io.BytesIO() as stream:
        Image.new("RGB", (32, 32), "brown").save(stream, "JPEG", comment=name)
        data = stream.getvalue()
    source = replace(SOURCE, organization="north")
    (receipt,) = media.receive(bank, [Arrival(io.BytesIO(data), len(data), name)], source, About())
    return bank.index.instances(Selection(instance=receipt.uid), ALL)[0]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bank, str]]:
    with open_test_bank(tmp_path_factory.mktemp("queue")) as bank:
        persons.hear(bank, Identity(AMINA, PersonName("Haddad^Amina"), "19840512", "F", origin=Origin.HL7))
        with serving(bank) as url:
            yield bank, url


def client(site: tuple[Bank, str], organization: str = "north", role: Role = Role.TECHNOLOGIST) -> httpx.Client:
    token = a_token(site[0], role, organization=organization, name=f"{role} of {organization}")
    return httpx.Client(base_url=f"{site[1]}/api/v1", headers=bearer(token), timeout=60)


def posted(http: httpx.Client, task: str, verb: str, status: int = 200, **body: Any) -> Any:
    answer = http.post(f"/queue/{task}/{verb}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_study_that_names_nobody_is_listed_shown_taken_and_identified(site: tuple[Bank, str]) -> None:
    bank, _ = site
    photo = a_photo(bank, "one.jpg")
    task = unidentified(photo.study)
    proposals = [
        Proposal("patient_name", "Haddad^Amina", ProposalSource.NAME, "file name: one.jpg", 0.7),
        Proposal("birth_date", "1984-05-12", ProposalSource.NAME, "file name: one.jpg", 0.7),
    ]
    with bank.index.begin() as tx:
        tx.proposals.put(photo.uid, proposals)
    with client(site) as http:
        listed = http.get("/queue", params={"kind": "unidentified"}).json()
        shown = http.get(f"/queue/{task}").json()
        sought = posted(http, task, "search", sought="had")
        claimed = posted(http, task, "claim")
        done = posted(
            http, task, "identify", patient={"issuer": "north", "identifier": "HX-204"}, accepted={"laterality": "L"}
        )
        settled = http.get("/queue", params={"state": "settled"}).json()
        found = httpx.get(
            f"{site[1]}/dicom-web/studies", params={"PatientID": "HX-204"}, headers=dict(http.headers)
        ).json()
        undone = posted(http, task, "undo", reason="a slip")

    assert [one["id"] for one in listed["tasks"]] == [task]
    assert listed["counts"]["kinds"]["unidentified"] == 1
    assert shown["objects"] == [str(photo.uid)]
    assert [one["is_likely"] for one in shown["candidates"]] == [True]
    assert {one["field"] for one in shown["candidates"][0]["evidence"]} == {"family", "given", "birth_date"}
    assert [one["is_likely"] for one in sought["candidates"]] == [False]
    assert claimed["taken_by"] == "technologist of north"
    assert (done["state"], done["how"]) == ("settled", "identified")
    assert [one["id"] for one in settled["tasks"]] == [task]
    assert [one["0020000D"]["Value"] for one in found] == [[str(photo.study)]]
    assert undone["state"] == "open"


def test_somebody_new_is_named_and_the_rest_is_put_off_laid_aside_and_given_back(site: tuple[Bank, str]) -> None:
    bank, _ = site
    tasks = [unidentified(a_photo(bank, f"{number}.jpg").study) for number in range(3)]
    with client(site) as http:
        later = bank.now() + timedelta(days=2)
        new = {"name": "Silva^Rui", "birth_date": "19900102", "sex": "M"}
        who = {"issuer": "north", "identifier": "N-1"}
        missing = posted(http, tasks[0], "identify", 404, patient=who)
        named = posted(http, tasks[0], "identify", patient=who, new=new)
        put_off = posted(http, tasks[1], "postpone", until=later.isoformat())
        wrong = posted(http, tasks[1], "postpone", 400, until=later.replace(tzinfo=None).isoformat())
        aside = posted(http, tasks[2], "settle", how="aside", reason="not ours")
        posted(http, tasks[2], "claim")
        free = posted(http, tasks[2], "release")
        odd = posted(http, tasks[2], "settle", 400, how="same")

    assert missing["error"] == "NotFound"
    assert named["how"] == "identified"
    assert put_off["postponed_until"] == later.isoformat()
    assert "time zone" in wrong["message"]
    assert (aside["state"], aside["reason"]) == ("aside", "not ours")
    assert free["taken_by"] == ""
    assert "say whose" in odd["message"]


def test_another_organization_sees_nothing_and_who_may_not_reconcile_is_refused(site: tuple[Bank, str]) -> None:
    task = unidentified(a_photo(site[0], "hidden.jpg").study)
    with client(site, "south") as south, client(site, role=Role.CLINICIAN) as doctor:
        listed = south.get("/queue").json()
        hidden = [south.get(f"/queue/{one}") for one in (task, unidentified("1.2.3"))]
        posted(south, task, "claim", 404)
        posted(south, task, "identify", 404, patient={"issuer": "south", "identifier": "1"})
        refused = [doctor.get("/queue"), doctor.get(f"/queue/{task}"), doctor.post(f"/queue/{task}/claim", json={})]

    assert listed["tasks"] == []
    assert set(listed["counts"]["kinds"].values()) == {0}
    assert hidden[0].status_code == hidden[1].status_code == 404
    assert hidden[0].text == hidden[1].text
    assert [answer.status_code for answer in refused] == [403] * 3


@pytest.mark.parametrize(
    "asked", ["state=x", "kind=x", "limit=0", "limit=201", "limit=x", "after=x", f"department={'x' * 65}"]
)
def test_a_question_that_makes_no_sense_is_refused(site: tuple[Bank, str], asked: str) -> None:
    with client(site) as http:
        assert http.get(f"/queue?{asked}").status_code == 400


def test_the_command_lists_shows_and_identifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_test_bank(tmp_path) as bank:
        persons.hear(bank, Identity(AMINA, PersonName("Haddad^Amina"), "19840512", "F", origin=Origin.HL7))
        photo = a_photo(bank, "one.jpg")
        told = [Proposal("patient_name", "Haddad^Amina", ProposalSource.NAME, "file name: one.jpg", 0.7)]
        with bank.index.begin() as tx:
            tx.proposals.put(photo.uid, told)
        task, data = unidentified(photo.study), ("--data", str(bank.settings.data))

        def said(*arguments: str) -> tuple[int, str]:
            status = run(["queue", *arguments, *data])
            return status, capsys.readouterr().out

        listed = json.loads(said("list", "--json")[1])
        shown = json.loads(said("show", task, "--search", "had", "--json")[1])
        table = said("show", task)
        odd = [said("identify", task, "HX-204", "--accept", "x=1")[0], said("identify", task, "X")[0]]
        odd.append(said("list", "--limit", "0")[0])
        done = said("identify", task, "HX-204", "--accept", "laterality=L")
        (now,) = bank.index.instances(Selection(instance=photo.uid), ALL)

    assert [one["id"] for one in listed] == [task]
    assert [one["identifier"] for one in shown["candidates"]] == ["HX-204"]
    assert table[0] == 0
    assert "HX-204" in table[1]
    assert odd == [2, 1, 2]
    assert done == (0, f"{task}: identified\n")
    assert now.patient == AMINA
