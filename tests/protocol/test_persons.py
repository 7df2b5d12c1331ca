"""`/api/v1`: persons, the queue and decisions, as other programs meet them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bank import a_token, bearer, keep, open_test_bank, serving
from imagebank.actions import persons
from imagebank.bank import Bank
from imagebank.model.access import Role, Scope
from imagebank.model.identity import Identity, Origin
from imagebank.model.person import PatientId, PersonName
from make import a_file

ONE, TWO, SOUTH = (
    {"issuer": issuer, "identifier": identifier}
    for issuer, identifier in (("local", "1"), ("local", "2"), ("south", "1"))
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Bank, httpx.Client]]:
    """A bank with two like records of one issuer, of which the queue asks, and an unlike one; an admin is asking."""
    with open_test_bank(tmp_path) as bank:
        keep(bank, a_file(PatientID="1"))
        for one in (ONE, TWO):
            name = PersonName("Varga^Ada")
            persons.hear(bank, Identity(PatientId(**one), name, "19610723", "F", origin=Origin.HL7))
        persons.hear(bank, Identity(PatientId(**SOUTH), PersonName("Novak^Piotr"), origin=Origin.HL7))
        with serving(bank) as url, httpx.Client(base_url=f"{url}/api/v1", headers=bearer(a_token(bank))) as client:
            yield bank, client


def person_of(bank: Bank, record: dict[str, str]) -> str:
    return persons.shown(bank, PatientId(**record), Scope(organizations=None)).person


def posted(client: httpx.Client, path: str, status: int = 201, **body: Any) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_question_is_asked_answered_and_taken_back(site: tuple[Bank, httpx.Client]) -> None:
    bank, client = site
    (asked,) = client.get("/matching/questions").json()["questions"]
    made = posted(client, "/matching/questions", first=ONE, second=TWO, is_same=True, why="asked  her")
    person = client.get(f"/persons/{person_of(bank, ONE)}").json()
    undone = posted(client, f"/matching/decisions/{made['id']}/undo")
    listed = client.get("/matching/decisions").json()["decisions"]

    assert (asked["first"], asked["second"]) == (ONE, TWO)
    assert sum(each["weight"] for each in asked["evidence"]) == pytest.approx(asked["score"])
    assert "one issuer" in asked["why_asked"]
    assert (made["deed"], made["ground"], made["reason"], made["score"]) == (
        "merge",
        "human",
        "asked her",
        asked["score"],
    )
    assert [each["identifier"] for each in person["records"]] == ["1", "2"]
    assert person["records"][1]["name"] == {"alphabetic": "Varga^Ada", "ideographic": "", "phonetic": ""}
    assert [one["id"] for one in listed] == [undone["id"], made["id"]]
    assert undone["undoes"] == made["id"]


def test_records_are_linked_merged_and_unlinked(site: tuple[Bank, httpx.Client]) -> None:
    _, client = site
    wishes: list[dict[str, Any]] = [
        {"deed": "link", "record": SOUTH, "to": ONE},
        {"deed": "unlink", "record": SOUTH},
        {"deed": "merge", "record": ONE, "to": SOUTH, "why": "his"},
    ]
    done = [posted(client, "/matching/decisions", **wish)["deed"] for wish in wishes]

    assert done == ["link", "unlink", "merge"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/matching/decisions", {"deed": "unlink", "record": ONE, "to": TWO}, 400),
        ("/matching/decisions", {"deed": "link", "record": ONE}, 400),
        ("/matching/decisions", {"deed": "marry", "record": ONE, "to": TWO}, 400),
        ("/matching/decisions", {"deed": "link", "record": ONE, "to": {"issuer": "x", "identifier": "9"}}, 404),
        ("/matching/decisions", {"deed": "unlink", "record": SOUTH}, 409),
        ("/matching/decisions/0/undo", {}, 404),
        ("/matching/questions", {"first": ONE, "second": SOUTH, "is_same": True}, 404),
        ("/matching/questions", {"first": ONE, "second": TWO}, 400),
    ],
)
def test_what_cannot_be_done_is_told(
    site: tuple[Bank, httpx.Client], path: str, body: dict[str, Any], status: int
) -> None:
    assert site[1].post(path, json=body).status_code == status


def test_who_does_not_see_a_study_of_a_record_learns_nothing_of_it(site: tuple[Bank, httpx.Client]) -> None:
    bank, client = site
    client.headers = httpx.Headers(bearer(a_token(bank, Role.TECHNOLOGIST)))
    person = client.get(f"/persons/{person_of(bank, ONE)}").json()

    assert [each["identifier"] for each in person["records"]] == ["1"]
    assert client.get("/matching/questions").json() == {"questions": []}
    assert client.get(f"/persons/{person_of(bank, TWO)}").status_code == 404
    posted(client, "/matching/questions", 404, first=ONE, second=TWO, is_same=True)
    posted(client, "/matching/decisions", 404, deed="link", record=ONE, to=TWO)


def test_only_who_may_reconcile_sees_the_queue(site: tuple[Bank, httpx.Client]) -> None:
    bank, client = site
    client.headers = httpx.Headers(bearer(a_token(bank, Role.CLINICIAN)))

    assert client.get("/matching/questions").status_code == 403
    assert client.get("/matching/decisions").status_code == 403
    assert client.get(f"/persons/{person_of(bank, ONE)}").status_code == 200
    client.headers = httpx.Headers()
    assert client.get("/matching/questions").status_code == 401
