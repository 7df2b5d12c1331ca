"""Asking other web servers: bounded, and never led on."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from imagebank.errors import Unavailable
from imagebank.http import fetch as fetching
from imagebank.http.fetch import fetch


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that gives one answer to whoever calls, and keeps the line open for a while."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            line, _ = server.accept()
            with line:
                line.recv(65536)
                line.sendall(answer)
                done.wait(20)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/path?a=b"
        finally:
            done.set()
            thread.join(10)


def test_the_status_and_the_body_come_back_and_no_redirect_is_followed() -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 2\r\n\r\nhi"
    with answering(head) as url:
        assert fetch(url, b"form", {}) == (302, b"hi")


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "LARGEST_BYTES", 10)
    with answering(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100) as url, pytest.raises(Unavailable, match="more than 10"):
        fetch(url, None, {})


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "WHOLE_S", 0.3)
    for said in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nx", b"no web server\r\n\r\n"):
        with answering(said) as url, pytest.raises(Unavailable, match=r"did not answer|to the end"):
            fetch(url, None, {})


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://169.254.169.254/latest", "https://nobody.invalid/", "http://127.0.0.1:x/"]
)
def test_places_that_are_not_there_or_not_permitted_are_not_asked(url: str) -> None:
    with pytest.raises(Unavailable):
        fetch(url, None, {})


def test_a_server_without_tls_is_not_asked_by_https() -> None:
    with answering(b"HTTP/1.1 200 OK\r\n\r\n") as url, pytest.raises(Unavailable):
        fetch(url.replace("http:", "https:"), None, {})
