"""TLS on both sides, with certificates made here."""

import logging
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid

from authority import Authority, Pair
from bank import keep
from imagebank.dimse import tls
from imagebank.dimse.contexts import STUDY_MOVE
from imagebank.dimse.server import start
from imagebank.errors import Invalid
from imagebank.model.access import Scope
from imagebank.model.certificate import fingerprint
from imagebank.model.event import Act
from imagebank.settings import load
from make import a_series
from protocol.dimse_peers import HOST, Site, a_site, a_storescp, associate, register
from running import wait_for


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def bank_pair(authority: Authority) -> Pair:
    return authority.pair("bank")


@pytest.fixture(scope="module")
def client_pair(authority: Authority) -> Pair:
    return authority.pair("client")


def echo(site: Site, *options: str | Path) -> int:
    command = ["echoscu", "-aec", "IMAGEBANK", *map(str, options), HOST, str(site.port)]
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode


def test_a_client_without_a_certificate_may_call_where_none_is_asked_for(
    tmp_path: Path, authority: Authority, bank_pair: Pair
) -> None:
    with a_site(tmp_path, tls=True, tls_cert=bank_pair.cert, tls_key=bank_pair.key) as site:
        assert echo(site, "+tla", "+cf", authority.cert) == 0
        assert echo(site) != 0, "plain DICOM on the TLS port"


def test_a_client_certificate_is_required_where_an_authority_is_named(
    tmp_path: Path, authority: Authority, bank_pair: Pair, client_pair: Pair
) -> None:
    stranger = Authority(tmp_path / "other").pair("stranger")
    settings = {"tls_cert": bank_pair.cert, "tls_key": bank_pair.key, "tls_ca": authority.cert}
    with a_site(tmp_path / "site", tls=True, **settings) as site:
        assert echo(site, "+tls", client_pair.key, client_pair.cert, "+cf", authority.cert) == 0
        assert echo(site, "+tla", "+cf", authority.cert) != 0
        assert echo(site, "+tls", stranger.key, stranger.cert, "+cf", authority.cert) != 0


def test_who_only_looks_whether_we_listen_is_no_news(
    tmp_path: Path, bank_pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "imagebank.dimse")
    with a_site(tmp_path, tls=True, tls_cert=bank_pair.cert, tls_key=bank_pair.key) as site:
        socket.create_connection((HOST, site.port)).close()
        wait_for(lambda: caplog.records, "the first connection is over")
        with socket.create_connection((HOST, site.port)) as line:
            line.sendall(b"\x16")
        wait_for(lambda: len(caplog.records) == 2, "the second connection is over")

    assert [record.levelno for record in caplog.records] == [logging.DEBUG, logging.INFO]


