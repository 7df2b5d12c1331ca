"""Small secrets at rest: AES-256-GCM, or a keyed hash, under a key of the bank's own."""

import hmac
import secrets
from functools import cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from imagebank.errors import Invalid

_NONCE_BYTES: Final = 12


class KeySeal:
    """A `Seal` with one key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._key_for = cache(lambda use: HKDF(SHA256(), 32, None, f"imagebank {use}".encode()).derive(key))

    def digest(self, use: str, secret: bytes) -> bytes:
        return hmac.digest(self._key_for(use), secret, "sha256")

    def seal(self, secret: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, None)

    def unseal(self, sealed: bytes) -> bytes:
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except (InvalidTag, ValueError) as error:
            raise Invalid("a sealed secret was altered, or comes from another bank") from error
