"""What the OpenAPI document says is what a client that believes it meets."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from starlette.routing import BaseRoute, Mount, Route

from bank import a_token, bearer, keep, open_test_bank, serving
from imagebank.app import web_application
from imagebank.bank import Bank
from make import a_file

HERE: Final = Path(__file__).parent
CHECKS: Final = HERE / "openapi_checks.toml"

PAGES: Final[Mapping[str, str]] = {
    "/": "the study list, for people",
    "/search": "the form of the study list",
    "/studies/{study}": "a study, for people",
    "/studies/{study}/series/{series}/instances/{instance}": "an object, for people",
    "/studies/{study}/series/{series}/instances/{instance}/original": "the download on that page; programs use DICOMweb",
    "/emergency": "to open a record in an emergency; programs use /api/v1/emergencies",
    "/reviews": "emergencies to review",
    "/reviews/{emergency}": "the form of a review",
    "/consents": "what a patient has decided; programs use /api/v1/consents",
    "/consents/add": "a form of that page",
    "/consents/{consent}/revoke": "a form of that page",
    "/sign-in": "for people; programs send a token",
    "/sign-in/{code}": "the link that somebody was sent",
    "/sign-in/password": "a form of that page",
    "/sign-in/provider": "to the provider at which people sign in",
    "/sign-in/provider/answer": "back from there",
    "/sign-in/passkey": "the same by a passkey",
    "/sign-in/passkey/answer": "the same by a passkey",
    "/activate/{code}": "the link that somebody was sent to choose a password",
    "/account": "what somebody signs in by, for people",
    **{
        f"/account/{path}": "a part of that page"
        for path in (
            *("password", "app", "app.svg", "app/confirm", "app/remove"),
            *("passkeys", "passkeys/keep", "passkeys/remove", "sessions/end", "sessions/end-others"),
            *("prove", "prove/answer", "prove/passkey"),
        )
    },
    "/sign-out": "for people",
    "/disclosures": "for privacy officers; programs read AuditEvents",
    "/fhir/AuditEvent": "FHIR describes itself (docs/conformance/ihe.md)",
    "/static": "style sheets and the mark of the pages",
    "/viewer/{path:path}": "the files of the viewer",
}
"""Routes that are no interface for programs, and so not in the document."""


def the_document(url: str, token: str) -> dict[str, Any]:
    document: dict[str, Any] = httpx.get(f"{url}/api/openapi.json", headers=bearer(token)).raise_for_status().json()
    return document


def a_bank_with_what_is_asked_for(bank: Bank) -> None:
    """The objects that the checks know by name, and some in quarantine."""
    names = {name: found["values"] for name, found in tomllib.loads(CHECKS.read_text())["dictionaries"].items()}
    where = {"StudyInstanceUID": names["study"][0], "SeriesInstanceUID": names["series"][0]}
    keep(bank, *(a_file(SOPInstanceUID=uid, **where) for uid in names["instance"]))
    keep(bank, *(a_file(SOPInstanceUID=names["instance"][0], PatientID=f"Q{number}", **where) for number in range(12)))


@pytest.mark.timeout(600)  # 40 s of work, which a busy machine spreads out
def test_requests_made_from_the_document_get_the_answers_that_it_names(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank, serving(bank) as url:
        a_bank_with_what_is_asked_for(bank)
        token = a_token(bank)
        document = tmp_path / "openapi.json"
        document.write_text(json.dumps(the_document(url, token)))
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CHECKS), "run", str(document)),
            *("--url", url, "-H", f"Authorization: Bearer {token}", "--checks", "all"),
        ]
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=570,
            cwd=tmp_path,
            check=False,
            env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        )

    assert ended.returncode == 0, ended.stdout[-20000:] + ended.stderr[-2000:]


def test_every_route_is_in_the_document_or_a_page(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank, serving(bank) as url:
        documented = set(the_document(url, a_token(bank))["paths"])
        served = set(paths_of(web_application(bank).routes))

    assert documented.isdisjoint(PAGES)
    assert {path.replace("{path:path}", "{path}") for path in served - set(PAGES)} == documented
    assert set(PAGES) <= served


def paths_of(routes: list[BaseRoute], root: str = "") -> Iterator[str]:
    for route in routes:
        if isinstance(route, Mount) and route.routes:
            yield from paths_of(list(route.routes), root + route.path)
        else:
            assert isinstance(route, Route | Mount)
            yield root + route.path


def test_the_document_and_allow_name_the_same_methods(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank, serving(bank) as url:
        paths = the_document(url, a_token(bank))["paths"]
        with httpx.Client(base_url=url, headers=bearer(a_token(bank))) as http:
            allowed = {path: http.request("TRACE", path).headers["allow"] for path in paths}

    implied = {"HEAD", "OPTIONS"}
    assert {path: set(field.split(", ")) - implied for path, field in allowed.items()} == {
        path: {method.upper() for method in described if method != "parameters"} - implied
        for path, described in paths.items()
    }


def test_the_capabilities_allow_what_their_address_does(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank, serving(bank) as url:
        headers = bearer(a_token(bank))
        described = httpx.options(f"{url}/dicom-web/", headers=headers)
        refused = httpx.get(f"{url}/dicom-web/", headers=headers)

    assert (described.status_code, refused.status_code) == (200, 405)
    assert described.headers["allow"] == refused.headers["allow"] == "OPTIONS"


def test_a_form_that_cannot_be_read_is_refused_in_the_words_of_every_refusal(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank, serving(bank) as url:
        headers = {**bearer(a_token(bank)), "Content-Type": "multipart/form-data; boundary=x"}
        refused = httpx.post(f"{url}/api/v1/deposits", content=b"no form", headers=headers)

    assert refused.status_code == 400
    assert set(refused.json()) == {"error", "message"}


def test_who_is_not_known_is_told_how_to_be(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank, serving(bank) as url:
        paths = the_document(url, a_token(bank))["paths"]
        with httpx.Client(base_url=url) as http:
            answers = [
                http.request(method, path)
                for path, described in paths.items()
                for method, operation in described.items()
                if method != "parameters" and operation.get("security") != []
            ]

    assert {answer.status_code for answer in answers} == {401}
    assert all(answer.headers["www-authenticate"].startswith("Bearer") for answer in answers)
