"""The MLLP listener: takes connections of known systems, and answers each message on the one that brought it."""

import logging
import socket
import ssl
import threading
import time
from typing import Final

from imagebank.actions import letters
from imagebank.bank import Bank
from imagebank.errors import OutOfSpace, Unavailable
from imagebank.hl7.framing import Framer, framed
from imagebank.hl7.service import Sender, answer
from imagebank.listener import Listener, resolve

_log = logging.getLogger(__name__)

_PIECE: Final = 64 << 10
HANDSHAKE_S: Final = 30.0
SILENCE_S: Final = 30.0
"""How long a system may be silent in the midst of a message."""
MESSAGE_S: Final = 600.0
"""How long a message may take from its first byte to its last."""


class Server:
    """One listener with a thread for each connection."""

    def __init__(self, bank: Bank, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._bank = bank
        self._tls = tls
        self._listener = Listener(host, port, "mllp", self._open)
        self.port = self._listener.port
        self._listener.start()

    def stop(self, drain_s: float) -> None:
        """Take no more connections; let messages that have come whole be answered, for `drain_s` seconds at most."""
        self._listener.stop(drain_s)

    def _open(self, connection: socket.socket, address: str, count: int) -> "_Line | None":
        if count >= self._bank.settings.max_mllp_connections:
            connection.close()
            return None
        return _Line(self, connection, address)

    def serve(self, line: "_Line") -> None:
        """The life of one connection, in its own thread."""
        try:
            # Before the handshake, so that no stranger holds a place for as long as one may take.
            if letters.callers(self._bank, line.address, resolve, None):
                certificate = self._secure(line)
                peers = letters.callers(self._bank, line.address, resolve, certificate)
                self._talk(line, Sender(peers, line.address))
            else:
                self._bank.reads.refused("", "", "HL7: connection refused", line.address)
                _log.info("%s: no system is registered there", line.address)
        except (OutOfSpace, Unavailable) as error:
            _log.warning("%s: cannot tell who calls: %s", line.address, error)
        except (OSError, ValueError) as error:
            # A handshake that failed, or a connection that was cut meanwhile.
            _log.info("%s: connection over: %s", line.address, error)
        except Exception:  # noqa: BLE001 - the last guard of an edge
            _log.exception("%s: connection ended by a fault of ours", line.address)
        finally:
            line.connection.close()
            self._listener.leave(line)

    def _secure(self, line: "_Line") -> bytes:
        """Speak TLS where that is asked for; the certificate that was shown."""
        line.connection.settimeout(HANDSHAKE_S)
        line.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is None:
            return b""
        secured = self._tls.wrap_socket(line.connection, server_side=True)
        line.connection = secured
        return secured.getpeercert(binary_form=True) or b""

    def _talk(self, line: "_Line", sender: Sender) -> None:
        """Answer message after message until the peer goes, or is silent for too long."""
        settings = self._bank.settings
        framer = Framer(settings.max_message_bytes)
        began = time.monotonic()
        while not line.is_ending:
            line.connection.settimeout(SILENCE_S if framer.is_inside else settings.mllp_idle_s)
            try:
                piece = line.connection.recv(_PIECE)
            except TimeoutError:
                _log.info("%s: silent for too long", line.address)
                return
            if not piece:
                return
            if not framer.is_inside:
                began = time.monotonic()
            for frame in framer.feed(piece):
                with line.busy:
                    reply = answer(self._bank, frame, sender)
                    if reply is not None:
                        line.connection.settimeout(SILENCE_S)
                        line.connection.sendall(framed(reply))
                began = time.monotonic()
            if framer.is_inside and time.monotonic() - began > MESSAGE_S:
                _log.info("%s: a message took too long", line.address)
                return


class _Line:
    """One connection with its thread. `busy` is held while a message is done and answered."""

    def __init__(self, server: Server, connection: socket.socket, address: str) -> None:
        self.connection = connection
        self.address = address
        self.busy = threading.Lock()
        self.is_ending = False
        self.thread = threading.Thread(target=server.serve, args=(self,), name=f"mllp from {address}", daemon=True)

    def end(self, wait_s: float) -> None:
        """End the connection between two messages, or in the midst of one when it lasts longer than `wait_s`."""
        self.is_ending = True
        is_idle = self.busy.acquire(timeout=wait_s)
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            self.connection.close()
        if is_idle:
            self.busy.release()


def start(bank: Bank, host: str, port: int, tls: ssl.SSLContext | None = None) -> Server:
    """Listen for messages; port 0 takes a free one. Raises OSError when the address is taken."""
    return Server(bank, host, port, tls)
