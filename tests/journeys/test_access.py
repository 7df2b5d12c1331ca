"""Tokens, sessions and what they open, beside a running server."""

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest
from starlette.routing import BaseRoute, Mount, Route

from bank import bearer, open_test_bank
from imagebank.app import web_application
from imagebank.http.auth import COOKIE
from journeys.senders import as_files, stored, stow, uid_of
from make import a_file, read
from running import Running, imagebank

FORM = "/api/v1/deposits"


def status_of(bank: Running, token: str, path: str = "/dicom-web/studies") -> int:
    return httpx.get(bank.url + path, headers=bearer(token)).status_code


@contextmanager
def signed_in(bank: Running) -> Iterator[httpx.Client]:
    """A client with the cookie of a session."""
    with httpx.Client(base_url=bank.url, timeout=60) as client:
        assert client.get(bank.sign_in_link()).status_code == 303
        yield client


def test_a_new_token_is_printed_alone_and_opens_the_running_bank(bank: Running) -> None:
    said = bank.run("token", "create", "--role", "admin", "--name", "printed", "--days", "1")

    assert said.status == 0
    assert said.out.strip() == said.out.rstrip("\n")
    assert said.out.count("\n") == 1
    assert status_of(bank, said.out.strip()) in (200, 204)


def test_tokens_are_listed_by_name_and_never_shown_again(bank: Running) -> None:
    token = bank.token(role="clinician", name="listed")
    for given in ((), ("--json",)):
        said = bank.run("token", "list", *given)
        assert "listed" in said.out
        assert "clinician" in said.out
        assert token not in said.out


def test_a_revoked_token_opens_nothing_at_the_next_request(bank: Running) -> None:
    token = bank.token(name="revoked")
    before = status_of(bank, token)
    said = bank.run("token", "revoke", "revoked")

    assert before in (200, 204)
    assert said.status == 0
    assert status_of(bank, token) == 401
    assert bank.run("token", "revoke", "revoked").status == 1


def test_a_token_ends_when_its_days_are_over(bank: Running) -> None:
    token = bank.token(days=4 / 86400)
    before = status_of(bank, token)
    time.sleep(4.2)

    assert before in (200, 204)
    assert status_of(bank, token) == 401


@pytest.mark.parametrize("days", ["0", "-1", "1e300", "nan", "inf"])
def test_a_token_needs_a_life_of_some_length(bank: Running, days: str) -> None:
    said = bank.run("token", "create", "--role", "admin", "--days", days)

    assert said.status == 2
    assert said.out == ""
    assert "day" in said.err


@pytest.mark.parametrize(
    ("role", "may_search", "may_store", "may_delete", "may_administer"),
    [
        ("admin", True, True, True, True),
        ("clinician", True, True, False, False),
        ("device", True, True, False, False),
        ("system", True, True, False, False),
    ],
)
def test_a_role_says_what_its_holder_may_do(
    bank: Running, role: str, *, may_search: bool, may_store: bool, may_delete: bool, may_administer: bool
) -> None:
    file = a_file()
    ds = read(file)
    path = f"/dicom-web/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"
    with bank.http(bank.token(role)) as http:
        stored_it = stow(http, file).status_code == 200
        found_it = http.get("/dicom-web/studies", params={"StudyInstanceUID": ds.StudyInstanceUID}).status_code == 200
        administers = http.get("/api/v1/quarantine").status_code
        deleted = http.delete(path).status_code

    assert (found_it, stored_it) == (may_search, may_store)
    assert administers == (200 if may_administer else 403)
    assert deleted in ((200, 204) if may_delete else (403,))


