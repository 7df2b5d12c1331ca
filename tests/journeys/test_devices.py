"""Devices that are registered beside a running DIMSE server, in force at their next association."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from pydicom import Dataset

from authority import Authority, Pair
from bank import free_port, open_test_bank
from imagebank.actions import devices
from imagebank.listener import resolve
from imagebank.model.certificate import fingerprint
from journeys.senders import CT, STUDY_FIND, VERIFICATION, associated, c_store, uid_of
from make import a_file, read
from protocol.dimse_peers import a_destination, wait_for
from running import HOST, Running, start_program

STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Running]:
    """The DIMSE server alone, closed to whoever is not registered, with a TLS listener on its `http_port`."""
    folder = tmp_path_factory.mktemp("strict")
    environ = {"IMAGEBANK_OPEN_LOOPBACK": "false", "IMAGEBANK_DECODERS": "1"}
    running = Running(folder / "bank", environ, free_port(), free_port(), folder / "log")
    pair = authority.pair("server")
    given: list[str | Path] = [
        "serve",
        "--role",
        "dimse",
        "--data",
        folder / "bank",
        "--dimse",
        f"{HOST}:{running.dimse_port}",
    ]
    given += ["--dimse-tls", f"{HOST}:{running.http_port}", "--tls-cert", pair.cert, "--tls-key", pair.key]
    given += ["--tls-ca", authority.cert]
    running.process = start_program(*given, environ=environ, log=running.log)
    try:
        wait_for(running.dimse_port)
        wait_for(running.http_port)
        yield running
    finally:
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 0


def add(bank: Running, aet: str, port: int = 104, *more: str) -> None:
    said = bank.run("device", "add", "--aet", aet, "--host", HOST, "--port", str(port), *more)
    assert said.status == 0, said.err


def is_admitted(bank: Running, aet: str) -> bool:
    with associated(bank, VERIFICATION, aet=aet) as association:
        return bool(association.is_established)


def test_a_device_may_call_from_its_registration_to_its_removal(strict: Running) -> None:
    before = is_admitted(strict, "CT1")
    add(strict, "CT1")
    registered = is_admitted(strict, "CT1")
    listed = strict.run("device", "list").out
    removed = strict.run("device", "remove", "CT1").status

    assert (before, registered, removed) == (False, True, 0)
    assert "CT1" in listed
    assert HOST in listed
    assert not is_admitted(strict, "CT1")
    assert "CT1" not in strict.run("device", "list").out
    assert strict.run("device", "remove", "CT1").status == 1


def test_a_device_may_not_call_from_elsewhere_than_it_is_registered(strict: Running) -> None:
    said = strict.run("device", "add", "--aet", "FAR", "--host", "192.0.2.1", "--port", "104")

    assert said.status == 0
    assert not is_admitted(strict, "FAR")


def test_rights_that_change_count_from_the_next_association(strict: Running) -> None:
    add(strict, "RIGHTS", 104, "--rights", "find")
    refused = c_store(strict, a_file(), aet="RIGHTS")
    add(strict, "RIGHTS", 104, "--rights", "store")
    stored = c_store(strict, a_file(), aet="RIGHTS")
    with associated(strict, STUDY_FIND, aet="RIGHTS") as association:
        asked = Dataset()
        asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", ""
        answers = [int(status.Status) for status, _ in association.send_c_find(asked, STUDY_FIND)]

    assert refused == [0x0124]
    assert stored == [0]
    assert len(answers) == 1
    assert answers[0] not in (0, 0xFF00)


def test_a_registered_device_is_a_destination_of_c_move(strict: Running) -> None:
    file = a_file()
    add(strict, "MOVER")
    assert c_store(strict, file, aet="MOVER") == [0]
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", read(file).StudyInstanceUID
    with a_destination(sop_classes=[CT]) as received, associated(strict, STUDY_MOVE, aet="MOVER") as association:
        unknown = [int(status.Status) for status, _ in association.send_c_move(asked, "DEST", STUDY_MOVE)]
        add(strict, "DEST", received.port)
        known = [int(status.Status) for status, _ in association.send_c_move(asked, "DEST", STUDY_MOVE)]

    assert unknown == [0xA801]
    assert known[-1] == 0
    assert [uid for uid, _, _ in received.objects] == [uid_of(file)]


def test_echo_says_whether_a_device_answers(strict: Running) -> None:
    with a_destination(sop_classes=[CT]) as received:
        add(strict, "ANSWERS", received.port)
        well = strict.run("device", "echo", "ANSWERS")
    silent = strict.run("device", "echo", "ANSWERS")
    unknown = strict.run("device", "echo", "NOBODY")

    assert (well.status, silent.status, unknown.status) == (0, 1, 1)
    assert "ANSWERS" in well.out
    assert silent.err.strip()
    assert "NOBODY" in unknown.err


def test_a_tls_device_answers_over_tls_only(strict: Running, authority: Authority) -> None:
    add(strict, "IMAGEBANK", strict.http_port, "--tls")
    pair = authority.pair("client")
    strict.environ.update({
        "IMAGEBANK_TLS_CERT": str(pair.cert), "IMAGEBANK_TLS_KEY": str(pair.key),
        "IMAGEBANK_TLS_CA": str(authority.cert),
    })  # fmt: skip
    with_tls = strict.run("device", "echo", "IMAGEBANK")
    for name in ("IMAGEBANK_TLS_CERT", "IMAGEBANK_TLS_KEY"):
        del strict.environ[name]
    without_certificate = strict.run("device", "echo", "IMAGEBANK")
    add(strict, "IMAGEBANK", strict.http_port)
    without_tls = strict.run("device", "echo", "IMAGEBANK")

    assert with_tls.status == 0, with_tls.err
    assert (without_certificate.status, without_tls.status) == (1, 1)


def test_a_certificate_that_is_registered_anew_is_in_force_at_the_next_association(
    strict: Running, authority: Authority
) -> None:
    def is_let_in(pair: Pair) -> bool:
        shown = ("-aet", "BOUND", "+tls", pair.key, pair.cert, "+cf", authority.cert)
        command = ["echoscu", "-aec", "IMAGEBANK", *map(str, shown), HOST, str(strict.http_port)]
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0

    old, new = authority.pair("old"), authority.pair("new")
    add(strict, "BOUND", 104, "--certificate", str(old.cert))
    before = [is_let_in(old), is_let_in(new), is_admitted(strict, "BOUND")]
    add(strict, "BOUND", 104, "--certificate", str(new.cert))
    listed = strict.run("device", "list", "--json").out

    assert before == [True, False, False], "neither with another one, nor without TLS"
    assert [is_let_in(old), is_let_in(new)] == [False, True]
    assert {one["aet"]: one["certificate"] for one in orjson.loads(listed)}["BOUND"] == fingerprint(new.der)[:16]


@pytest.mark.parametrize(
    ("aet", "port", "named"), [("A" * 17, "104", "AE title"), ("A\\B", "104", "AE title"), ("OK", "70000", "port")]
)
def test_a_device_that_cannot_be_is_refused(strict: Running, aet: str, port: str, named: str) -> None:
    said = strict.run("device", "add", "--aet", aet, "--host", HOST, "--port", port)

    assert said.status == 2
    assert named in said.err


def test_a_strict_bank_admits_no_stranger_from_loopback(strict: Running) -> None:
    assert not is_admitted(strict, "STRANGER")


def test_a_fresh_embedded_bank_admits_any_title_from_loopback_and_nowhere_else(bank: Running, tmp_path: Path) -> None:
    assert is_admitted(bank, "STRANGER")
    with open_test_bank(tmp_path) as fresh:
        assert devices.caller(fresh, "STRANGER", "::1", resolve) is not None
        assert devices.caller(fresh, "STRANGER", "192.0.2.7", resolve) is None


def test_a_registered_title_has_its_own_address_and_rights_also_on_a_fresh_embedded_bank(bank: Running) -> None:
    add(bank, "HERE", 104, "--rights", "find")
    said = bank.run("device", "add", "--aet", "AWAY", "--host", "192.0.2.1", "--port", "104")

    assert said.status == 0
    assert c_store(bank, a_file(), aet="HERE") == [0x0124]
    assert not is_admitted(bank, "AWAY")
    assert is_admitted(bank, "STRANGER")
