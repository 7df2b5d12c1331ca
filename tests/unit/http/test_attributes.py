"""`/api/v1/attributes`, and what searches say while what came before is still being read."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from bank import a_token, bearer, keep, open_test_bank, serving
from imagebank import worker
from imagebank.bank import Bank
from imagebank.dimse.contexts import STUDY_FIND
from imagebank.dimse.handlers import Caller, find
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from make import a_file

ROOT = "/api/v1/attributes"
AGENT = f"{ROOT}/series:ContrastBolusAgent"


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("attributes")) as made:
        keep(made, a_file(StudyInstanceUID="1.1", ContrastBolusAgent="Iohexol"))
        yield made


@pytest.fixture(scope="module")
def url(bank: Bank) -> Iterator[str]:
    with serving(bank) as address:
        yield address


@pytest.fixture
def site(bank: Bank, url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers=bearer(a_token(bank, Role.ADMIN)), timeout=60) as client:
        yield client


def work_off(bank: Bank) -> None:
    later = replace(bank, now=lambda: bank.now() + timedelta(minutes=1))
    while worker.step(later):
        pass


def statuses(bank: Bank) -> list[int]:
    caller = Caller(Principal("CT1", Role.DEVICE, "local", RIGHTS[Role.ADMIN], Scope(None)), "CT1", "127.0.0.1")
    asked = {"00080052": {"vr": "CS", "Value": ["SERIES"]}, "00180010": {"vr": "LO", "Value": ["Iohexol"]}}
    asked["0020000D"] = {"vr": "UI", "Value": ["1.1"]}
    return [one.status for one in find(bank, caller, STUDY_FIND, asked, b"\1")]


def test_an_attribute_is_searchable_at_once_and_says_until_when_it_is_not_whole(bank: Bank, site: httpx.Client) -> None:
    refused = site.put(f"{ROOT}/series:NoSuchThing")
    made, again = site.put(AGENT, json={}), site.put(AGENT)
    by_agent = {"ContrastBolusAgent": "iohexol"}
    before = site.get("/dicom-web/series", params=by_agent)
    keep(bank, a_file(StudyInstanceUID="1.2", ContrastBolusAgent="Iohexol"))
    meanwhile = site.get("/dicom-web/series", params=by_agent)
    described = site.options("/dicom-web/", headers={"Accept": "application/json"}).json()["attributes"]
    work_off(bank)
    after = site.get("/dicom-web/series", params=by_agent)
    (held,) = site.get(ROOT).json()["attributes"]

    assert (refused.status_code, made.status_code, again.status_code) == (400, 201, 200)
    assert made.json().items() >= {"state": "filling", "read": 0, "of": 1, "level": "series"}.items()
    assert (before.status_code, len(meanwhile.json()), len(after.json())) == (204, 1, 2)
    assert "ContrastBolusAgent is not known yet of all" in meanwhile.headers["warning"]
    assert "warning" not in after.headers
    assert described == [
        {"path": "series:ContrastBolusAgent", "name": "ContrastBolusAgent", "vr": "LO", "level": "series"}
        | {"is_whole": False}
    ]
    assert (held["state"], held["remaining_s"]) == ("whole", None)


def test_a_pending_answer_says_so_too(bank: Bank, site: httpx.Client) -> None:
    site.put(f"{ROOT}/series:00180010")
    work_off(bank)
    whole = statuses(bank)
    site.delete(AGENT)
    site.delete(f"{ROOT}/series:00180010")
    work_off(bank)
    gone = statuses(bank)
    with bank.index.begin() as tx:
        tx.forget("attributes", "attributes")
    site.put(AGENT)
    keep(bank, a_file(StudyInstanceUID="1.1", ContrastBolusAgent="Iohexol"))

    assert (whole, gone, statuses(bank)) == ([0xFF00, 0], [0xFF01, 0], [0xFF01, 0])


def test_one_that_is_removed_is_there_no_more(bank: Bank, site: httpx.Client) -> None:
    site.put(f"{ROOT}/instance:0019xx10%40ACME 1.1", json={"name": "DoseNote", "vr": "SH"})
    first, second = site.delete(f"{ROOT}/DoseNote"), site.delete(f"{ROOT}/DoseNote")

    assert (first.status_code, second.status_code) == (204, 404)


def test_none_but_admins_may_see_or_change_them(bank: Bank, site: httpx.Client) -> None:
    theirs = bearer(a_token(bank, Role.CLINICIAN))
    answers = [
        site.request(method, at, headers=theirs) for method, at in (("GET", ROOT), ("PUT", AGENT), ("DELETE", AGENT))
    ]

    assert [answer.status_code for answer in answers] == [403] * 3
    assert site.put(AGENT, json={"colour": "red"}).status_code == 400
