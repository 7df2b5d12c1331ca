"""A process that loads the program once and has nothing else to do: others are forked off it, and share its memory.

It has one thread, and no secret: who asks names the work and passes descriptors, and only what was forked reads them. So
a decoder, too, which may be taken over by a hostile file, finds nothing in its memory but the program. Linux only;
elsewhere, and where no stem runs, each process loads the program for itself.
"""

import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import pairwise
from types import FrameType
from typing import Any, Final, NoReturn

import msgspec

from imagebank.process import DECODING, end_with_parent

Work = Callable[[Mapping[str, Any], Sequence[int]], int]
"""What a forked process does with what it was given and the descriptors that came along; its exit status."""

_HEARD: Final[dict[int, "signal.Handlers | Callable[[int, FrameType | None], Any]"]] = {
    signal.SIGCHLD: signal.SIG_DFL,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGINT: signal.default_int_handler,
}
# What Python and the loader of libraries are told by whoever runs us; nothing in it is secret.
_KEPT: Final = ("PYTHON", "LD_")
_MOST_BYTES: Final = 64 << 10
_MOST_FILES: Final = 4
_PID: Final = 8
_START_S: Final = 60.0
_log = logging.getLogger(__name__)


class Stem:
    """The way to the stem. It may be held by any number of processes and threads."""

    def __init__(self, asking: socket.socket) -> None:
        self._asking = asking

    def fork(self, work: str, given: Mapping[str, Any], *files: int) -> "Forked":
        """Have it begin a work, with a channel and more files. Raises OSError when no process begins within a minute."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                socket.send_fds(self._asking, [msgspec.msgpack.encode((work, given))], [theirs.fileno(), *files])
            ours.settimeout(_START_S)
            said, handles, _, _ = socket.recv_fds(ours, _PID, 1, socket.MSG_CMSG_CLOEXEC)
        if len(said) != _PID or not handles:
            raise ConnectionResetError("the stem did not fork")
        return Forked(int.from_bytes(said, "little"), handles[0])

    def close(self) -> None:
        self._asking.close()


_ours: Stem | None = None


def ours() -> Stem | None:
    """The way to the stem that this process was forked off; None for one that loaded the program for itself."""
    return _ours


class Forked:
    """A process that the stem has forked for us: what `subprocess.Popen` is for a child, as far as we need it."""

    def __init__(self, pid: int, handle: int) -> None:
        self.pid = pid
        self._handle = handle

    def __del__(self) -> None:
        os.close(self._handle)

    def poll(self) -> int | None:
        """None while it runs. Which exit status it had, only the stem knows."""
        return 0 if self._is_over(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        if not self._is_over(timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return 0

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)

    def _is_over(self, timeout_s: float | None) -> bool:
        with selectors.PollSelector() as selector:
            selector.register(self._handle, selectors.EVENT_READ)
            return bool(selector.select(timeout_s))


def noted(values: Mapping[str, str]) -> int:
    """A file in memory for a forked process to read, which the stem itself never does. To be closed."""
    file = os.memfd_create("noted")
    with open(os.dup(file), "wb") as stream:  # noqa: PTH123 - it has no path
        stream.write(msgspec.msgpack.encode(values))
    return file


def read(file: int) -> dict[str, str]:
    """What was noted there; the file is closed."""
    with open(file, "rb") as stream:
        # Others may hold it, too, and there is one place in it for all.
        return msgspec.msgpack.decode(os.pread(file, os.fstat(stream.fileno()).st_size, 0), type=dict[str, str])


def become(module: str, environ: Mapping[str, str]) -> NoReturn:
    """Go on in this process as a stem: by `main` of a module, with the file in which the environment is noted.

    Its own memory holds nothing of that.
    """
    file = noted(environ)
    os.set_inheritable(file, True)
    code = f"import sys; sys.path[:] = {sys.path!r}; from {module} import main; main({file})"
    around = {name: text for name, text in environ.items() if name.startswith(_KEPT)}
    os.execve(sys.executable, [sys.executable, "-c", code, *sys.argv[1:]], DECODING | around)  # noqa: S606 - our own


def is_possible() -> bool:
    """Whether this system knows what is needed: handles of processes (Linux 5.3)."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


