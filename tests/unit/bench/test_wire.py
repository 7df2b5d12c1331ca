"""The client that times: every way in which a server may send an answer, and what it says of a broken one."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from imagebank.bench import wire

BODY = b"x" * 300_000
WAYS = {
    "a length": b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 300000\r\n\r\n" + BODY,
    "chunks": b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"186a0\r\n" + BODY[:100_000] + b"\r\n30d40;name=value\r\n" + BODY[100_000:] + b"\r\n0\r\n\r\n",
    "the end of the connection": b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n" + BODY,
}


@contextmanager
def answering(answer: bytes, piece: int) -> Iterator[tuple[int, list[int]]]:
    """A server that gives the same answer to every request, in pieces; its port, and how many connections it had."""
    connections = [0]
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(connection: socket.socket) -> None:
            with connection:
                while b"\r\n\r\n" in connection.recv(65_536):
                    for start in range(0, len(answer), piece):
                        connection.sendall(answer[start : start + piece])
                    if b"Connection: close" in answer:
                        return

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connections[0] += 1
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1], connections
        listener.shutdown(socket.SHUT_RDWR)


def a_plan(port: int, folder: Path, **changes: Any) -> dict[str, Any]:
    requests: Sequence[dict[str, Any]] = [{"method": "GET", "target": f"/{n}", "headers": {}, "body": ""} for n in "ab"]
    given = {"host": "127.0.0.1", "port": port, "headers": {}, "connections": 1, "requests": requests, "seconds": 0}
    return {**given, "least": 2, "most": 2, "keep": "first", "folder": str(folder), **changes}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("piece", [1 << 20, 9_973])
def test_an_answer_ends_with(tmp_path: Path, way: str, piece: int) -> None:
    with answering(WAYS[way], piece) as (port, connections):
        told = wire.carry_out(a_plan(port, tmp_path))

    first, second = told["answers"]
    assert first[:4] == [0, 200, "text/plain", len(BODY)]
    assert second[:4] == [1, 200, "text/plain", len(BODY)]
    assert Path(first[5]).read_bytes() == BODY
    assert not second[5], "only the first one is kept"
    assert connections[0] == (2 if way == "the end of the connection" else 1)


def test_requests_begin_again_until_there_are_enough_over_as_many_connections_as_wanted(tmp_path: Path) -> None:
    with answering(WAYS["a length"], 1 << 20) as (port, connections):
        told = wire.carry_out(a_plan(port, tmp_path, connections=3, least=7, most=50, keep="none"))

    assert len(told["answers"]) == 7
    assert {one[0] for one in told["answers"]} == {0, 1}
    assert connections[0] == 3


def test_an_answer_that_breaks_off_is_an_error(tmp_path: Path) -> None:
    broken = WAYS["a length"][:1000].replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")
    with answering(broken, 1 << 20) as (port, _), pytest.raises(ConnectionError, match="before its answer was whole"):
        wire.carry_out(a_plan(port, tmp_path))
