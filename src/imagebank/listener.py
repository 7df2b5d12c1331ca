"""A TCP listener with a thread for each connection, that ends in good order. For edges that speak no HTTP."""

import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

_BACKLOG: Final = 128
_POLL_S: Final = 0.2
_JOIN_S: Final = 5.0
_log = logging.getLogger(__name__)


class Line(Protocol):
    """One connection with its thread, which is not started yet."""

    thread: threading.Thread

    def end(self, wait_s: float) -> None:
        """End the connection between two messages, or in the midst of one when it lasts longer than `wait_s`."""
        ...


Open = Callable[[socket.socket, str, int], Line | None]
"""What becomes of a connection, from its peer's address and how many lines are open; None where it was closed."""


class Listener:
    """Takes connections until it is stopped, and knows the lines that are open. Port 0 takes a free one.

    Raises OSError when the address is taken.
    """

    def __init__(self, host: str, port: int, name: str, open_line: Open) -> None:
        self._open_line = open_line
        self._lock = threading.Lock()
        self._lines: set[Line] = set()
        self._stopping = threading.Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        self._socket.settimeout(_POLL_S)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._listen, name=f"{name} {self.port}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def count(self) -> int:
        """How many lines are open."""
        with self._lock:
            return len(self._lines)

    def leave(self, line: Line) -> None:
        """For a line that is over."""
        with self._lock:
            self._lines.discard(line)

    def stop(self, drain_s: float) -> None:
        """Take no more connections; let what is being served finish for `drain_s` seconds, then cut it off."""
        self._stopping.set()
        self._thread.join()
        self._socket.close()
        deadline = time.monotonic() + drain_s
        with self._lock:
            lines = list(self._lines)
        for line in lines:
            line.end(max(0.0, deadline - time.monotonic()))
        for line in lines:
            line.thread.join(_JOIN_S)

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, address = self._socket.accept()
            except TimeoutError:
                continue
            except OSError:
                # Out of descriptors, or the peer was gone before we looked: the next one may fare better.
                self._stopping.wait(_POLL_S)
                continue
            self._take(connection, plain_address(str(address[0])))

    def _take(self, connection: socket.socket, address: str) -> None:
        with self._lock:
            line = self._open_line(connection, address, len(self._lines))
            if line is None:
                return
            self._lines.add(line)
        try:
            line.thread.start()
        except RuntimeError:  # no memory or number left for a thread; whoever calls next may fare better
            _log.warning("a connection from %s was closed: no thread could be started for it", address)
            connection.close()
            self.leave(line)


def resolve(host: str) -> frozenset[str]:
    """The addresses of a host name."""
    try:
        return frozenset(plain_address(str(info[4][0])) for info in socket.getaddrinfo(host, None))
    except OSError:
        return frozenset()


def plain_address(address: str) -> str:
    """An address as it is written in a register: without a zone, and IPv4 as IPv4."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)
