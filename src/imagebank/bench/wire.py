"""A small HTTP client for timing, run as a program of its own so that nothing else takes its time.

It reads a plan from standard input as JSON and answers with what it saw. One thread, one socket for each connection,
kept alive where the server keeps it, and bytes thrown away as they come: what it measures is the server.
"""

import json
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_BUFFER: Final = bytearray(1 << 20)
_VIEW: Final = memoryview(_BUFFER)
_SILENCE_S: Final = 120.0
_UNTIL_CLOSED: Final = -1
_MOST_HEADER: Final = 1 << 16


@dataclass
class Answer:
    """What came back for the request of a number, and after how many seconds."""

    number: int
    status: int = 0
    content_type: str = ""
    length: int = 0
    seconds: float = 0.0
    body: bytearray | None = None


@dataclass
class Connection:
    """One connection and the request that is under way on it."""

    address: tuple[str, int]
    sock: socket.socket | None = None
    out: memoryview = field(default_factory=lambda: memoryview(b""))
    head: bytearray = field(default_factory=bytearray)
    answer: Answer | None = None
    began: float = 0.0
    left: int = 0
    chunked: bool = False
    closes: bool = False
    line: bytearray | None = None

    def ask(self, number: int, request: bytes, *, keep: bool) -> None:
        """Begin a request; a connection that was closed is opened anew, in its time."""
        self.began = time.perf_counter()
        if self.sock is None:
            self.sock = socket.create_connection(self.address, timeout=30)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.setblocking(False)
        self.out, self.head, self.left = memoryview(request), bytearray(), 0
        self.chunked, self.closes, self.line = False, False, None
        self.answer = Answer(number, body=bytearray() if keep else None)
        self.send()

    def send(self) -> None:
        assert self.sock is not None
        try:
            while self.out:
                self.out = self.out[self.sock.send(self.out) :]
        except BlockingIOError:
            pass

    def receive(self) -> bool:
        """Take what has come; whether the answer is whole. Raises OSError for one that never will be."""
        assert self.sock is not None
        assert self.answer is not None
        try:
            count = self.sock.recv_into(_BUFFER)
        except BlockingIOError:
            return False
        if not count:
            self.close()
            if self.left == _UNTIL_CLOSED:
                return self._finish()
            raise ConnectionError("the server closed the connection before its answer was whole")
        got = _VIEW[:count]
        if not self.answer.status:
            rest = self._headed(got)
            if rest is None:
                return False
            got = rest
        return self._body(got)

    def close(self) -> None:
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def _headed(self, got: memoryview) -> memoryview | None:
        """Read the header; what follows it, or None while it is not whole."""
        assert self.answer is not None
        self.head += got
        head, end, rest = bytes(self.head).partition(b"\r\n\r\n")
        if not end:
            if len(self.head) > _MOST_HEADER:
                raise ConnectionError("the header of an answer has no end")
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.answer.status = int(first.split()[1])
        self.answer.content_type = fields.get("content-type", "")
        self.closes = fields.get("connection", "").lower() == "close" or first.startswith("HTTP/1.0")
        self.chunked = "chunked" in fields.get("transfer-encoding", "").lower()
        self.line = bytearray() if self.chunked else None
        length = fields.get("content-length", "0" if self.answer.status == 204 else str(_UNTIL_CLOSED))
        self.left = 0 if self.chunked else int(length)
        return memoryview(rest)

    def _body(self, got: memoryview) -> bool:
        if self.chunked:
            return self._chunks(got)
        self._take(got)
        if self.left != _UNTIL_CLOSED:
            self.left -= len(got)
        return self.left == 0 and self._finish()

    def _chunks(self, got: memoryview) -> bool:
        """RFC 9112 7.1; `line` holds a line of a size while it is not whole, None within a chunk."""
        while got:
            if self.line is None:
                here = got[: self.left]
                self._take(here)
                self.left -= len(here)
                got = got[len(here) :]
                self.line = bytearray() if not self.left else None
                continue
            self.line.append(got[0])
            got = got[1:]
            if self.line[-2:] == b"\r\n" and len(self.line) > 2:
                self.left = int(bytes(self.line).partition(b";")[0], 16)
                self.line = None
                if not self.left:
                    # What follows is the last empty line; nobody has asked for trailers.
                    return self._finish()
            elif self.line == b"\r\n":
                self.line = bytearray()
        return False

    def _take(self, got: memoryview) -> None:
        assert self.answer is not None
        self.answer.length += len(got)
        if self.answer.body is not None:
            self.answer.body += got

    def _finish(self) -> bool:
        assert self.answer is not None
        self.answer.seconds = time.perf_counter() - self.began
        if self.closes:
            self.close()
        return True


def carry_out(plan: dict[str, Any]) -> dict[str, Any]:
    """Send the requests of a plan over its connections, again from the first on while `seconds` last."""
    requests = [_request(plan, one) for one in plan["requests"]]
    waiting = _turns(plan)
    answers: list[Answer] = []
    with selectors.DefaultSelector() as selector:
        began = time.perf_counter()
        busy = 0
        for _ in range(plan["connections"]):
            busy += _next(selector, Connection((plan["host"], plan["port"])), waiting, requests, plan["keep"])
        while busy:
            ready = selector.select(_SILENCE_S)
            if not ready:
                raise TimeoutError(f"no byte came for {_SILENCE_S:.0f} s")
            for key, events in ready:
                connection: Connection = key.data
                if events & selectors.EVENT_WRITE:
                    connection.send()
                    if not connection.out:
                        selector.modify(key.fileobj, selectors.EVENT_READ, connection)
                if events & selectors.EVENT_READ and connection.receive():
                    assert connection.answer is not None
                    answers.append(connection.answer)
                    selector.unregister(key.fileobj)
                    busy += _next(selector, connection, waiting, requests, plan["keep"]) - 1
        return _told(answers, time.perf_counter() - began, Path(plan["folder"]))


def _turns(plan: dict[str, Any]) -> Iterator[int]:
    """Requests in a row, from 0: at least `least` and at most `most` of them, beyond that while `seconds` last."""
    until = time.perf_counter() + plan["seconds"]
    for number in range(plan["most"]):
        if number >= plan["least"] and time.perf_counter() > until:
            return
        yield number


def _next(
    selector: selectors.BaseSelector, connection: Connection, waiting: Iterator[int], requests: list[bytes], keep: str
) -> int:
    """Give a connection its next request; how many it is busy with."""
    turn = next(waiting, None)
    if turn is None:
        connection.close()
        return 0
    number = turn % len(requests)
    connection.ask(number, requests[number], keep=keep == "all" or (keep == "first" and turn == 0))
    assert connection.sock is not None
    wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.out else 0)
    selector.register(connection.sock, wanted, connection)
    return 1


def _request(plan: dict[str, Any], one: dict[str, Any]) -> bytes:
    body = Path(one["body"]).read_bytes() if one["body"] else b""
    fields = {"Host": f"{plan['host']}:{plan['port']}", **plan["headers"], **one["headers"]}
    if one["body"]:
        fields["Content-Length"] = str(len(body))
    lines = [f"{one['method']} {one['target']} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def _told(answers: list[Answer], wall: float, folder: Path) -> dict[str, Any]:
    rows = []
    for index, one in enumerate(answers):
        kept = ""
        if one.body is not None:
            kept = str(folder / f"body-{index}")
            Path(kept).write_bytes(one.body)
        rows.append([one.number, one.status, one.content_type, one.length, one.seconds, kept])
    return {"wall": wall, "answers": rows}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(carry_out(json.load(sys.stdin))))
