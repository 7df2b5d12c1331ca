"""Following a health link: its manifest, its files, and the token that it brings."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import fhirkit
import httpx
import pytest

from bank import SOURCE, a_token, bearer, keep, open_test_bank, serving
from cards_here import ADA, KEEPER, a_card, quick_hashes, wrong
from imagebank.actions import cards, hearing, jwe, reports
from imagebank.actions.cards import Issued
from imagebank.bank import Bank
from imagebank.fhir import health_links as edge
from imagebank.model.access import Role, Scope
from imagebank.model.event import Act
from imagebank.model.health_link import HealthLink, read, text_of
from imagebank.model.report import Body, Part, Report
from imagebank.model.uid import Uid
from make import a_file
from make_pdf import a_pdf

VIEWER: Final = Path(__file__).parents[2] / "shl"
ALL: Final = Scope(organizations=None)


@dataclass
class Site:
    bank: Bank
    http: httpx.Client
    url: str

    def link(self, issued: Issued, **wanted: Any) -> HealthLink:
        answer = self.http.post(
            f"/api/v1/cards/{issued.card.id}/link", json=wanted, headers=bearer(a_token(self.bank, Role.ADMIN))
        )
        assert answer.status_code == 201, answer.text
        told = answer.json()
        assert told["viewer"] == f"{self.url}/shl#{told['link']}"
        return read(told["link"])

    def manifest(self, link: HealthLink, passcode: str | None = None, **more: Any) -> httpx.Response:
        said = {"recipient": "Dr Varga", **({"passcode": passcode} if passcode else {}), **more}
        return self.http.post(link.url, json=said)

    def files(self, link: HealthLink, passcode: str | None = None, **more: Any) -> dict[str, Any]:
        """What the files of a manifest say, by their types."""
        answer = self.manifest(link, passcode, **more)
        assert answer.status_code == 200, answer.text
        found = {}
        for one in answer.json()["files"]:
            text = one.get("embedded") or self.http.get(one["location"]).text
            file = jwe.opened(text, link.key)
            assert file.kind == one["contentType"]
            found[file.kind] = json.loads(file.content)
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Ada's CT with a report, and her knee."""
    with (
        pytest.MonkeyPatch.context() as patch,
        open_test_bank(tmp_path_factory.mktemp("links"), organization="north") as bank,
        serving(bank) as url,
        httpx.Client(base_url=url) as http,
    ):
        quick_hashes(patch)
        source = replace(SOURCE, organization="north")
        for study, modality in (("1.1", "CT"), ("1.2", "MR")):
            keep(bank, a_file(StudyInstanceUID=study, Modality=modality, PatientID="ADA"), source=source)
            hearing.hear_job(bank, {"study": study})
        parts = (Part("text/plain", b"No bleed"), Part("application/pdf", a_pdf(), "As PDF"))
        report = Report("north", ADA, bank.now(), "F", "R1", study=Uid("1.1"))
        reports.keep(bank, report, Body("CT head", "Dr Varga", parts), "RIS")
        yield Site(bank, http, url)


def kinds(bundle: dict[str, Any]) -> list[str]:
    assert [str(issue) for issue in fhirkit.validate(bundle)] == []
    return [one["resource"]["resourceType"] for one in bundle["entry"]]


def test_a_link_carries_a_bundle_and_a_token_of_exactly_the_card(site: Site) -> None:
    issued = a_card(site.bank, studies=("1.1",), reports=True, taking=True)
    found = site.files(site.link(issued, access="file"), issued.pin)
    bundle, granted = found[edge.FHIR], found[edge.ACCESS]
    holder = bearer(granted["access_token"])
    studies = site.http.get(f"{granted['aud']}/ImagingStudy", params={"patient": granted["patient"]}, headers=holder)
    (study,) = [one["resource"]["id"] for one in studies.json()["entry"]]
    endpoint = next(one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == "Endpoint")

    assert kinds(bundle) == ["Patient", "Endpoint", "ImagingStudy", "DiagnosticReport", "DocumentReference"]
    assert granted["token_type"] == "Bearer"
    assert granted["expires_in"] > 0
    assert study == "1.1"
    assert site.http.get(f"{endpoint['address']}/studies/1.1", headers=holder).status_code == 200
    assert site.http.get(f"{endpoint['address']}/studies/1.2", headers=holder).status_code == 404
    assert "header" not in endpoint


def test_without_reports_none_are_carried(site: Site) -> None:
    issued = a_card(site.bank, reports=False)
    bundle = site.files(site.link(issued), issued.pin)[edge.FHIR]

    assert kinds(bundle) == ["Patient", "Endpoint", "ImagingStudy", "ImagingStudy"]


def test_revoking_kills_the_link_and_the_token_at_the_next_request(site: Site) -> None:
    issued = a_card(site.bank, taking=True)
    link = site.link(issued, access="file")
    holder = bearer(site.files(link, issued.pin)[edge.ACCESS]["access_token"])
    waiting = site.manifest(link, issued.pin, embeddedLengthMax=0).json()["files"][0]["location"]
    assert site.http.get("/dicom-web/studies", headers=holder).status_code == 200
    cards.revoke(site.bank, issued.card.id, KEEPER)

    assert site.manifest(link, issued.pin).status_code == 404
    assert site.http.get(waiting).status_code == 404
    assert site.http.get("/dicom-web/studies", headers=holder).status_code == 401
    assert site.http.get("/fhir/ImagingStudy", headers=holder).status_code == 401


