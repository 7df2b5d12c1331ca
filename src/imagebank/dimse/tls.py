"""TLS as the BCP 195 profile asks (PS3.15 B.12, RFC 9325): version 1.2 at least, forward secrecy, AEAD."""

import ssl
from pathlib import Path
from typing import Final

from imagebank.errors import Invalid
from imagebank.settings import Settings

# RFC 9325 4.2; TLS 1.3 has suites of its own, all of them AEAD.
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!aNULL:!PSK"


def server_context(settings: Settings) -> ssl.SSLContext:
    """For the listener; with `tls_ca` every client must show a certificate of those authorities.

    Raises Invalid, naming the setting, when a file is missing or is not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    if settings.tls_cert is None or settings.tls_key is None:
        raise Invalid("the TLS listener needs a certificate and its key: give tls_cert and tls_key")
    _load(context, settings.tls_cert, settings.tls_key)
    if settings.tls_ca is not None:
        _trust(context, settings.tls_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(settings: Settings) -> ssl.SSLContext:
    """For calling devices. With `tls_ca` the device's certificate must come from those authorities.

    Raises Invalid, naming the setting, when a file is missing or is not what it should be.
    """
    context = ssl.create_default_context()
    _harden(context)
    if settings.tls_ca is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _harden(context)
        # The authority vouches for the node; certificates of devices rarely name the host they run on, and IHE ATNA
        # does not have them do so.
        context.check_hostname = False
        _trust(context, settings.tls_ca)
    if settings.tls_cert is not None and settings.tls_key is not None:
        _load(context, settings.tls_cert, settings.tls_key)
    return context


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    # RFC 9325 3.3 and 3.5.
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE


def _load(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as exc:
        raise Invalid(f"tls_cert {cert} and tls_key {key} cannot be used: {exc}") from exc


def _trust(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(ca)
    except (OSError, ssl.SSLError) as exc:
        raise Invalid(f"tls_ca {ca} cannot be used: {exc}") from exc
