"""Pictures of objects in files of a folder, sealed, the longest unused of them going first.

A file's name and the key that seals it are both made of the picture's secret. Several processes share a folder: each
looks through it whenever it has written a thirty-second of the room itself, so that eight of them stay within it.
"""

import hmac
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from imagebank.storage import room

_NONCE: Final = 12
_LARGEST: Final = 64
"""A picture may take this part of the room at most."""
_STEP: Final = 32
_MOST_WAITING: Final = 16 << 20
"""Bytes that wait to be written at most; what comes faster than the disk is not kept."""
_NOTED_S: Final = 60.0
"""So long after a use the next one is noted."""
_LATER_S: Final = 0.02
"""After this it is written: the thread takes nothing from the answer that is just leaving, and takes along what came."""
_MIN_FREE: Final = 512 << 20
"""What stays free of the disk in any case: what arrives needs it more."""
_log = logging.getLogger(__name__)


class FileRenditions:
    """`Renditions` in a folder of at most `most_bytes`.

    A thread of its own writes them, so that nobody waits for the disk; until then they are in memory.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder, self._most = folder, most_bytes
        self._lock = threading.Lock()
        self._queue: SimpleQueue[bytes | threading.Event | None] = SimpleQueue()
        self._waiting: dict[bytes, bytes] = {}
        self._waiting_bytes = 0
        self._written = most_bytes  # what others left here is looked through first
        self._writer: threading.Thread | None = None
        self._is_waited_for = threading.Event()
        self._is_closed = False

    def get(self, secret: bytes) -> bytes | None:
        if (waiting := self._waiting.get(secret)) is not None:
            return waiting
        path = self._path(secret)
        try:
            sealed = _read(path)
        except OSError:
            return None
        try:
            return _cipher(secret).decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
        except (InvalidTag, ValueError):
            return None  # cut off when the power went: it is made anew

    def put(self, secret: bytes, picture: bytes) -> None:
        if len(picture) * _LARGEST > self._most:
            return
        with self._lock:
            is_known = secret in self._waiting
            if is_known or self._is_closed or self._waiting_bytes + len(picture) > _MOST_WAITING:
                return
            self._waiting[secret] = picture
            self._waiting_bytes += len(picture)
            self._queue.put(secret)
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="keep-renditions", daemon=True)
                self._writer.start()

    def flush(self) -> None:
        """Return once all that was put is written."""
        done = threading.Event()
        with self._lock:
            if self._writer is None or self._is_closed:
                return
            self._is_waited_for.set()
            self._queue.put(done)
        done.wait()
        self._is_waited_for.clear()

    def close(self) -> None:
        with self._lock:
            self._is_closed, writer = True, self._writer
            self._is_waited_for.set()
            self._queue.put(None)
        if writer is not None:
            writer.join()

    def clear(self) -> None:
        """Let the longest unused go, until three quarters of the room are left in use; nothing while there is room."""
        room.clear(_files(self._folder), self._most)

    def _write(self) -> None:
        """Write what was put until there is no more to come; look through the folder after each step."""
        while (next_one := self._next()) is not None:
            if isinstance(next_one, threading.Event):
                next_one.set()
                continue
            picture = self._waiting[next_one]
            try:
                self._keep(next_one, picture)
                if self._written * _STEP >= self._most:
                    self._written = 0
                    self.clear()
            except OSError as error:
                _log.warning("a picture could not be kept: %s", error.strerror)
            finally:
                with self._lock:
                    del self._waiting[next_one]
                    self._waiting_bytes -= len(picture)

    def _next(self) -> "bytes | threading.Event | None":
        """What is to be written next. The first of several is waited with, unless somebody waits for it."""
        is_first = self._queue.empty()
        next_one = self._queue.get()
        if is_first:
            self._is_waited_for.wait(_LATER_S)
        return next_one

    def _keep(self, secret: bytes, picture: bytes) -> None:
        """At once for every reader; not synced, as nothing is lost with it."""
        if room.free(self._folder) < _MIN_FREE:
            return
        nonce, path = secrets.token_bytes(_NONCE), self._path(secret)
        sealed = nonce + _cipher(secret).encrypt(nonce, picture, None)
        young = f"{path}.{secrets.token_hex(4)}"
        try:
            with open(young, "xb", opener=_for_us_alone) as file:
                file.write(sealed)
            os.rename(young, path)  # noqa: PTH104 - with names as they are: half the time of a path's own way
        except OSError:
            with suppress(FileNotFoundError):
                os.unlink(young)  # noqa: PTH108
            raise
        self._written += len(sealed)

    def _path(self, secret: bytes) -> str:
        # As text: a path of its own kind costs as much as to read the file.
        return f"{self._folder}/{hmac.digest(secret, b'imagebank rendition name', 'sha256').hex()[:32]}"


def _read(path: str) -> bytes:
    """A whole file, which is noted as used now. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        told = os.fstat(file)
        # Files go in the order in which they were last used, and a minute more or less is the same there.
        if time.time() - told.st_mtime > _NOTED_S:
            os.utime(file)
        return os.read(file, told.st_size)
    finally:
        os.close(file)


def _for_us_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _cipher(secret: bytes) -> AESGCM:
    return AESGCM(hmac.digest(secret, b"imagebank rendition key", "sha256"))


def _files(folder: Path) -> Iterator[tuple[int, int, str]]:
    """When each file was last used, its size, and where it is."""
    with suppress(FileNotFoundError), os.scandir(folder) as files:
        for file in files:
            with suppress(FileNotFoundError):
                told = file.stat(follow_symlinks=False)
                yield told.st_mtime_ns, told.st_size, file.path
