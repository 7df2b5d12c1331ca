"""Limited child processes in which every untrusted decode is done.

A child can be taken over by a hostile file. It therefore opens nothing (no file, no socket) once it is warm, writes no
file, has a bounded address space, and its answers are parsed as plain bytes: never unpickled.
"""

import logging
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np

from imagebank import stem
from imagebank.dicom.arena import Arena
from imagebank.dicom.decoder import BESIDE, FORKED, HEAD, MODULES, OK, REFUSALS, REST, SEALED
from imagebank.errors import Invalid, Unavailable, noted
from imagebank.process import DECODING

_MAX_HEADER_BYTES = 1 << 20
_MAX_MESSAGE_CHARS = 300
_MAX_WAITING = 512
_NICENESS = 5
"""A third of the share of others: enough to end in time on a machine whose processors are all busy."""
_START_S = 60.0
_RETIRE_S = 900.0
_RESTED_S = 1.0
_UNDECODABLE = noted("its content cannot be decoded; what was sent is unharmed, and can be had as it came ({reason})")

_log = logging.getLogger(__name__)


class Sandbox:
    """`decoders` warm child processes, shared by any number of threads, first come first served.

    Children start when they are first needed. One that crashes, runs out of memory or exceeds `timeout_s` is ended and
    replaced; only the request that it was at fails, where it ends a second one, too, or took too long. `modules` are the ones whose functions may be called. Children
    that give way leave the processors to other processes, as far as those have use for them.
    """

    def __init__(
        self,
        decoders: int = 2,
        memory_bytes: int = 2 << 30,
        timeout_s: float = 30.0,
        modules: Sequence[str] = MODULES,
        *,
        gives_way: bool = False,
    ) -> None:
        self._memory_bytes = memory_bytes
        self._timeout_s = timeout_s
        self._modules = tuple(modules)
        self._niceness = _NICENESS if gives_way else 0
        self._lock = threading.Lock()
        self._idle: list[_Child | None] = [None] * decoders
        self._waiting: deque[SimpleQueue[_Child | None]] = deque()
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def call(
        self, task: str, header: Mapping[str, Any], *payload: bytes | bytearray | memoryview
    ) -> tuple[dict[str, Any], memoryview]:
        """Run `task` (`module:function`) in a child and return its answer.

        Raises Invalid, Mismatch, NotFound or Unsupported as the task does, Invalid when two children crashed or ran out
        of memory, or one of time, Unavailable when every child stays busy or none can be started.
        """
        try:
            try:
                answer = self._answer(task, header, payload)
            except _Ended:
                # Perhaps by who frees memory or ends a whole group of processes: these bytes would end the next, too.
                answer = self._answer(task, header, payload)
        except _Lost as lost:
            raise Invalid(_UNDECODABLE, reason=lost) from None
        return _judge(answer)

    def _answer(
        self, task: str, header: Mapping[str, Any], payload: Sequence[bytes | bytearray | memoryview]
    ) -> tuple[int, dict[str, Any], memoryview]:
        child = self._take()
        began = time.monotonic()
        try:
            if child is None:
                child = _Child(self._modules, self._memory_bytes, self._timeout_s, self._niceness)
                began = time.monotonic()
            return child.ask(task, header, payload, began + self._timeout_s)
        except BaseException as error:
            if isinstance(error, _Lost):
                # The cause stays in the log: the caller can only be told that these bytes are not decodable.
                _log.warning("decoder lost in %s: %s", task, error)
            # Also after an interrupt: a half-read answer must never be taken for the next one.
            _end(child)
            child = None
            raise
        finally:
            if child is not None:
                child.used_at = time.monotonic()
                child.busy_s += child.used_at - began
                if child.busy_s > _RETIRE_S:
                    child.end()
                    child = None
            self._give(child)

    def is_sealed(self) -> bool:
        """Whether a filter of system calls is in force in the children, and not their limits alone.

        Raises Unavailable when every child stays busy or none can be started.
        """
        child = self._take()
        try:
            child = child or _Child(self._modules, self._memory_bytes, self._timeout_s, self._niceness)
        finally:
            self._give(child)
        return child.is_sealed

    def warm(self) -> None:
        """Have a child ready before it is needed; when none can be started, whoever needs it is told."""
        with suppress(Unavailable):
            self.is_sealed()

    def rest(self) -> None:
        """Have children give freed memory back that have been idle for a second since they were asked for something."""
        until = time.monotonic() - _RESTED_S
        with self._lock:
            tired = [one for one in self._idle if one and one.used_at and one.used_at < until]
            self._idle = [one for one in self._idle if one not in tired]
        for child in tired:
            child.used_at = 0.0
            try:
                child.ask(REST, {}, (), time.monotonic() + self._timeout_s)
                self._give(child)
            except _Lost:
                child.end()
                self._give(None)

    def close(self) -> None:
        """End every child that is idle; one that is at work ends after its request."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for child in idle:
            _end(child)

    def _take(self) -> "_Child | None":
        with self._lock:
            if self._is_closed:
                raise Unavailable("the decoders are shut down")
            if self._idle:
                return self._idle.pop()
            if len(self._waiting) >= _MAX_WAITING:
                raise Unavailable("too many images are being decoded at this moment; try again")
            ticket: SimpleQueue[_Child | None] = SimpleQueue()
            self._waiting.append(ticket)
        try:
            return ticket.get(timeout=self._timeout_s)
        except Empty:
            with self._lock:
                if ticket in self._waiting:
                    self._waiting.remove(ticket)
                    raise Unavailable("every decoder is busy; try again") from None
            return ticket.get()

    def _give(self, child: "_Child | None") -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().put(child)
            elif not self._is_closed:
                # A living child goes on top, so that it is taken before another one is started.
                self._idle.append(child) if child else self._idle.insert(0, child)
                child = None
        if self._is_closed and child:
            _end(child)


class _Lost(Exception):
    """The child did not give a whole answer."""


class _Ended(_Lost):
    """It ended, by what it was asked or by somebody else."""


class _Child:
    """One child process and the channel to it."""

    def __init__(self, modules: Sequence[str], memory_bytes: int, timeout_s: float, niceness: int) -> None:
        self.busy_s = self.used_at = 0.0
        self._asked = 0
        self._memory_bytes = memory_bytes
        ours, theirs = socket.socketpair()
        self._channel = ours
        self._shared = Arena.new()
        given = [theirs.fileno(), *([self._shared.descriptor] if self._shared else [])]
        cpu_s = int(_RETIRE_S + 2 * timeout_s) + 1
        try:
            self._process = _started(given, modules, memory_bytes, cpu_s, niceness)
        except OSError as error:
            ours.close()
            raise Unavailable("no decoder can be started; try again") from error
        finally:
            theirs.close()
            if self._shared is not None:
                self._shared.close_descriptor()
        try:
            self.is_sealed = bytes(self._receive(1, time.monotonic() + _START_S)) == SEALED
        except _Lost as lost:
            self.end()
            raise Unavailable("no decoder can be started ({lost}); see `decode_memory_bytes`", lost=lost) from None
        if not self.is_sealed:
            _log.warning("this kernel has no filter of system calls: a decoder is held by its limits alone")

    def ask(
        self,
        task: str,
        header: Mapping[str, Any],
        payload: Sequence[bytes | bytearray | memoryview],
        deadline: float,
    ) -> tuple[int, dict[str, Any], memoryview]:
        self._asked += 1
        packed = msgspec.msgpack.encode((task, header), enc_hook=str)
        is_beside = self._shared is not None and self._shared.put(payload)
        head = HEAD.pack(self._asked, BESIDE if is_beside else OK, len(packed), sum(map(len, payload)))
        try:
            self._channel.settimeout(max(deadline - time.monotonic(), 0.001))
            self._channel.sendall(head + packed)
            for piece in () if is_beside else payload:
                self._channel.sendall(piece)
        except TimeoutError:
            raise _Lost("it took too long") from None
        except OSError:
            raise _Ended("the decoder ended") from None
        number, status, header_size, payload_size = HEAD.unpack(self._receive(HEAD.size, deadline))
        if number != self._asked or header_size > _MAX_HEADER_BYTES or payload_size > self._memory_bytes:
            # Anything but the answer to this very question could be another patient's picture.
            raise _Lost("the decoder answered nonsense")
        try:
            answer = msgspec.msgpack.decode(self._receive(header_size, deadline), type=dict[str, Any])
        except msgspec.DecodeError:
            raise _Lost("the decoder answered nonsense") from None
        return status, answer, self._receive(payload_size, deadline)

    def end(self) -> None:
        """Kill the process and let go of everything."""
        self._channel.close()
        self._process.kill()
        self._process.wait()
        if self._shared is not None:
            self._shared.close()

    def _receive(self, size: int, deadline: float) -> memoryview:
        # Not zeroed: pages are touched only as bytes arrive, so that a false size costs nothing.
        buffer = np.empty(size, np.uint8).data
        done = 0
        while done < size:
            self._channel.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                got = self._channel.recv_into(buffer[done:])
            except TimeoutError:
                raise _Lost("it took too long") from None
            except OSError:
                got = 0
            if not got:
                raise _Ended("the decoder ended")
            done += got
        return buffer


def _end(child: _Child | None) -> None:
    if child is not None:
        child.end()


def _judge(answer: tuple[int, dict[str, Any], memoryview]) -> tuple[dict[str, Any], memoryview]:
    """The answer as values, or the refusal that the task raised."""
    status, header, payload = answer
    if status == OK:
        return header, payload
    text = str(header.get("message", ""))[:_MAX_MESSAGE_CHARS]
    if 1 <= status <= len(REFUSALS):
        raise REFUSALS[status - 1](text)
    _log.info("decoder refused: %s", text)
    raise Invalid(_UNDECODABLE, reason=text)


def _started(
    files: Sequence[int], modules: Sequence[str], memory_bytes: int, cpu_s: int, niceness: int
) -> "stem.Forked | subprocess.Popen[bytes]":
    """A child that serves on these files: forked, where a stem has loaded the modules. Raises OSError."""
    if modules == MODULES and (forking := stem.ours()):
        given = {"memory_bytes": memory_bytes, "cpu_s": cpu_s, "niceness": niceness}
        try:
            return forking.fork(FORKED, given, *files)
        except OSError as error:
            _log.warning("a decoder is started by itself, as it could not be forked: %s", error)
    code = (
        f"import os; os.nice({niceness}); "
        f"from imagebank.dicom.decoder import serve; serve({files!r}, {modules!r}, {memory_bytes}, {cpu_s})"
    )
    return subprocess.Popen(  # noqa: S603 - our own interpreter, no outside text
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}"],
        env=DECODING,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=files,
        close_fds=True,
    )
