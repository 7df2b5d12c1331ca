"""Syslog to an audit record repository: RFC 5424 messages over TLS (RFC 5425), TCP or UDP."""

import os
import re
import socket
import ssl
import struct
import time
from collections.abc import Sequence
from datetime import datetime
from fcntl import ioctl
from typing import Final, Self

from imagebank.errors import Unavailable
from imagebank.settings import Settings, SettingsError, host_and_port, is_this_machine

TIMEOUT_S: Final = 10.0
SETTLE_S: Final = 0.25
_PRIORITY: Final = 10 * 8 + 5
"""Facility security/authorization, severity notice (RFC 5424 6.2.1)."""
_BOM: Final = b"\xef\xbb\xbf"
_MSGID: Final = "DICOM+RFC3881"
_UNSENT: Final = 0x5411
"""SIOCOUTQ: how many bytes the peer's kernel has not acknowledged yet."""


def header(at: datetime, host: str) -> bytes:
    """What stands before the XML (RFC 5424 6.2). `at` is when the event happened."""
    name = re.sub(r"[^!-~]", "", host)[:255] or "-"
    stamp = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return f"<{_PRIORITY}>1 {stamp} {name} imagebank {os.getpid()} {_MSGID} - ".encode() + _BOM


def framed(message: bytes) -> bytes:
    """Octet counting (RFC 5425 4.3)."""
    return b"%d %b" % (len(message), message)


def check(settings: Settings) -> None:
    """Raises SettingsError for settings by which events would leave this machine in the open, or not at all."""
    if not settings.atna_host:
        return
    host, _ = address(settings.atna_host)
    if settings.atna_transport != "tls" and not (settings.atna_insecure or is_this_machine(host)):
        raise SettingsError(
            f"the setting atna_transport is {settings.atna_transport}, by which others can read what happens to "
            "patients' images; use tls, or set atna_insecure"
        )
    if settings.atna_transport == "tls":
        _context(settings)


def address(text: str) -> tuple[str, int]:
    """Split HOST:PORT; an IPv6 host stands in brackets. Raises SettingsError for anything else."""
    return host_and_port(text, "the setting atna_host", "audit.example.org:6514")


def _context(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.atna_tls_ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.atna_tls_cert is not None:
            context.load_cert_chain(settings.atna_tls_cert, settings.atna_tls_key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"the files of the settings atna_tls_… cannot be used: {error}") from None
    return context


class Connection:
    """A way to the repository. Open it as a context; every failure is Unavailable."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._is_datagram = settings.atna_transport == "udp"
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        host, port = address(self._settings.atna_host)
        try:
            self._socket = self._open(host, port)
        except OSError as error:
            raise Unavailable(f"the audit record repository {host}:{port} does not answer: {_words(error)}") from error
        return self

    def _open(self, host: str, port: int) -> socket.socket:
        if self._is_datagram:
            family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            datagrams = socket.socket(family, kind, protocol)
            datagrams.connect(where)
            return datagrams
        stream = socket.create_connection((host, port), TIMEOUT_S)
        if self._settings.atna_transport == "tcp":
            return stream
        try:
            return _context(self._settings).wrap_socket(stream, server_hostname=host)
        except BaseException:
            stream.close()
            raise

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, messages: Sequence[bytes]) -> None:
        """Send messages; returns when the repository's machine has them, and it has not hung up.

        Syslog has no acknowledgement of its own, so that is all that can be known. Raises Unavailable: none of them
        may be counted on.
        """
        assert self._socket is not None
        try:
            if self._is_datagram:
                for message in messages:
                    self._socket.send(message)
                return
            self.check_open()
            self._socket.sendall(b"".join(map(framed, messages)))
            self._settle(self._socket)
        except OSError as error:
            raise Unavailable(f"the audit record repository has hung up: {_words(error)}") from error

    def _settle(self, stream: socket.socket) -> None:
        """Wait until all bytes are acknowledged, and a little longer: who is going down when they come hangs up."""
        deadline = time.monotonic() + TIMEOUT_S
        while _unsent(stream):
            if time.monotonic() > deadline:
                raise TimeoutError("it takes nothing")
            time.sleep(0.005)
        time.sleep(SETTLE_S)
        self.check_open()

    def check_open(self) -> None:
        """Raises Unavailable when the other side has closed the connection."""
        assert self._socket is not None
        if self._is_datagram:
            return
        self._socket.setblocking(False)
        try:
            if not self._socket.recv(4096):
                raise Unavailable("the audit record repository has closed the connection")
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except OSError as error:
            raise Unavailable(f"the audit record repository has hung up: {_words(error)}") from error
        finally:
            self._socket.settimeout(TIMEOUT_S)


def _unsent(stream: socket.socket) -> int:
    return int(struct.unpack("i", ioctl(stream.fileno(), _UNSENT, b"\0\0\0\0"))[0])


def _words(error: OSError) -> str:
    return error.strerror or str(error)