def test_a_card_for_looking_shows_frames_and_gives_no_whole_objects(site: Site) -> None:
    issued = a_card(site.bank, studies=("1.1",), taking=False)
    holder = bearer(site.files(site.link(issued, access="file"), issued.pin)[edge.ACCESS]["access_token"])
    (instance,) = site.http.get("/dicom-web/studies/1.1/instances", headers=holder).json()
    series, uid = (instance[key]["Value"][0] for key in ("0020000E", "00080018"))
    root = f"/dicom-web/studies/1.1/series/{series}/instances/{uid}"
    by_uri = {"requestType": "WADO", "studyUID": "1.1", "seriesUID": series, "objectUID": uid}
    asked = {
        "/dicom-web/studies/1.1": 403,
        root: 403,
        "/dicom-web/studies/1.2": 404,
        f"/wado?{urlencode(by_uri | {'contentType': 'application/dicom'})}": 403,
        f"{root.removeprefix('/dicom-web')}/original": 403,
        f"{root.removeprefix('/dicom-web')}/file": 403,
        f"{root}/frames/1": 200,
        f"{root}/metadata": 200,
        f"{root}/rendered": 200,
    }

    assert {path: site.http.get(path, headers=holder).status_code for path in asked} == asked


def test_a_long_term_link_shows_what_came_since(site: Site) -> None:
    issued = a_card(site.bank, modality="XA", future=True)
    link = site.link(issued)
    before = site.files(link, issued.pin)[edge.FHIR]
    source = replace(SOURCE, organization="north")
    keep(site.bank, a_file(StudyInstanceUID="1.7", Modality="XA", PatientID="ADA"), source=source)
    after = site.files(link, issued.pin)[edge.FHIR]

    assert kinds(before) == ["Endpoint"]
    assert kinds(after) == ["Patient", "Endpoint", "ImagingStudy"]
    assert site.manifest(link, issued.pin).json()["files"][0]["status"] == "can-change"


def test_a_wrong_passcode_is_told_with_what_is_left(site: Site) -> None:
    issued = a_card(site.bank)
    link = site.link(issued)
    answers = [site.manifest(link, wrong(issued.pin)) for _ in range(2)]
    none = site.manifest(link)

    assert [(one.status_code, one.json()) for one in answers] == [
        (401, {"remainingAttempts": 4}),
        (401, {"remainingAttempts": 3}),
    ]
    assert (none.status_code, none.json()) == (401, {"remainingAttempts": 3})
    assert answers[0].headers["access-control-allow-origin"] == "*"


def test_files_beyond_the_bound_are_got_once_by_their_address(site: Site) -> None:
    issued = a_card(site.bank)
    link = site.link(issued, access="file")
    first, second = site.manifest(link, issued.pin, embeddedLengthMax=0).json()["files"]
    assert site.http.head(first["location"]).status_code == 405
    got = site.http.get(first["location"])

    assert "embedded" not in first
    assert "embedded" not in second
    assert got.headers["content-type"] == "application/jose"
    assert got.headers["access-control-allow-origin"] == "*"
    assert jwe.opened(got.text, link.key).kind == edge.FHIR
    assert site.http.get(first["location"]).status_code == 404


def test_a_link_to_one_file_answers_with_it(site: Site) -> None:
    issued = a_card(site.bank)
    link = site.link(issued, passcode=False, file=True)
    answer = site.http.get(link.url, params={"recipient": "Dr Varga"})

    assert answer.headers["content-type"] == "application/jose"
    assert "ImagingStudy" in kinds(json.loads(jwe.opened(answer.text, link.key).content))
    assert site.http.get(link.url).status_code == 400
    assert site.http.head(link.url).status_code == 405
    assert site.manifest(link).status_code == 404


def test_without_a_word_the_token_comes_in_the_bundle_and_opens_exactly_the_card(site: Site) -> None:
    issued = a_card(site.bank, studies=("1.1",), taking=True)
    within = site.files(site.link(issued), issued.pin)
    assert list(within) == [edge.FHIR]
    assert kinds(within[edge.FHIR])[1] == "Endpoint"
    endpoint = within[edge.FHIR]["entry"][1]["resource"]
    ((name, _, value),) = (header.partition(": ") for header in endpoint["header"])

    assert site.http.get(f"{endpoint['address']}/studies/1.1", headers={name: value}).status_code == 200
    assert site.http.get(f"{endpoint['address']}/studies/1.2", headers={name: value}).status_code == 404