def stay(works: Mapping[str, Work], first: str, *files: int) -> Callable[[], int]:
    """Fork the first work, and every other that it and those below it ask for, until the first ends.

    Returns what is left to do in this process: in the stem to end with the status of the first, in a forked one its
    work. SIGTERM and SIGINT are handed on to the first.
    """
    came: list[int] = []
    asked, asking = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with asked, _waking(came) as waking, selectors.PollSelector() as selector:
        for ready in (asked, waking):
            selector.register(ready, selectors.EVENT_READ)
        leader = _fork()
        if not leader:
            return _begun(works[first], {}, files, asking)
        for file in files:
            os.close(file)
        while True:
            events = [key.fileobj for key, _ in selector.select()]
            if waking in events:
                waking.recv(_MOST_BYTES)
            while came:
                _hand_on(came.pop(0), leader)
            status = _reaped(leader)
            if status is not None:
                # One that is asked to end before it has begun has nothing to say about it.
                return partial(int, 0 if status == -signal.SIGTERM else abs(status))
            if asked in events and (work := _forked(asked, works, asking)):
                return work


@contextmanager
def _waking(came: list[int]) -> Iterator[socket.socket]:
    """A socket that becomes readable with each signal; which one it was, is added. Afterwards signals do what they do.

    In a process that is forked within, they do so then to what came there before.
    """
    stem = os.getpid()
    waking, woken = socket.socketpair()
    woken.setblocking(False)
    with waking, woken:
        for number in _HEARD:
            signal.signal(number, lambda number, _: came.append(number))
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        try:
            yield waking
        finally:
            signal.set_wakeup_fd(-1)
            for number, usual in _HEARD.items():
                signal.signal(number, usual)
    for number in came if os.getpid() != stem else ():
        signal.raise_signal(number)


def _hand_on(number: int, leader: int) -> None:
    if number != signal.SIGCHLD:
        with suppress(ProcessLookupError):
            os.kill(leader, number)


def _reaped(leader: int) -> int | None:
    """Let go of all that have ended; the exit status of the leader, minus the signal that ended it, if it is among them."""
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == leader:
                return os.waitstatus_to_exitcode(ended[1])
    return None


def _fork() -> int:
    """Fork; in the child, which ends with the stem, 0."""
    stem = os.getpid()
    pid = os.fork()
    if not pid:
        end_with_parent()
        if os.getppid() != stem:
            os._exit(1)
    return pid


def _forked(asked: socket.socket, works: Mapping[str, Work], asking: socket.socket) -> Callable[[], int] | None:
    """Fork for one who asks; what is left to do in the child, and None in the stem."""
    packed, files, _, _ = socket.recv_fds(asked, _MOST_BYTES, _MOST_FILES, socket.MSG_CMSG_CLOEXEC)
    try:
        name, given = msgspec.msgpack.decode(packed, type=tuple[str, dict[str, Any]])
        work, channel, kept = works[name], files[0], files[1:]
        if _fork():
            return None
        files = []
    except (OSError, LookupError, msgspec.DecodeError) as error:
        # Whoever asked learns it by the end of the channel.
        _log.warning("no process could be forked: %s", error)
        return None
    finally:
        for file in files:
            os.close(file)
    with socket.socket(fileno=channel) as told:
        handle = os.pidfd_open(os.getpid())
        socket.send_fds(told, [os.getpid().to_bytes(_PID, "little")], [handle])
        os.close(handle)
    return _begun(work, given, kept, asking)


def _begun(work: Work, given: Mapping[str, Any], files: Sequence[int], asking: socket.socket) -> Callable[[], int]:
    global _ours  # noqa: PLW0603 - what a process was forked off does not change
    _ours = Stem(asking)
    return partial(work, given, files)


def leave(kept: Sequence[int]) -> None:
    """Let go of the way to the stem and of every open file but these, and have nothing for standard in- and output."""
    global _ours  # noqa: PLW0603 - as above
    if _ours is not None:
        _ours.close()
        _ours = None
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    edges = [2, *sorted(kept), os.sysconf("SC_OPEN_MAX")]
    for before, behind in pairwise(edges):
        os.closerange(before + 1, behind)
