"""An audit record repository (Debian's rsyslog) is told every line of the ledger, also after it was away."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bank import free_port, keep, open_test_bank
from imagebank.actions import trail
from imagebank.atna import delivery, syslog
from imagebank.atna.delivery import telling
from imagebank.bank import Bank
from imagebank.errors import Unavailable
from imagebank.model.access import Scope
from imagebank.model.event import Act, Event
from imagebank.model.ledger import Line
from imagebank.settings import Settings, SettingsError
from make import a_file
from protocol.rsyslog_peer import Rsyslog, make_certificates
from running import running_bank, wait_for
from unit.atna.audit_schema import details, faults

ALL = Scope(organizations=None)
BOM = b"\xef\xbb\xbf"


@pytest.fixture(params=[True, False], ids=["tls", "tcp"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rsyslog]:
    with_tls: bool = request.param
    with a_repository(tmp_path, is_tls=with_tls) as running:
        yield running


@contextmanager
def a_repository(folder: Path, *, is_tls: bool = True) -> Iterator[Rsyslog]:
    repository = Rsyslog(folder / "rsyslog", is_tls)
    repository.start()
    try:
        yield repository
    finally:
        repository.stop()


def settings_for(repository: Rsyslog, name: str = "bank") -> dict[str, Any]:
    settings: dict[str, Any] = {"atna_host": f"127.0.0.1:{repository.port}"}
    if not repository.is_tls:
        return settings | {"atna_transport": "tcp"}
    folder = repository.folder
    files = {"ca": folder / "ca.pem", "cert": folder / f"{name}.pem", "key": folder / f"{name}.key"}
    return settings | {f"atna_tls_{what}": path for what, path in files.items()}


def record(bank: Bank, *details: str) -> None:
    with bank.index.begin() as tx:
        tx.record([Event(bank.now(), Act.CHANGED, "somebody", "local", detail=detail) for detail in details])


def xml_of(received: bytes) -> bytes:
    return received.partition(BOM)[2]


def lines_of(bank: Bank) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in bank.index.ledger(ALL):
        found.setdefault(line.lane, []).append(line)
    return found


@pytest.mark.usefixtures("pauses_are_short")
def test_everything_arrives_in_order_also_what_happened_while_the_repository_was_away(
    tmp_path: Path, repository: Rsyslog
) -> None:
    with open_test_bank(tmp_path, **settings_for(repository)) as bank, telling(bank):
        keep(bank, a_file())
        repository.wait_for(1)
        repository.stop()
        with open_test_bank(tmp_path) as other:
            for number in range(40):
                record(bank, f"one {number}")
                record(other, f"two {number}", f"two {number} again")
        repository.start()
        received = [xml_of(each) for each in repository.wait_for(121)]
        lanes = lines_of(bank)

    told = [details(each)["detail"] for each in received]
    assert [fault for each in received for fault in faults(each)] == []
    assert {len(lines) for lines in lanes.values()} == {41, 80}
    for lines in lanes.values():
        wanted = [line.detail for line in lines]
        # At least once: what was on its way when the repository went down comes again.
        assert list(dict.fromkeys(detail for detail in told if detail in wanted)) == wanted


@pytest.fixture
def pauses_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_PAUSES_S", (0.1, 0.5))
    monkeypatch.setattr(delivery, "IDLE_S", 0.1)


@pytest.mark.usefixtures("pauses_are_short")
def test_nothing_is_lost_when_the_repository_goes_down_and_comes_back_while_events_happen(tmp_path: Path) -> None:
    with a_repository(tmp_path) as repository:
        with open_test_bank(tmp_path, **settings_for(repository)) as bank, telling(bank):
            done = threading.Event()

            def restart() -> None:
                for _ in range(3):
                    time.sleep(0.7)
                    repository.stop()
                    repository.start()
                done.set()

            thread = threading.Thread(target=restart)
            thread.start()
            number = 0
            while not done.is_set():
                record(bank, f"event {number}")
                number += 1
                time.sleep(0.01)
            thread.join()
            wanted = {f"event {each}" for each in range(number)}
            received: set[str] = set()
            deadline = time.monotonic() + 30
            while not wanted <= received and time.monotonic() < deadline:
                time.sleep(0.2)
                received = {details(xml_of(each))["detail"] for each in repository.received()}

        assert wanted - received == set()


def test_a_server_tells_what_its_parts_do(tmp_path: Path) -> None:
    with a_repository(tmp_path) as repository:
        with running_bank(tmp_path / "bank", **settings_for(repository)) as running:
            token = running.token()
            with running.http(token) as http:
                assert http.get("/dicom-web/studies").status_code == 204
            received = repository.wait_for(5)
            wait_for(lambda: b"110112" in b"".join(repository.received()), "the search is told")

        told = [details(xml_of(each)) for each in received]
        assert [fault for each in received for fault in faults(xml_of(each))] == []
        assert {"worker", "web"} <= {each["detail"] for each in told}


def test_the_message_is_that_of_the_standard(tmp_path: Path) -> None:
    with a_repository(tmp_path) as repository:
        with open_test_bank(tmp_path, **settings_for(repository)) as bank, telling(bank):
            record(bank, "token revoked")
            (received,) = repository.wait_for(1)

        head, _, xml = received.partition(BOM)
        version, stamp, _, name, _, kind, data = head.split()
        assert (version, name, kind, data) == (b"<85>1", b"imagebank", b"DICOM+RFC3881", b"-")
        assert stamp.endswith(b"Z")
        assert xml.startswith(b"<?xml")


def test_datagrams_hold_one_message_each(tmp_path: Path) -> None:
    with a_repository(tmp_path, is_tls=False) as repository:
        settings = {"atna_host": f"127.0.0.1:{repository.port}", "atna_transport": "udp"}
        with open_test_bank(tmp_path, **settings) as bank, telling(bank):
            record(bank, "one", "two")
            received = repository.wait_for(2)

        assert [details(xml_of(each))["detail"] for each in received] == ["one", "two"]


def test_a_stranger_s_certificate_is_not_believed(tmp_path: Path) -> None:
    make_certificates(tmp_path / "others", "bank")
    with a_repository(tmp_path) as repository:
        settings = settings_for(repository) | {"atna_tls_ca": tmp_path / "others" / "ca.pem"}
        with pytest.raises(Unavailable, match="does not answer"), syslog.Connection(Settings(**settings)):
            pass


def test_the_cursor_stays_where_it_was_when_nobody_answers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = {"atna_host": f"127.0.0.1:{free_port()}", "atna_transport": "tcp"}
    with open_test_bank(tmp_path, **settings) as bank:
        trail.begin_telling(bank)
        record(bank, "one")
        stop = threading.Event()
        with caplog.at_level(logging.WARNING):
            thread = threading.Thread(target=delivery.run, args=(bank, stop))
            thread.start()
            time.sleep(0.3)
            stop.set()
            thread.join(10)
        waiting = trail.untold(bank, "us", 10)

    assert [entry.line.detail for entry in waiting] == ["one"]
    assert "events wait in the ledger" in caplog.text


def test_a_connection_that_was_closed_takes_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = Settings(atna_host=f"127.0.0.1:{server.getsockname()[1]}", atna_transport="tcp")
        with syslog.Connection(settings) as connection:
            peer, _ = server.accept()
            peer.close()

            with pytest.raises(Unavailable, match="closed the connection"):
                connection.send([b"one"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"atna_host": "audit.example.org:514", "atna_transport": "tcp"}, "others can read"),
        ({"atna_host": "10.0.0.1:514", "atna_transport": "udp"}, "others can read"),
        ({"atna_host": "audit.example.org"}, "HOST:PORT"),
        ({"atna_host": "audit.example.org:6514", "atna_tls_ca": Path("/nowhere")}, "atna_tls_"),
    ],
)
def test_events_do_not_leave_in_the_open_by_mistake(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        syslog.check(Settings(**settings))


@pytest.mark.parametrize("host", ["localhost:514", "127.0.0.2:514", "[::1]:514"])
def test_on_this_machine_and_where_it_is_asked_for_there_need_be_no_tls(host: str) -> None:
    syslog.check(Settings(atna_host=host, atna_transport="udp"))
    syslog.check(Settings(atna_host="10.0.0.1:514", atna_transport="udp", atna_insecure=True))
