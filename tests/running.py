"""The program as an operator runs it: `imagebank serve` as a child process on loopback, and its commands."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import httpx

from bank import bearer, free_port
from imagebank import cli

HOST = "127.0.0.1"
_START_S = 90.0
_STOP_S = 60.0
_POLL_S = 0.05


class Said(NamedTuple):
    """What a command answered."""

    status: int
    out: str
    err: str


def imagebank(*arguments: str | Path, environ: Mapping[str, str] | None = None) -> Said:
    """Run a command in this process, as the program does with the same command line and environment."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), _environment(environ or {}):
        status = cli.run([str(argument) for argument in arguments])
    return Said(status, out.getvalue(), err.getvalue())


@contextmanager
def _environment(given: Mapping[str, str]) -> Iterator[None]:
    with patch.dict(os.environ, given):
        yield


def start_program(
    *arguments: str | Path,
    environ: Mapping[str, str] | None = None,
    log: Path,
    before: Sequence[str] = (),
    stdout: Any = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """The program as a child; what it says on standard error goes to the end of `log`."""
    command = [*before, sys.executable, "-m", "imagebank", *map(str, arguments)]
    with log.open("ab") as stream:
        return subprocess.Popen(command, env={**os.environ, **(environ or {})}, stdout=stdout, stderr=stream)


@dataclass
class Running:
    """A bank that runs. `pid` is the supervisor's; `log` is what its processes said on standard error."""

    data: Path
    environ: dict[str, str]
    http_port: int
    dimse_port: int
    log: Path
    process: subprocess.Popen[bytes] = field(init=False)
    _admin: str = ""

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.http_port}"

    @property
    def pid(self) -> int:
        return self.process.pid

    def start(self) -> None:
        """Start, and wait until /readyz says 200."""
        listeners = ("--http", f"{HOST}:{self.http_port}", "--dimse", f"{HOST}:{self.dimse_port}")
        self.process = start_program("serve", "--data", self.data, *listeners, environ=self.environ, log=self.log)
        wait_until_ready(self.url, self.process, self.log)

    def stop(self) -> int:
        """SIGTERM, and wait; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the bank did not end within {_STOP_S} s\n{self.tail()}") from None

    def kill(self) -> None:
        """SIGKILL every process of the bank at once."""
        kill_tree(self.process)

    def run(self, *arguments: str | Path) -> Said:
        """A command on this bank, beside the running server: `run("token", "list")`."""
        return imagebank(*arguments, "--data", self.data, environ=self.environ)

    def token(self, role: str = "admin", organization: str = "", name: str = "", days: float = 1) -> str:
        """A new bearer token."""
        given = ["--role", role, "--days", str(days)]
        given += ["--organization", organization] if organization else []
        given += ["--name", name] if name else []
        said = self.run("token", "create", *given)
        assert said.status == 0, said.err
        return said.out.strip()

    def http(self, token: str = "", **given: Any) -> httpx.Client:
        """A client with a bearer token, an admin's without one; to be closed."""
        self._admin = self._admin or self.token()
        return httpx.Client(base_url=self.url, headers=bearer(token or self._admin), timeout=60, **given)

    def sign_in_link(self, role: str = "admin") -> str:
        """A link that signs a browser in."""
        said = self.run("sign-in-link", "--role", role)
        assert said.status == 0, said.err
        return said.out.strip()

    def import_paths(self, paths: Sequence[Path]) -> Said:
        """Bring in files and folders; what an earlier import has settled is not read again."""
        return self.run("import", *paths)

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def tail(self) -> str:
        return self.said()[-4000:]


@contextmanager
def running_bank(folder: Path, **settings: Any) -> Iterator[Running]:
    """A bank in `folder/bank`, ready. It ends by SIGTERM, and has to end well. Settings by name."""
    environ = {f"IMAGEBANK_{name.upper()}": _as_text(value) for name, value in settings.items()}
    environ.setdefault("IMAGEBANK_DECODERS", "1")
    environ.setdefault("IMAGEBANK_WARM_START", "false")
    # Its default address is one for the whole machine.
    environ.setdefault("IMAGEBANK_MLLP", "")
    folder.mkdir(parents=True, exist_ok=True)
    running = Running(folder / "bank", environ, free_port(), free_port(), folder / "serve.log")
    running.start()
    try:
        yield running
    finally:
        if running.process.poll() is None:
            status = running.stop()
            assert status == 0, f"exit status {status}\n{running.tail()}"


def _as_text(value: Any) -> str:
    return ",".join(value) if isinstance(value, list | tuple) else str(value)


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until /readyz says 200; ends the process and fails with what it said when it does not."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        time.sleep(_POLL_S)
    kill_tree(process)
    raise AssertionError(f"the bank was not ready (exit status {process.poll()})\n{log.read_text()[-4000:]}")


def descendants(pid: int) -> list[int]:
    """The processes below a process, as far as they still have their parents."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        children = parents.get(queue.pop(), [])
        found += children
        queue += children
    return found


def command_line(pid: int) -> str:
    """The command line of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def role_pid(running: Running, role: str) -> int:
    """The process of a role; 0 while there is none."""
    return next((pid for pid in descendants(running.pid) if f"--role {role} " in command_line(pid)), 0)


def is_gone(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except OSError:
        return True


def wait_for(condition: Any, what: str, timeout_s: float = 120) -> None:
    """Wait until a condition holds; fails with what was waited for."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain: {what}"
        time.sleep(_POLL_S)


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL a process and everything below it, and wait until all of them are gone."""
    if process.poll() is None:
        process.send_signal(signal.SIGSTOP)  # it shall start nothing more meanwhile
    pids = [process.pid, *descendants(process.pid)]
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: all(map(is_gone, pids)), "every process is gone")
