"""Calling devices: associations that we ask for, and what is sent over them."""

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count

from imagebank.actions.outbound import dialled
from imagebank.dimse import command as commands
from imagebank.dimse.association import ASSOCIATE_AC, ASSOCIATE_RJ, Association, Lost, Released, Violation
from imagebank.dimse.command import Command, Kind
from imagebank.dimse.contexts import MESSAGE_SYNTAXES, VERIFICATION
from imagebank.dimse.negotiation import Context, Request, offered, read_acceptance, read_rejection, request_pdu
from imagebank.dimse.status import SUCCESS
from imagebank.dimse.tls import client_context
from imagebank.errors import Invalid, NotAllowed, Unavailable
from imagebank.model.access import Device
from imagebank.settings import Settings

CONNECT_S = 10.0
Offer = tuple[str, tuple[str, ...]]
"""An abstract syntax with the transfer syntaxes proposed for it."""


@contextmanager
def associated(
    settings: Settings, device: Device, offers: Sequence[Offer], roles: Mapping[str, tuple[bool, bool]] | None = None
) -> Iterator[Association]:
    """An association with a device, released at the end, aborted on an error. Raises Unavailable.

    `roles` proposes (SCU, SCP) for us where we are not the SCU only (PS3.7 D.3.3.4).
    """
    request = Request(
        device.aet, settings.ae_title, offered(offers), max_pdu_bytes=settings.max_pdu_bytes, roles=roles or {}
    )
    association = _connected(settings, device)
    try:
        _negotiate(association, device, request)
        yield association
    except (Lost, Violation, Released) as exc:
        association.abort()
        raise Unavailable(f"device {device.aet}: {exc or 'it released the association'}") from exc
    except BaseException:
        association.abort()
        raise
    association.release()


def _connected(settings: Settings, device: Device) -> Association:
    timeout_s = settings.dimse_timeout_s
    connection = _dialled(device, min(CONNECT_S, timeout_s))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if device.tls:
        try:
            connection = client_context(settings).wrap_socket(connection, server_hostname=device.host)
        except (OSError, Invalid) as exc:
            connection.close()
            raise Unavailable(f"device {device.aet}: no TLS connection: {exc}") from exc
    return Association(connection, max_pdu_bytes=settings.max_pdu_bytes, timeout_s=timeout_s)


def _dialled(device: Device, timeout_s: float) -> socket.socket:
    """A connection to the first of a device's addresses that takes it. Raises Unavailable."""
    try:
        line = dialled(device.host, device.port, timeout_s)
    except NotAllowed as refusal:
        raise Unavailable(f"device {device.aet}: {refusal}") from refusal
    if line is None:
        raise Unavailable(f"device {device.aet} does not answer on {device.host}:{device.port}")
    return line


def _negotiate(association: Association, device: Device, request: Request) -> None:
    association.write_pdu(request_pdu(request))
    kind, body = association.read_pdu()
    pdu = bytes((kind, 0)) + len(body).to_bytes(4, "big") + bytes(body)
    try:
        if kind == ASSOCIATE_RJ:
            raise Unavailable(f"device {device.aet} rejected the association: {read_rejection(pdu)}")
        if kind != ASSOCIATE_AC:
            raise Unavailable(f"device {device.aet} aborted the association")
        agreement = read_acceptance(pdu, request)
    except Invalid as exc:
        raise Unavailable(f"device {device.aet}: {exc}") from exc
    association.begin(agreement)


_message_ids = count(1)


def new_message_id() -> int:
    """A number for a request of ours: any that is not in use on its association (PS3.7 9.3.1.1)."""
    return next(_message_ids) % 0xFFFF + 1


def request(
    association: Association,
    context: Context,
    command: Command,
    data: Iterator[bytes] | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> int:
    """Send a request of ours and wait; the status of the response. Raises Released, Lost and Violation.

    `meanwhile` is done once all is sent, while the peer works.
    """
    message_id = new_message_id()
    association.send(context, command | {"MessageID": message_id}, data)
    if meanwhile is not None:
        meanwhile()
    response = association.response_to(message_id)
    response.close()
    try:
        return commands.number(response.command, "Status")
    except Invalid as exc:
        raise Lost(str(exc)) from exc


def accepted(association: Association, abstract_syntax: str) -> list[Context]:
    """The contexts that were agreed on for an abstract syntax."""
    return [cx for cx in association.agreement.contexts.values() if cx.abstract_syntax == abstract_syntax]


def echo(settings: Settings, device: Device) -> None:
    """Verify that a device answers. Raises Unavailable, saying what was amiss."""
    with associated(settings, device, [(VERIFICATION, MESSAGE_SYNTAXES)]) as association:
        contexts = accepted(association, VERIFICATION)
        if not contexts:
            raise Unavailable(f"device {device.aet} does not offer verification")
        status = request(
            association, contexts[0], {"AffectedSOPClassUID": VERIFICATION, "CommandField": int(Kind.C_ECHO)}
        )
        if status != SUCCESS:
            raise Unavailable(f"device {device.aet} answered with status {status:#06x}")
