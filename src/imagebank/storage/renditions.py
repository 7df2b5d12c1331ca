"""Pictures of objects in files of a folder, sealed, the longest unused of them going first.

A file's name and the key that seals it are both made of the picture's secret. Several processes share a folder: each
looks through it whenever it has written a thirty-second of the room itself, so that eight of them stay within it.
"""

import hmac
import logging
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE: Final = 12
_LARGEST: Final = 64
"""A picture may take this part of the room at most."""
_STEP: Final = 32
_KEPT: Final = 3 / 4
"""What a clearance leaves of the room."""
_MIN_FREE: Final = 512 << 20
"""What stays free of the disk in any case: what arrives needs it more."""
_log = logging.getLogger(__name__)


class FileRenditions:
    """`Renditions` in a folder of at most `most_bytes`."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder, self._most = folder, most_bytes
        self._lock = threading.Lock()
        self._written = most_bytes  # what others left here is looked through first
        self._clearing: threading.Thread | None = None

    def get(self, secret: bytes) -> bytes | None:
        path = self._path(secret)
        try:
            sealed = path.read_bytes()
            os.utime(path)  # files go in the order in which they were last used
        except OSError:
            return None
        try:
            return _cipher(secret).decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
        except (InvalidTag, ValueError):
            return None  # cut off when the power went: it is made anew

    def put(self, secret: bytes, picture: bytes) -> None:
        nonce = secrets.token_bytes(_NONCE)
        path = self._path(secret)
        try:
            if len(picture) * _LARGEST > self._most or self._free() < _MIN_FREE:
                return
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(path, nonce + _cipher(secret).encrypt(nonce, picture, None))
        except OSError as error:
            _log.warning("a picture could not be kept: %s", error.strerror)
            return
        self._count(len(picture))

    def close(self) -> None:
        with self._lock:
            clearing = self._clearing
        if clearing is not None:
            clearing.join()

    def clear(self) -> None:
        """Let the longest unused go, until three quarters of the room are left in use; nothing while there is room."""
        found = sorted(_files(self._folder))
        size = sum(length for _, length, _ in found)
        if size <= self._most:
            return
        for _, length, path in found:
            if size <= self._most * _KEPT:
                break
            with suppress(OSError):
                Path(path).unlink()
            size -= length

    def _count(self, size: int) -> None:
        """Look through the folder after each step, beside whoever waits for the picture."""
        with self._lock:
            self._written += size
            if self._written * _STEP < self._most or (self._clearing is not None and self._clearing.is_alive()):
                return
            self._written = 0
            self._clearing = threading.Thread(target=self.clear, name="clear-renditions", daemon=True)
            self._clearing.start()

    def _free(self) -> int:
        disk = os.statvfs(self._folder if self._folder.exists() else self._folder.parent)
        return disk.f_bavail * disk.f_frsize

    def _write(self, path: Path, sealed: bytes) -> None:
        """At once for every reader; not synced, as nothing is lost with it."""
        young = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        try:
            young.touch(mode=0o600, exist_ok=False)
            young.write_bytes(sealed)
            young.rename(path)
        except OSError:
            young.unlink(missing_ok=True)
            raise

    def _path(self, secret: bytes) -> Path:
        name = hmac.digest(secret, b"imagebank rendition name", "sha256").hex()[:32]
        return self._folder / name[:2] / name[2:]


def _cipher(secret: bytes) -> AESGCM:
    return AESGCM(hmac.digest(secret, b"imagebank rendition key", "sha256"))


def _files(folder: Path) -> Iterator[tuple[int, int, str]]:
    """When each file was last used, its size, and where it is."""
    with suppress(FileNotFoundError), os.scandir(folder) as parts:
        for part in parts:
            with os.scandir(part.path) as files:
                for file in files:
                    with suppress(FileNotFoundError):
                        told = file.stat(follow_symlinks=False)
                        yield told.st_mtime_ns, told.st_size, file.path
