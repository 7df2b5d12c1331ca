"""A bank behind HTTP and DIMSE at once, and a C-STORE that sends the bytes of a file as they are."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bank import a_token, bearer, open_test_bank, serving
from imagebank.actions import retrieve
from imagebank.bank import Bank
from imagebank.dicom.scan import EXPLICIT_LE, TRANSFER_SYNTAX, file_meta
from imagebank.dimse import command as commands
from imagebank.dimse.negotiation import Request, offered, request_pdu
from imagebank.dimse.server import start
from imagebank.model.access import Scope
from imagebank.model.imaging import Instance, Selection
from protocol import dimse_peers
from protocol.dimse_peers import HOST, pdv, read_pdu

OURS = Scope(organizations=None)
_FRAGMENT = 16_000


@dataclass(frozen=True)
class Site:
    """`http` speaks for an admin, relative to the DICOMweb root; `dimse` is the same bank's other door."""

    bank: Bank
    url: str
    http: httpx.Client
    dimse: dimse_peers.Site

    def instances(self) -> list[Instance]:
        return self.bank.index.instances(Selection(), OURS)

    def held(self) -> bytes:
        """The file of the one instance that is here."""
        (instance,) = self.instances()
        return retrieve.file(self.bank, instance)

    def empty(self) -> None:
        with self.bank.index.begin() as tx:
            for study, _, _ in self.bank.index.series_of(Selection(), OURS):
                tx.remove(Selection(study=study), OURS)


@contextmanager
def a_site(folder: Path, **settings: Any) -> Iterator[Site]:
    with open_test_bank(folder, **settings) as bank, serving(bank) as url:
        server = start(bank, HOST, 0)
        try:
            with httpx.Client(base_url=f"{url}/dicom-web", headers=bearer(a_token(bank)), timeout=60) as http:
                yield Site(bank, url, http, dimse_peers.Site(bank, server))
        finally:
            server.stop(5)


def url_of(instance: Instance) -> str:
    """Below the DICOMweb root."""
    return f"/studies/{instance.study}/series/{instance.series}/instances/{instance.uid}"


def data_set_of(file: bytes) -> tuple[str, bytes]:
    """The declared transfer syntax of a file, Explicit VR Little Endian without one, and its data set's bytes."""
    meta, offset = file_meta(file, len(file))
    raw = meta.get(TRANSFER_SYNTAX)
    syntax = file[raw.offset : raw.offset + raw.length].decode("ascii").strip("\0 ") if raw else ""
    return syntax or EXPLICIT_LE, file[offset:]


def send_raw(
    port: int, data_set: bytes, *, sop_class: str, uid: str, syntax: str, aet: str = "TESTER"
) -> tuple[int | None, dict[str, Any]]:
    """C-STORE of a data set as it is: the status and the response; None when the association was aborted."""
    command = commands.encode(
        {
            "AffectedSOPClassUID": sop_class,
            "CommandField": 1,
            "MessageID": 1,
            "Priority": 0,
            "CommandDataSetType": 1,
            "AffectedSOPInstanceUID": uid,
        }
    )
    with socket.create_connection((HOST, port), timeout=60) as line:
        line.sendall(request_pdu(Request("IMAGEBANK", aet, offered([(sop_class, (syntax,))]), max_pdu_bytes=16384)))
        assert read_pdu(line)[0] == 2
        line.sendall(pdv(3, command))
        for start_at in range(0, max(len(data_set), 1), _FRAGMENT):
            is_last = start_at + _FRAGMENT >= len(data_set)
            line.sendall(pdv(2 if is_last else 0, data_set[start_at : start_at + _FRAGMENT]))
        kind, body = read_pdu(line)
        if kind != 4:
            return None, {}
        answer = dict(commands.decode(body[6:]))
        line.sendall(struct.pack(">BxI4x", 5, 4))
        return commands.number(answer, "Status"), answer