def test_a_device_that_is_registered_with_tls_is_rejected_on_the_plain_listener(
    tmp_path: Path, authority: Authority, bank_pair: Pair
) -> None:
    with a_site(tmp_path, tls=True, tls_cert=bank_pair.cert, tls_key=bank_pair.key) as secure:
        plain = Site(secure.bank, start(secure.bank, HOST, 0))
        register(secure, "SECURE", tls=True)
        rejected = subprocess.run(
            ["echoscu", "-aet", "SECURE", "-aec", "IMAGEBANK", HOST, str(plain.port)],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        statuses = [echo(secure, "-aet", "SECURE", "+tla", "+cf", authority.cert), echo(plain, "-aet", "OTHER")]
        plain.server.stop(5)

    assert rejected.returncode != 0
    assert "Calling AE Title Not Recognized" in rejected.stderr
    assert statuses == [0, 0]


def admitted(site: Site, aet: str, *options: str | Path) -> bool:
    """Whether echoscu is let in under a title; when it is not, it has to be because of who it is."""
    command = ["echoscu", "-aet", aet, "-aec", "IMAGEBANK", *map(str, options), HOST, str(site.port)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert said.returncode == 0 or "Calling AE Title Not Recognized" in said.stderr, said.stderr
    return said.returncode == 0


def test_a_device_with_a_certificate_calls_with_that_very_one_and_the_ledger_tells_of_others(
    tmp_path: Path, authority: Authority, bank_pair: Pair, client_pair: Pair
) -> None:
    def shows(pair: Pair) -> tuple[str | Path, ...]:
        return "+tls", pair.key, pair.cert, "+cf", authority.cert

    newer = authority.pair("newer")
    settings = {"tls_cert": bank_pair.cert, "tls_key": bank_pair.key, "tls_ca": authority.cert}
    with a_site(tmp_path, tls=True, **settings) as site:
        plain = Site(site.bank, start(site.bank, HOST, 0))
        register(site, "CT1", certificate=fingerprint(client_pair.der))
        register(site, "CT2")
        first = [admitted(site, aet, *shows(pair)) for aet in ("CT1", "CT2") for pair in (client_pair, newer)]
        first += [admitted(plain, "CT1"), admitted(plain, "CT2")]
        register(site, "CT1", certificate=fingerprint(newer.der))
        then = [admitted(site, "CT1", *shows(pair)) for pair in (client_pair, newer)]
        plain.server.stop(5)
        site.bank.reads.flush()
        events = site.bank.index.events(Scope(organizations=None))

    assert first == [True, False, True, True, False, True]
    assert then == [False, True], "in force at the next association"
    refused = [(event.principal, event.detail) for event in events if event.act is Act.REFUSED]
    assert set(refused) == {("CT1", "DIMSE: association rejected")}


def test_where_no_certificate_is_asked_for_a_device_that_has_one_is_rejected(
    tmp_path: Path, authority: Authority, bank_pair: Pair, client_pair: Pair
) -> None:
    with a_site(tmp_path, tls=True, tls_cert=bank_pair.cert, tls_key=bank_pair.key) as site:
        register(site, "CT1", certificate=fingerprint(client_pair.der))

        assert not admitted(site, "CT1", "+tls", client_pair.key, client_pair.cert, "+cf", authority.cert)


def test_storescu_deposits_over_tls(tmp_path: Path, authority: Authority, bank_pair: Pair) -> None:
    path = tmp_path / "image.dcm"
    path.write_bytes(a_series(1)[0])
    with a_site(tmp_path, tls=True, tls_cert=bank_pair.cert, tls_key=bank_pair.key) as site:
        command = ["storescu", "-aec", "IMAGEBANK", "+tla", "+cf", str(authority.cert), HOST, str(site.port), str(path)]

        assert subprocess.run(command, timeout=30, check=False).returncode == 0


def test_objects_are_moved_over_tls_with_our_certificate(
    tmp_path: Path, authority: Authority, bank_pair: Pair, client_pair: Pair
) -> None:
    study = generate_uid()
    settings: dict[str, Any] = {"tls_cert": bank_pair.cert, "tls_key": bank_pair.key, "tls_ca": authority.cert}
    secure = ("+tls", client_pair.key, client_pair.cert, "+cf", authority.cert, "-rc")
    with a_site(tmp_path / "site", **settings) as site, a_storescp(tmp_path / "there", *secure) as port:
        keep(site.bank, *a_series(2, StudyInstanceUID=study))
        register(site, "SECURE", port, tls=True)
        identifier = Dataset()
        identifier.QueryRetrieveLevel, identifier.StudyInstanceUID = "STUDY", study
        association = associate(site, STUDY_MOVE)
        statuses = [status.Status for status, _ in association.send_c_move(identifier, "SECURE", STUDY_MOVE)]
        association.release()

    assert statuses[-1] == 0x0000
    assert len(list((tmp_path / "there").iterdir())) == 2


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken_with_authenticated_encryption(
    version: ssl.TLSVersion, tmp_path: Path, authority: Authority, bank_pair: Pair
) -> None:
    context = ssl.create_default_context(cafile=authority.cert)
    context.minimum_version = context.maximum_version = version
    with a_site(tmp_path, tls=True, tls_cert=bank_pair.cert, tls_key=bank_pair.key) as site:
        association = associate(site, "1.2.840.10008.1.1", tls_args=(context, HOST))
        cipher = association.dul.socket.socket.cipher()[0]
        association.release()

    assert "GCM" in cipher or "CHACHA20" in cipher


def test_a_suite_without_forward_secrecy_is_refused(tmp_path: Path, bank_pair: Pair) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA:AES256-SHA:AES128-GCM-SHA256")
    with (
        a_site(tmp_path, tls=True, tls_cert=bank_pair.cert, tls_key=bank_pair.key) as site,
        socket.create_connection((HOST, site.port), timeout=10) as plain,
        pytest.raises((ssl.SSLError, ConnectionResetError)),
    ):
        context.wrap_socket(plain)


def test_a_listener_without_a_certificate_says_what_is_missing() -> None:
    with pytest.raises(Invalid, match="tls_cert"):
        tls.server_context(load(environ={}))


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("nothing")

    with pytest.raises(Invalid, match=r"broken\.pem"):
        tls.server_context(load(environ={}, tls_cert=broken, tls_key=broken))


def test_a_peer_that_never_shakes_hands_does_not_keep_others_waiting(
    tmp_path: Path, authority: Authority, bank_pair: Pair
) -> None:
    settings = {"tls_cert": bank_pair.cert, "tls_key": bank_pair.key}
    with (
        a_site(tmp_path, tls=True, **settings) as site,
        socket.create_connection((HOST, site.port), timeout=10),
    ):
        assert echo(site, "+tla", "+cf", authority.cert) == 0