def test_a_holder_sees_the_studies_of_his_organization_only(bank: Running, tmp_path: Path) -> None:
    north, south = a_file(), a_file()
    with (
        bank.http(bank.token("clinician", "north")) as of_north,
        bank.http(bank.token("clinician", "south")) as of_south,
    ):
        assert stow(of_north, north).status_code == 200
        given = ("--organization", "south")
        assert bank.run("import", *as_files(tmp_path, south), *given).status == 0

        seen = [[stored(http, uid_of(file)) is not None for file in (north, south)] for http in (of_north, of_south)]
        study = f"/dicom-web/studies/{read(north).StudyInstanceUID}"
        statuses = [http.get(study + "/metadata").status_code for http in (of_north, of_south)]
    with bank.http() as admin:
        all_seen = [stored(admin, uid_of(file)) is not None for file in (north, south)]

    assert seen == [[True, False], [False, True]]
    assert statuses == [200, 404]
    assert all_seen == [True, True]


MADE_UP: Final = {"path": "x", "holding": "0" * 32}
"""What stands in a path, by the kind of its convertor."""


def routes(given: Iterable[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Method and path of every route, with made-up names in the path."""
    for route in given:
        if isinstance(route, Mount) and route.routes:
            yield from routes(route.routes, prefix + route.path)
        elif isinstance(route, Route):
            path = prefix + route.path
            for found in re.findall(r"{\w+(?::(\w+))?}", path):
                path = re.sub(r"{\w+(?::\w+)?}", MADE_UP.get(found, "1"), path, count=1)
            yield from ((method, path) for method in sorted(route.methods or ()))


def test_nobody_reads_anything_without_signing_in_but_health(bank: Running, tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as opened:
        found = set(routes(web_application(opened).routes))
    in_the_open = {"/healthz", "/readyz", "/sign-in", "/sign-in/1", "/activate", "/activate/1", "/viewer/x"}
    # For whoever is nobody yet: they take a proof, or say where to bring one.
    in_the_open |= {"/sign-in/provider", "/sign-in/provider/answer", "/api/v1/token"}
    in_the_open |= {"/.well-known/oauth-authorization-server", "/open", "/redeem", "/api/v1/redeem", "/shl", "/shl/1"}
    # What describes the interface; what is signed, and names nobody; and ends of what somebody had.
    in_the_open |= {"/fhir/metadata", "/fhir/.well-known/smart-configuration", "/fhir/x", "/api/v1/checkpoints/latest"}
    in_the_open |= {"/cds-services"}
    in_the_open |= {"/forgotten", "/forgotten/1", "/forgotten/1/stop"}
    in_the_open |= {"/closed", "/shl/files/1", "/unsubscribe/1"}
    closed = sorted((method, path) for method, path in found if path not in in_the_open and method != "TRACE")
    odd = {}
    with httpx.Client(base_url=bank.url, timeout=60) as nobody:
        for method, path in closed:
            answer = nobody.request(method, path)
            if not is_closed(answer):
                odd[method, path] = answer.status_code

    assert len(closed) > 100
    assert odd == {}


def is_closed(answer: httpx.Response) -> bool:
    """Whether an answer gives nothing away: 401, the way to the sign-in page, a form refused, no such method."""
    if answer.status_code == 303:
        return answer.headers["location"] == "/sign-in"
    return answer.status_code in (401, 403, 405) or (answer.request.method == "OPTIONS" and not answer.content)


def test_the_sign_in_pages_and_the_viewers_files_are_about_nobody(bank: Running) -> None:
    with bank.http() as admin:
        stow(admin, a_file(PatientName="Geheim^Gerda"))
    for path in ("/sign-in", "/sign-in/guessed", "/viewer/viewer?StudyInstanceUIDs=1.2.3", "/static/../root.key"):
        assert "Geheim" not in httpx.get(bank.url + path).text
        assert httpx.get(bank.url + path).headers.get("set-cookie") is None


def test_a_token_that_nobody_holds_opens_nothing(bank: Running) -> None:
    for value in ("Bearer ib_wrong", "Bearer", "Basic YWRtaW46YWRtaW4=", "ib_wrong"):
        answer = httpx.get(f"{bank.url}/dicom-web/studies", headers={"Authorization": value})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_in_the_address_opens_nothing(bank: Running) -> None:
    token = bank.token()

    for name in ("token", "access_token", "bearer"):
        assert httpx.get(f"{bank.url}/dicom-web/studies", params={name: token}).status_code in (400, 401)


def test_one_request_cannot_claim_two_identities(bank: Running) -> None:
    with signed_in(bank) as browser:
        answer = browser.get("/dicom-web/studies", headers=bearer(bank.token()))

    assert answer.status_code == 400


def test_a_sign_in_link_works_once(bank: Running) -> None:
    link = bank.sign_in_link()
    assert link.startswith(f"{bank.url}/sign-in/"), "where the server runs, whatever the settings of the command say"
    looked_at = httpx.head(link)
    first, second = httpx.get(link), httpx.get(link)

    assert looked_at.headers.get("set-cookie") is None
    assert first.status_code == 303
    cookie = first.headers["set-cookie"].lower()
    assert cookie.startswith(COOKIE)
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert second.status_code == 404
    assert second.headers.get("set-cookie") is None


@pytest.mark.parametrize(
    ("headers", "is_taken"),
    [
        ({}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
    ],
)
def test_a_session_changes_things_only_from_our_own_pages(
    bank: Running, headers: dict[str, str], *, is_taken: bool
) -> None:
    with signed_in(bank) as browser:
        posted = browser.post(FORM, files={"file": a_file()}, headers=headers)
        read_only = browser.get("/dicom-web/studies", headers=headers)

    assert posted.status_code == (200 if is_taken else 403)
    assert read_only.status_code in (200, 204)


def test_a_session_ends_by_signing_out(bank: Running) -> None:
    with signed_in(bank) as browser:
        page = browser.get("/").text
        csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
        cookie = browser.cookies[COOKIE]
        left = browser.post("/sign-out", data={"csrf": csrf}, headers={"Sec-Fetch-Site": "same-origin"})

    assert left.status_code == 303
    assert httpx.get(f"{bank.url}/api/v1/session", cookies={COOKIE: cookie}).status_code == 401


def test_the_rest_interface_describes_itself(bank: Running) -> None:
    with bank.http() as http:
        document = http.get("/api/openapi.json").json()

    assert document["openapi"].startswith("3.")
    for path in ("/api/v1/deposits", "/api/v1/quarantine", "/dicom-web/studies", "/wado", "/healthz", "/readyz"):
        assert path in document["paths"]


def test_deposits_of_any_kind_get_one_outcome_a_file(bank: Running) -> None:
    good = a_file()
    uploads = [("file", ("a.dcm", good)), ("file", ("again.dcm", good)), ("file", ("note.txt", b"not an image"))]
    uploads += [("file", ("empty.dcm", b"")), ("file", ("large.dcm", a_file(rows=1024, columns=1024)))]
    with bank.http() as http:
        answer = http.post(FORM, files=uploads)
        outcomes = answer.json()["outcomes"]
        nothing = http.post(FORM, data={"other": "field"})

    assert answer.status_code == 207
    assert [one["file"] for one in outcomes] == ["a.dcm", "again.dcm", "note.txt", "empty.dcm", "large.dcm"]
    assert outcomes[0]["outcome"] == "stored"
    assert outcomes[1]["outcome"] in ("stored", "duplicate")
    assert [one["outcome"] for one in outcomes[2:]] == ["refused", "refused", "stored"]
    assert all(one["error"]["message"] for one in outcomes[2:4])
    assert nothing.status_code == 400


def test_commands_answer_machines_in_json(tmp_path: Path) -> None:
    data = tmp_path / "bank"
    imagebank("import", *as_files(tmp_path / "in", a_file()), "--data", data)
    for command in (("verify",), ("reindex",), ("token", "list"), ("device", "list"), ("quarantine", "list")):
        said = imagebank(*command, "--json", "--data", data)
        assert said.status == 0
        assert said.out.lstrip()[0] in "[{"
