"""Uploads that stop short while their connection stays open, against the program as it runs."""

import select
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from make import a_file
from protocol.dicomweb_site import a_body
from protocol.test_hostile_stow import TYPE
from running import HOST, Running, descendants, running_bank, wait_for

IDLE_S = 1.5
FORM = {"Content-Type": "multipart/form-data; boundary=B"}
FORM_BODY = b'--B\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + bytes(3 << 20)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_bank(tmp_path_factory.mktemp("silent"), upload_idle_s=IDLE_S, download_idle_s=IDLE_S) as running:
        yield running


def a_line(running: Running, path: str, headers: dict[str, str]) -> socket.socket:
    """A connection on which the header of a POST was sent."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {HOST}", f"Authorization: Bearer {running.token()}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    line = socket.create_connection((HOST, running.http_port), timeout=20)
    line.sendall("\r\n".join([*lines, "", ""]).encode())
    return line


def heard(line: socket.socket) -> bytes:
    """Everything until the server closes."""
    with line:
        return b"".join(iter(lambda: line.recv(65536), b""))


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def count(running: Running) -> int:
    with running.http() as http:
        return int(http.get("/dicom-web/instances", params={"limit": 1}).headers["x-total-count"])


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        ("/dicom-web/studies", TYPE, a_body(a_file())[:-20]),
        ("/dicom-web/studies", {"Content-Type": "application/dicom"}, a_file()[:-100]),
        ("/dicom-web/studies", TYPE, b""),
        ("/api/v1/deposits", FORM, FORM_BODY),
        ("/sign-in", {"Content-Type": "application/x-www-form-urlencoded"}, b"token=1"),
    ],
)
def test_an_upload_that_falls_silent_is_answered_and_its_connection_closed(
    running: Running, path: str, headers: dict[str, str], body: bytes, *, is_chunked: bool
) -> None:
    length = {"Transfer-Encoding": "chunked"} if is_chunked else {"Content-Length": str(len(body) + 10)}
    line = a_line(running, path, headers | length)
    line.sendall(chunk(body) if is_chunked and body else body)

    start = time.monotonic()
    answer = heard(line)

    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert b"RequestTimeout" in answer
    assert IDLE_S * 0.5 < time.monotonic() - start < IDLE_S * 4


def spooled(running: Running) -> list[str]:
    """Files without a name that some process of the bank holds open in the spool."""
    targets = []
    for link in (link for pid in descendants(running.pid) for link in Path(f"/proc/{pid}/fd").glob("*")):
        with suppress(FileNotFoundError):  # closed meanwhile
            targets.append(str(link.readlink()))
    return [target for target in targets if str(running.data / "spool") in target]


def test_what_was_spooled_of_a_silent_upload_is_let_go(running: Running) -> None:
    body = a_body(a_file(rows=2300, columns=2300))[:-100]
    line = a_line(running, "/dicom-web/studies", TYPE | {"Content-Length": str(len(body) + 100)})
    line.sendall(body)
    wait_for(lambda: spooled(running), "it is too large for memory")

    assert b" 408 " in heard(line)
    wait_for(lambda: not spooled(running), "the room is free again")


def test_what_came_whole_before_the_silence_is_kept(running: Running) -> None:
    before = count(running)
    body = a_body(a_file(), a_file())
    line = a_line(running, "/dicom-web/studies", TYPE | {"Content-Length": str(len(body))})
    line.sendall(body[:-300])

    assert b" 408 " in heard(line)
    assert count(running) == before + 1


def test_an_upload_that_is_slow_and_moves_is_taken(running: Running) -> None:
    body = a_body(a_file(rows=128, columns=128))
    line = a_line(running, "/dicom-web/studies", TYPE | {"Content-Length": str(len(body)), "Connection": "close"})
    for place in range(0, len(body), len(body) // 5 + 1):
        time.sleep(IDLE_S * 0.6)
        line.sendall(body[place : place + len(body) // 5 + 1])

    assert heard(line).startswith(b"HTTP/1.1 200 ")


def test_an_upload_that_only_trickles_is_given_up(running: Running) -> None:
    line = a_line(running, "/dicom-web/studies", TYPE | {"Content-Length": "100000"})
    start, line_is_open = time.monotonic(), True
    while line_is_open and time.monotonic() - start < IDLE_S * 10:
        time.sleep(IDLE_S / 5)
        with suppress(OSError):
            line.sendall(b"x")
        line_is_open = not select.select([line], [], [], 0)[0]

    assert b" 408 " in heard(line)


def test_a_stranger_is_not_listened_to_for_long(running: Running) -> None:
    head = f"POST /dicom-web/studies HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/dicom\r\n"
    line = socket.create_connection((HOST, running.http_port), timeout=60)
    line.sendall(f"{head}Content-Length: 100000000\r\n\r\n".encode())
    with suppress(OSError):
        for _ in range(600):
            line.sendall(bytes(2000))
            if select.select([line], [], [], 0.1)[0]:
                break

    assert heard(line).startswith(b"HTTP/1.1 401 ")


def test_a_sender_who_hangs_up_is_no_fault_of_ours(running: Running) -> None:
    with a_line(running, "/api/v1/deposits", FORM | {"Content-Length": "5000000"}) as line:
        line.sendall(FORM_BODY)
    with running.http() as http:
        http.get("/dicom-web/studies").raise_for_status()

    assert httpx.get(f"{running.url}/readyz").status_code == 200
    assert "Traceback" not in running.said()


def test_an_answer_that_takes_longer_than_the_silence_allowed_is_given_whole(running: Running, tmp_path: Path) -> None:
    (tmp_path / "large.dcm").write_bytes(file := a_file(rows=2048, columns=2048))
    assert running.import_paths([tmp_path]).status == 0
    with running.http() as http:
        (study,) = http.get("/dicom-web/instances", params={"Rows": "2048"}).json()
        url = study["00081190"]["Value"][0].removeprefix(running.url)
        with http.stream("GET", url, headers={"Accept": 'multipart/related; type="application/dicom"'}) as answer:
            size = 0
            for piece in answer.iter_raw(1 << 20):
                time.sleep(IDLE_S * 0.3)
                size += len(piece)

    assert size > len(file)


def test_an_answer_that_nobody_takes_is_given_up_and_not_said_to_be_whole(running: Running, tmp_path: Path) -> None:
    (tmp_path / "larger.dcm").write_bytes(a_file(rows=4096, columns=4096))
    assert running.import_paths([tmp_path]).status == 0
    with running.http() as http:
        (study,) = http.get("/dicom-web/instances", params={"Rows": "4096"}).json()
    url = study["00081190"]["Value"][0].removeprefix(running.url)
    head = f"GET {url} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {running.token()}\r\n"
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(60)
        line.connect((HOST, running.http_port))
        line.sendall(f"{head}Accept: multipart/related; type=application/dicom\r\n\r\n".encode())
        time.sleep(IDLE_S * 3)
        found = b"".join(iter(lambda: line.recv(1 << 20), b""))

    assert found.startswith(b"HTTP/1.1 200 ")
    assert len(found) < 4096 * 4096 * 2
    assert not found.endswith(b"0\r\n\r\n")
    assert "Traceback" not in running.said()
