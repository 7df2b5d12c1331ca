"""A decoder's own side: it becomes warm, gives up every right, and answers one process. See `sandbox`."""

import importlib
import os
import signal
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from imagebank import stem
from imagebank.dicom import arena
from imagebank.dicom.confine import confine
from imagebank.errors import BankError, Invalid, Mismatch, NotFound, Unsupported
from imagebank.process import let_go

Task = Callable[[dict[str, Any], memoryview], tuple[dict[str, Any], Sequence[bytes | memoryview]]]
"""What a child runs: header and payload in, header and pieces of payload out.

Its module may have `warm`, which loads all that it needs, and `begin`, which begins its threads in a child of its own.
"""

MODULES = (
    "imagebank.dicom.codec",
    "imagebank.dicom.fingerprint",
    "imagebank.dicom.paint",
    "imagebank.dicom.open_media",
    "imagebank.dicom.open_document",
    "imagebank.dicom.open_ecg",
    "imagebank.dicom.open_model",
    "imagebank.dicom.neutral_pdf",
    "imagebank.dicom.volume",
    "imagebank.dicom.open_words",
)
FORKED = "decoder"
"""The name of the work of a child that a stem forks."""
REST = "rest"
"""What every child can be asked for, besides its tasks."""
HEAD = struct.Struct("<QBIQ")  # number of the request, status, sizes of header and payload
SEALED, LIMITED = b"S", b"L"  # ready, with a filter of system calls and without
OK = 0
BESIDE = 1
"""Status of a request whose payload lies in the memory that both share."""
REFUSALS: tuple[type[BankError], ...] = (Invalid, Mismatch, Unsupported, NotFound)
BROKEN = 255


def load(modules: Sequence[str] = MODULES) -> dict[str, Any]:
    """Load the modules by name, with all that they would load when they are first used."""
    tasks = {name: importlib.import_module(name) for name in modules}
    for module in tasks.values():
        warm = getattr(module, "warm", None)
        if warm is not None:
            warm()
    return tasks


def forked(tasks: Mapping[str, Any], given: Mapping[str, Any], files: Sequence[int]) -> int:
    """The child where a stem has loaded the tasks: nothing but these files stays open."""
    stem.leave(files)
    os.nice(given["niceness"])
    _answer(files, tasks, given["memory_bytes"], given["cpu_s"])
    return 0


def serve(files: Sequence[int], modules: Sequence[str], memory_bytes: int, cpu_s: int) -> None:
    """The child by itself: become warm, give up every right, answer requests until the parent goes away."""
    # Now already: Ctrl-C reaches the whole group, and the parent decides when we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _answer(files, load(modules), memory_bytes, cpu_s)


def _answer(files: Sequence[int], tasks: Mapping[str, Any], memory_bytes: int, cpu_s: int) -> None:
    """Give up every right, and answer requests until the parent goes away.

    The files are the channel and, where there is such, the memory that both share.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stream = socket.socket(fileno=files[0])
    shared = arena.opened(files[1]) if files[1:] else memoryview(b"")
    for module in tasks.values():
        if begin := getattr(module, "begin", None):
            begin()
    stream.sendall(SEALED if confine(memory_bytes, cpu_s) else LIMITED)
    while (head := _read(stream, HEAD.size)) is not None:
        number, where, header_size, payload_size = HEAD.unpack(head)
        try:
            packed = _read(stream, header_size)
            payload = shared[:payload_size] if where == BESIDE else _read(stream, payload_size)
        except MemoryError:
            return
        if packed is None or payload is None:
            return
        status, header, pieces = _perform(tasks, packed, payload)
        answer = msgspec.msgpack.encode(header)
        stream.sendall(HEAD.pack(number, status, len(answer), sum(map(len, pieces))) + answer)
        for piece in pieces:
            stream.sendall(piece)


def _perform(
    tasks: Mapping[str, Any], packed: memoryview, payload: memoryview
) -> tuple[int, dict[str, Any], Sequence[bytes | memoryview]]:
    try:
        name, header = msgspec.msgpack.decode(packed, type=tuple[str, dict[str, Any]])
        if name == REST:
            let_go()
            return OK, {}, ()
        module, _, function = name.partition(":")
        answer, pieces = getattr(tasks[module], function)(header, payload)
    except REFUSALS as error:
        return REFUSALS.index(type(error)) + 1, {"message": str(error)}, ()
    except MemoryError:
        return BROKEN, {"message": "it needs too much memory"}, ()
    except Exception as error:  # noqa: BLE001 - codecs raise anything; the parent turns it into Invalid
        return BROKEN, {"message": type(error).__name__}, ()
    return OK, answer, pieces


def _read(stream: socket.socket, size: int) -> memoryview | None:
    buffer = np.empty(size, np.uint8).data
    done = 0
    while done < size:
        got = stream.recv_into(buffer[done:])
        if not got:
            return None
        done += got
    return buffer
