"""What the OpenAPI document says is what a client that believes it meets."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from starlette.routing import BaseRoute, Mount, Route

from bank import a_token, bearer, keep, open_test_bank, serving
from imagebank.actions import consent
from imagebank.actions.rights import principal
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import Role
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from make import a_file

HERE: Final = Path(__file__).parent
CHECKS: Final = HERE / "openapi_checks.toml"

PAGES: Final[Mapping[str, str]] = {
    "/": "the study list, for people",
    "/find": "the page of the search over everything",
    "/search": "the form of the study list",
    "/studies/{study}": "a study, for people",
    "/studies/{study}/corrections": "to put a study right; programs use /api/v1/studies/{study}/corrections",
    "/studies/{study}/corrections/{correction}/undo": "a form of that page",
    "/studies/{study}/timeline": "one person's timeline, for people",
    "/patients/{person}/timeline": "the same",
    "/studies/{study}/beside": "what stands beside the search page",
    "/studies/{study}/look": "a quick look, alone or beside a prior",
    "/compare": "leads to the viewer",
    "/compare/open": "for the bar in the viewer that says which studies are side by side",
    **{
        f"/patients/{{person}}/records{rest}": "to link and part records; programs use /api/v1/matching/decisions"
        for rest in ("", "/compare", "/link", "/part", "/undo")
    },
    "/export": "to take studies along, for people; programs use /api/v1/export",
    "/exports/{export}": "how far an export is, for people",
    "/exports/{export}/file": "the download on that page",
    "/exports/{export}/delete": "a form of that page",
    "/design": "the parts of pages, for people who make them",
    "/studies/{study}/series/{series}/instances/{instance}": "an object, for people",
    "/studies/{study}/series/{series}/instances/{instance}/original": "the download on that page; programs use DICOMweb",
    "/studies/{study}/series/{series}/instances/{instance}/file": "the file that it was made of, on that page",
    "/rules": "for people; programs use /api/v1/rules",
    "/words": "words that no table has, for people; the operator uses imagebank exams unknown",
    "/completeness": "what is missing, for people; programs use /api/v1/completeness",
    "/completeness/settle": "the form of that page and of a study's",
    "/prefetch": "what was made ready, for people; programs use /metrics",
    "/quality": "for people; programs use /api/v1/repeat-check/report",
    "/upload": "for people; programs use /api/v1/uploads",
    "/upload/told": "says on that page, in another language, what it is given",
    "/language": "the choice of a language, for people",
    "/emergency": "to open a record in an emergency; programs use /api/v1/emergencies",
    "/emergency/open": "for the bar in the viewer that says what is open in an emergency",
    "/emergency/{emergency}/end": "a form of each page, while something is open",
    **{
        f"/queue{path}": "the page of the reconciliation queue; programs use /api/v1/queue"
        for path in (
            "",
            *(f"/{{task}}/{verb}" for verb in ("identify", "postpone", "aside", "settle")),
            *(f"/{{task}}/{verb}" for verb in ("undo", "search", "take", "release")),
        )
    },
    **dict.fromkeys(
        ("/export/send", "/sent", "/sent/{transfer}", "/sent/{transfer}/stop"),
        "to send studies, for people; programs use /api/v1/transfers",
    ),
    **dict.fromkeys(
        [
            *(f"{root}/requests{rest}" for root in ("/my", "/desk") for rest in ("", "/{request}")),
            *("/my/requests/ask", "/my/requests/{request}/withdraw"),
            *(f"/desk/requests/{{request}}/{verb}" for verb in ("take", "answer", "refuse")),
        ],
        "to ask for images and to answer, for people; programs use /api/v1/requests",
    ),
    "/my/close": "to end an account, for people",
    "/studies/{study}/release": "a form of a study's page; programs use /api/v1/studies/{study}/reports/release",
    "/my/deposit": "to add images, for people; programs use /api/v1/deposits",
    "/my/deposit/{study}": "to take back what one added, for people",
    "/closed": "where that leads",
    **{f"/desk/fetch{rest}": "to bring in by a card; programs use /api/v1/fetches" for rest in ("", "/{fetch}")},
    "/archives/{archive}/studies/{study}": "to fetch a study, for people; programs use /api/v1/archives/fetches",
    "/open": "where the owner of a sheet opens an account",
    **{
        f"/desk{path}": "the desk that opens accounts; programs use /api/v1/accounts"
        for path in ("", "/open", "/again", "/sheet", "/{holding}/end")
    },
    "/reviews": "emergencies to review",
    "/reviews/{emergency}": "the form of a review",
    "/consents": "what a patient has decided; programs use /api/v1/consents",
    "/consents/add": "a form of that page",
    "/consents/{consent}/revoke": "a form of that page",
    "/redeem": "a card, for people; programs use /api/v1/redeem",
    "/shared": "what a card has opened, for people",
    "/shared/open": "for the bar in the viewer that says who shares, and until when",
    "/ended": "the page where that leads once it has ended",
    "/sign-in": "for people; programs send a token",
    "/sign-in/{code}": "the link that somebody was sent",
    "/sign-in/password": "a form of that page",
    "/sign-in/provider": "to the provider at which people sign in",
    "/sign-in/provider/answer": "back from there",
    "/sign-in/passkey": "the same by a passkey",
    "/sign-in/passkey/answer": "the same by a passkey",
    **{f"/forgotten{rest}": "how a forgotten password is replaced" for rest in ("", "/{code}", "/{code}/stop")},
    "/activate": "the same for who has a sheet",
    "/activate/{code}": "the link that somebody was sent to choose a password",
    "/account": "what somebody signs in by, for people",
    **{
        f"/account/{path}": "a part of that page"
        for path in (
            *("look", "password", "app", "app.svg", "app/confirm", "app/remove"),
            *("passkeys", "passkeys/keep", "passkeys/remove", "sessions/end", "sessions/end-others"),
            *("prove", "prove/answer", "prove/passkey", "forgotten/stop"),
        )
    },
    **{
        f"/account/notices{path}": "what its owner was told, for people; programs read /api/v1/notices"
        for path in ("", "/seen", "/choices", "/address", "/code", "/remove")
    },
    "/notices/{notice}": "where mails lead",
    "/unsubscribe/{secret}": "where mails end, for people and mail programs",
    "/sign-out": "for people",
    "/my/settings": "for people who see their own images",
    **{
        f"/my/people{path}": "who has access; programs use /api/v1/holdings"
        for path in ("", "/let-in", "/sheet", "/{access}/end")
    },
    "/my/statement/check": "a form of that page",
    "/my/statement/file/{kind}": "files of that page; programs use /api/v1/statement",
    "/fhir/AuditEvent/$statement": "FHIR describes itself (docs/conformance/ihe.md)",
    **{
        f"/my{whose}{page}": "for people who see their own images; programs use DICOMweb and /api/v1/statement"
        for whose in ("", "/{holding:holding}")
        for page in ("", "/images", "/statement", "/dose")
    },
    **{
        f"{root}{path}": "cards, for their owners and the desk; programs use /api/v1/cards"
        for root in ("/my", "/desk")
        for path in (
            *("/share", "/cards", "/cards/{card}"),
            *(f"/cards/{{card}}/{verb}" for verb in ("freeze", "thaw", "change", "take-back", "sheet")),
        )
    },
    "/disclosures": "for privacy officers; programs read AuditEvents",
    **{
        f"/fhir/{path}": "FHIR describes itself (docs/conformance/fhir.md)"
        for path in (
            *("metadata", ".well-known/smart-configuration", "AuditEvent", "Binary/{binary}", "{rest:path}"),
            *(
                f"{kind}{rest}"
                for kind, name in (
                    ("Patient", "record"),
                    ("ImagingStudy", "study"),
                    ("Endpoint", "endpoint"),
                    ("DiagnosticReport", "report"),
                    ("DocumentReference", "document"),
                    ("DetectedIssue", "issue"),
                )
                for rest in ("", "/_search", f"/{{{name}}}")
            ),
        )
    },
    **{
        f"/cds-services{rest}": "CDS Hooks describe themselves (docs/repeat-check.md)"
        for rest in ("", "/{service}", "/{service}/feedback")
    },
    "/shl": "what to do with a health link, for people",
    "/shl/{secret}": "where health links lead, by HL7's standard (docs/health-links.md)",
    "/shl/files/{secret}": "the same",
    **{
        f"{root}/cards/{{card}}/link": "for who gave a card; programs use /api/v1/cards/{card}/link"
        for root in ("/my", "/desk")
    },
    "/static": "style sheets and the mark of the pages",
    "/viewer/{path:path}": "the files of the viewer",
}
"""Routes that are no interface for programs, and so not in the document."""


@dataclass(frozen=True)
class Described:
    """A bank behind HTTP, an admin's token, and what it says of itself."""

    bank: Bank
    url: str
    token: str
    document: dict[str, Any]

    @property
    def paths(self) -> dict[str, Any]:
        paths: dict[str, Any] = self.document["paths"]
        return paths


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    with open_test_bank(tmp_path_factory.mktemp("described")) as bank, serving(bank) as url:
        token = a_token(bank)
        document = httpx.get(f"{url}/api/openapi.json", headers=bearer(token)).raise_for_status().json()
        yield Described(bank, url, token, document)


