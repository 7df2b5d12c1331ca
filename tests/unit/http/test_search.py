"""`/api/v1/search`: what it answers, and what it refuses."""

from collections.abc import Iterator

import httpx
import pytest

from bank import a_token, bearer, keep, open_test_bank, serving
from imagebank.actions import finding
from imagebank.model.access import Role
from imagebank.model.uid import Uid
from make import a_file


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with open_test_bank(tmp_path_factory.mktemp("search")) as bank:
        for number in range(1, 4):
            name = "Lovelace^Ada" if number == 1 else "Yamada^Tarou=山田^太郎"
            keep(bank, a_file(StudyInstanceUID=f"1.{number}", PatientName=name, StudyDate=f"2020010{number}"))
            finding.write(bank, Uid(f"1.{number}"))
        with (
            serving(bank) as url,
            httpx.Client(base_url=url, headers=bearer(a_token(bank, Role.ADMIN)), timeout=60) as client,
        ):
            yield client


def test_it_gives_studies_where_the_words_hit_and_counts(site: httpx.Client) -> None:
    answer = site.get("/api/v1/search", params={"q": "lovelac", "modality": "CT"})
    (study,) = answer.json()["studies"]

    assert answer.headers["cache-control"] == "no-store"
    assert study == {
        "study": "1.1",
        "patient_name": "Lovelace^Ada",
        "patient_id": "P1",
        "issuer": "",
        "birth_date": "19700101",
        "sex": "F",
        "date": "20200101",
        "time": "101500",
        "accession": "A1",
        "description": "CT head",
        "series": 1,
        "instances": 1,
        "modalities": ["CT"],
        "added_by_patient": False,
        "hit": "name",
        "passages": [{"attribute": "PatientName", "text": "Lovelace Ada", "spans": [[0, 8]]}],
    }
    assert answer.json()["facets"]["year"] == [{"value": "2020", "count": 1}]
    assert (answer.json()["total"], answer.json()["is_whole"], answer.json()["next"]) == (1, True, None)


def test_pages_follow_by_their_cursor(site: httpx.Client) -> None:
    first = site.get("/api/v1/search", params={"limit": 2}).json()
    second = site.get("/api/v1/search", params={"limit": 2, "cursor": first["next"]}).json()

    assert [one["study"] for one in first["studies"] + second["studies"]] == ["1.3", "1.2", "1.1"]
    assert first["studies"][0]["patient_name"] == "Yamada^Tarou=山田^太郎"
    assert second["next"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"q": "x" * 257},
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "x"},
        {"limit": "٣"},
        {"cursor": "nonsense"},
        {"cursor": ""},
        {"sex": ""},
        {"sex": "x" * 257},
        {"modality": ["CT"] * 21},
        {"color": "red"},
    ],
)
def test_what_is_no_question_is_refused_without_its_words(site: httpx.Client, wrong: dict[str, str]) -> None:
    answer = site.get("/api/v1/search", params=wrong)

    assert answer.status_code == 400
    assert not any(str(value) in answer.text for value in wrong.values() if len(str(value)) > 3)


def test_nobody_known_is_told_nothing(site: httpx.Client) -> None:
    assert httpx.get(f"{site.base_url}/api/v1/search", params={"q": "lovelace"}).status_code == 401
