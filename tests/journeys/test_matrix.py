"""The matrix: every route and DIMSE service, every role, and studies in every relation to the caller.

What a caller may not see is answered as what is not there: with the same status, the same headers and the same words.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import httpx
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from bank import a_token, bearer, free_port
from imagebank.actions import cards, devices, finding, redeem
from imagebank.actions.card_reach import Reach
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Device, Principal, Right, Role, Scope
from imagebank.model.uid import Uid
from journeys.relations import RELATIONS, SEES, Known, deposit, naming_a_study, served, unknown
from protocol.dimse_peers import HOST, a_destination
from protocol.whole_site import Site, a_site

_DECISIONS: Final = ("search", "identify", "postpone", "settle", "undo")
NOT_ABOUT_STUDIES: Final = {
    "/healthz": "says whether the server runs",
    "/readyz": "says whether the bank's parts answer",
    "/api/v1/session": "says who asks",
    "/api/v1/token": "for systems that have no token yet",
    "/.well-known/oauth-authorization-server": "says how they get one",
    "/api/v1/deposits": "takes objects, and gives none",
    "/api/v1/uploads": "takes objects, and gives none",
    "/api/v1/uploads/{upload}": "one's own upload; see the test of uploads",
    "/api/v1/uploads/{upload}/deposit": "the same",
    "/upload": "takes objects, and gives none",
    "/language": "keeps a choice in the browser",
    "/upload/told": "says again, in another language, what it is given",
    "/api/v1/quarantine": "for admins only; see the test of rights",
    "/api/v1/quarantine/{number}": "for admins only",
    "/api/v1/quarantine/{number}/content": "for admins only",
    "/api/v1/quarantine/{number}/submit": "for admins only",
    "/api/openapi.json": "describes the interface",
    "/dicom-web/": "describes the interface",
    **dict.fromkeys(
        (f"/dicom-web/workitems/{{workitem}}{rest}" for rest in ("", "/state", "/cancelrequest")),
        "for who may reconcile, as far as the caller sees the studies; see the test of workitems",
    ),
    "/viewer/{path:path}": "files of the viewer, the same for everybody; see the test of what it opens",
    "/disclosures": "the ledger, for who may audit; see the test of disclosures",
    "/fhir/AuditEvent": "the ledger, for who may audit; see the test of audit events",
    "/fhir/metadata": "describes the interface",
    "/fhir/{rest:path}": "says that there is nothing, the same for everybody",
    "/api/v1/cards/{card}/link": "for who may give the card; see the test of health links",
    "/cds-services": "describes the interface",
    **dict.fromkeys(
        (
            *("/cds-services/{service}", "/cds-services/{service}/feedback"),
            *("/api/v1/repeat-check", "/api/v1/repeat-check/{alert}/outcome"),
        ),
        "about orders, and shows of studies what the caller sees; see the tests of CDS Hooks and of the repeat check",
    ),
    **dict.fromkeys(
        ("/api/v1/repeat-check/report", "/quality"),
        "counts for who has the right to them, of alerts whose study clinicians see; see the test of avoided exams",
    ),
    "/shl": "says what to do with a health link, the same for everybody",
    "/shl/{secret}": "for who has a health link, and shows what its card opens; see the test of health links",
    "/shl/files/{secret}": "the same",
    "/fhir/.well-known/smart-configuration": "says how programs get a token",
    **dict.fromkeys(
        ("/fhir/Endpoint", "/fhir/Endpoint/_search", "/fhir/Endpoint/{endpoint}"), "the same for everybody"
    ),
    **dict.fromkeys(
        [
            *("/fhir/Patient/_search", "/fhir/ImagingStudy/_search"),
            *("/fhir/Patient/{record}", "/fhir/Binary/{binary}"),
            *(f"/fhir/DiagnosticReport{rest}" for rest in ("", "/_search", "/{report}")),
            *(f"/fhir/DocumentReference{rest}" for rest in ("", "/_search", "/{document}")),
            *(f"/fhir/DetectedIssue{rest}" for rest in ("", "/_search", "/{issue}")),
        ],
        "by the patient or by names of their own; see the test of FHIR's resources",
    ),
    "/api/v1/consents": "for who may write consents, and by the patient",
    "/api/v1/consents/{consent}": "the same",
    "/api/v1/consents/{consent}/revoke": "the same",
    **dict.fromkeys(
        (f"/api/v1/cards{rest}" for rest in ("", "/{card}", "/{card}/freeze", "/{card}/thaw", "/{card}/revoke")),
        "for who may give cards of a patient's records; see the test of cards",
    ),
    **dict.fromkeys(("/api/v1/redeem", "/redeem", "/ended"), "for whoever is nobody yet"),
    **dict.fromkeys(
        ("/shared", "/shared/open"), "what a card opens, for who has redeemed it; see the test of the pages of cards"
    ),
    "/api/v1/care": "takes care relationships, and gives nothing",
    "/api/v1/studies/{study}/labels/{label}": "for who may write consents, and the same for every study",
    "/api/v1/orders/{order:path}/priors": "by an order, which no grant opens; see the test of relevant priors",
    "/api/v1/attributes": "for who may administer, and says nothing of any image",
    "/api/v1/attributes/{path}": "for who may administer",
    "/api/v1/persons/{person}": "records of patients, as far as the caller sees a study of each",
    "/api/v1/patients/{person}/timeline": "the same; by a study it is in the matrix",
    "/api/v1/patients/{person}/dose": "the same",
    "/patients/{person}/timeline": "the same; by a study it is in the matrix",
    **dict.fromkeys(
        (f"/patients/{{person}}/records{rest}" for rest in ("", "/compare", "/link", "/part", "/undo")),
        "for who may reconcile, as far as the caller sees a study of each record",
    ),
    **dict.fromkeys(
        ("/compare", "/compare/open"), "for two studies that the caller sees; see the test of what stands beside a list"
    ),
    "/api/v1/matching/questions": "for who may reconcile, as far as the caller sees both records",
    "/api/v1/matching/decisions": "for who may reconcile, as far as the caller sees the records",
    "/api/v1/matching/decisions/{decision}/undo": "for who may reconcile",
    "/api/v1/studies/{study}/corrections": "for who may correct; see the test of corrections",
    "/api/v1/studies/{study}/corrections/{correction}/undo": "for who may correct",
    "/api/v1/instances/{instance}/versions": "for who may correct; see the test of corrections",
    "/api/v1/instances/{instance}/versions/{number}": "for who may correct",
    "/studies/{study}/corrections": "for who may correct; see the test of corrections",
    "/studies/{study}/corrections/{correction}/undo": "for who may correct",
    "/api/v1/studies/{study}/reports/release": "for who may release; see the test of delays",
    "/studies/{study}/release": "the same",
    "/api/v1/rules": "the site's rules, for admins only",
    "/api/v1/rules/try": "for admins only",
    "/api/v1/rules/versions": "for admins only",
    "/api/v1/rules/versions/{number}": "for admins only",
    "/rules": "for admins only",
    "/words": "for admins only",
    "/prefetch": "for admins only, of studies that the caller sees; see the test of its page",
    "/metrics": "for admins only, numbers alone",
    "/completeness/settle": "for who may reconcile, and as far as the caller sees the study",
    "/api/v1/pixels/findings": "for who may reconcile, as far as the caller sees both studies",
    **dict.fromkeys(
        [
            *("/api/v1/queue", "/api/v1/queue/{task}", "/queue"),
            *(f"{root}/{{task}}/{verb}" for root in ("/api/v1/queue", "/queue") for verb in _DECISIONS),
            *(f"/api/v1/queue/{{task}}/{verb}" for verb in ("claim", "release")),
            *(f"/queue/{{task}}/{verb}" for verb in ("take", "release", "aside")),
        ],
        "for who may reconcile, as far as the caller sees the studies; see the test of the queue",
    ),
    **dict.fromkeys(
        [
            *("/api/v1/accounts", "/api/v1/accounts/{account}/sheet", "/api/v1/holdings/search"),
            *("/api/v1/holdings/{holding}", "/desk", "/desk/open", "/desk/again", "/desk/sheet", "/desk/{holding}/end"),
        ],
        "for the desk in charge of the patient, and who acts for the person; see the test of enrolment",
    ),
    "/sent": "what the caller has had sent",
    **dict.fromkeys(("/sent/{transfer}", "/sent/{transfer}/stop"), "the caller's own"),
    **dict.fromkeys(
        [
            *(f"/api/v1/requests{rest}" for rest in ("", "/{request}")),
            *(f"/api/v1/requests/{{request}}/{verb}" for verb in ("withdraw", "take", "answer", "refuse")),
            *(f"{root}/requests{rest}" for root in ("/my", "/desk") for rest in ("", "/{request}")),
            *("/my/requests/ask", "/my/requests/{request}/withdraw"),
            *(f"/desk/requests/{{request}}/{verb}" for verb in ("take", "answer", "refuse")),
        ],
        "the account's own requests, and those to the desk's organization; an answer names a study that both see",
    ),
    "/export/send": "sends studies that the caller sees; see the test of transfers",
    "/api/v1/destinations": "places, of no studies; recipients of cards are told of those that are offered to them",
    "/api/v1/transfers": "what the caller has had sent, of studies that they see; see the test of transfers",
    "/api/v1/transfers/{transfer}": "the caller's own",
    **dict.fromkeys(
        [f"{root}{one}" for root in ("/api/v1/fetches", "/desk/fetch") for one in ("", "/{fetch}")],
        "what the caller has had brought in from other banks; see the test of fetches",
    ),
    **dict.fromkeys(
        [
            *(f"/api/v1/archives{rest}" for rest in ("", "/fetches", "/{archive}/studies/{study}/fetch")),
            "/archives/{archive}/studies/{study}",
        ],
        "what other archives hold, judged as studies here are, and the caller's own fetches; see the test of federation",
    ),
    "/open": "for whoever is nobody yet",
    "/api/v1/emergencies": "the same answer whether there is such a record or not; the list is for who may audit",
    "/api/v1/emergencies/{emergency}/end": "the caller's own",
    "/api/v1/emergencies/{emergency}/review": "for who may audit",
    "/emergency": "the same answer whether there is such a record or not",
    "/emergency/open": "the caller's own",
    "/emergency/{emergency}/end": "the caller's own",
    "/reviews": "for who may audit",
    "/reviews/{emergency}": "for who may audit",
    "/consents": "for who may write consents, and by the patient",
    "/consents/add": "for who may write consents",
    "/consents/{consent}/revoke": "for who may write consents",
    **dict.fromkeys(
        ("/api/v1/export", "/export"), "refuses a study that may not be seen as one that is not there; see the tests"
    ),
    **dict.fromkeys(
        [
            *(f"/api/v1/exports{rest}" for rest in ("", "/{export}", "/{export}/file")),
            *(f"/exports/{{export}}{rest}" for rest in ("", "/file", "/delete")),
        ],
        "one's own exports, as long as every study in them may be seen; see the test of exports",
    ),
    "/static": "style sheets",
    "/design": "the parts of pages, with made-up names",
    "/sign-in": "for whoever is nobody yet",
    "/sign-in/{code}": "for whoever is nobody yet",
    "/sign-in/password": "for whoever is nobody yet",
    "/sign-in/passkey": "for whoever is nobody yet",
    "/sign-in/passkey/answer": "for whoever is nobody yet",
    "/sign-in/provider": "for whoever is nobody yet",
    "/sign-in/provider/answer": "for whoever is nobody yet",
    **dict.fromkeys(("/activate", "/activate/{code}"), "for whoever is nobody yet"),
    **{f"/forgotten{rest}": "for whoever is nobody yet" for rest in ("", "/{code}", "/{code}/stop")},
    **dict.fromkeys(
        ("/notices/{notice}", *(f"/api/v1/notices{rest}" for rest in ("", "/seen", "/{notice}/seen"))),
        "one's own notices, which name no study; what one leads to is in the matrix",
    ),
    "/unsubscribe/{secret}": "ends mails, and tells which kinds of them",
    **{
        f"/account{path}": "one's own means to sign in, and sessions"
        for path in (
            "",
            *("/look", "/password", "/app", "/app.svg", "/app/confirm", "/app/remove"),
            *("/passkeys", "/passkeys/keep", "/passkeys/remove", "/sessions/end", "/sessions/end-others"),
            *("/prove", "/prove/passkey", "/prove/answer", "/forgotten/stop"),
            *(f"/notices{rest}" for rest in ("", "/seen", "/choices", "/address", "/code", "/remove")),
        )
    },
    "/sign-out": "ends a session",
    **dict.fromkeys(
        (
            f"/my{whose}{page}"
            for whose in ("", "/{holding:holding}")
            for page in ("", "/images", "/statement", "/dose")
        ),
        "what the caller's own account holds; see the tests of those pages",
    ),
    **dict.fromkeys(
        [
            *(f"{root}/share" for root in ("/my", "/desk")),
            *(f"{root}/cards{rest}" for root in ("/my", "/desk") for rest in ("", "/{card}")),
            *(
                f"{root}/cards/{{card}}/{verb}"
                for root in ("/my", "/desk")
                for verb in ("freeze", "thaw", "change", "take-back", "sheet", "link")
            ),
        ],
        "for who may give cards of a patient's records; see the tests of those pages",
    ),
    **dict.fromkeys(
        [
            *("/api/v1/statement", "/fhir/AuditEvent/$statement"),
            *("/my/statement/check", "/my/statement/file/{kind}"),
        ],
        "the statement of the caller's own account",
    ),
    **dict.fromkeys(
        (f"/my/{page}" for page in ("settings", "people", "people/let-in", "people/sheet", "people/{access}/end")),
        "the caller's own account, and who else holds what it holds; see the test of those pages",
    ),
    "/api/v1/checkpoints/latest": "a number and digests, for everybody",
    "/my/close": "ends one's own account",
    "/my/deposit": "takes objects, and gives none",
    "/my/deposit/{study}": "for what one's own account added; any other study is none; see the test of contributions",
    "/closed": "says that an account has ended",
    "/search": "makes an address of the study list",
}
SEARCHES: Final = (
    "/",
    "/find",
    "/api/v1/search",
    "/api/v1/completeness",
    "/completeness",
    "/fhir/ImagingStudy",
    "/fhir/Patient",
    "/dicom-web/studies",
    "/dicom-web/series",
    "/dicom-web/instances",
    "/dicom-web/workitems",
)
"""Routes that give what is found; a study that may not be seen is in none of their answers."""
UNKNOWN: Final = unknown()


@dataclass(frozen=True)
class Hospital:
    site: Site
    studies: dict[str, Known]
    tokens: dict[Role, str]


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with a_site(tmp_path_factory.mktemp("matrix"), organization="north") as site:
        studies = {relation: deposit(site.bank, relation) for relation in RELATIONS}
        for known in studies.values():
            finding.write(site.bank, Uid(known.study))
        people = set(Role) - {Role.RECIPIENT}
        tokens = {role: a_token(site.bank, role, organization="north", name=f"the {role}") for role in people}
        tokens[Role.RECIPIENT] = by_card(site.bank, Uid(studies["own"].study))
        yield Hospital(site, studies, tokens)


def by_card(bank: Bank, study: Uid) -> str:
    """The token of who has redeemed a card that opens one study."""
    keeper = Principal("keeper", Role.ADMIN, "north", RIGHTS[Role.ADMIN], Scope(organizations=None))
    made = cards.issue(bank, cards.Wanted(Reach(studies=(study,))), keeper)
    claim = redeem.Claim(made.number, made.pin, "Dr Kato", "Quay Street Clinic", "second opinion")
    return redeem.for_program(bank, claim).secret


def about_studies(hospital: Hospital) -> list[str]:
    """Routes that name a study, and so have to be in the matrix by themselves."""
    return [path for path in naming_a_study(hospital.site.bank) if path not in NOT_ABOUT_STUDIES]


def test_every_route_is_in_the_matrix_or_said_to_be_about_no_study(hospital: Hospital) -> None:
    there = set(served(hospital.site.bank))
    known = {*about_studies(hospital), *SEARCHES, *NOT_ABOUT_STUDIES}

    assert sorted(there - known) == []
    assert sorted(set(SEARCHES) - there) == []


def client(hospital: Hospital, role: Role) -> httpx.Client:
    return httpx.Client(base_url=hospital.site.url, headers=bearer(hospital.tokens[role]), timeout=60)


_CHANGES = re.compile(r"^(date|set-cookie|content-length|server)$", re.IGNORECASE)


@dataclass(frozen=True)
class Said:
    """An answer without what names the study that was asked for."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str


