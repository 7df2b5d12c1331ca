"""The ledger as FHIR AuditEvents (IHE ITI-81), for who may read it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from bank import SOURCE, a_token, bearer, keep, open_test_bank, serving
from imagebank.actions import remove
from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.fhir.read import parse
from imagebank.fhir.resources import issuer_of, system_of
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.event import Act, Event
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from make import a_file, read

TODAY = {"date": "ge2020-01-01"}
DCM = "http://dicom.nema.org/resources/ontology/DCM"
ADMIN = Principal("root", Role.ADMIN, "north", RIGHTS[Role.ADMIN], Scope(None))


@dataclass
class Site:
    bank: Bank
    url: str
    token: str
    study: str

    def get(self, params: Any, token: str = "", **headers: str) -> httpx.Response:
        return httpx.get(f"{self.url}/fhir/AuditEvent", params=params, headers=bearer(token or self.token) | headers)

    def found(self, **params: str) -> list[dict[str, Any]]:
        answer = self.get({**TODAY, **params})
        assert answer.status_code == 200, answer.text
        return [one["resource"] for one in answer.json().get("entry", [])]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Ada's study, seen by Dr Varga; a refusal; an emergency."""
    with open_test_bank(tmp_path) as bank, serving(bank) as url:
        file = a_file(PatientID="ADA", AccessionNumber="A7")
        study = str(read(file).StudyInstanceUID)
        keep(bank, file, source=replace(SOURCE, organization="north"))
        token = a_token(bank, Role.PRIVACY_OFFICER, name="officer")
        doctor = a_token(bank, Role.CLINICIAN, name="Dr Varga", organization="north")
        httpx.get(f"{url}/dicom-web/studies/{study}", headers=bearer(doctor)).raise_for_status()
        ada = PatientId("north", "ADA")
        with bank.index.begin() as tx:
            tx.record(
                [
                    Event(bank.now(), Act.REFUSED, "stranger", "", "ct.example.org", detail="C-FIND"),
                    Event(bank.now(), Act.EMERGENCY, "Dr Varga", "north", detail="emergency 1", patient=ada),
                ]
            )
        yield Site(bank, url, token, study)


def types(found: list[dict[str, Any]]) -> list[str]:
    return [one["type"]["code"] for one in found]


def test_an_event_says_who_did_what_to_whose_study_and_why(site: Site) -> None:
    (event,) = site.found(agent="Dr Varga", type=f"{DCM}|110104")
    patient, study, ledger = event["entity"]
    asker, ours = event["agent"]

    assert event["resourceType"] == "AuditEvent"
    assert (event["action"], event["outcome"]) == ("R", "0")
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"
    assert patient["what"]["identifier"] == {"system": "urn:imagebank:issuer:north", "value": "ADA"}
    assert study["what"]["identifier"] == {"system": "urn:dicom:uid", "value": f"urn:oid:{site.study}"}
    assert study["detail"] == [{"type": "AccessionNumber", "valueString": "A7"}]
    assert ledger["what"]["identifier"]["value"] == event["id"]
    assert asker["who"]["identifier"] == {"value": "Dr Varga", "assigner": {"display": "north"}}
    assert asker["network"] == {"address": "127.0.0.1", "type": "2"}
    assert asker["type"]["coding"][0]["code"] == "110152"
    assert (asker["requestor"], ours["requestor"]) == (True, False)


def test_events_are_found_by_each_parameter(site: Site) -> None:
    assert types(site.found(**{"patient.identifier": "north|ADA", "action": "C,R"})) == ["110101", "110104", "110107"]
    assert types(site.found(**{"patient.identifier": "urn:imagebank:issuer:north|ADA", "type": "110113"})) == ["110113"]
    assert site.found(**{"patient.identifier": "south|ADA", "type": "110104"}) == []
    assert types(site.found(entity=f"urn:oid:{site.study}")) == ["110104", "110107"]
    assert types(site.found(**{"entity.identifier": f"urn:dicom:uid|urn:oid:{site.study}"})) == ["110104", "110107"]
    assert types(site.found(subtype="110127")) == ["110113"]
    assert types(site.found(outcome="4")) == ["110113"]
    assert types(site.found(address="ct.example.org")) == ["110113"]
    assert site.found(type="http://loinc.org|110104") == []
    assert site.found(date="lt2020-01-01") == []


def test_a_refusal_a_search_and_a_stranger_by_name(site: Site) -> None:
    with site.bank.index.begin() as tx:
        tx.record([Event(site.bank.now(), Act.SEARCHED, "Dr Varga", "north", detail="QIDO-RS: study by PatientID")])
    (refused,) = site.found(outcome="4")
    (query,) = site.found(type="110112")

    assert refused["outcomeDesc"] == "C-FIND"
    assert refused["agent"][0]["network"] == {"address": "ct.example.org", "type": "1"}
    assert query["entity"][0]["query"]
    assert "what" not in query["entity"][0]


