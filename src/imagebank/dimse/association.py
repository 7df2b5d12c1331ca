"""One association over one socket: PDUs in, messages out, and back (PS3.8 9.3, PS3.7 6.3.1, PS3.8 annex E).

One thread reads and writes; nothing is queued, so a peer that does not read stops its own thread and nobody else's
memory. Whoever serves the messages knows nothing of what is below them.
"""

import contextlib
import select
import socket
import ssl
import struct
import time
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Final

from imagebank.dimse import command as commands
from imagebank.dimse.command import Command, Kind
from imagebank.dimse.message import Message, OpenSpool, Spool, small_spool
from imagebank.dimse.negotiation import Agreement, Context
from imagebank.errors import Invalid

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)

# A peer that counts its headers differently than we do is forgiven; more is refused before memory is taken for it.
PDU_SLACK: Final = 4096
# 128 contexts with 60 transfer syntaxes each come to a quarter of this.
MAX_ASSOCIATE_BYTES: Final = 1 << 20
MAX_COMMAND_BYTES: Final = 64 << 10
# With `unlimited` from the peer, and the most that is collected before the socket is called.
OWN_SEND_BYTES: Final = 128 << 10
MAX_PENDING_MESSAGES: Final = 8
_TOGETHER_BYTES: Final = 16 << 10
_TOGETHER_S: Final = 0.002
_ABORT_TIMEOUT_S: Final = 2.0

_PDU: Final = struct.Struct(">BxI")
_PDV: Final = struct.Struct(">IBB")
_PDU_AND_PDV: Final = struct.Struct(">BxIIBB")
_IS_COMMAND, _IS_LAST = 1, 2


class Reason(IntEnum):
    """Reasons of an A-ABORT by the service provider (PS3.8 table 9-26)."""

    UNSPECIFIED = 0
    UNRECOGNISED_PDU = 1
    UNEXPECTED_PDU = 2
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


class Released(Exception):
    """The peer asked to release the association."""


class Lost(Exception):
    """The association is over without a release: aborted by the peer, or cut off."""


class Silent(Lost):
    """The peer neither reads nor writes."""


class Violation(Exception):
    """The peer broke the protocol; the association has to be aborted for the reason given."""

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(message)
        self.reason = reason