def asked(http: httpx.Client, path: str, known: Known) -> Said:
    answer = http.get(known.fill(path))
    headers = {name: known.masked(value) for name, value in answer.headers.items() if not _CHANGES.match(name)}
    return Said(answer.status_code, tuple(sorted(headers.items())), known.masked(answer.text))


@pytest.mark.parametrize("role", Role)
@pytest.mark.timeout(600)
def test_what_a_caller_may_not_see_is_answered_as_what_is_not_there(hospital: Hospital, role: Role) -> None:
    wrong = []
    with client(hospital, role) as http:
        for path in about_studies(hospital):
            nothing = asked(http, path, UNKNOWN)
            assert nothing.status >= 204, path
            for relation, known in hospital.studies.items():
                said = asked(http, path, known)
                if relation in SEES[role]:
                    if said.status >= 300:
                        wrong.append((path, relation, "is not given", said.status))
                elif said != nothing:
                    wrong.append((path, relation, "shows", said.status))

    assert wrong == []


@pytest.mark.parametrize("role", Role)
def test_searches_and_counts_know_what_the_caller_may_see_and_nothing_else(hospital: Hospital, role: Role) -> None:
    expected = {hospital.studies[relation].study for relation in SEES[role]}
    hidden = {known.study for known in hospital.studies.values()} - expected
    with client(hospital, role) as http:
        answers = {path: http.get(path) for path in SEARCHES}
        by_name = http.get("/dicom-web/studies", params={"PatientName": "secret*"})
    may_search = Right.FIND in RIGHTS[role]

    for path, answer in [*answers.items(), ("by name", by_name)]:
        assert not [uid for uid in hidden if uid in answer.text], path
        assert "Secret^" not in answer.text or expected
        if path.startswith("/dicom-web") and "workitems" not in path and may_search:
            assert answer.headers.get("x-total-count", "0") == str(len(expected)), path
    if may_search:
        assert {one["0020000D"]["Value"][0] for one in (by_name.json() if by_name.content else [])} == expected
    else:
        assert by_name.status_code == 403


