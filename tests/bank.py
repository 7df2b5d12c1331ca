"""A bank of one's own for a test, and the same behind real servers on loopback."""

import atexit
import io
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import uvicorn

from imagebank.actions import access, ingest
from imagebank.app import opened, web_application
from imagebank.bank import Bank
from imagebank.bench import servers
from imagebank.dicom.sandbox import Sandbox
from imagebank.model.access import Role
from imagebank.model.imaging import Receipt, Source
from imagebank.settings import load
from schema import migrated_file

SOURCE = Source("import", "tester", "local", "127.0.0.1")
free_port = servers.free_port


@contextmanager
def open_test_bank(folder: Path, **settings: Any) -> Iterator[Bank]:
    """An embedded bank in a folder; settings by name. All have the decoder in common."""
    given = load(environ={}, **{"data": folder / "bank", **settings})
    if not given.database:
        given.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        migrated_file(given.data / "index.db")
    with opened(given) as bank:
        yield replace(bank, sandbox=_decoder())


@cache
def _decoder() -> Sandbox:
    """One for this process: its start costs as much as a whole test, and it keeps nothing of what it was given."""
    shared = Sandbox(decoders=1)
    atexit.register(shared.close)
    return shared


def keep(bank: Bank, *files: bytes, source: Source = SOURCE) -> list[Receipt]:
    """Deposit DICOM files."""
    return ingest.receive(bank, [ingest.Arrival(io.BytesIO(file), len(file)) for file in files], source)


def keep_paths(bank: Bank, paths: Sequence[Path]) -> list[Receipt]:
    return keep(bank, *(path.read_bytes() for path in paths))


def a_token(bank: Bank, role: Role = Role.ADMIN, **given: Any) -> str:
    return access.issue_token(bank, role, **given)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@contextmanager
def serving(bank: Bank, port: int = 0) -> Iterator[str]:
    """The bank's web application on loopback in a thread of this process; its address without a final slash."""
    server = uvicorn.Server(uvicorn.Config(web_application(bank), host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.started, "the web server did not start"
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
