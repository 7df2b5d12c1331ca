"""Asking another web server: at the address that was looked at, for a bounded time, for a bounded answer."""

import http.client
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from imagebank.actions.outbound import dialled
from imagebank.errors import NotAllowed, Unavailable

CONNECT_S: Final = 5.0
WHOLE_S: Final = 15.0
LARGEST_BYTES: Final = 1 << 20
_PIECE: Final = 256 << 10


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer of any length: its head, and its body piece by piece, which raises Unavailable where it breaks off."""

    status: int
    content_type: str
    pieces: Iterator[bytes]


def post(address: str, pieces: Iterable[bytes], headers: Mapping[str, str]) -> tuple[int, bytes]:
    """POST a body of any length, piece by piece: the status and the answer's body. Raises Unavailable.

    Sending takes as long as it takes, as long as each piece is taken within the time of a whole answer.
    """
    url = urlsplit(address)
    host, is_https = url.hostname or "", url.scheme == "https"
    port = url.port or (443 if is_https else 80)
    connection = (http.client.HTTPSConnection if is_https else http.client.HTTPConnection)(host, port, timeout=WHOLE_S)
    try:
        connection.sock = _dialled(host, port, is_https=is_https)
        connection.request("POST", url.path, pieces, dict(headers), encode_chunked=True)
        answer = connection.getresponse()
        read = answer.read(LARGEST_BYTES + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable("{host} did not take what was sent; it is tried again", host=host) from error
    finally:
        connection.close()
    return answer.status, read


def fetch(
    address: str, body: bytes | None, headers: Mapping[str, str], whole_s: float | None = None
) -> tuple[int, bytes]:
    """GET an address, or POST a body to it: the status and the body. No redirect is followed. Raises Unavailable.

    The answer has to be there `whole_s` seconds after the connection, `WHOLE_S` where nobody says.
    """
    url = urlsplit(address)
    host, is_https = url.hostname or "", url.scheme == "https"
    kind = http.client.HTTPSConnection if is_https else http.client.HTTPConnection
    try:
        port = url.port or (443 if is_https else 80)
    except ValueError as error:
        raise Unavailable("there is an address with a port that is none") from error
    limit = WHOLE_S if whole_s is None else whole_s
    connection = kind(host, port, timeout=limit)
    try:
        connection.sock = line = _dialled(host, port, is_https=is_https, limit_s=limit)
        # A server that sends a byte now and then would hold a thread for ever.
        clock = threading.Timer(limit, _cut, (line,))
        clock.daemon = True
        clock.start()
        try:
            path = (url.path or "/") + (f"?{url.query}" if url.query else "")
            connection.request("GET" if body is None else "POST", path, body, dict(headers))
            answer = connection.getresponse()
            read = answer.read(LARGEST_BYTES + 1)
        finally:
            clock.cancel()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable("{host} did not answer as a web server does; try again", host=host) from error
    finally:
        connection.close()
    if len(read) > LARGEST_BYTES:
        raise Unavailable("{host} answered with more than {most} bytes", host=host, most=LARGEST_BYTES)
    if answer.length:
        raise Unavailable("{host} did not answer to the end; try again", host=host)
    return answer.status, read


@contextmanager
def streamed(address: str, headers: Mapping[str, str]) -> Iterator[Streamed]:
    """GET an address whose answer may be long. No redirect is followed; each piece has the time of a whole answer.

    Raises Unavailable.
    """
    url = urlsplit(address)
    host, is_https = url.hostname or "", url.scheme == "https"
    port = url.port or (443 if is_https else 80)
    connection = (http.client.HTTPSConnection if is_https else http.client.HTTPConnection)(host, port, timeout=WHOLE_S)
    try:
        try:
            connection.sock = _dialled(host, port, is_https=is_https)
            connection.request("GET", url.path, None, dict(headers))
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unavailable("{host} did not answer as a web server does; try again", host=host) from error
        yield Streamed(answer.status, answer.getheader("Content-Type", ""), _pieces(host, answer))
    finally:
        connection.close()


def _pieces(host: str, answer: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while piece := answer.read1(_PIECE):
            yield piece
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable("{host} did not answer to the end; try again", host=host) from error


def _dialled(host: str, port: int, *, is_https: bool, limit_s: float | None = None) -> socket.socket:
    limit = WHOLE_S if limit_s is None else limit_s
    try:
        line = dialled(host, port, min(CONNECT_S, limit))
    except NotAllowed as refusal:
        raise Unavailable(str(refusal)) from refusal
    if line is None:
        raise Unavailable("{host} does not answer on port {port}", host=host, port=port)
    line.settimeout(limit)
    if not is_https:
        return line
    try:
        return ssl.create_default_context().wrap_socket(line, server_hostname=host)
    except OSError:
        line.close()
        raise


def _cut(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
