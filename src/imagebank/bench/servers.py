"""A server as a child of the benchmark, on loopback: started, waited for, ended by its process id."""

import http.client
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from imagebank.bench import footprint
from imagebank.errors import Unavailable
from imagebank.process import end_with_parent

HOST: Final = "127.0.0.1"
_START_S: Final = 90.0
_STOP_S: Final = 40.0
_POLL_S: Final = 0.05


def free_port() -> int:
    """One below those that the kernel hands out by itself, so that nobody who calls out takes it meanwhile."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise Unavailable("no port is free")


@contextmanager
def running(
    command: Sequence[str],
    log: Path,
    folder: Path,
    environ: Mapping[str, str] | None = None,
    ending: signal.Signals = signal.SIGTERM,
) -> Iterator["subprocess.Popen[bytes]"]:
    """A server as a child; a signal ends it, SIGKILL when it does not mind that."""
    with log.open("wb") as stream:
        process = subprocess.Popen(  # noqa: S603 - a program that this module names
            command,
            stdout=stream,
            stderr=stream,
            cwd=folder,
            env=environ,
            start_new_session=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509 - one call of the kernel, and nobody holds a lock
        )
    try:
        yield process
    finally:
        footprint.send_signal([process.pid], signal.SIGCONT)
        process.send_signal(ending)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            footprint.send_signal([process.pid], signal.SIGKILL)
            process.wait()


def wait_until_ready(process: "subprocess.Popen[bytes]", log: Path, port: int, path: str) -> bytes:
    """What it answers when it is ready. Raises Unavailable with the end of its log when it does not start."""
    until = time.monotonic() + _START_S
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError, http.client.HTTPException):
            return asked(port, path)
        time.sleep(_POLL_S)
    raise Unavailable("a server did not start: {said}", said=log.read_text(errors="replace")[-2000:])


def asked(port: int, path: str, patience_s: float = 10.0) -> bytes:
    """The body of a 200. Raises OSError for anything else."""
    connection = http.client.HTTPConnection(HOST, port, timeout=patience_s)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise ConnectionError(f"{path} is answered by {answer.status}")
        return body
    finally:
        connection.close()


def wait_until_listening(port: int) -> None:
    """Raises Unavailable when nothing listens there after a while."""
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(_POLL_S)
    raise Unavailable("nothing listens on {port}", port=port)
