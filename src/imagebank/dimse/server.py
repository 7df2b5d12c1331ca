"""The DIMSE listener: takes connections, decides who may associate, and ends in good order."""

import logging
import socket
import ssl
import threading
from typing import Final

from imagebank.actions import devices
from imagebank.bank import Bank
from imagebank.dicom.sop_class import is_storage
from imagebank.dimse import contexts, identifier
from imagebank.dimse.association import ASSOCIATE_RQ, Association, Lost, Reason, Released, Silent, Violation
from imagebank.dimse.handlers import Caller
from imagebank.dimse.negotiation import (
    APPLICATION_CONTEXT,
    APPLICATION_CONTEXT_UNKNOWN,
    CALLED_AET_UNKNOWN,
    CALLING_AET_UNKNOWN,
    LOCAL_LIMIT_EXCEEDED,
    NO_ABSTRACT_SYNTAX,
    NO_TRANSFER_SYNTAX,
    TEMPORARY_CONGESTION,
    Agreement,
    Proposal,
    Rejection,
    Request,
    acceptance_pdu,
    agree,
    read_request,
    rejection_pdu,
)
from imagebank.dimse.service import Service
from imagebank.dimse.tls import server_context
from imagebank.errors import Invalid, OutOfSpace, Unavailable
from imagebank.listener import Listener, resolve
from imagebank.settings import Settings

_log = logging.getLogger(__name__)

# ARTIM (PS3.8 9.1.5): how long a connection may take to say what it wants.
ARTIM_S: Final = 30.0
# Connections beyond the limit are told so; beyond this many more they are only closed.
_OVERFLOW: Final = 20


class Server:
    """One listener with a thread for each association."""

    def __init__(self, bank: Bank, host: str, port: int, tls_context: ssl.SSLContext | None) -> None:
        self._bank = bank
        self._tls = tls_context
        self._listener = Listener(host, port, "dimse", self._open)
        self.port = self._listener.port
        self._listener.start()

    @property
    def count(self) -> int:
        """How many connections are open."""
        return self._listener.count

    def stop(self, drain_s: float) -> None:
        """Take no more connections; let what is being served finish for `drain_s` seconds, then cut it off."""
        self._listener.stop(drain_s)

    def _open(self, connection: socket.socket, address: str, count: int) -> "_Line | None":
        limit = self._bank.settings.max_associations
        if count >= limit + _OVERFLOW:
            connection.close()
            return None
        return _Line(self, connection, address, is_full=count >= limit, is_secure=self._tls is not None)

    def serve(self, line: "_Line") -> None:
        """The life of one connection, in its own thread."""
        try:
            connection = self._secured(line.connection)
            line.connection = connection
            if isinstance(connection, ssl.SSLSocket):
                line.certificate = connection.getpeercert(binary_form=True) or b""
            settings = self._bank.settings
            association = Association(
                connection, max_pdu_bytes=settings.max_pdu_bytes, timeout_s=min(ARTIM_S, settings.dimse_timeout_s)
            )
            line.association = association
            _Talk(self._bank, line, association).run()
        except Lost as exc:
            _log.debug("%s: no association: %s", line.address, exc)
        except (OSError, ValueError) as exc:
            # A handshake that failed, or a connection that was cut meanwhile.
            _log.info("%s: no association: %s", line.address, exc)
        finally:
            line.connection.close()
            self._listener.leave(line)

    def _secured(self, connection: socket.socket) -> socket.socket:
        connection.settimeout(min(ARTIM_S, self._bank.settings.dimse_timeout_s))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is None:
            return connection
        if not connection.recv(1, socket.MSG_PEEK):
            raise Lost("the peer closed the connection")
        return self._tls.wrap_socket(connection, server_side=True)


class _Line:
    """One connection with its thread. `busy` is held while a message is read and served."""

    def __init__(
        self, server: Server, connection: socket.socket, address: str, *, is_full: bool, is_secure: bool
    ) -> None:
        self.connection = connection
        self.address = address
        self.is_full = is_full
        self.is_secure = is_secure
        self.certificate = b""
        self.busy = threading.Lock()
        self.is_ending = False
        self.association: Association | None = None
        self.thread = threading.Thread(target=server.serve, args=(self,), name=f"dimse from {address}", daemon=True)

    def end(self, wait_s: float) -> None:
        """End the connection between two messages, or in the midst of one when it lasts longer than `wait_s`."""
        self.is_ending = True
        is_idle = self.busy.acquire(timeout=wait_s)
        if is_idle and self.association is not None:
            self.association.abort()
        elif self.association is not None:
            self.association.cut()
        else:
            self.connection.close()
        if is_idle:
            self.busy.release()


