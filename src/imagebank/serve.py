"""Role processes: `web`, `dimse`, `worker` and `hl7`, each alone, or all under one supervisor.

A role loads its own server only; the supervisor loads none.
"""

import logging
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Literal

from imagebank import app, descriptors, logs, stem
from imagebank.bank import Bank
from imagebank.errands import have_done
from imagebank.errors import BankError, Unavailable
from imagebank.http.readiness import note_down
from imagebank.http.whereabouts import noted, web_url
from imagebank.process import end_with_parent, loading, until_signal
from imagebank.settings import Settings, SettingsError, environment, host_and_port, unknown_variables
from imagebank.stem import Forked

Role = Literal["web", "dimse", "worker", "hl7"]
ROLES: tuple[Role, ...] = ("web", "dimse", "worker", "hl7")
"""The one that takes longest to start comes first."""

DRAIN_S = 20.0
ASKED_AT_ONCE = 3
"""Questions to other archives that one worker asks at a time."""
# A connection without a whole header, and one that stays open for the next request, is closed after this.
_HEADER_S = 10.0
_MOST_CONNECTIONS = 4096
# What is handed over of a body at once, at most; a connection that sends holds as much.
_PIECE_BYTES = 1 << 20
_START_S = 60.0
_WATCH_S = 0.5
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
# A role that ran for longer than this has started well, and its next pause is the first again.
_WELL_S = 60.0
# One that was started again counts as down until it has run for this long: it may only be on its way to the next fall.
_UNSURE_S = 5.0
_TAKEN = "%s is taken, so that no HL7 messages are listened for; choose another by --mllp"
_log = logging.getLogger(__name__)


def run(settings: Settings, role: Role) -> None:
    """Run one role in this process until SIGTERM or SIGINT."""
    # Anew: as a command, the program logs warnings only.
    logs.begin(logging.INFO, "%(asctime)s %(levelname)s %(name)s %(message)s", anew=True)
    descriptors.raised()
    _warn_of_variables()
    {"web": _web, "dimse": _dimse, "worker": _worker, "hl7": _hl7}[role](settings)


def _warn_of_variables() -> None:
    for name in unknown_variables():
        _log.warning("no setting has the name of the environment variable %s; it has no effect", name)


def _warn_of_readers(data: Path) -> None:
    """Names of patients stand in the database. What an older bank or another hand has made is left as it is."""
    if not _is_open(data):
        return
    for path in (data, *sorted(data.glob("index.db*"))):
        if _is_open(path):
            _log.warning("others on this machine may look into %s; close it by chmod go-rwx", path)


def _is_open(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & 0o077)


def _web(settings: Settings) -> None:
    from granian.constants import HTTPModes, Interfaces, SSLProtocols
    from granian.http import HTTP1Settings
    from granian.server import Server

    host, port = address(settings.http)
    cert, key = _web_tls(settings)
    os.environ.update(environment(settings, {}))
    server = Server(
        "imagebank.app:web",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        # The choice between versions waits for the first bytes without end; HTTP/1.1 alone ends.
        http=HTTPModes.http1,
        workers=settings.web_workers,
        factory=True,
        websockets=False,
        ssl_cert=cert,
        ssl_key=key,
        # RFC 9325 3.1; rustls offers suites with forward secrecy and AEAD only.
        ssl_protocol_min=SSLProtocols.tls12,
        log_access=False,
        # Its own lines by our handler.
        log_dictconfig={"formatters": {}, "handlers": {}, "loggers": {"_granian": {"propagate": True}}},
        http1_settings=HTTP1Settings(header_read_timeout=int(_HEADER_S * 1000), max_buffer_size=_PIECE_BYTES),
        backlog=1024,
        backpressure=_most_connections(descriptors.raised()),
        respawn_failed_workers=True,
        workers_kill_timeout=int(DRAIN_S),
    )
    with noted(settings.data, settings.http):
        server.serve()


