"""The archives that are measured: each in a folder of its own, on loopback, ended by its process id."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from imagebank import __version__, app
from imagebank.actions import access, devices
from imagebank.actions.commit import LATER, QUIET
from imagebank.bench import footprint, stores
from imagebank.bench.plan import Database, Objects
from imagebank.bench.servers import HOST, asked, free_port, running, wait_until_ready
from imagebank.model.access import Device, Role
from imagebank.settings import Settings, environment, load

CALLER: Final = "BENCH"
"""The title by which the clients call, and where C-MOVE sends to."""
_PAUSE_S: Final = (QUIET + LATER) / timedelta(seconds=1) + 1
_ORTHANC: Final = Path("/usr/sbin/Orthanc")
_PLUGINS: Final = Path("/usr/share/orthanc/plugins")


@dataclass(frozen=True, slots=True)
class Archive:
    """One archive that runs. `processes` are the roots of all that belongs to it, `folders` hold what it keeps."""

    name: str
    version: str
    setting: str
    port: int
    dicom_port: int
    title: str
    headers: Mapping[str, str]
    folders: tuple[Path, ...]
    processes: tuple[int, ...]
    move_port: int
    web: str = "/dicom-web"
    pause_s: float = 0.0
    """How long it waits before it begins with what follows when something came."""
    compress: Callable[[], None] = lambda: None
    """Does at once what the archive does by itself with what is old, to keep it in less room."""

    def rest(self) -> None:
        """Stop it in the middle of whatever it does, so that it takes nothing from the other one."""
        footprint.send_signal(self.processes, signal.SIGSTOP)

    def go_on(self) -> None:
        footprint.send_signal(self.processes, signal.SIGCONT)


@contextmanager
def imagebank(folder: Path, database: Database = "sqlite", objects: Objects = "files") -> Iterator[Archive]:
    """This bank as it is by default: everything encrypted, every movement in the ledger, every commit synced."""
    folder.mkdir(parents=True)
    folder.chmod(0o711)
    with ExitStack() as stack:
        given: dict[str, Any] = {"data": folder / "bank", "mllp": "", "open_loopback": True}
        # What it does five minutes after a study came is to be counted, too, and nobody waits for so long.
        given["arrival_quiet_minutes"] = (QUIET + LATER) / timedelta(minutes=1)
        beside: list[stores.Store] = []
        if database == "postgresql":
            beside.append(stack.enter_context(stores.postgresql(folder / "pg")))
        if objects != "files":
            beside.append(stack.enter_context(stores.s3(folder / "weed")))
        for one in beside:
            given |= one.settings
        if objects == "s3-journal":
            given["s3_durability"] = "journal"
        web, dimse, move = free_port(), free_port(), free_port()
        settings = load(environ={}, http=f"{HOST}:{web}", dimse=f"{HOST}:{dimse}", **given)
        token = _prepared(settings, move)
        command = [sys.executable, "-m", "imagebank", "serve"]
        process = stack.enter_context(running(command, folder / "log", folder, environment(settings)))
        wait_until_ready(process, folder / "log", web, "/readyz")
        yield Archive(
            "Imagebank",
            __version__,
            f"{_DATABASES[database]}; objects in {_OBJECTS[objects]}; AES-256-GCM and ledger on",
            web,
            dimse,
            settings.ae_title,
            {"Authorization": f"Bearer {token}"},
            (folder / "bank", *(one.folder for one in beside)),
            (process.pid, *(one.pid for one in beside)),
            move,
            pause_s=_PAUSE_S,
            compress=partial(_compressed, environment(settings), folder / "log", beside),
        )


def _compressed(settings: Mapping[str, str], log: Path, beside: Sequence[stores.Store]) -> None:
    command = [sys.executable, "-m", "imagebank", "compress", "--older-than", "0", "--at-once"]
    with log.open("ab") as out:
        subprocess.run(command, env={**settings}, stdout=out, stderr=out, check=True, timeout=1800)  # noqa: S603 - our own program
    for one in beside:
        one.tidy()


_DATABASES: Final = {
    "sqlite": "SQLite (WAL, synchronous FULL)",
    "postgresql": "PostgreSQL (fsync and synchronous_commit on)",
}
_OBJECTS: Final = {
    "files": "segment files (fdatasync before each answer)",
    "s3": "S3 (SeaweedFS)",
    "s3-journal": "S3 (SeaweedFS) behind a journal (fdatasync before each answer)",
}


def _prepared(settings: Settings, move_port: int) -> str:
    """Make the bank, with a device that calls and is sent to; a token for the HTTP clients."""
    settings.data.mkdir(mode=0o700, parents=True)
    with app.opened(settings) as bank:
        devices.add(bank, Device(CALLER, HOST, move_port, False, devices.DEVICE_RIGHTS, settings.organization))
        return access.issue_token(bank, Role.ADMIN, name="bench", days=1)


def orthanc_is_there() -> bool:
    return _ORTHANC.exists() and _plugin() is not None


def _plugin() -> Path | None:
    return next(_PLUGINS.glob("libOrthancDicomWeb.so*"), None)


@contextmanager
def orthanc(folder: Path) -> Iterator[Archive]:
    """Orthanc as Debian packages it, with its DICOMweb plugin.

    Its files are synced as they are by default; its SQLite is as it sets it, in WAL and NORMAL. Of what costs it speed
    by default, its small PDUs are set aside, as ours are large, too.
    """
    folder.mkdir(parents=True)
    web, dimse, move = free_port(), free_port(), free_port()
    config = folder / "orthanc.json"
    config.write_text(json.dumps(_orthanc_settings(folder, web, dimse, move)))
    with running([str(_ORTHANC), str(config)], folder / "log", folder) as process:
        system = json.loads(wait_until_ready(process, folder / "log", web, "/system"))
        yield Archive(
            "Orthanc",
            f"{system['Version']}, DICOMweb {_dicomweb_version(web)}",
            "SQLite (WAL, synchronous NORMAL, as it sets it); files synced (SyncStorageArea)",
            web,
            dimse,
            "ORTHANC",
            {},
            (folder / "db",),
            (process.pid,),
            move,
        )


def _orthanc_settings(folder: Path, web: int, dimse: int, move: int) -> dict[str, Any]:
    return {
        "Name": "peer",
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "HttpPort": web,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAet": "ORTHANC",
        "DicomPort": dimse,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "DicomAlwaysAllowStore": True,
        "MaximumPduLength": 131072,
        "SyncStorageArea": True,
        "KeepAlive": True,
        "TcpNoDelay": True,
        "DicomModalities": {CALLER: [CALLER, HOST, move]},
        "Plugins": [str(_plugin())],
        "DicomWeb": {"Enable": True},
    }


def _dicomweb_version(port: int) -> str:
    return str(json.loads(asked(port, "/plugins/dicom-web")).get("Version", "?"))
