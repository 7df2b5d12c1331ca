"""Keys and patients are asked of the caller's own server, by TLS, and nothing that it answers leads anywhere else."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from authority import Authority, Pair, self_signed
from bank import SOURCE, keep, open_test_bank
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.fhir import cds_hooks
from make import a_file
from unit.fhir.test_cds_hooks import KEY, MRN, PATIENT, TODAY, a_call, called, cards, signed
from unit.portal.browsing import SITE, Browser

EHR = "https://ehr.example"
METADATA = "https://169.254.169.254/fhir"
RSA = RSAKey.generate_key(2048, {"kid": "r1", "use": "sig"})
JSON, HTML = "application/json", "text/html"


@dataclass
class Site:
    """A web server on loopback that answers by path, and remembers who asked for what."""

    port: int = 0
    answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"


class Quiet(ThreadingHTTPServer):
    """Says nothing of callers that hang up."""

    def handle_error(self, *_: Any) -> None:
        pass


@contextmanager
def a_site(pair: Pair) -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.path, self.headers.get("Authorization", "")))
            site.answers[self.path](self)

        def log_message(self, *_: Any) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    server = Quiet(("127.0.0.1", 0), Handler)
    # The handshake is the thread's: one that fails must not end the server.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def says(body: bytes, kind: str = JSON, status: int = 200, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(line: BaseHTTPRequestHandler) -> None:
        line.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            line.send_header(name.replace("_", "-"), value)
        line.end_headers()
        line.wfile.write(body)

    return answer


def dawdles(line: BaseHTTPRequestHandler) -> None:
    """A byte now and then, until nobody listens."""
    line.send_response(200)
    line.end_headers()
    deadline = time.monotonic() + 10
    try:
        while time.monotonic() < deadline:
            line.wfile.write(b" ")
            line.wfile.flush()
            time.sleep(0.05)
    except OSError:
        pass


def breaks_off(line: BaseHTTPRequestHandler) -> None:
    says(b'{"keys"', Content_Length="4000")(line)
    line.close_connection = True


@dataclass(frozen=True)
class There:
    """The bank, the caller's server, and another one, to which nothing is ever to go."""

    bank: Bank
    ehr: Site
    elsewhere: Site
    browser: Browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    folder = tmp_path_factory.mktemp("fetching")
    trusted = Authority(folder / "ca")
    pair = trusted.pair("ehr")
    with (
        pytest.MonkeyPatch.context() as patch,
        a_site(pair) as ehr,
        a_site(pair) as elsewhere,
        a_site(self_signed(folder, "untrusted")) as untrusted,
    ):
        # How OpenSSL is told whom to believe.
        patch.setenv("SSL_CERT_FILE", str(trusted.cert))
        clients = [
            ("ehr", EHR, f"{ehr.url}/jwks"),
            ("metadata", "https://metadata.example", f"{METADATA}/jwks"),
            ("untrusted", "https://untrusted.example", f"{untrusted.url}/jwks"),
        ]
        text = "".join(
            f'[[client]]\nname = "{name}"\niss = "{iss}"\norganization = "north"\njku = "{jku}"\n'
            f'fhir_servers = ["{ehr.url}/fhir", "{METADATA}", "{untrusted.url}/fhir"]\nsystems = {{ "{MRN}" = "north" }}\n'
            for name, iss, jku in clients
        )
        (folder / "clients.toml").write_text(text)
        given = {"organization": "north", "public_url": SITE, "cds_clients_file": folder / "clients.toml"}
        with open_test_bank(folder, **given) as bank:
            ids = {"PatientID": "ANA", "IssuerOfPatientID": "north", "StudyInstanceUID": "1.2.3"}
            day = f"{TODAY - timedelta(days=12):%Y%m%d}"
            about = {"StudyDescription": "CT abdomen with contrast", "StudyDate": day, "BodyPartExamined": ""}
            keep(bank, a_file(**ids, **about), source=replace(SOURCE, organization="north"))
            untrusted.answers["/jwks"] = untrusted.answers["/fhir/Patient/p1"] = says(b"{}")
            yield There(bank, ehr, elsewhere, Browser(web_application(bank)))
        assert untrusted.asked == []


@pytest.fixture
def there(site: There) -> There:
    """The same for a process that has asked for nothing yet."""
    site.browser._app.state.cds_keys = None  # type: ignore[attr-defined]
    for one in (site.ehr, site.elsewhere):
        one.asked.clear()
        one.answers.clear()
    site.ehr.answers |= {"/jwks": gives(KEY), "/fhir/Patient/p1": says(json.dumps(PATIENT).encode())}
    site.elsewhere.answers |= site.ehr.answers
    return site


def gives(*keys: Any) -> Callable[[BaseHTTPRequestHandler], None]:
    return says(json.dumps({"keys": [one.as_dict(private=False) for one in keys]}).encode())


def hostile(elsewhere: str) -> dict[str, Callable[[BaseHTTPRequestHandler], None]]:
    """What a server may answer in place of what it is asked for."""
    return {
        "redirect": says(b"", status=302, Location=elsewhere),
        "huge": says(b" " * ((1 << 20) + 1)),
        "html": says(b"<!doctype html><title>Sign in</title>", HTML),
        "wrong": says(b'["keys"]'),
        "empty": says(b'{"keys": []}'),
        "other": says(b'{"resourceType": "Practitioner", "id": "p1"}'),
        "error": says(b"{}", status=500),
        "forbidden": says(b"{}", status=403),
        "slow": dawdles,
        "broken": breaks_off,
    }


