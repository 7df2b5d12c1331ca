"""DIMSE peers for tests: dcmtk's programs, pynetdicom on both ends, and a bare socket."""

import os
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pynetdicom import AE, AllStoragePresentationContexts, build_context, evt

from bank import free_port, open_test_bank
from imagebank.actions import devices
from imagebank.bank import Bank
from imagebank.dimse.contexts import STORAGE_SYNTAXES
from imagebank.dimse.negotiation import Request, offered, request_pdu
from imagebank.dimse.server import Server, start
from imagebank.model.access import Device, Right

HOST = "127.0.0.1"
ALL_RIGHTS = devices.DEVICE_RIGHTS


@dataclass(frozen=True)
class Site:
    """A bank with a DIMSE server before it."""

    bank: Bank
    server: Server

    @property
    def port(self) -> int:
        return self.server.port


@contextmanager
def a_site(folder: Path, *, tls: bool = False, **settings: Any) -> Iterator[Site]:
    """A bank on loopback; settings by name."""
    with open_test_bank(folder, **settings) as bank:
        server = start(bank, HOST, 0, tls=tls)
        try:
            yield Site(bank, server)
        finally:
            server.stop(5)


def register(
    site: Site,
    aet: str,
    port: int = 11112,
    *,
    rights: frozenset[Right] = ALL_RIGHTS,
    tls: bool = False,
    certificate: str = "",
    organization: str = "local",
) -> None:
    devices.add(site.bank, Device(aet, HOST, port, tls, rights, organization, certificate))


def dcmtk(program: str, site: Site, *arguments: str | Path, aet: str = "TESTER") -> subprocess.CompletedProcess[str]:
    """Run one of dcmtk's clients against the bank; it never runs for longer than a minute."""
    command = [program, "-v", "-aet", aet, "-aec", "IMAGEBANK", HOST, str(site.port), *map(str, arguments)]
    environment = {**os.environ, "TCP_NODELAY": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def a_storescp(folder: Path, *options: str | Path) -> Iterator[int]:
    """dcmtk's storescp that writes into a folder; its port."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = ["storescp", "-od", str(folder), *map(str, options), str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(port)
            yield port
        finally:
            process.terminate()


def wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with socket.socket() as probe:
            probe.settimeout(0.1)
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port}")


@dataclass
class Received:
    """What a destination got: SOP Instance UID, transfer syntax and bytes of each object, and the originator's title."""

    port: int
    objects: list[tuple[str, str, bytes]] = field(default_factory=list)
    originators: list[str] = field(default_factory=list)
    reports: list[tuple[int, Any]] = field(default_factory=list)


@contextmanager
def a_destination(
    syntaxes: Sequence[str] = STORAGE_SYNTAXES, statuses: Sequence[int] = (), sop_classes: Sequence[str] = ()
) -> Iterator[Received]:
    """pynetdicom as storage SCP that answers with the statuses in turn, then with success; takes commitment results."""
    ae = AE("DEST")
    for uid in sop_classes or [str(cx.abstract_syntax) for cx in AllStoragePresentationContexts]:
        ae.add_supported_context(uid, list(syntaxes))
    ae.add_supported_context("1.2.840.10008.1.20.1", scu_role=True, scp_role=True)
    ae.add_supported_context("1.2.840.10008.1.1")
    waiting = list(statuses)
    received = Received(free_port())

    def store(event: Any) -> int:
        request = event.request
        data = event.encoded_dataset(include_meta=False)
        received.objects.append((str(request.AffectedSOPInstanceUID), str(event.context.transfer_syntax), data))
        received.originators.append(str(request.MoveOriginatorApplicationEntityTitle or ""))
        return waiting.pop(0) if waiting else 0

    def report(event: Any) -> tuple[int, None]:
        received.reports.append((int(event.request.EventTypeID), event.event_information))
        return 0, None

    handlers: Any = [(evt.EVT_C_STORE, store), (evt.EVT_N_EVENT_REPORT, report)]
    server = ae.start_server((HOST, received.port), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield received
    finally:
        server.shutdown()


def associate(site: Site, *contexts: Any, aet: str = "TESTER", called: str = "IMAGEBANK", **options: Any) -> Any:
    """pynetdicom as requestor; the association, established."""
    ae = AE(aet)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    ae.requested_contexts = [cx if not isinstance(cx, str) else build_context(cx) for cx in contexts]
    association = ae.associate(HOST, site.port, ae_title=called, **options)
    assert association.is_established
    return association


@contextmanager
def a_line(site: Site, *offers: tuple[str, tuple[str, ...]], aet: str = "TESTER") -> Iterator[socket.socket]:
    """A bare connection; with offers, an association is asked for and the answer read."""
    with socket.create_connection((HOST, site.port), timeout=20) as line:
        if offers:
            line.sendall(request_pdu(Request("IMAGEBANK", aet, offered(offers), max_pdu_bytes=16384)))
            assert read_pdu(line)[0] == 2
        yield line


def pdv(control: int, data: bytes, context: int = 1) -> bytes:
    """A P-DATA PDU with one fragment: control 1 is a command, 2 the last of its kind, 3 both."""
    return struct.pack(">BxIIBB", 4, len(data) + 6, len(data) + 2, context, control) + data


def read_pdu(line: socket.socket) -> tuple[int, bytes]:
    """One PDU: its type and body; (0, b"") when the other end closed."""
    head = _exactly(line, 6)
    if len(head) < 6:
        return 0, b""
    return head[0], _exactly(line, int.from_bytes(head[2:], "big"))


def _exactly(line: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        try:
            more = line.recv(size - len(data))
        except ConnectionResetError:
            return data
        if not more:
            return data
        data += more
    return data