def test_a_device_that_was_sent_something_is_an_agent(site: Site) -> None:
    detail = "C-MOVE to WS1 at 10.0.0.9 of south"
    with site.bank.index.begin() as tx:
        tx.record([Event(site.bank.now(), Act.SENT, "MOVER", "north", "10.0.0.5", Uid(site.study), detail=detail)])
    (event,) = site.found(agent="MOVER")
    asker, ours, device = event["agent"]

    assert (event["type"]["code"], event["action"]) == ("110104", "R")
    assert (asker["requestor"], ours["requestor"], device["requestor"]) == (True, False, False)
    assert "type" not in asker
    assert ours["type"]["coding"][0]["code"] == "110153"
    assert device["type"]["coding"][0]["code"] == "110152"
    assert device["who"]["identifier"] == {"value": "WS1", "assigner": {"display": "south"}}
    assert device["network"] == {"address": "10.0.0.9", "type": "2"}


def test_pages_follow_each_other(site: Site) -> None:
    answer = site.get({"date": "ge2020-01-01", "_count": "2", "type": "110104,110107,110113"}).json()
    pages = [answer]
    while following := [link["url"] for link in pages[-1]["link"] if link["relation"] == "next"]:
        pages.append(httpx.get(following[0], headers=bearer(site.token)).json())
    ids = [one["resource"]["id"] for page in pages for one in page["entry"]]

    assert len(answer["entry"]) == 2
    assert len(ids) == len(set(ids)) >= 4
    assert {page["link"][0]["relation"] for page in pages} == {"self"}


def test_a_patient_who_is_gone_stands_under_a_pseudonym(site: Site) -> None:
    remove.remove(site.bank, Selection(), ADMIN)
    (deleted,) = site.found(type="110105")

    assert deleted["entity"][0]["what"]["identifier"]["system"] == "urn:imagebank:pseudonym"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "of which time"),
        ({"date": "yesterday"}, "one of FHIR's"),
        ({"date": "2026-02-30"}, "no such moment"),
        ({"date": "9999"}, "no such moment"),
        ({"date": "ne2026"}, "one of FHIR's"),
        ({**TODAY, "name": "Doe"}, "does not know name"),
        ({**TODAY, "date:missing": "true"}, "does not know"),
        ({**TODAY, "_format": "xml"}, "does not know _format"),
        ({**TODAY, "_count": "many"}, "whole number"),
        ({**TODAY, "_page": "2"}, "link to the next page"),
        ({**TODAY, "patient.identifier": "ADA"}, "SYSTEM|VALUE"),
        ({**TODAY, "agent": ""}, "is empty"),
        ([("date", "2026"), ("agent", "a"), ("agent", "b")], "given twice"),
    ],
)
def test_what_is_not_understood_is_refused_with_an_outcome(site: Site, params: Any, words: str) -> None:
    answer = site.get(params)
    (issue,) = answer.json()["issue"]

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("application/fhir+json")
    assert words in issue["diagnostics"]


def test_only_who_may_read_the_ledger_reads_it(site: Site) -> None:
    refused = site.get(TODAY, a_token(site.bank, Role.CLINICIAN, organization="north"))

    assert refused.status_code == 403
    assert refused.json()["issue"][0]["code"] == "forbidden"
    assert httpx.get(f"{site.url}/fhir/AuditEvent", params=TODAY).status_code == 401
    assert site.get(TODAY).headers["cache-control"] == "private, no-store"


def span(*dates: str) -> tuple[int | None, int | None]:
    sought = parse([("date", each) for each in dates]).sought
    return sought.since, sought.until


DAY = 86_400_000_000
NEW_YEAR = 20_454 * DAY
"""2026-01-01, in microseconds since 1970."""


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (["2026-01-01"], (NEW_YEAR, NEW_YEAR + DAY)),
        (["2026-01"], (NEW_YEAR, NEW_YEAR + 31 * DAY)),
        (["eq2026"], (NEW_YEAR, NEW_YEAR + 365 * DAY)),
        (["ge2026-01-01", "le2026-01-02"], (NEW_YEAR, NEW_YEAR + 2 * DAY)),
        (["gt2026-01-01"], (NEW_YEAR + DAY, None)),
        (["sa2026-01-01", "ge2020"], (NEW_YEAR + DAY, None)),
        (["lt2026-01-01", "eb2027"], (None, NEW_YEAR)),
        (["2026-01-01T00:00Z"], (NEW_YEAR, NEW_YEAR + 60_000_000)),
        (["2026-01-01T01:00:00+01:00"], (NEW_YEAR, NEW_YEAR + 1_000_000)),
        (["2026-01-01T01:00:00 01:00"], (NEW_YEAR, NEW_YEAR + 1_000_000)),
        (["2025-12-31T23:00:00-01:00"], (NEW_YEAR, NEW_YEAR + 1_000_000)),
        (["2026-01-01T00:00:00.5Z"], (NEW_YEAR + 500_000, NEW_YEAR + 600_000)),
    ],
)
def test_a_date_covers_the_time_that_it_names(dates: list[str], expected: tuple[int, int]) -> None:
    assert span(*dates) == expected


@pytest.mark.parametrize("issuer", ["north", "1.2.840.1", "urn:oid:1.2", "https://north.example.org/ids", "Süd & Co"])
def test_an_assigning_authority_is_found_again_by_its_uri(issuer: str) -> None:
    assert issuer_of(system_of(issuer)) in (issuer, issuer.removeprefix("urn:oid:"))


def test_without_a_date_nothing_is_asked() -> None:
    with pytest.raises(Invalid, match="of which time"):
        parse([("type", "110104")])
