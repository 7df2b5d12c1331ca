"""Files as health links carry them: compact JWE, A256GCM with the key itself (RFC 7516; HL7 SMART Health Links)."""

import zlib
from dataclasses import dataclass
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry, decrypt_compact, encrypt_compact
from joserfc.jwk import OctKey

from imagebank.errors import Invalid

MOST: Final = 64 << 20
"""What a file may be once it is inflated, in bytes."""
_ALGORITHMS: Final = ["dir", "A256GCM", "DEF"]
_DEFLATED: Final = "DEF"
_WORTHWHILE: Final = 256


@dataclass(frozen=True, slots=True)
class File:
    """What was sealed, and the media type that it says it is."""

    content: bytes
    kind: str


class _Deflate:
    """Raw deflate (RFC 1951), bounded where it inflates: the library's own stops at 250 KiB."""

    name = _DEFLATED
    description = "DEFLATE"

    def __init__(self, most: int) -> None:
        self._most = most

    def compress(self, content: bytes) -> bytes:
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return packer.compress(content) + packer.flush()

    def decompress(self, packed: bytes) -> bytes:
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = unpacker.decompress(packed, self._most + 1)
        except zlib.error as error:
            raise Invalid("this file is damaged") from error
        if not unpacker.eof or len(content) > self._most:
            raise Invalid("this file has more than {most} bytes, or is cut short", most=self._most)
        return content


class _Registry(JWERegistry):
    """Files may be as large as reports are."""

    max_ciphertext_length = MOST * 4 // 3 + 4

    def __init__(self, most: int) -> None:
        super().__init__(algorithms=_ALGORITHMS)
        self._deflate = _Deflate(most)

    def get_zip(self, name: str) -> Any:
        self._check_algorithm(name, self.algorithms["zip"])
        return self._deflate


def sealed(content: bytes, kind: str, key: bytes) -> str:
    """A file under a fresh initialization vector, deflated where that is worth it. `key` has 32 bytes."""
    zipped = {"zip": _DEFLATED} if len(content) >= _WORTHWHILE else {}
    header = {"alg": "dir", "enc": "A256GCM", "cty": kind, **zipped}
    return encrypt_compact(header, content, OctKey.import_key(key), registry=_Registry(MOST))


def opened(text: str, key: bytes, most: int = MOST) -> File:
    """What was sealed with this key. Raises Invalid for another key, what was altered, and more than `most` bytes."""
    try:
        found = decrypt_compact(text, OctKey.import_key(key), registry=_Registry(most))
    except (JoseError, ValueError) as error:
        raise Invalid("this file does not open with this key, or was altered") from error
    return File(found.plaintext or b"", str(found.headers().get("cty", "")))
