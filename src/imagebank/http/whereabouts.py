"""Where the web server of a bank is, for commands that run beside it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from imagebank.settings import Settings

_NOTE: Final = "web-address"
# Who listens on every address is reached by the machine's own.
_EVERY: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - read, not bound


@contextmanager
def noted(data: Path, listener: str) -> Iterator[None]:
    """While the block runs, commands on the data folder know that the web server listens on HOST:PORT."""
    with suppress(OSError):  # a folder that cannot be written to must not keep the server from running
        (data / _NOTE).write_text(listener)
    try:
        yield
    finally:
        with suppress(OSError):
            (data / _NOTE).unlink(missing_ok=True)


def answers(data: Path) -> bool:
    """Whether a web server that was started on this folder still answers: one that was killed leaves its note."""
    try:
        host, _, port = (data / _NOTE).read_text().strip().rpartition(":")
        with socket.create_connection((_EVERY.get(host, host).strip("[]"), int(port)), timeout=1):
            return True
    except (OSError, ValueError):
        return False


def web_url(settings: Settings) -> str:
    """The address for a browser, without a final slash: the public one, else where the server runs, or would."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    listener = settings.http
    with suppress(OSError):
        listener = (settings.data / _NOTE).read_text().strip() or listener
    host, _, port = listener.rpartition(":")
    scheme = "http" if settings.http_tls_cert is None else "https"
    return f"{scheme}://{_EVERY.get(host, host)}:{port}"