def test_who_names_files_of_tokens_among_what_they_accept_gets_one_too(site: Site) -> None:
    issued = a_card(site.bank, taking=True)
    link = site.link(issued)
    said = {"recipient": "Dr Varga", "passcode": issued.pin}
    answer = site.http.post(link.url, json=said, headers={"Accept": f"application/json, {edge.ACCESS};q=0.5"})
    bundle, granted = (jwe.opened(one["embedded"], link.key) for one in answer.json()["files"])

    assert (bundle.kind, granted.kind) == (edge.FHIR, edge.ACCESS)
    assert json.loads(granted.content)["access_token"] in bundle.content.decode()


def test_a_link_may_give_no_images_at_all(site: Site) -> None:
    issued = a_card(site.bank, taking=True)
    found = site.files(site.link(issued, access="none"), issued.pin)

    assert list(found) == [edge.FHIR]
    assert "header" not in found[edge.FHIR]["entry"][1]["resource"]


def test_any_page_may_follow_a_link(site: Site) -> None:
    link = site.link(a_card(site.bank))
    asked = {"Origin": "https://viewer.example.org", "Access-Control-Request-Method": "POST"}
    answer = site.http.options(link.url, headers=asked)

    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Content-Type" in answer.headers["access-control-allow-headers"]
    assert "POST" in answer.headers["access-control-allow-methods"]


def test_too_many_polls_have_to_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagebank.actions.health_links.POLLS", 1)
    link = site.link(a_card(site.bank), passcode=False)
    first, second = site.manifest(link), site.manifest(link)

    assert (first.status_code, second.status_code) == (200, 429)
    assert int(second.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"recipient":7}', b'{"recipient":"x","passcode":7}', b'{"recipient":""}']
    + [b'{"recipient":"x","embeddedLengthMax":%s}' % each for each in (b"-1", b"true", b'"x"')],
)
def test_what_is_no_request_is_refused(site: Site, body: bytes) -> None:
    link = site.link(a_card(site.bank))

    assert site.http.post(link.url, content=body).status_code == 400
    assert site.http.delete(link.url).status_code == 405


def test_an_unknown_link_is_not_found(site: Site) -> None:
    unknown = f"{site.url}/shl/{'a' * 43}"

    assert site.http.post(unknown, json={"recipient": "x"}).status_code == 404
    assert site.http.get(f"{site.url}/shl/files/{'a' * 43}").status_code == 404


def test_each_use_is_in_the_ledger_with_the_studies_that_were_told(site: Site) -> None:
    issued = a_card(site.bank)
    link = site.link(issued)
    site.files(link, issued.pin)
    (withdrawal,) = site.bank.index.cards.withdrawals(issued.card.id, ALL)
    lines = [one for one in site.bank.index.events(ALL) if one.principal == f"card-{issued.card.id}.1"]

    assert withdrawal.name == "Dr Varga"
    assert [one.act for one in lines].count(Act.REDEEMED) == 1
    assert {one.study for one in lines if one.act is Act.VIEWED} >= {"1.1", "1.2"}
    assert not [one for one in lines if link.url.rpartition("/")[2] in one.detail]


def test_kill_the_clipboard_opens_links(site: Site) -> None:
    """All in one run of node: a link, its files by their addresses, a wrong PIN, a token in a file, a single file."""
    assert (VIEWER / "node_modules").is_dir(), "the viewer is not installed; run `make health-links`"
    label = "CT for Dr Varga"
    pins, links = [], []
    for wanted in ({}, {"access": "file"}, {"passcode": False, "file": True}):
        issued = a_card(site.bank, reports=False)
        pins.append(issued.pin)
        links.append(text_of(site.link(issued, label=label, **wanted)))
    asked: list[dict[str, Any]] = [
        {"link": f"{site.url}/shl#{links[0]}", "passcode": pins[0]},
        {"link": links[0], "passcode": pins[0], "embeddedLengthMax": 1},
        {"link": links[0], "passcode": wrong(pins[0])},
        {"link": links[1], "passcode": pins[1]},
        {"link": links[1], "passcode": pins[1], "knownTypes": True},
        {"link": links[2]},
    ]
    command = ["node", "open.mjs", json.dumps([{"recipient": "Dr Varga", **one} for one in asked])]
    run = subprocess.run(command, cwd=VIEWER, capture_output=True, check=True, timeout=60)
    whole, by_location, refused, unknown, known, single = json.loads(run.stdout)

    for found in (whole, by_location, known, single):
        (bundle,) = found["resources"]
        assert kinds(bundle)[:4] == ["Patient", "Endpoint", "ImagingStudy", "ImagingStudy"]
    ((name, _, value),) = (one.partition(": ") for one in whole["resources"][0]["entry"][1]["resource"]["header"])
    assert site.http.get("/dicom-web/studies/1.1/metadata", headers={name: value}).status_code == 200
    assert (whole["flag"], whole["label"]) == ("LP", label)
    assert "location" in by_location["manifest"]["files"][0]
    assert refused["error"] == "SHLInvalidPasscodeError"
    assert "unsupported content type" in unknown["message"]
    assert single["flag"] == "LU"


def test_the_page_behind_a_link_says_what_to_do(site: Site) -> None:
    page = site.http.get("/shl")

    assert page.status_code == 200
    assert "/redeem" in page.text
    assert "<script" not in page.text
