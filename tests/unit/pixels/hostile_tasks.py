"""What a hostile file could make a decoder do, as tasks for the sandbox."""

import ctypes
import os
import resource
import socket
import stat
import time
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NoReturn

import numpy as np

Answer = tuple[dict[str, Any], Sequence[bytes]]


def echo(header: dict[str, Any], payload: memoryview) -> Answer:
    return {**header, "pid": os.getpid()}, [bytes(payload)]


def digest(header: dict[str, Any], payload: memoryview) -> Answer:
    return {"digest": sha256(payload).hexdigest(), "size": len(payload)}, []


def write_to_what_is_asked(header: dict[str, Any], payload: memoryview) -> Answer:
    """Also by asking the kernel for the right to."""
    address = np.frombuffer(payload, np.uint8).ctypes.data
    ctypes.CDLL(None).mprotect(ctypes.c_void_p(address), len(payload), 3)
    ctypes.memset(address, 1, 1)
    return {}, []


def crash(header: dict[str, Any], payload: memoryview) -> Answer:
    ctypes.string_at(0)
    return {}, []


def sleep(header: dict[str, Any], payload: memoryview) -> Answer:
    time.sleep(header["seconds"])
    return {}, [b"slept"]


def devour(header: dict[str, Any], payload: memoryview) -> Answer:
    hoard = [bytes(1 << 26) for _ in range(1000)]
    return {"length": len(hoard)}, []


def read_file(header: dict[str, Any], payload: memoryview) -> Answer:
    with open(header["path"], "rb") as stream:  # noqa: PTH123 - the plainest way in
        return {}, [stream.read()]


def call_home(header: dict[str, Any], payload: memoryview) -> Answer:
    socket.create_connection(("127.0.0.1", header["port"]))
    return {}, []


def open_socket(header: dict[str, Any], payload: memoryview) -> Answer:
    return {"fd": socket.socket().fileno()}, []


def write_file(header: dict[str, Any], payload: memoryview) -> Answer:
    with open(header["path"] + ".new", "wb") as stream:  # noqa: PTH123 - the plainest way out
        return {"written": stream.write(b"here")}, []


def remove_file(header: dict[str, Any], payload: memoryview) -> Answer:
    os.unlink(header["path"])  # noqa: PTH108 - one system call
    return {}, []


def read_passwords(header: dict[str, Any], payload: memoryview) -> Answer:
    return read_file({"path": "/etc/passwd"}, payload)


def trace_parent(header: dict[str, Any], payload: memoryview) -> Answer:
    attach = 16
    if ctypes.CDLL(None).ptrace(attach, os.getppid(), 0, 0) != 0:
        raise PermissionError
    return {}, []


def raise_limits(header: dict[str, Any], payload: memoryview) -> Answer:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    return {}, []


def run_program(header: dict[str, Any], payload: memoryview) -> NoReturn:
    os.execv("/bin/true", ["/bin/true"])


def fork(header: dict[str, Any], payload: memoryview) -> Answer:
    return {"pid": os.fork()}, []


def kill_parent(header: dict[str, Any], payload: memoryview) -> Answer:
    os.kill(os.getppid(), 0)
    return {}, []


def lie_about_size(header: dict[str, Any], payload: memoryview) -> Answer:
    os.write(
        _channel(),
        header["number"].to_bytes(8, "little")
        + b"\0"
        + (2).to_bytes(4, "little")
        + (1 << 62).to_bytes(8, "little")
        + b"\x80\x80",
    )
    return {}, []


def answer_with_pickle(header: dict[str, Any], payload: memoryview) -> Answer:
    pickled = b"cos\nsystem\n(S'true'\ntR."
    os.write(
        _channel(),
        header["number"].to_bytes(8, "little") + b"\0" + len(pickled).to_bytes(4, "little") + bytes(8) + pickled,
    )
    return {}, []


def answer_twice(header: dict[str, Any], payload: memoryview) -> Answer:
    os.write(
        _channel(), header["number"].to_bytes(8, "little") + b"\0" + (1).to_bytes(4, "little") + bytes(8) + b"\x80"
    )
    return {"of": "another patient"}, []


def _channel() -> int:
    for descriptor in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                return descriptor
        except OSError:
            continue
    raise AssertionError("there is no channel")
