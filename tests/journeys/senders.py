"""Senders as tests need them: by STOW-RS, by C-STORE, and slow ones that can be watched in between."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE

from bank import bearer
from imagebank.dimse import command as commands
from imagebank.dimse.command import Kind
from imagebank.dimse.negotiation import Request, offered, request_pdu
from make import read
from protocol.dicomweb_site import BOUNDARY, DICOM, a_body
from protocol.dimse_peers import pdv, read_pdu
from running import HOST, Running

CT = "1.2.840.10008.5.1.4.1.1.2"
VERIFICATION = "1.2.840.10008.1.1"
EXPLICIT = "1.2.840.10008.1.2.1"
STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
_TYPE = f"{DICOM}; boundary={BOUNDARY.decode()}"


def stow(http: httpx.Client, *files: bytes) -> httpx.Response:
    """Store files by STOW-RS."""
    return http.post("/dicom-web/studies", content=a_body(*files), headers={"Content-Type": _TYPE})


def stored(http: httpx.Client, uid: str) -> bytes | None:
    """The file that the bank holds under a SOP Instance UID; None when there is none."""
    found = http.get("/dicom-web/instances", params={"SOPInstanceUID": uid})
    assert found.status_code in (200, 204), found.text
    if found.status_code == 204 or not found.json():
        return None
    item = found.json()[0]
    study, series = (item[tag]["Value"][0] for tag in ("0020000D", "0020000E"))
    headers = {"Accept": 'application/dicom; transfer-syntax="*"'}
    answer = http.get(f"/dicom-web/studies/{study}/series/{series}/instances/{uid}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.content


def dataset_of(file: bytes) -> bytes:
    """The bytes of a file behind its header: what DIMSE carries."""
    meta = int.from_bytes(file[140:144], "little")  # (0002,0000), the length of the header behind itself
    return file[144 + meta :]


@contextmanager
def associated(running: Running, *contexts: str, aet: str = "TESTER") -> Iterator[Any]:
    """A pynetdicom association, or what is left of one that was rejected."""
    ae = AE(aet)
    # How long a busy machine takes says nothing of what is tested.
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 90
    for uid in contexts or (VERIFICATION,):
        ae.add_requested_context(uid, EXPLICIT)
    association = ae.associate(HOST, running.dimse_port, ae_title="IMAGEBANK")
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def answers_echo(running: Running, aet: str = "TESTER") -> bool:
    """Whether the DIMSE server associates with that title and answers C-ECHO."""
    with associated(running, aet=aet) as association:
        return bool(association.is_established and association.send_c_echo().get("Status") == 0)


def c_store(running: Running, *files: bytes, aet: str = "TESTER") -> list[int | None]:
    """Send CT images on one association; the status of each, None where no answer came."""
    statuses: list[int | None] = []
    with associated(running, CT, aet=aet) as association:
        for file in files:
            if not association.is_established:
                statuses.append(None)
                continue
            answer = association.send_c_store(read(file))
            statuses.append(int(answer.Status) if "Status" in answer else None)
    return statuses


class SlowStow:
    """A STOW-RS request whose second half is sent when asked for."""

    def __init__(self, running: Running, token: str, file: bytes) -> None:
        body = a_body(file)
        head = f"POST /dicom-web/studies HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(body)}\r\n"
        head += f"Authorization: {bearer(token)['Authorization']}\r\nContent-Type: {_TYPE}\r\n"
        head += "Accept: application/dicom+json\r\n\r\n"
        self._rest = body[len(body) // 2 :]
        self._line = socket.create_connection((HOST, running.http_port), timeout=60)
        self._line.sendall(head.encode() + body[: len(body) // 2])

    def finish(self) -> int:
        """Send the rest; the status of the answer."""
        with self._line:
            self._line.sendall(self._rest)
            answer = self._line.recv(1 << 16)
            return int(answer.split(b" ", 2)[1])


class SlowStore:
    """A C-STORE whose data set is sent to its end when asked for."""

    def __init__(self, running: Running, file: bytes) -> None:
        ds = read(file)
        self._line = socket.create_connection((HOST, running.dimse_port), timeout=60)
        self._line.sendall(request_pdu(Request("IMAGEBANK", "SLOW", offered([(CT, (EXPLICIT,))]), max_pdu_bytes=16384)))
        assert read_pdu(self._line)[0] == 2
        asked = C_STORE()
        asked.MessageID = 1
        asked.AffectedSOPClassUID, asked.AffectedSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
        command = commands.encode({
            "AffectedSOPClassUID": str(ds.SOPClassUID), "CommandField": int(Kind.C_STORE), "MessageID": 1,
            "Priority": 0, "CommandDataSetType": 1, "AffectedSOPInstanceUID": str(ds.SOPInstanceUID),
        })  # fmt: skip
        self._data = dataset_of(file)
        self._line.sendall(pdv(3, command) + pdv(0, self._data[: len(self._data) // 2]))

    def finish(self) -> int:
        """Send the rest; the status of the answer."""
        with self._line:
            self._line.sendall(pdv(2, self._data[len(self._data) // 2 :]))
            kind, body = read_pdu(self._line)
            assert kind == 4, f"a PDU of type {kind} instead of an answer"
            return int(commands.decode(body[6:])["Status"])


def as_files(folder: Path, *files: bytes) -> list[Path]:
    """Write DICOM files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:04}.dcm" for number, _ in enumerate(files)]
    for path, file in zip(paths, files, strict=True):
        path.write_bytes(file)
    return paths


def uid_of(file: bytes) -> str:
    return str(read(file).SOPInstanceUID)
