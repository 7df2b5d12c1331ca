"""The sample reverse proxy before a real bank: TLS, and certificates of systems that only it can hand on."""

import os
import shutil
import socket
import ssl
import subprocess
import warnings
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from authority import NOW, Authority, Pair, self_signed
from bank import bearer, free_port
from make import a_file
from protocol.dimse_peers import wait_for
from running import HOST, Running, descendants, running_bank

SAMPLE = Path(__file__).parents[2] / "deploy" / "nginx.conf"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
FORM = {"grant_type": "client_credentials", "client_id": "pacs"}


@dataclass(frozen=True)
class Site:
    """A bank behind nginx: the ports for redirection, for everybody, and for systems with certificates."""

    bank: Running
    plain: int
    everybody: int
    systems: int
    authority: Authority
    pacs: Pair

    def trusting(self, pair: Pair | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority.cert))
        if pair is not None:
            context.load_cert_chain(pair.cert, pair.key)
        return context

    def calling(self, port: int, pair: Pair | None = None) -> httpx.Client:
        return httpx.Client(base_url=f"https://{HOST}:{port}", verify=self.trusting(pair), timeout=60)

    def token(self) -> str:
        with self.calling(self.systems, self.pacs) as system:
            return str(system.post("/api/v1/token", data=FORM).raise_for_status().json()["access_token"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("proxied")
    authority = Authority(folder / "ca")
    web, pacs = authority.pair("web"), self_signed(folder, "pacs")
    with running_bank(folder, public_url="https://bank.example", trusted_proxies=[HOST]) as bank:
        added = bank.run("client", "add", "--name", "pacs", "--certificate", pacs.cert)
        assert added.status == 0, added.err
        site = Site(bank, free_port(), free_port(), free_port(), authority, pacs)
        with nginx(folder / "nginx", site, web):
            yield site


@contextmanager
def nginx(folder: Path, site: Site, web: Pair) -> Iterator[None]:
    """The sample, with nothing changed but its ports and paths; nginx itself has to find it right."""
    folder.mkdir()
    conf = folder / "nginx.conf"
    conf.write_text(adapted(folder, site, web))
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "nginx is not there; `make system` says how to install it"
    command = [program, "-e", "stderr", "-p", str(folder), "-c", str(conf)]
    command += ["-g", f"daemon off; pid {folder / 'nginx.pid'};"]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stderr
    with (folder / "errors").open("wb") as errors, subprocess.Popen(command, stderr=errors) as process:
        try:
            for port in (site.plain, site.everybody, site.systems):
                wait_for(port)
            yield
        finally:
            process.terminate()


def adapted(folder: Path, site: Site, web: Pair) -> str:
    text = SAMPLE.read_text()
    paths = "".join(f" {name}_temp_path {folder / name};" for name in TEMPORARY)
    for there, here in {
        "listen 80 ": f"listen {HOST}:{site.plain} ",
        "listen 443 ": f"listen {HOST}:{site.everybody} ",
        "listen 8443 ": f"listen {HOST}:{site.systems} ",
        "server 127.0.0.1:8080;": f"server {HOST}:{site.bank.http_port};",
        "/etc/imagebank/bank.example.pem": str(web.cert),
        "/etc/imagebank/bank.example.key": str(web.key),
        "/var/log/nginx/imagebank.log": str(folder / "access.log"),
        "\nhttp {": f"\nhttp {{{paths}",
    }.items():
        assert text.count(there) == 1, there
        text = text.replace(there, here)
    return text


def test_everybody_is_brought_to_tls_of_this_century_and_told_to_stay_there(site: Site) -> None:
    redirected = httpx.get(f"http://{HOST}:{site.plain}/search?x=1")
    for port in (site.everybody, site.systems):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = site.trusting()
            context.minimum_version = context.maximum_version = version
            answer = httpx.get(f"https://{HOST}:{port}/sign-in", verify=context)

            assert answer.status_code == 200
            assert answer.headers["strict-transport-security"].startswith("max-age=")
        with pytest.raises(httpx.ConnectError, match="PROTOCOL_VERSION"):
            httpx.get(f"https://{HOST}:{port}/sign-in", verify=old(site))

    assert (redirected.status_code, redirected.headers["location"]) == (301, "https://bank.example/search?x=1")


def old(site: Site) -> ssl.SSLContext:
    """Who speaks nothing newer than TLS 1.1, and would take any suite."""
    context = site.trusting()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def test_a_system_gets_a_token_by_its_certificate_that_is_good_together_with_it_only(site: Site) -> None:
    other = self_signed(site.bank.data.parent, "other")
    token = site.token()
    asked = [(site.systems, site.pacs), (site.systems, other), (site.systems, None), (site.everybody, site.pacs)]
    found = []
    for port, pair in asked:
        with site.calling(port, pair) as caller:
            found.append(caller.get("/dicom-web/studies", headers=bearer(token)).status_code)

    assert found[0] in (200, 204)
    assert found[1:] == [401, 401, 401]


def test_a_certificate_of_an_authority_is_handed_on_too(site: Site) -> None:
    pair = site.authority.pair("ris")
    site.bank.run("client", "add", "--name", "ris", "--certificate", pair.cert)
    with site.calling(site.systems, pair) as caller:
        answer = caller.post("/api/v1/token", data={**FORM, "client_id": "ris"})

    assert (answer.status_code, answer.json()["token_type"]) == (200, "Bearer")


def test_a_certificate_that_is_only_named_in_a_field_is_dropped(site: Site) -> None:
    other = self_signed(site.bank.data.parent, "stranger")
    pem = ssl.DER_cert_to_PEM_cert(site.pacs.der)
    spellings = (f":{b64encode(site.pacs.der).decode()}:", quote(pem, safe=""))
    token = site.token()
    found = set()
    for port, pair in ((site.everybody, None), (site.systems, None), (site.systems, other)):
        with site.calling(port, pair) as caller:
            for spelt in spellings:
                for name in ("Client-Cert", "client-cert", "Client_Cert"):
                    forged = {name: spelt, "X-Forwarded-For": HOST}
                    found.add(caller.post("/api/v1/token", data=FORM, headers=forged).status_code)
                    read = caller.get("/dicom-web/studies", headers={**forged, **bearer(token)})
                    found.add(read.status_code)

    assert found == {401}


def test_a_certificate_that_has_ended_is_refused_before_the_bank(site: Site) -> None:
    ended = self_signed(site.bank.data.parent, "ended", NOW - timedelta(days=1))
    with site.calling(site.systems, ended) as caller:
        answer = caller.post("/api/v1/token", data=FORM)

    assert (answer.status_code, answer.headers["server"]) == (400, "nginx")


def test_programs_are_told_that_certificates_are_taken(site: Site) -> None:
    with site.calling(site.everybody) as caller:
        told = caller.get("/.well-known/oauth-authorization-server").json()

    assert {"private_key_jwt", "self_signed_tls_client_auth"} <= set(told["token_endpoint_auth_methods_supported"])
    assert told["tls_client_certificate_bound_access_tokens"] is True


def test_a_study_goes_through_as_it_comes_and_a_form_is_bounded_before_the_bank(site: Site) -> None:
    uploaded = {"Content-Type": "application/dicom", **bearer(site.bank.token())}
    with site.calling(site.everybody) as caller:
        kept = caller.post("/dicom-web/studies", content=a_file(rows=1500, columns=1500), headers=uploaded)
        form = caller.post("/sign-in/password", data={"name": "x" * (2 << 20)})

    assert kept.status_code == 200, kept.text
    assert (form.status_code, form.headers["server"]) == (413, "nginx")


def test_a_form_that_does_not_come_holds_nothing_of_the_bank(site: Site) -> None:
    head = "POST /api/v1/token HTTP/1.1\r\nHost: bank.example\r\nContent-Length: 1000\r\n\r\nname="
    before = descriptors_of(site.bank)
    with ExitStack() as held:
        for _ in range(50):
            line = held.enter_context(socket.create_connection((HOST, site.everybody)))
            held.enter_context(site.trusting().wrap_socket(line, server_hostname=HOST)).sendall(head.encode())
        with site.calling(site.everybody) as caller:
            assert caller.get("/healthz").status_code == 200

        assert descriptors_of(site.bank) < before + 25


def descriptors_of(bank: Running) -> int:
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in descendants(bank.pid))
