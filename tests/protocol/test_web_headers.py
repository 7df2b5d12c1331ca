"""Every answer of every address says what a browser may do with it; no address is left out."""

import socket
import ssl
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from starlette.routing import BaseRoute, Mount, Route

from authority import Authority
from bank import a_token, bearer, free_port, keep, open_test_bank, serving
from imagebank.actions import access
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import Role
from imagebank.model.imaging import Receipt
from make import a_file
from running import HOST, imagebank, kill_tree, start_program, wait_for

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
CALLERS = ("nobody", "program", "browser")


@dataclass(frozen=True)
class Site:
    bank: Bank
    callers: dict[str, httpx.Client]
    kept: Receipt

    def addresses(self) -> list[str]:
        """Every route of the application, with the one object that is here where a place is open."""
        return sorted({self._filled(path) for path in paths(web_application(self.bank).routes)})

    def _filled(self, path: str) -> str:
        given = {"study": self.kept.study, "series": self.kept.series, "instance": self.kept.uid, "frames": 1}
        for name, value in {**given, "path:path": "7FE00010", "number": 1, "code": "no-such-code"}.items():
            path = path.replace(f"{{{name}}}", str(value))
        return path


def paths(routes: Sequence[BaseRoute], before: str = "") -> Iterator[str]:
    for route in routes:
        if isinstance(route, Route):
            yield before + route.path
        elif isinstance(route, Mount):
            inner = list(paths(route.routes, before + route.path))
            yield from inner or [f"{before}{route.path}/none"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with (
        open_test_bank(tmp_path_factory.mktemp("headers"), public_url="https://bank.example") as bank,
        serving(bank) as url,
        httpx.Client(base_url=url, timeout=60) as nobody,
        httpx.Client(base_url=url, timeout=60, headers=bearer(a_token(bank))) as program,
        httpx.Client(base_url=url, timeout=60, headers={"Sec-Fetch-Site": "same-origin"}) as browser,
    ):
        answer = browser.get(f"/sign-in/{access.sign_in_link(bank, Role.ADMIN, 'keeper')}")
        # By hand: a cookie for https is not given back over plain loopback.
        browser.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]
        browser.headers["Accept"] = "text/html"
        (kept,) = keep(bank, a_file())
        yield Site(bank, {"nobody": nobody, "program": program, "browser": browser}, kept)


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("method", METHODS)
def test_every_answer_is_guarded(site: Site, who: str, method: str) -> None:
    addresses = [*site.addresses(), "/no/such/page", "/api/no", "/dicom-web/no"]
    bare = {"/healthz", "/readyz"}

    assert len(addresses) > 30
    for address in addresses:
        if (method, address) == ("POST", "/sign-out") or (method == "DELETE" and "studies" in address):
            continue  # the others still need what these end
        answer = site.callers[who].request(method, address)
        fields = answer.headers
        where = f"{who}: {method} {address}: {answer.status_code} {dict(fields)}"

        assert answer.status_code != 500, where
        assert fields["x-content-type-options"] == "nosniff", where
        assert fields["referrer-policy"] in {"no-referrer", "same-origin"}, where
        assert fields["strict-transport-security"], where
        assert "camera=()" in fields["permissions-policy"], where
        # What leads to a health link is its own secret, and viewers on any page may follow it.
        assert "access-control-allow-origin" not in fields or address.startswith("/shl/"), where
        policy = fields["content-security-policy"]
        # A worker of the viewer has no document that could be framed.
        assert "frame-ancestors" in policy or address.startswith("/viewer/"), where
        script = next((one for one in policy.split(";") if one.strip().startswith("script-src")), "")
        assert "unsafe-inline" not in script, where
        kind = fields.get("content-type", "").partition(";")[0]
        assert not kind.endswith("json") or fields["content-disposition"].startswith("attachment"), where
        if address.startswith(("/static", "/viewer")) or address in bare:
            continue
        assert fields["cache-control"].split(", ")[-1] in {"no-store", "no-cache"}, where
        if fields["content-type"].startswith("text/html") if "content-type" in fields else False:
            assert "sandbox" in policy or "unsafe-inline" not in policy, where


def test_no_page_of_ours_may_run_what_stands_in_it(site: Site) -> None:
    for address in ("/", "/sign-in", f"/studies/{site.kept.study}", "/no/such/page"):
        answer = site.callers["browser"].get(address)

        assert "unsafe-inline" not in answer.headers["content-security-policy"]
        assert " style=" not in answer.text
        assert " onclick=" not in answer.text
        assert "<script>" not in answer.text


def test_a_host_that_is_none_is_refused_by_every_edge(site: Site) -> None:
    for address in ("/", "/sign-in", "/api/v1/session", "/dicom-web/studies", "/healthz"):
        answer = site.callers["program"].get(address, headers={"Host": "a b"})

        assert (answer.status_code, answer.json()["error"]) == (400, "Invalid")


def test_the_web_server_itself_speaks_tls_of_this_century(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    pair = authority.pair("web")
    port = free_port()
    environ = {"IMAGEBANK_HTTP_TLS_CERT": str(pair.cert), "IMAGEBANK_HTTP_TLS_KEY": str(pair.key)}
    given = ("serve", "--role", "web", "--data", tmp_path / "bank", "--http", f"{HOST}:{port}")
    trust = ssl.create_default_context(cafile=str(authority.cert))
    process = start_program(*given, environ=environ, log=tmp_path / "serve.log")
    try:
        wait_for(lambda: _answers(port), "the web server listens", 60)
        answer = httpx.get(f"https://{HOST}:{port}/sign-in", verify=trust)
        old = ssl.create_default_context(cafile=str(authority.cert))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"https://{HOST}:{port}/sign-in", verify=old)
    finally:
        kill_tree(process)

    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"]


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


@pytest.mark.parametrize("given", [{"HTTP_TLS_CERT": "x"}, {"HTTP_TLS_CERT": "x", "HTTP_TLS_KEY": "y"}])
def test_a_certificate_that_cannot_be_used_is_told_before_anything_listens(
    tmp_path: Path, given: dict[str, str]
) -> None:
    environ = {f"IMAGEBANK_{name}": str(tmp_path / value) for name, value in given.items()}
    said = imagebank("serve", "--role", "web", "--data", tmp_path / "bank", environ=environ)

    assert said.status == 2
    assert "http_tls_key" in said.err
