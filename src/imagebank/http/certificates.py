"""The certificate of a client, as the proxy that has spoken TLS with it hands it on in `Client-Cert` (RFC 9440)."""

import re
from base64 import b64decode
from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.types import Scope

from imagebank.model.certificate import fingerprint

SHOWN: Final = "imagebank.certificate"
"""Where the fingerprint stands in the scope of a request."""

_FIELDS: Final = frozenset({b"client-cert", b"client-cert-chain"})
# RFC 8941 3.3.5: a byte sequence stands between colons.
_BYTES: Final = re.compile(rb":([A-Za-z0-9+/]+={0,2}):")
# What nginx can give: $ssl_client_escaped_cert, which is PEM with what a header cannot hold percent-encoded.
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*")
_LONGEST: Final = 32 << 10


def take(scope: Scope, *, is_believed: bool) -> None:
    """Take the fields away, so that nobody beyond reads them, and leave the fingerprint if who sent them is believed."""
    fields = [(name, value) for name, value in scope["headers"] if name in _FIELDS]
    if not fields:
        return
    scope["headers"] = [field for field in scope["headers"] if field[0] not in _FIELDS]
    given = [value for name, value in fields if name == b"client-cert"]
    # RFC 9440 2.2: a request has one at most. Of two, one may be made up.
    if is_believed and len(given) == 1:
        scope[SHOWN] = fingerprint(_der(given[0]))


def _der(value: bytes) -> bytes:
    """The certificate of a field; nothing for what cannot be read."""
    if len(value) > _LONGEST:
        return b""
    found = _BYTES.fullmatch(value.strip()) or _PEM.fullmatch(unquote_to_bytes(value.strip()))
    try:
        return b64decode(found[1]) if found else b""
    except ValueError:
        return b""