def a_bank_with_what_is_asked_for(bank: Bank) -> None:
    """The objects that the checks know by name, for every role to see, and some in quarantine."""
    names = {name: found["values"] for name, found in tomllib.loads(CHECKS.read_text())["dictionaries"].items()}
    where = {"StudyInstanceUID": names["study"][0], "SeriesInstanceUID": names["series"][0]}
    keep(bank, *(a_file(SOPInstanceUID=uid, **where) for uid in names["instance"]))
    keep(bank, *(a_file(SOPInstanceUID=names["instance"][0], PatientID=f"Q{number}", **where) for number in range(12)))
    wanted = Provision("", Kind.CONSENT, True, PatientId("local", "P1"), bank.now(), organization="local")
    consent.decide(bank, wanted, principal(bank, "officer", Role.PRIVACY_OFFICER, "local"))


@pytest.mark.timeout(600)  # half a minute of work, which a busy machine spreads out
def test_requests_made_from_the_document_get_the_answers_that_it_names(described: Described, tmp_path: Path) -> None:
    """By an admin; and no other role meets a fault."""
    a_bank_with_what_is_asked_for(described.bank)
    others = {role: a_token(described.bank, role) for role in Role if role is not Role.ADMIN}
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(described.document))
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CHECKS), "run", str(document)),
        *("--url", described.url, "-H", f"Authorization: Bearer {described.token}", "--checks", "all"),
    ]
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=570,
        cwd=tmp_path,
        check=False,
        env={**os.environ, "PYTHONPATH": str(HERE.parent), "OPENAPI_TOKENS": json.dumps(others)},
    )

    assert ended.returncode == 0, ended.stdout[-20000:] + ended.stderr[-2000:]


