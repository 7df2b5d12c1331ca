"""Root keys from a file. They wrap the keys of accounts, and of what belongs to none (RFC 3394)."""

import os
import secrets
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from imagebank.errors import Invalid, Unavailable
from imagebank.model.key import AccountKey

_KEY_BYTES = 32
_NAME_BYTES = 16


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


class FileKeys:
    """Root keys from a file of mode 0600: one a line, 64 hex digits; lines that begin with `#` are comments.

    The last one wraps, all unwrap: to change the key, append a line and start the bank again. Without `path` being
    there a new key is created, unless `create` is false. Lose the file, and every object is noise: keep a copy apart
    from the objects. Raises Unavailable when the file cannot be used.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        try:
            if create and not path.exists():
                _create(path)
            keys = _read(path)
        except OSError as error:
            raise Unavailable(f"the root key file {path} cannot be read: {error.strerror}") from error
        self._path = path
        self._keys = {_name(key): key for key in keys}
        self._current = AccountKey(_name(keys[-1]), keys[-1])

    def has(self, name: bytes) -> bool:
        """Whether a key of this name is in the file."""
        return name in self._keys

    def wrap(self, data_key: bytes, key: AccountKey | None = None) -> bytes:
        return wrapped(key or self._current, data_key)

    def unwrap(self, sealed: bytes) -> bytes:
        """The data key again. Raises Unavailable when its root key is not in the file, Invalid when damaged."""
        name = sealed[:_NAME_BYTES]
        key = self._keys.get(name)
        if key is None:
            raise Unavailable(f"the root key {name.hex()} is not in {self._path}; put it back to read this object")
        return unwrapped(key, sealed)


def _create(path: Path) -> None:
    """A file with a new key. Whoever comes first with `link` wins; the others read what is there then."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(fd, secrets.token_hex(_KEY_BYTES).encode() + b"\n")
        os.fsync(fd)
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        os.close(fd)
        draft.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _read(path: Path) -> list[bytes]:
    with path.open(encoding="ascii", errors="replace") as stream:
        mode = os.fstat(stream.fileno()).st_mode & 0o777
        if mode & ~0o600:
            raise Unavailable(f"the root key file {path} has mode {mode:04o}: others may read it; set it to 0600")
        lines = [line.strip() for line in stream]
    keys = [_key(line, path) for line in lines if line and not line.startswith("#")]
    if not keys:
        raise Unavailable(f"the root key file {path} holds no key")
    return keys


def _key(line: str, path: Path) -> bytes:
    try:
        key = bytes.fromhex(line)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise Unavailable(f"the root key file {path} has a line that is not a key of 64 hex digits")
    return key
