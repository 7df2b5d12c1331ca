"""Root keys from a file, a variable or a key service. They wrap the keys of accounts, and of what belongs to none (RFC 3394)."""

import os
import secrets
from collections.abc import Callable
from hashlib import sha256
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from imagebank.errors import Invalid, Unavailable
from imagebank.model.key import AccountKey
from imagebank.ports import KeyService
from imagebank.storage.segment_file import make_folder, sync_folder

_KEY_BYTES = 32
_NAME_BYTES = 16
GROUP: Final = "imagebank.keys"
"""The group of entry points that offer key management services."""


def wrapped(key: AccountKey, data_key: bytes) -> bytes:
    """A key of 32 bytes under another: the name of that one, and 40 bytes."""
    return key.name + aes_key_wrap(key.secret, data_key)


def unwrapped(secret: bytes, sealed: bytes) -> bytes:
    """What `wrapped` had wrapped. Raises Invalid when it is damaged."""
    try:
        return aes_key_unwrap(secret, sealed[_NAME_BYTES:])
    except InvalidUnwrap as error:
        raise Invalid("the object's key is damaged; restore the object from a copy") from error


def _name(key: bytes) -> bytes:
    return sha256(b"imagebank root key" + key).digest()[:_NAME_BYTES]


class RootKeys:
    """Root keys from wherever `read` takes them; the last one wraps, all unwrap. `where` is said when one is missing.

    They are read again when a name comes that is not known: to change the key while servers run, append one.
    """

    def __init__(self, where: str, read: Callable[[], list[bytes]]) -> None:
        self._where, self._read = where, read
        self.refresh()

    def refresh(self) -> None:
        """Read the keys again. Raises Unavailable."""
        keys = self._read()
        if not keys:
            raise Unavailable(f"{self._where} holds no key")
        self._current = AccountKey(_name(keys[-1]), keys[-1])
        self._keys = {_name(key): key for key in keys}

    @property
    def current(self) -> bytes:
        """The name of the key that wraps."""
        return self._current.name

    def has(self, name: bytes) -> bool:
        """Whether a key of this name is known already."""
        return name in self._keys

    def find(self, name: bytes) -> bytes | None:
        """The key of this name, also when it was added meanwhile; None when there is none. Raises Unavailable."""
        if name not in self._keys:
            self.refresh()
        return self._keys.get(name)

    def wrap(self, data_key: bytes, key: AccountKey | None = None) -> bytes:
        return wrapped(key or self._current, data_key)

    def unwrap(self, sealed: bytes) -> bytes:
        """The data key again. Raises Unavailable when its root key is not there, Invalid when damaged."""
        name = sealed[:_NAME_BYTES]
        key = self.find(name)
        if key is None:
            raise Unavailable(f"the root key {name.hex()} is not in {self._where}; put it back to read this object")
        return unwrapped(key, sealed)


class FileKeys(RootKeys):
    """Root keys from a file of mode 0600: one a line, hexadecimal; lines that begin with `#` are comments.

    With a `service`, a line is what that wrapped, and the file alone opens nothing; without one it is the key itself,
    64 digits. Without `path` being there a new key is created, unless `create` is false. Lose the file, and every
    object is noise: keep a copy apart from the objects. Raises Unavailable when the file cannot be used.
    """

    def __init__(self, path: Path, *, create: bool = True, service: KeyService | None = None) -> None:
        self._path, self._service = path, service
        try:
            if create and not path.exists():
                _create(path, service)
        except OSError as error:
            raise _unreadable(path, error) from error
        super().__init__(f"the root key file {path}", self._lines)

    def _lines(self) -> list[bytes]:
        try:
            lines = _read(self._path)
        except OSError as error:
            raise _unreadable(self._path, error) from error
        return [key_of(line, f"the root key file {self._path}", self._service) for line in lines]


def _unreadable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(f"the root key file {path} cannot be read: {error.strerror}")


def service_named(name: str) -> KeyService:
    """The key management service that an installed package offers under this name. Raises Unavailable."""
    for found in entry_points(group=GROUP, name=name):
        service: KeyService = found.load()()
        return service
    raise Unavailable(f"no installed package offers the key service {name!r} (entry points of the group {GROUP})")


def _create(path: Path, service: KeyService | None) -> None:
    """A file with a new key. Whoever comes first with `link` wins; the others read what is there then."""
    make_folder(path.parent)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        key = secrets.token_bytes(_KEY_BYTES)
        os.write(fd, (service.wrap(key) if service else key).hex().encode() + b"\n")
        os.fsync(fd)
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        os.close(fd)
        draft.unlink()
    sync_folder(path.parent)


def _read(path: Path) -> list[str]:
    with path.open(encoding="ascii", errors="replace") as stream:
        mode = os.fstat(stream.fileno()).st_mode & 0o777
        if mode & ~0o600:
            raise Unavailable(f"the root key file {path} has mode {mode:04o}: others may read it; set it to 0600")
        lines = [line.strip() for line in stream]
    return [line for line in lines if line and not line.startswith("#")]


def key_of(text: str, where: str, service: KeyService | None = None) -> bytes:
    """The root key that hexadecimal digits tell, opened by the service that wrapped it. Raises Unavailable."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
        service = None
    key = service.unwrap(key) if service else key
    if len(key) != _KEY_BYTES:
        raise Unavailable(f"{where} has a line that is not a key of 64 hex digits")
    return key
