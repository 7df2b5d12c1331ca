"""`/api/v1/completeness` and that of one study: what they answer, and what they refuse."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from bank import a_token, bearer, keep, open_test_bank, serving
from imagebank.actions import completeness
from imagebank.bank import Bank
from imagebank.model.access import Role
from imagebank.model.uid import Uid
from make import a_series

LACKING, GAPPY, QUIET = "1.2.1", "1.2.2", "1.2.3"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bank, httpx.Client]]:
    with open_test_bank(tmp_path_factory.mktemp("completeness")) as bank:
        keep(bank, *a_series(2, StudyInstanceUID=LACKING, NumberOfSeriesRelatedInstances=3, Modality="MR"))
        gappy = a_series(8, StudyInstanceUID=GAPPY, SeriesInstanceUID="1.2.2.1", StudyDate="20260105")
        keep(bank, *gappy[:3], *gappy[4:])
        keep(bank, *a_series(1, StudyInstanceUID=QUIET))
        later = replace(bank, now=lambda: bank.now() + timedelta(hours=1))
        for study in (LACKING, GAPPY, QUIET):
            completeness.judge(later, Uid(study))
        token = bearer(a_token(bank, Role.TECHNOLOGIST))
        with serving(bank) as url, httpx.Client(base_url=url, headers=token, timeout=60) as client:
            yield bank, client


def listed(client: httpx.Client, **asked: str | list[str]) -> list[str]:
    answer = client.get("/api/v1/completeness", params=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return [one["study"] for one in answer.json()["studies"]]


def test_of_a_study_it_says_what_is_missing_and_by_whose_word(site: tuple[Bank, httpx.Client]) -> None:
    found = site[1].get(f"/api/v1/studies/{LACKING}/completeness").json()
    (gap,) = site[1].get(f"/api/v1/studies/{GAPPY}/completeness").json()["lacks"]

    assert (found["state"], found["received"], found["expected"], found["missing"]) == ("missing", 2, 3, 1)
    assert [(one["source"], one["missing"], one["unit"]) for one in found["lacks"]] == [("header", 1, "image")]
    assert (gap["source"], gap["numbers"], gap["is_certain"]) == ("numbers", "4", False)
    assert site[1].get("/api/v1/studies/1.2.9/completeness").status_code == 404


def test_studies_are_listed_by_state_modality_day_and_source(site: tuple[Bank, httpx.Client]) -> None:
    _, client = site

    assert listed(client) == [GAPPY, LACKING]
    assert listed(client, state=["unknown", "complete"]) == [QUIET]
    assert listed(client, state="missing", modality="MR") == [LACKING]
    assert listed(client, since="2026-01-03", until="20260131") == [GAPPY]
    assert listed(client, source="header") == [LACKING]
    assert listed(client, limit="1", offset="1") == [LACKING]


@pytest.mark.parametrize(
    "asked", ["state=gone", "source=person", "limit=0", "offset=-1", "modality=", "since=soon", "studies=1", "limit=x"]
)
def test_what_cannot_be_asked_is_refused(site: tuple[Bank, httpx.Client], asked: str) -> None:
    assert site[1].get(f"/api/v1/completeness?{asked}").status_code == 400


def test_somebody_settles_a_study_and_takes_that_back(site: tuple[Bank, httpx.Client]) -> None:
    bank, client = site
    address = f"/api/v1/studies/{GAPPY}/completeness"
    silent = client.post(address, json={"is_all": True})
    settled = client.post(address, json={"is_all": True, "reason": "numbered so"}).json()
    seen = client.get(address).json()["settled"]
    reopened = client.post(address, json={"is_all": False})
    again = client.post(address, json={"is_all": False})
    reader = client.post(address, json={"is_all": True, "reason": "x"}, headers=bearer(a_token(bank, Role.CLINICIAN)))

    assert (silent.status_code, again.status_code, reader.status_code) == (400, 404, 403)
    assert settled["settled"] == seen
    assert (seen["source"], seen["reason"]) == ("person", "numbered so")
    assert reopened.json()["settled"] is None