def _most_connections(files: int) -> int:
    """How many connections a web process holds, idle ones and those without a header, too; beyond, callers wait.

    Half of its descriptors stay for what comes through them.
    """
    return max(64, min(_MOST_CONNECTIONS, files // 2))


def _web_tls(settings: Settings) -> tuple[Path | None, Path | None]:
    """Certificate and key of the web server. Raises SettingsError for one without the other, and for what is neither."""
    cert, key = settings.http_tls_cert, settings.http_tls_key
    if cert is None and key is None:
        return None, None
    if cert is None or key is None:
        raise SettingsError("TLS of the web server needs both http_tls_cert and http_tls_key")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"http_tls_cert {cert} and http_tls_key {key} cannot be used: {error}") from error
    return cert, key


def _dimse(settings: Settings) -> None:
    with loading():
        from imagebank.actions import devices
        from imagebank.actions.trail import running
        from imagebank.dimse.server import start as start_dimse

    with until_signal() as stop, app.opened(settings) as bank, running(bank, "dimse"):
        servers = [start_dimse(bank, *address(settings.dimse))]
        if settings.dimse_tls:
            servers.append(start_dimse(bank, *address(settings.dimse_tls), tls=True))
        if settings.warm_start:
            devices.warm(bank)
        stop.wait()
        for server in servers:
            server.stop(DRAIN_S)


def _hl7(settings: Settings) -> None:
    with loading():
        from imagebank.actions.trail import running
        from imagebank.dimse.tls import server_context
        from imagebank.hl7.listener import start as start_hl7

    with until_signal() as stop, app.opened(settings) as bank, running(bank, "hl7"):
        servers = []
        if settings.mllp:
            try:
                servers.append(start_hl7(bank, *address(settings.mllp)))
            except OSError:
                # Another bank may have taken it since the supervisor looked.
                if settings.mllp != Settings().mllp:
                    raise
                _log.warning(_TAKEN, settings.mllp)
        if settings.mllp_tls:
            servers.append(start_hl7(bank, *address(settings.mllp_tls), server_context(settings)))
        stop.wait()
        for server in servers:
            server.stop(DRAIN_S)


def _worker(settings: Settings) -> None:
    with loading():
        from imagebank import worker
        from imagebank.actions.ledger import closed
        from imagebank.actions.trail import running
        from imagebank.atna.delivery import telling
        from imagebank.dimse.commitment import deliver_commitment
        from imagebank.dimse.routing import deliver_routes

    work = {**worker.WORK, "commitment-result": deliver_commitment, "route": deliver_routes, **app.transfer_work()}
    with (
        until_signal() as stop,
        app.opened(settings, is_beside=True) as bank,
        closed(bank),
        telling(bank),
        running(bank, "worker"),
        worker.beside(bank, app.mail_work()) if settings.smtp else nullcontext(),
        _with_archives(bank) if settings.archives_file else nullcontext(),
        worker.uploading(bank) if bank.journal else nullcontext(),
    ):
        worker.run(bank, stop, work)


@contextmanager
def _with_archives(bank: Bank) -> Iterator[None]:
    """Ask other archives, some at once, and fetch from them: one that hangs keeps nothing else waiting."""
    from imagebank import worker

    with ExitStack() as stack:
        for work in (*(app.asking_work() for _ in range(ASKED_AT_ONCE)), app.recalling_work()):
            stack.enter_context(worker.beside(bank, work))
        yield


def address(text: str) -> tuple[str, int]:
    """Split HOST:PORT; an IPv6 host stands in brackets. Raises SettingsError for anything else."""
    return host_and_port(text, "an address", "127.0.0.1:8080")


def _check_free(host: str, port: int) -> None:
    """Look first: servers that share a port would take each other's callers."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Unavailable(
                f"{host}:{port} cannot be used: {error.strerror}; is another server running there?"
            ) from None


def _without_taken_default(settings: Settings) -> Settings:
    """Without MLLP where nobody chose its address and another bank on this machine has it: the rest starts all the same."""
    if not settings.mllp or settings.mllp != Settings().mllp:
        return settings
    try:
        _check_free(*address(settings.mllp))
    except Unavailable:
        _log.warning(_TAKEN, settings.mllp)
        return replace(settings, mllp="")
    return settings


class Supervisor:
    """Holds the role processes: starts them, starts one again that died, and ends them in good order."""

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        self._settings = _without_taken_default(settings)
        self._children: dict[Role, Forked | subprocess.Popen[bytes]] = {}
        self._revived: dict[Role, float] = {}
        self._due: dict[Role, float] = {}
        self._pauses: dict[Role, float] = {}
        self._stop = stop

    @property
    def _listeners(self) -> list[str]:
        given = (self._settings.dimse, self._settings.dimse_tls, self._settings.mllp, self._settings.mllp_tls)
        return [listener for listener in (*given, self._settings.http) if listener]

    @property
    def _roles(self) -> list[Role]:
        speaks_hl7 = self._settings.mllp or self._settings.mllp_tls
        return [role for role in ROLES if role != "hl7" or speaks_hl7]

    def start(self) -> None:
        """Start every role, all at once; returns when each listener answers.

        Until then /readyz says no: when it says yes, devices may call, too.
        Raises Unavailable when an address is taken or a part does not come up.
        """
        for host, port in list(map(address, self._listeners)):
            _check_free(host, port)
        have_done("prepare", self._settings)
        note_down(self._settings.data, is_down=True)
        for role in self._roles:
            self._spawn(role)
        for listener in self._listeners:
            self._wait_for(listener)
        note_down(self._settings.data, is_down=False)

    def _spawn(self, role: Role) -> None:
        self._children[role] = _started(role, environment(self._settings))

    def _wait_for(self, listener: str) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and not self._stop.is_set():
            if any(child.poll() is not None for child in self._children.values()):
                raise Unavailable("a part of the server ended while it started; its message stands above")
            note_down(self._settings.data, is_down=True)
            try:
                with socket.create_connection(address(listener), timeout=1):
                    return
            except OSError:
                time.sleep(0.05)
        if not self._stop.is_set():
            raise Unavailable(f"nothing answers on {listener}")

    def watch(self) -> None:
        """Stay until asked to stop. A role that dies is started again, the others go on meanwhile, and /readyz says so."""
        while not self._stop.wait(_WATCH_S):
            for role in self._roles:
                if self._children[role].poll() is not None:
                    self._revive(role)
            note_down(self._settings.data, is_down=any(map(self._is_down, self._roles)))

    def _is_down(self, role: Role) -> bool:
        return role in self._due or time.monotonic() - self._revived.get(role, -_UNSURE_S) < _UNSURE_S

    def _revive(self, role: Role) -> None:
        """Start a dead role when its pause is over: what ends it, such as a database that is away, may last."""
        now = time.monotonic()
        if role not in self._due:
            was_well = role not in self._revived or now - self._revived[role] > _WELL_S
            pause_s = _FIRST_PAUSE_S if was_well else min(2 * self._pauses[role], _LONGEST_PAUSE_S)
            self._pauses[role] = pause_s
            self._due[role] = now + pause_s
            _log.warning("%s ended; starting it again in %.0f s", role, pause_s)
        elif now >= self._due[role]:
            self._revived[role] = now
            try:
                self._spawn(role)
            except OSError as error:  # memory or numbers of processes are short: the other roles go on
                self._due[role] = now + _LONGEST_PAUSE_S
                _log.warning("%s could not be started (%s); it is tried again", role, error.strerror)
            else:
                del self._due[role]

    def stop(self) -> None:
        """End every role: first those that take requests, and let them finish what they have begun."""
        for child in self._children.values():
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + DRAIN_S + 5
        for child in self._children.values():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if self._children:
            try:
                have_done("sign", self._settings)
            except BankError as error:
                _log.warning("the end of the ledger could not be signed: %s", error)


def _started(role: Role, environ: Mapping[str, str]) -> "Forked | subprocess.Popen[bytes]":
    """A process of the role: forked off the stem where we are, too; else a program of its own."""
    if forking := stem.ours():
        file = stem.noted(environ)
        try:
            return forking.fork(role, {}, file)
        except OSError as error:
            _log.warning("%s is started by itself, as it could not be forked: %s", role, error)
        finally:
            os.close(file)
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "imagebank", "serve", "--role", role],
        env=environ,
        start_new_session=True,
        preexec_fn=end_with_parent,  # noqa: PLW1509 - one call of the kernel, and nobody holds a lock
    )


@contextmanager
def supervised(settings: Settings) -> Iterator[Supervisor]:
    """Every role runs and answers; SIGTERM and SIGINT end `watch`, and the roles end with the block."""
    with until_signal() as stop:
        supervisor = Supervisor(settings, stop)
        try:
            supervisor.start()
            yield supervisor
        finally:
            supervisor.stop()


def supervise(settings: Settings) -> int:
    """Run every role until SIGTERM or SIGINT; the exit status."""
    from imagebank.atna import syslog

    syslog.check(settings)
    _warn_of_variables()
    _warn_of_readers(settings.data)
    with supervised(settings) as supervisor:
        _say_how_the_first_admin_gets_in(settings)
        supervisor.watch()
    return 0


def _say_how_the_first_admin_gets_in(settings: Settings) -> None:
    """It is said to whoever reads the output of the server, at each start until there is an admin."""
    from imagebank.actions.account import LINK_HOURS

    code = have_done("invite", settings)
    if code:
        words = f"No admin has an account yet. This link makes one, once, within {LINK_HOURS} hours"
        sys.stdout.write(f"{words}:\n{web_url(settings)}/activate/{code}\n")
        sys.stdout.flush()