@pytest.mark.parametrize("text", ["secret", "sekret", "secr", "1970-01-01", "denied", ""])
@pytest.mark.parametrize("role", Role)
def test_the_search_over_everything_finds_and_counts_what_the_caller_may_see(
    hospital: Hospital, role: Role, text: str
) -> None:
    seen = SEES[role] if text != "denied" else SEES[role] & {"denied"}
    with client(hospital, role) as http:
        answer = http.get("/api/v1/search", params={"q": text})
    if Right.FIND not in RIGHTS[role]:
        assert answer.status_code == 403
        return
    found = answer.json()

    assert {one["study"] for one in found["studies"]} == {hospital.studies[relation].study for relation in seen}
    assert found["total"] == len(seen)
    assert all(sum(value["count"] for value in some) in (0, len(seen)) for some in found["facets"].values())
    assert not [relation for relation in set(RELATIONS) - seen if f"^{relation.title()}" in answer.text]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_quarantine_and_deletion_are_for_admins(hospital: Hospital, role: Role) -> None:
    own = hospital.studies["own"]
    with client(hospital, role) as http:
        statuses = [
            http.get("/api/v1/quarantine").status_code,
            http.get("/api/v1/quarantine/1/content").status_code,
            http.delete("/api/v1/quarantine/1").status_code,
            http.post("/api/v1/quarantine/1/submit").status_code,
            http.delete(f"/dicom-web/studies/{own.study}").status_code,
            http.delete(f"/dicom-web/studies/{UNKNOWN.study}").status_code,
        ]

    assert statuses == [403] * 6