def test_every_route_is_in_the_document_or_a_page(described: Described) -> None:
    documented = set(described.paths)
    served = set(paths_of(web_application(described.bank).routes))

    assert documented.isdisjoint(PAGES)
    assert {path.replace(":path}", "}") for path in served - set(PAGES)} == documented
    assert set(PAGES) <= served


def paths_of(routes: list[BaseRoute], root: str = "") -> Iterator[str]:
    for route in routes:
        if isinstance(route, Mount) and route.routes:
            yield from paths_of(list(route.routes), root + route.path)
        else:
            assert isinstance(route, Route | Mount)
            yield root + route.path


def test_the_document_and_allow_name_the_same_methods(described: Described) -> None:
    with httpx.Client(base_url=described.url, headers=bearer(described.token)) as http:
        allowed = {path: http.request("TRACE", path).headers["allow"] for path in described.paths}

    implied = {"HEAD", "OPTIONS"}
    assert {path: set(field.split(", ")) - implied for path, field in allowed.items()} == {
        path: {method.upper() for method in methods if method != "parameters"} - implied
        for path, methods in described.paths.items()
    }


def test_the_capabilities_allow_what_their_address_does(described: Described) -> None:
    headers = bearer(described.token)
    capabilities = httpx.options(f"{described.url}/dicom-web/", headers=headers)
    refused = httpx.get(f"{described.url}/dicom-web/", headers=headers)

    assert (capabilities.status_code, refused.status_code) == (200, 405)
    assert capabilities.headers["allow"] == refused.headers["allow"] == "OPTIONS"


def test_a_form_that_cannot_be_read_is_refused_in_the_words_of_every_refusal(described: Described) -> None:
    headers = {**bearer(described.token), "Content-Type": "multipart/form-data; boundary=x"}
    refused = httpx.post(f"{described.url}/api/v1/deposits", content=b"no form", headers=headers)

    assert refused.status_code == 400
    assert set(refused.json()) == {"error", "message"}


def test_who_is_not_known_is_told_how_to_be(described: Described) -> None:
    with httpx.Client(base_url=described.url) as http:
        answers = [
            http.request(method, path)
            for path, operations in described.paths.items()
            for method, operation in operations.items()
            if method != "parameters" and operation.get("security") != []
        ]

    assert {answer.status_code for answer in answers} == {401}
    assert all(answer.headers["www-authenticate"].startswith("Bearer") for answer in answers)