class Association:
    """Reads and writes the PDUs of one connection. `max_pdu_bytes` is the most that we take, `timeout_s` how long the
    peer may neither read nor write. `has_heard` says whether a byte ever came.
    """

    def __init__(self, connection: socket.socket, *, max_pdu_bytes: int, timeout_s: float) -> None:
        self._socket = connection
        self._max_pdu_bytes = max_pdu_bytes
        self._buffer = memoryview(bytearray(max_pdu_bytes + PDU_SLACK))
        self._fragments: list[tuple[int, int, memoryview]] = []
        self._messages: list[Message] = []
        self._cancelled: set[int] = set()
        self._agreement: Agreement | None = None
        self._out = bytearray()
        self._sent_at = 0.0
        self._room = 0
        self._last_told: tuple[Command, bool, bytes] = {}, False, b""
        self.has_heard = False
        self.open_spool: OpenSpool = small_spool
        connection.settimeout(timeout_s)

    @property
    def agreement(self) -> Agreement:
        assert self._agreement is not None, "there is no agreement before `begin`"
        return self._agreement

    def begin(self, agreement: Agreement) -> None:
        """From now on messages may come and go."""
        self._agreement = agreement
        # What fits into a presentation data value; less than two bytes leave no room for a value at all.
        self._room = max(min(agreement.max_pdu_bytes or OWN_SEND_BYTES, OWN_SEND_BYTES) - 6, 2)

    def wait_at_most(self, timeout_s: float) -> None:
        """How long the peer may neither read nor write from now on."""
        self._socket.settimeout(timeout_s)

    def linger(self) -> None:
        """Wait until the peer closes, so that our last PDU is read before the connection is reset (PS3.8 9.2.3 Sta13)."""
        with contextlib.suppress(OSError):
            self._socket.settimeout(_ABORT_TIMEOUT_S)
            while self._socket.recv(4096):
                pass

    def read_pdu(self) -> tuple[int, memoryview]:
        """The next PDU: its type, and the bytes after its length, valid until the next call.

        Raises Lost and Violation.
        """
        self._fill(self._buffer[:6])
        kind, length = _PDU.unpack_from(self._buffer)
        if not ASSOCIATE_RQ <= kind <= ABORT:
            raise Violation(f"a PDU of the unknown type {kind}", Reason.UNRECOGNISED_PDU)
        if length > self._longest(kind):
            raise Violation(f"a PDU of type {kind} that claims {length} bytes", Reason.INVALID_PARAMETER)
        body = self._buffer[:length] if length <= len(self._buffer) else memoryview(bytearray(length))
        self._fill(body)
        return kind, body

    def _longest(self, kind: int) -> int:
        if kind in (ASSOCIATE_RQ, ASSOCIATE_AC):
            # Once there is an agreement, another one is out of place, and no memory is taken for it.
            return MAX_ASSOCIATE_BYTES if self._agreement is None else PDU_SLACK
        return len(self._buffer) if kind == P_DATA else PDU_SLACK

    def write_pdu(self, pdu: bytes | bytearray | memoryview) -> None:
        """Send a whole PDU, or several. Raises Lost."""
        try:
            self._socket.sendall(pdu)
        except TimeoutError as exc:
            raise Silent("the peer stopped reading") from exc
        except OSError as exc:
            raise Lost("the connection broke while we wrote") from exc

    def _fill(self, view: memoryview) -> None:
        # A byte now and then is silence, too: each part of a PDU has to be whole in time.
        deadline = time.monotonic() + (self._socket.gettimeout() or 0)
        try:
            while view:
                count = self._socket.recv_into(view)
                if not count:
                    raise Lost("the peer closed the connection")
                self.has_heard = True
                view = view[count:]
                if view and time.monotonic() > deadline:
                    raise Silent("the peer writes too slowly")
        except TimeoutError as exc:
            raise Silent("the peer stopped writing") from exc
        except OSError as exc:
            raise Lost("the connection broke while we read") from exc

    def has_input(self, wait_s: float = 0) -> bool:
        """Whether something came from the peer that was not looked at yet."""
        if self._fragments or self._messages:
            return True
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        try:
            readable, _, _ = select.select([self._socket], [], [], wait_s)
        except (OSError, ValueError) as exc:
            raise Lost("the connection was closed") from exc
        return bool(readable)

    def receive(self) -> Message:
        """The next message, whole. Raises Released, Lost and Violation."""
        return self._messages.pop(0) if self._messages else self._assemble()

    def _assemble(self) -> Message:
        context, command = self._command()
        if command.get("CommandDataSetType", commands.NO_DATA_SET) == commands.NO_DATA_SET:
            return Message(context, command)
        spool = self.open_spool(context, command)
        try:
            self._receive_data_set(context, spool)
        except BaseException:
            spool.close()
            raise
        return Message(context, command, spool)

    def _receive_data_set(self, context: Context, spool: Spool) -> None:
        is_last = 0
        while not is_last:
            id_, control, fragment = self._next_fragment()
            if control & _IS_COMMAND or id_ != context.id:
                raise Violation("a data set broken off by another message", Reason.UNEXPECTED_PARAMETER)
            spool.write(fragment)
            is_last = control & _IS_LAST

    def _command(self) -> tuple[Context, Command]:
        collected = bytearray()
        while True:
            id_, control, fragment = self._next_fragment()
            if not control & _IS_COMMAND:
                raise Violation("a data set without a command", Reason.UNEXPECTED_PARAMETER)
            collected += fragment
            if len(collected) > MAX_COMMAND_BYTES:
                raise Violation("a command set without an end", Reason.INVALID_PARAMETER)
            if control & _IS_LAST:
                break
        context = self.agreement.contexts.get(id_)
        if context is None:
            raise Violation(f"a message in context {id_}, which was not agreed on", Reason.UNEXPECTED_PARAMETER)
        try:
            return context, commands.decode(bytes(collected))
        except Invalid as exc:
            raise Violation(str(exc), Reason.INVALID_PARAMETER) from exc

    def _next_fragment(self) -> tuple[int, int, memoryview]:
        if self._out:
            self._flush()  # nobody answers what did not come
        while not self._fragments:
            kind, body = self.read_pdu()
            if kind == RELEASE_RQ:
                raise Released
            if kind == ABORT:
                raise Lost("the peer aborted the association")
            if kind != P_DATA:
                raise Violation(f"a PDU of type {kind} in an association", Reason.UNEXPECTED_PDU)
            self._fragments = list(_fragments(body))[::-1]
        return self._fragments.pop()

    def is_cancelled(self, message_id: int) -> bool:
        """Whether a C-CANCEL for an operation of ours has come. Reads what is there, and keeps other messages for later.

        Raises Released, Lost and Violation.
        """
        while message_id not in self._cancelled and self._has_unread():
            self._set_aside(self._assemble())
        if message_id not in self._cancelled:
            return False
        self._cancelled.discard(message_id)
        return True

    def _has_unread(self) -> bool:
        waiting, self._messages = self._messages, []
        try:
            return self.has_input()
        finally:
            self._messages = waiting

    def _set_aside(self, message: Message) -> None:
        if message.kind == Kind.C_CANCEL:
            self._cancelled.add(commands.number(message.command, "MessageIDBeingRespondedTo"))
            return
        self._messages.append(message)
        if len(self._messages) > MAX_PENDING_MESSAGES:
            # We agreed to one operation at a time (PS3.7 D.3.3.3).
            raise Violation("more operations at a time than were agreed on", Reason.UNEXPECTED_PDU)

    def response_to(self, message_id: int) -> Message:
        """The response to a request of ours; what comes in between is kept. Raises Released, Lost and Violation."""
        while True:
            message = self._assemble()
            is_response = bool(message.kind & commands.RESPONSE)
            if is_response and message.command.get("MessageIDBeingRespondedTo") == message_id:
                return message
            self._set_aside(message)

    def forget_cancels(self) -> None:
        """A C-CANCEL that came too late is of no use (PS3.7 9.3.2.3)."""
        self._cancelled.clear()

    def send(
        self,
        context: Context,
        command: Command,
        data: Iterator[bytes] | bytes | None = None,
        *,
        is_followed: bool = False,
    ) -> bool:
        """Send one message; whether all is sent now. Raises Lost; whatever `data` raises leaves the association unusable.

        One that is followed at once by another may wait for that, for two milliseconds or 16 KiB, so that many small
        ones take one call of the kernel, and wake the peer once.
        """
        told = self._told(command, has_data=data is not None)
        if isinstance(data, bytes) and len(told) <= self._room and len(data) <= self._room:
            self._collect(context.id, _IS_COMMAND | _IS_LAST, told)
            self._collect(context.id, _IS_LAST, data)
        else:
            self._cut(context.id, _IS_COMMAND, (told,))
            if data is not None:
                self._cut(context.id, 0, (data,) if isinstance(data, bytes) else data)
        now = time.monotonic()
        if is_followed and len(self._out) < _TOGETHER_BYTES and now < self._sent_at + _TOGETHER_S:
            return False
        self._sent_at = now
        self._flush()
        return True

    def _told(self, command: Command, *, has_data: bool) -> bytes:
        """A command as bytes; the answers to a query have all the same."""
        last, had_data, told = self._last_told
        if command is not last or has_data is not had_data:
            kind = commands.HAS_DATA_SET if has_data else commands.NO_DATA_SET
            told = commands.encode(command | {"CommandDataSetType": kind})
            self._last_told = command, has_data, told
        return told

    def _cut(self, context: int, control: int, data: Iterable[bytes]) -> None:
        for part, is_last in _cut(data, self._room):
            self._collect(context, control | (_IS_LAST if is_last else 0), part)

    def _collect(self, context: int, control: int, part: bytes | memoryview) -> None:
        self._out += _PDU_AND_PDV.pack(P_DATA, len(part) + 6, len(part) + 2, context, control)
        self._out += part
        if len(self._out) >= OWN_SEND_BYTES:
            self._flush()

    def _flush(self) -> None:
        self.write_pdu(self._out)
        self._out.clear()

    def release(self) -> None:
        """Ask for a release and wait for the answer; then close."""
        with contextlib.suppress(Lost, Violation):
            self.write_pdu(_PDU.pack(RELEASE_RQ, 4) + bytes(4))
            while True:
                kind, _ = self.read_pdu()
                if kind == RELEASE_RQ:  # both at once (PS3.8 7.2.2)
                    self.write_pdu(_PDU.pack(RELEASE_RP, 4) + bytes(4))
                if kind in (RELEASE_RP, ABORT):
                    break
        self.close()

    def confirm_release(self) -> None:
        """Grant the peer's wish to release, and close."""
        with contextlib.suppress(Lost):
            self.write_pdu(_PDU.pack(RELEASE_RP, 4) + bytes(4))
        self.close()

    def abort(self, reason: Reason | None = None) -> None:
        """Abort as the service user, or as the provider with a reason; and close. Never waits for a peer that is stuck."""
        source = 0 if reason is None else 2
        with contextlib.suppress(OSError, ValueError):
            self._socket.settimeout(_ABORT_TIMEOUT_S)
            self._socket.sendall(_PDU.pack(ABORT, 4) + bytes((0, 0, source, reason or 0)))
        self.close()

    def close(self) -> None:
        """Let go of the connection and of what was set aside."""
        for message in self._messages:
            message.close()
        self._messages = []
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def cut(self) -> None:
        """End the connection from another thread: the thread that serves it gets Lost."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _fragments(body: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """The presentation data values of a P-DATA-TF: context, control header, and the bytes."""
    position = 0
    while position < len(body):
        if position + 6 > len(body):
            raise Violation("a P-DATA PDU ends within a header", Reason.INVALID_PARAMETER)
        length, context, control = _PDV.unpack_from(body, position)
        end = position + 4 + length
        if length < 2 or end > len(body):
            raise Violation("a presentation data value longer than its PDU", Reason.INVALID_PARAMETER)
        yield context, control, body[position + 6 : end]
        position = end


def _cut(data: Iterable[bytes], room: int) -> Iterator[tuple[memoryview, bool]]:
    """Pieces of at most `room` bytes, and whether each is the last. An empty data set is one empty piece."""
    held = memoryview(b"")
    for chunk in data:
        view = memoryview(chunk)
        if held and view:
            yield held, False
            held = memoryview(b"")
        while len(view) > room:
            yield view[:room], False
            view = view[room:]
        if view:
            held = view
    yield held, True