@pytest.mark.parametrize("role", Role)
def test_corrections_are_for_who_may_correct_and_tell_nothing_of_what_is_not_seen(
    hospital: Hospital, role: Role
) -> None:
    paths = [
        *("/api/v1/studies/{study}/corrections", "/studies/{study}/corrections"),
        *("/api/v1/instances/{instance}/versions", "/api/v1/instances/{instance}/versions/1"),
    ]
    with client(hospital, role) as http:
        for path in paths:
            nothing = asked(http, path, UNKNOWN)
            for relation, known in hospital.studies.items():
                said = asked(http, path, known)
                if Right.CORRECT not in RIGHTS[role]:
                    assert said.status == nothing.status == 403, path
                elif relation in SEES[role]:
                    assert said.status == 200, path
                else:
                    assert said == nothing, path


@pytest.mark.parametrize("role", Role)
def test_reports_are_released_by_who_may_and_tell_nothing_of_what_is_not_seen(hospital: Hospital, role: Role) -> None:
    with client(hospital, role) as http:
        given = {
            relation: http.post(f"/api/v1/studies/{known.study}/reports/release")
            for relation, known in {**hospital.studies, "unknown": UNKNOWN}.items()
        }
    expected = {relation: 200 if relation in SEES[role] else 404 for relation in given}

    assert {relation: one.status_code for relation, one in given.items()} == (
        expected if Right.RELEASE in RIGHTS[role] else dict.fromkeys(given, 403)
    )
    assert len({one.text for relation, one in given.items() if relation not in SEES[role]}) == 1


