"""Orthanc, a third party's archive, as a peer of the bank: its own folder, its own ports, ended by its process id."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bank import free_port

HOST = "127.0.0.1"
TITLE = "ORTHANC"
PLUGIN = next(Path("/usr/share/orthanc/plugins").glob("libOrthancDicomWeb.so*"), Path("libOrthancDicomWeb.so"))
BANK = "bank"
"""How Orthanc calls us, as a DICOM modality and as a DICOMweb server."""


@dataclass(frozen=True)
class Orthanc:
    """`http` speaks to its REST interface."""

    http: httpx.Client
    dicom_port: int

    def put(self, file: bytes) -> str:
        """Give it a DICOM file; its own number of the instance."""
        return str(self._done("POST", "/instances", content=file)["ID"])

    def file(self, instance: str) -> bytes:
        return self._asked("GET", f"/instances/{instance}/file").content

    def instances(self) -> list[str]:
        return [str(one) for one in self._done("GET", "/instances")]

    def empty(self) -> None:
        for study in self._done("GET", "/studies"):
            self._done("DELETE", f"/studies/{study}")

    def send_by_dimse(self, *instances: str) -> dict[str, Any]:
        """C-STORE to us; the job's summary."""
        asked = {"Resources": list(instances), "Synchronous": True}
        return dict(self._done("POST", f"/modalities/{BANK}/store", json=asked))

    def send_and_have_committed(self, *instances: str) -> dict[str, Any]:
        """C-STORE to us, then ask by storage commitment whether it is safe; the report."""
        asked = {"Resources": list(instances), "Synchronous": True, "StorageCommitment": True}
        done = self._done("POST", f"/modalities/{BANK}/store", json=asked)
        return self._report(done["StorageCommitmentTransactionUID"])

    def ask_for_commitment(self, *references: tuple[str, str]) -> dict[str, Any]:
        """Ask by storage commitment about pairs of SOP class and instance; the report."""
        asked = {"DicomInstances": [{"SOPClassUID": one, "SOPInstanceUID": other} for one, other in references]}
        done = self._done("POST", f"/modalities/{BANK}/storage-commitment", json=asked)
        return self._report(done["ID"])

    def _report(self, transaction: str) -> dict[str, Any]:
        for _ in range(200):
            report = dict(self._done("GET", f"/storage-commitment/{transaction}"))
            if report["Status"] != "Pending":
                return report
            time.sleep(0.1)
        raise AssertionError("no report of the storage commitment came")

    def send_by_web(self, *instances: str) -> dict[str, Any]:
        """STOW to us; the job's summary."""
        asked = {"Resources": list(instances), "Synchronous": True}
        return dict(self._done("POST", f"/dicom-web/servers/{BANK}/stow", json=asked))

    def search_by_dimse(self, level: str, **keys: str) -> tuple[str, list[dict[str, str]]]:
        """C-FIND at us: the query's number, and its answers by keyword."""
        query = self._done("POST", f"/modalities/{BANK}/query", json={"Level": level, "Query": keys})["ID"]
        numbers = self._done("GET", f"/queries/{query}/answers")
        return str(query), [
            dict(self._done("GET", f"/queries/{query}/answers/{number}/content?simplify")) for number in numbers
        ]

    def move_here(self, query: str) -> dict[str, Any]:
        """C-MOVE of a query's answers from us to Orthanc."""
        asked = {"TargetAet": TITLE, "Synchronous": True}
        return dict(self._done("POST", f"/queries/{query}/retrieve", json=asked))

    def search_by_web(self, path: str, **keys: str) -> list[dict[str, Any]]:
        """QIDO at us."""
        asked = {"Uri": path, "Arguments": keys}
        return list(self._done("POST", f"/dicom-web/servers/{BANK}/qido", json=asked))

    def retrieve_by_web(self, **uids: str) -> dict[str, Any]:
        """WADO from us: Study, Series, Instance by UID."""
        asked = {"Resources": [uids], "Synchronous": True}
        return dict(self._done("POST", f"/dicom-web/servers/{BANK}/retrieve", json=asked))

    def _asked(self, method: str, path: str, **rest: Any) -> httpx.Response:
        answer = self.http.request(method, path, **rest)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def _done(self, method: str, path: str, **rest: Any) -> Any:
        return self._asked(method, path, **rest).json()


@contextmanager
def an_orthanc(
    folder: Path, *, bank_title: str, bank_port: int, bank_url: str, token: str, port: int
) -> Iterator[Orthanc]:
    """Orthanc that knows the bank as a modality and as a DICOMweb server; `port` is where it speaks DICOM."""
    folder.mkdir(parents=True)
    web_port = free_port()
    config = folder / "orthanc.json"
    config.write_text(
        json.dumps(
            {
                "Name": "peer",
                "StorageDirectory": str(folder / "db"),
                "IndexDirectory": str(folder / "db"),
                "HttpPort": web_port,
                "RemoteAccessAllowed": False,
                "AuthenticationEnabled": False,
                "DicomAet": TITLE,
                "DicomPort": port,
                "TranscodeDicomProtocol": False,
                "UnknownSopClassAccepted": True,
                "SyncStorageArea": False,
                "DefaultEncoding": "Utf8",
                "DicomModalities": {BANK: [bank_title, HOST, bank_port]},
                "Plugins": [str(PLUGIN)],
                "DicomWeb": {
                    "Enable": True,
                    "Servers": {
                        BANK: {"Url": f"{bank_url}/dicom-web/", "HttpHeaders": {"Authorization": f"Bearer {token}"}}
                    },
                },
            }
        )
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["/usr/sbin/Orthanc", str(config)], stdout=log, stderr=log, cwd=folder)
        try:
            with httpx.Client(base_url=f"http://{HOST}:{web_port}", timeout=60) as http:
                _wait_until_ready(http, process, folder / "log")
                yield Orthanc(http, port)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(http: httpx.Client, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, log.read_text(errors="replace")
        try:
            if http.get("/system").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace"))