KINDS = sorted(hostile(""))


def test_keys_are_asked_for_once_and_again_when_they_are_changed(there: There) -> None:
    for header in (None, {"jku": f"{there.ehr.url}/jwks"}):
        assert called(there.browser, a_call(), signed(header=header)).status_code == 200
    assert there.ehr.asked == [("/jwks", "")]

    there.ehr.answers["/jwks"] = gives(RSA)
    by_rsa = partial(signed, key=RSA, alg="RS384")
    assert called(there.browser, a_call(), by_rsa()).status_code == 401  # it was asked a moment ago
    later = replace(there.bank, now=lambda: datetime.now(UTC) + timedelta(minutes=2))
    application = web_application(later)
    application.state.cds_keys = there.browser._app.state.cds_keys  # type: ignore[attr-defined]
    late = int(datetime.now(UTC).timestamp()) + 120
    old, new = (make(iat=late, exp=late + 60) for make in (signed, by_rsa))
    assert [called(Browser(application), a_call(), one).status_code for one in (new, old)] == [200, 401]
    assert len(there.ehr.asked) == 2


def test_a_key_that_nobody_gave_and_a_token_that_names_none_prove_nothing(there: There) -> None:
    for header in ({"kid": "k9"}, {"kid": ""}, {"kid": None}, {"jku": f"{there.elsewhere.url}/jwks"}):
        assert called(there.browser, a_call(), signed(header=header)).status_code in (400, 401)

    assert there.elsewhere.asked == []


@pytest.mark.parametrize("kind", KINDS)
def test_keys_that_are_not_to_be_had_prove_nothing(there: There, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    if kind == "slow":
        monkeypatch.setattr(cds_hooks, "PATIENCE_S", 0.3)
    there.ehr.answers["/jwks"] = hostile(f"{there.elsewhere.url}/jwks")[kind]
    answers = [called(there.browser, a_call(), signed()) for _ in range(2)]

    assert {one.status_code for one in answers} <= {401, 503}
    assert "cards" not in answers[0].text
    assert (len(there.ehr.asked), there.elsewhere.asked) == (1, [])


def there_is(server: str, **more: Any) -> dict[str, Any]:
    return {"fhirServer": server, "fhirAuthorization": {"access_token": "t0k"}, "prefetch": {}, **more}


@pytest.mark.parametrize("given", [None, {"resourceType": "OperationOutcome"}])
def test_a_patient_is_asked_for_with_the_token_that_was_given(there: There, given: Any) -> None:
    body = a_call(**there_is(f"{there.ehr.url}/fhir/", prefetch={"patient": given}))

    assert len(cards(called(there.browser, body, signed()))) == 1
    assert there.ehr.asked == [("/jwks", ""), ("/fhir/Patient/p1", "Bearer t0k")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_patient_that_is_not_to_be_had_is_a_precondition_that_failed(
    there: There, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "slow":
        monkeypatch.setattr(cds_hooks, "PATIENCE_S", 0.3)
    there.ehr.answers["/fhir/Patient/p1"] = hostile(f"{there.elsewhere.url}/fhir/Patient/p1")[kind]
    found = called(there.browser, a_call(**there_is(f"{there.ehr.url}/fhir")), signed())

    assert (found.status_code, there.elsewhere.asked) == (412, [])


def test_the_patient_of_somebody_else_is_none(there: There) -> None:
    there.ehr.answers["/fhir/Patient/p1"] = says(json.dumps({**PATIENT, "id": "p2"}).encode())

    assert called(there.browser, a_call(**there_is(f"{there.ehr.url}/fhir")), signed()).status_code == 412


def test_no_server_is_asked_but_those_of_the_list_and_none_with_what_is_no_token(there: There) -> None:
    for body in (
        there_is(f"{there.elsewhere.url}/fhir"),
        there_is("http://169.254.169.254/latest"),
        there_is("http://127.0.0.1/fhir"),
        there_is("http://10.0.0.1/fhir"),
        there_is(f"{there.ehr.url}/fhir.evil.example"),
        there_is(f"{there.ehr.url}@{there.elsewhere.url}/fhir"),
        there_is(f"{there.ehr.url}/fhir", fhirAuthorization={"access_token": "a\r\nHost: evil"}),
        there_is(f"{there.ehr.url}/fhir", fhirAuthorization={}),
        there_is(f"{there.ehr.url}/fhir", context={"patientId": "../Patient"}),
    ):
        assert called(there.browser, a_call(**body), signed()).status_code == 412

    assert ({path for path, _ in there.ehr.asked}, there.elsewhere.asked) == ({"/jwks"}, [])


def test_where_a_machine_is_told_its_secrets_nobody_asks_though_it_is_listed(there: There) -> None:
    found = called(there.browser, a_call(**there_is(METADATA)), signed())
    keys = called(there.browser, a_call(), signed(iss="https://metadata.example"))

    assert (found.status_code, keys.status_code) == (412, 503)


def test_a_server_whose_certificate_nobody_vouches_for_is_not_asked(there: There) -> None:
    keys = called(there.browser, a_call(), signed(iss="https://untrusted.example"))

    assert keys.status_code == 503