# DIMSE: a device of north, by C-FIND, C-GET and C-MOVE


@cache
def contexts() -> list[Any]:
    return [
        StudyRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelGet,
        StudyRootQueryRetrieveInformationModelMove,
    ]


def question(known: Known) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.StudyInstanceUID = known.study
    identifier.PatientName = ""
    return identifier


@dataclass(frozen=True)
class Answers:
    """What a device got: matches of C-FIND, objects by C-GET, sub-operations of C-MOVE and its last status."""

    found: int
    got: int
    moved: int
    statuses: tuple[int, ...]


def by_dimse(hospital: Hospital, known: Known) -> Answers:
    got: list[str] = []
    ae = AE("NORTH")
    for abstract in contexts():
        ae.add_requested_context(abstract)
    ae.add_requested_context(CTImageStorage)

    def store(event: Any) -> int:
        got.append(str(event.request.AffectedSOPInstanceUID))
        return 0

    role = build_role(CTImageStorage, scp_role=True)
    with a_destination() as destination:
        devices.add(
            hospital.site.bank, Device("DEST", HOST, destination.port, False, frozenset({Right.STORE}), "north")
        )
        port = hospital.site.dimse.port
        handlers: list[Any] = [(evt.EVT_C_STORE, store)]
        association = ae.associate(HOST, port, ext_neg=[role], evt_handlers=handlers, ae_title="IMAGEBANK")
        assert association.is_established
        asked_for = question(known)
        find = list(association.send_c_find(asked_for, contexts()[0]))
        del asked_for.PatientName
        get = list(association.send_c_get(asked_for, contexts()[1]))
        move = list(association.send_c_move(asked_for, "DEST", contexts()[2]))
        association.release()
        moved = len(destination.objects)
    statuses = tuple(int(answers[-1][0].Status) for answers in (find, get, move))
    return Answers(sum(1 for _, match in find if match is not None), len(got), moved, statuses)


def test_a_device_finds_gets_and_moves_what_it_may_see_and_nothing_else(hospital: Hospital) -> None:
    devices.add(hospital.site.bank, Device("NORTH", HOST, free_port(), False, devices.DEVICE_RIGHTS, "north"))
    nothing = by_dimse(hospital, UNKNOWN)
    answers = {relation: by_dimse(hospital, known) for relation, known in hospital.studies.items()}
    seen = {relation for relation, answer in answers.items() if answer != nothing}

    assert (nothing.found, nothing.got, nothing.moved) == (0, 0, 0)
    assert seen == SEES[Role.DEVICE]
    assert {(answer.found, answer.got, answer.moved) for relation, answer in answers.items() if relation in seen} == {
        (1, 1, 1)
    }
