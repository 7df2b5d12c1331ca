"""Running the server: ready, drained, revived, and quiet about people."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from bank import free_port, open_test_bank
from imagebank.actions import retrieve
from imagebank.model.access import Scope
from imagebank.model.imaging import Selection
from imagebank.model.uid import Uid
from imagebank.settings import load
from imagebank.stem import is_possible
from journeys.senders import SlowStore, SlowStow, answers_echo, as_files, c_store, stored, stow, uid_of
from make import a_file
from running import (
    HOST,
    Running,
    command_line,
    descendants,
    imagebank,
    is_gone,
    role_pid,
    running_bank,
    start_program,
    wait_for,
    wait_until_ready,
)


def test_a_bank_says_that_it_lives_and_is_ready(bank: Running) -> None:
    for path in ("/healthz", "/readyz"):
        assert httpx.get(bank.url + path).status_code == 200


def test_every_root_of_the_interface_is_there(bank: Running) -> None:
    with bank.http() as http:
        answers = {
            path: http.get(path).status_code
            for path in (
                "/",
                "/dicom-web/studies",
                "/wado",
                "/api/v1/quarantine",
                "/api/openapi.json",
                "/healthz",
                "/readyz",
            )
        }
    viewer = httpx.get(f"{bank.url}/viewer/", follow_redirects=False).status_code

    assert answers.pop("/wado") == 400
    assert set(answers.values()) <= {200, 204}
    assert viewer in (200, 303)


def test_defaults_are_those_that_others_lean_on() -> None:
    settings = load(environ={})

    assert (settings.http, settings.dimse, settings.ae_title) == ("127.0.0.1:8080", "127.0.0.1:11112", "IMAGEBANK")
    assert settings.accepts_strangers
    assert not load(environ={"IMAGEBANK_DATABASE": "postgresql://db/bank"}).accepts_strangers


def test_it_stores_over_every_edge_at_once(bank: Running, tmp_path: Path) -> None:
    by_http, by_dimse, by_import = files = [a_file(), a_file(), a_file()]

    with bank.http() as http:
        assert stow(http, by_http).status_code == 200
        assert c_store(bank, by_dimse) == [0]
        assert bank.import_paths(as_files(tmp_path / "in", by_import)).status == 0
        kept = [stored(http, uid_of(file)) for file in files]
    assert kept[0] == by_http
    assert kept[2] == by_import
    assert kept[1] is not None
    assert kept[1].endswith(by_dimse[-128:])


def test_every_role_runs_alone_by_a_settings_file(tmp_path: Path) -> None:
    web, dimse = free_port(), free_port()
    config = tmp_path / "imagebank.toml"
    config.write_text(
        f'data = "{tmp_path / "bank"}"\nhttp = "{HOST}:{web}"\ndimse = "{HOST}:{dimse}"\nae_title = "FILED"\n'
        "decoders = 1\n"
    )
    log = tmp_path / "log"
    token = imagebank("token", "create", "--config", config, "--role", "admin").out.strip()
    environ = {"IMAGEBANK_AE_TITLE": "IMAGEBANK"}  # stands before the file
    roles = {
        role: start_program("serve", "--role", role, "--config", config, environ=environ, log=log)
        for role in ("web", "dimse", "worker")
    }
    running = Running(tmp_path / "bank", environ, web, dimse, log)
    try:
        wait_until_ready(running.url, roles["web"], log)
        wait_for(lambda: accepts(dimse), "DIMSE listens", 60)
        file = a_file()
        statuses = c_store(running, file)
        with running.http(token) as http:
            kept = stored(http, uid_of(file))
        wait_for(lambda: waiting_jobs(tmp_path / "bank") == 0, "the worker has made the series's metadata ready")
    finally:
        for process in roles.values():
            process.send_signal(signal.SIGTERM)
        ended = {role: process.wait(60) for role, process in roles.items()}

    assert statuses == [0]
    assert kept is not None
    assert ended == {"web": 0, "dimse": 0, "worker": 0}


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def waiting_jobs(data: Path) -> int:
    said = subprocess.run(
        ["sqlite3", "-readonly", data / "index.db", "SELECT count(*) FROM job WHERE kind = 'metadata'"],
        capture_output=True,
        check=False,
    )
    return int(said.stdout or -1)


def test_sigterm_lets_what_has_begun_end_well(tmp_path: Path) -> None:
    by_http, by_dimse = a_file(rows=256, columns=256), a_file(rows=64, columns=64)
    with running_bank(tmp_path) as running:
        slow_http = SlowStow(running, running.token(), by_http)
        slow_dimse = SlowStore(running, by_dimse)
        time.sleep(1)
        running.process.send_signal(signal.SIGTERM)
        time.sleep(2)
        statuses = slow_http.finish(), slow_dimse.finish()
        ended = running.process.wait(60)

    assert statuses == (200, 0)
    assert ended == 0
    with open_test_bank(tmp_path) as kept:
        for file in (by_http, by_dimse):
            assert retrieve.select(kept, Selection(instance=Uid(uid_of(file))), Scope.of("local"))


@pytest.mark.parametrize("role", ["dimse", "worker", "web"])
def test_a_role_that_is_killed_is_started_again(bank: Running, role: str) -> None:
    killed = role_pid(bank, role)
    below = descendants(killed)
    os.kill(killed, signal.SIGKILL)

    wait_for(lambda: role_pid(bank, role) not in (0, killed), f"{role} is started again")
    wait_for(lambda: all(map(is_gone, below)), "nothing of the killed role is left")
    wait_for(lambda: answers(bank), "the bank answers again", 60)
    assert answers_echo(bank)


@pytest.mark.parametrize("role", ["dimse", "worker"])
def test_a_bank_is_not_ready_while_a_role_is_down(bank: Running, role: str) -> None:
    os.kill(role_pid(bank, role), signal.SIGKILL)

    wait_for(lambda: httpx.get(f"{bank.url}/readyz").status_code == 503, "the bank says that it is not ready", 10)
    assert httpx.get(f"{bank.url}/healthz").status_code == 200
    wait_for(lambda: answers(bank), "the bank is ready again", 60)
    assert role_pid(bank, role)


def answers(bank: Running) -> bool:
    try:
        return accepts(bank.dimse_port) and httpx.get(f"{bank.url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def test_no_part_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with running_bank(tmp_path) as running:
        parts = descendants(running.pid)
        running.process.kill()
        running.process.wait()

        wait_for(lambda: all(map(is_gone, parts)), "every part is gone")
        running.start()
        assert answers_echo(running)


def test_what_is_logged_names_no_patient(tmp_path: Path, bank: Running) -> None:
    named = {"PatientName": "Zwiebelfisch^Ottokar", "PatientID": "QX-4711-Z"}
    good, other = a_file(**named), a_file(**named)
    same_uid = a_file(**named, SOPInstanceUID=uid_of(good))
    broken = a_file(**named, StudyInstanceUID=None)

    said = bank.import_paths(as_files(tmp_path / "in", good, same_uid, broken, other[: len(other) - 99]))
    c_store(bank, a_file(**named), same_uid, broken)
    with bank.http() as http:
        stow(http, a_file(**named), same_uid, broken, other[:700])
        http.get("/dicom-web/studies", params={"PatientName": "Zwiebelfisch*", "limit": "nonsense"})
    for text in (said.out, said.err, bank.said()):
        for secret in ("Zwiebelfisch", "ZWIEBELFISCH", "Ottokar", "QX-4711-Z"):
            assert secret not in text


def test_command_lines_hold_no_secrets(bank: Running) -> None:
    lines = [command_line(pid) for pid in (bank.pid, *descendants(bank.pid))]
    key = (bank.data / "root.key").read_text().strip()

    assert len(lines) >= 4
    assert not any(key in line or "ib_" in line for line in lines)


def test_a_variable_that_is_no_setting_is_warned_of_once_and_without_its_value(tmp_path: Path) -> None:
    with running_bank(tmp_path, databse="postgresql://nobody:secret@127.0.0.1:1/bank") as running:
        said = running.said()
        held = memory(running.pid) if is_possible() else b""

    assert said.count("IMAGEBANK_DATABSE (did you mean IMAGEBANK_DATABASE?)") == 1
    assert "secret" not in said
    # Decoders are forked off the first process: what it never held, no hostile file finds.
    assert b"nobody:secret" not in held


def memory(pid: int) -> bytes:
    """What a process may write to of its memory."""
    found = []
    with Path(f"/proc/{pid}/mem").open("rb", 0) as stream:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            if line.split()[1].startswith("rw"):
                stream.seek(start)
                found.append(stream.read(end - start))
    return b"".join(found)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["frobnicate"], "frobnicate"),
        (["serve", "--frobnicate", "1"], "frobnicate"),
        (["serve", "--role", "cook"], "cook"),
        (["serve", "--http", "8080"], "8080"),
        (["serve", "--http", "nowhere:port"], "nowhere:port"),
        (["token", "create", "--role", "cook"], "cook"),
        (["token", "create"], "role"),
        (["token", "create", "--role", "admin", "--days", "many"], "many"),
        (["device", "add", "--aet", "A", "--host", "h", "--port", "1", "--rights", "steal"], "rights"),
        (["import"], "import"),
        (["serve", "--config", "no-such-file.toml"], "no-such-file.toml"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(tmp_path: Path, arguments: list[str], named: str) -> None:
    said = imagebank(*arguments, "--data", tmp_path / "bank")

    assert said.status == 2
    assert named in said.err + said.out
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("line", "named"),
    [("colour = 'blue'", "colour"), ("decoders = 'many'", "decoders"), ("data = [", "imagebank.toml")],
)
def test_a_setting_that_is_unknown_or_wrong_ends_with_2_and_its_name(tmp_path: Path, line: str, named: str) -> None:
    config = tmp_path / "imagebank.toml"
    config.write_text(line + "\n")
    said = imagebank("serve", "--config", config, "--data", tmp_path / "bank")

    assert said.status == 2
    assert named in said.err


def test_a_wrong_value_in_the_environment_ends_with_2_and_its_name(tmp_path: Path) -> None:
    said = imagebank("verify", "--data", tmp_path / "bank", environ={"IMAGEBANK_MAX_PDU_BYTES": "huge"})

    assert said.status == 2
    assert "max_pdu_bytes" in said.err


def test_the_command_line_stands_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    config = tmp_path / "imagebank.toml"
    config.write_text(f'public_url = "http://from.file"\ndata = "{tmp_path / "from-file"}"\n')
    asked, made = ("sign-in-link", "--config", config), ("device", "add", "--aet", "A", "--host", "h", "--port", "104")
    imagebank(*made, "--config", config)

    assert imagebank(*asked).out.startswith("http://from.file/")
    environ = {"IMAGEBANK_PUBLIC_URL": "http://from.environment", "IMAGEBANK_DATA": str(tmp_path / "from-environment")}
    imagebank(*made, environ=environ)
    assert imagebank(*asked, environ=environ).out.startswith("http://from.environment/")
    imagebank(*made, "--data", tmp_path / "from-line", environ=environ)
    assert all((tmp_path / f"from-{where}" / "index.db").exists() for where in ("file", "environment", "line"))


@pytest.mark.parametrize(
    ("settings", "status", "named"),
    [
        ({"DATABASE": "postgresql://nobody:secret@127.0.0.1:1/bank"}, 1, "database did not answer"),
        ({"DATABASE": "mysql://nobody:secret@127.0.0.1:1/bank"}, 2, "postgresql://"),
        ({"DATABASE": "secret"}, 2, "postgresql://"),
        (
            {"OBJECTS": "s3://bucket/x", "S3_ENDPOINT": "http://127.0.0.1:1", "S3_SECRET_KEY": "secret"},
            1,
            "object store",
        ),
        ({"OBJECTS": "ftp://bucket/x"}, 1, "s3://bucket"),
        ({"ATTRIBUTES": "nonsense"}, 2, "nonsense"),
        ({"DATA": "/proc/no-such-folder"}, 1, "/proc/no-such-folder"),
        ({"DATA": __file__}, 1, __file__),
    ],
)
def test_a_part_that_cannot_be_reached_is_named_without_secrets(
    tmp_path: Path, settings: dict[str, str], status: int, named: str
) -> None:
    environ = {f"IMAGEBANK_{name}": value for name, value in ({"DATA": str(tmp_path / "bank")} | settings).items()}
    said = imagebank("token", "create", "--role", "admin", environ=environ)

    assert said.status == status
    assert named in said.err
    assert "secret" not in said.err


@pytest.mark.parametrize("listener", ["http", "dimse", "dimse-tls"])
def test_an_address_that_is_taken_is_named_in_clear_words(tmp_path: Path, listener: str) -> None:
    addresses = {"http": f"{HOST}:{free_port()}", "dimse": f"{HOST}:{free_port()}"}
    with socket.create_server((HOST, 0)) as other:
        addresses[listener] = f"{HOST}:{other.getsockname()[1]}"
        given = [part for name, address in addresses.items() for part in (f"--{name}", address)]
        said = imagebank("serve", "--data", tmp_path / "bank", *given)

    assert said.status == 1
    assert addresses[listener] in said.err
    assert "in use" in said.err


def test_sigterm_while_it_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    given = ("--http", f"{HOST}:{free_port()}", "--dimse", f"{HOST}:{free_port()}")
    process = start_program("serve", "--data", tmp_path / "bank", *given, log=tmp_path / "log")
    wait_for(lambda: descendants(process.pid) or process.poll() is not None, "the first role is started", 60)
    parts = descendants(process.pid)
    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0
    wait_for(lambda: all(map(is_gone, parts)), "every part is gone")


def test_a_part_that_cannot_start_ends_the_server_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "broken.pem").write_text("this is no certificate")
    given = ["--http", f"{HOST}:{free_port()}", "--dimse", f"{HOST}:{free_port()}"]
    given += ["--dimse-tls", f"{HOST}:{free_port()}"]
    given += ["--tls-cert", str(tmp_path / "broken.pem"), "--tls-key", str(tmp_path / "broken.pem")]
    process = start_program("serve", "--data", tmp_path / "bank", *given, log=tmp_path / "log")

    assert process.wait(90) == 1
    said = (tmp_path / "log").read_text()
    assert "broken.pem" in said
    assert "Traceback" not in said