class _Talk:
    """From the request for an association to its end."""

    def __init__(self, bank: Bank, line: _Line, association: Association) -> None:
        self._bank = bank
        self._line = line
        self._association = association

    def run(self) -> None:
        """Negotiate and serve; whatever happens, the connection is closed at the end."""
        association = self._association
        try:
            caller = self._negotiated()
            if caller is not None:
                association.wait_at_most(self._bank.settings.dimse_timeout_s)
                self._serve(Service(self._bank, caller, association))
        except Released:
            association.confirm_release()
        except Violation as exc:
            _log.warning("%s broke the protocol: %s", self._line.address, exc)
            association.abort(exc.reason)
        except Silent as exc:
            _log.info("%s: association aborted: %s", self._line.address, exc)
            association.abort(Reason.UNSPECIFIED)
        except Lost as exc:
            # An abort is not answered by another (PS3.8 9.2.3, AA-3).
            # Load balancers look every few seconds whether we listen, and say nothing.
            level = logging.INFO if association.has_heard else logging.DEBUG
            _log.log(level, "%s: association over: %s", self._line.address, exc)
        except Exception:  # noqa: BLE001 - the last guard of an edge
            _log.exception("%s: association aborted by a fault of ours", self._line.address)
            association.abort()
        finally:
            association.close()

    def _negotiated(self) -> Caller | None:
        kind, body = self._association.read_pdu()
        if kind != ASSOCIATE_RQ:
            raise Violation(f"a PDU of type {kind} before any association", Reason.UNEXPECTED_PDU)
        try:
            request = read_request(bytes((kind, 0)) + len(body).to_bytes(4, "big") + bytes(body))
        except Invalid as exc:
            raise Violation(str(exc), Reason.INVALID_PARAMETER) from exc
        known = self._admitted(request)
        if isinstance(known, tuple):
            _log.info("%s as %s: rejected %s", self._line.address, request.calling_aet, known)
            self._association.write_pdu(rejection_pdu(known))
            self._association.linger()
            return None
        agreement = agreed(request, self._bank.settings)
        self._association.begin(agreement)
        self._association.write_pdu(acceptance_pdu(agreement, self._bank.settings.max_pdu_bytes))
        _log.info("%s as %s: associated", self._line.address, request.calling_aet)
        return known

    def _admitted(self, request: Request) -> Caller | Rejection:
        settings = self._bank.settings
        if self._line.is_full:
            return LOCAL_LIMIT_EXCEEDED
        if request.application_context != APPLICATION_CONTEXT:
            return APPLICATION_CONTEXT_UNKNOWN
        wants_priors = bool(settings.priors_ae_title) and request.called_aet == settings.priors_ae_title.strip()
        ours = wants_priors or request.called_aet == settings.ae_title.strip()
        if not (ours or settings.accept_any_called_aet):
            return CALLED_AET_UNKNOWN
        try:
            address, is_secure, shown = self._line.address, self._line.is_secure, self._line.certificate
            principal = devices.caller(
                self._bank, request.calling_aet, address, resolve, is_secure=is_secure, certificate=shown
            )
        except (Unavailable, OutOfSpace) as exc:
            _log.warning("%s: cannot tell who calls: %s", self._line.address, exc)
            return TEMPORARY_CONGESTION
        if principal is None:
            self._bank.reads.refused(request.calling_aet, "", "DIMSE: association rejected", address)
            return CALLING_AET_UNKNOWN
        return Caller(principal, request.calling_aet, self._line.address, wants_priors)

    def _serve(self, service: Service) -> None:
        association, line = self._association, self._line
        timeout_s = self._bank.settings.dimse_timeout_s
        while True:
            if not association.has_input(timeout_s):
                raise Silent("the peer was silent for too long")
            with line.busy:
                if line.is_ending:
                    raise Lost("the server is stopping")
                service.serve(association.receive())


def agreed(request: Request, settings: Settings) -> Agreement:
    """What we agree to of a request for an association."""
    private = settings.private_sop_classes

    def choose(proposal: Proposal) -> str | int:
        sop_class = proposal.abstract_syntax
        if sop_class not in contexts.SERVICES and not is_storage(sop_class, private=private):
            return NO_ABSTRACT_SYNTAX
        chosen = contexts.chosen_syntax(sop_class, proposal.transfer_syntaxes, private=private)
        return NO_TRANSFER_SYNTAX if chosen is None else chosen

    extended = {
        uid: identifier.negotiated(
            asked,
            identifier.SUPPORTED_FIND_OPTIONS if uid in contexts.FIND else identifier.SUPPORTED_RETRIEVE_OPTIONS,
        )
        for uid, asked in request.extended.items()
        if uid in contexts.FIND | contexts.MOVE | contexts.GET
    }
    return agree(request, choose, extended=extended, may_be_scp=lambda uid: uid not in contexts.SERVICES)


def start(bank: Bank, host: str, port: int, *, tls: bool = False) -> Server:
    """Listen for associations; port 0 takes a free one. With `tls`, by the certificate that the settings name.

    Raises OSError when the address is taken, Invalid when a certificate cannot be used.
    """
    return Server(bank, host, port, server_context(bank.settings) if tls else None)
