"""Files of an archive under a password: AES-256 in counter mode, and an authentication code (WinZip AE-2)."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

SALT_BYTES: Final = 16
CODE_BYTES: Final = 10
_KEY: Final = 32
_VERIFIER: Final = 2
# The rounds that the format fixes: what is weak in it is a short password.
_ROUNDS: Final = 1000
_BLOCK: Final = 16


@dataclass(frozen=True, slots=True)
class Keys:
    """What follows from a password and a file's salt; `verifier` tells a wrong password early."""

    cipher: bytes
    code: bytes
    verifier: bytes


def keys_of(password: str, salt: bytes) -> Keys:
    found = hashlib.pbkdf2_hmac("sha1", password.encode(), salt, _ROUNDS, 2 * _KEY + _VERIFIER)
    return Keys(found[:_KEY], found[_KEY : 2 * _KEY], found[2 * _KEY :])


def enciphered(key: bytes, data: bytes, at: int) -> bytes:
    """`data`, which begins `at` bytes into a file, under the file's key; the same again gives it back.

    The counter is little-endian and begins at 1, which no library's counter mode has.
    """
    first, skipped = divmod(at, _BLOCK)
    count = -(-(skipped + len(data)) // _BLOCK)
    counters = np.zeros((count, 2), "<u8")
    counters[:, 0] = np.arange(first + 1, first + 1 + count, dtype=np.uint64)
    # ECB of counters is counter mode: no block of them comes twice under a key.
    encryptor = Cipher(algorithms.AES256(key), modes.ECB()).encryptor()  # noqa: S305
    stream = np.frombuffer(encryptor.update(counters.tobytes()), np.uint8)[skipped : skipped + len(data)]
    return (np.frombuffer(data, np.uint8) ^ stream).tobytes()


class Code:
    """The authentication code of a file, from its enciphered bytes in order."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._at = 0
        self._code = hmac.new(keys.code, digestmod="sha1")

    def add(self, data: bytes) -> None:
        self._code.update(enciphered(self._keys.cipher, data, self._at))
        self._at += len(data)

    def value(self) -> bytes:
        return self._code.digest()[:CODE_BYTES]
