"""Certificates by which devices and systems are known: exactly those that an operator has registered.

A fingerprint is the SHA-256 of the DER, as `openssl x509 -fingerprint -sha256` shows it, in small letters without colons.
"""

import hashlib
import secrets
from typing import Final

SHORT: Final = 16
"""So many digits of a fingerprint tell certificates apart for people."""


def fingerprint(der: bytes) -> str:
    """What is kept of a certificate; empty for none."""
    return hashlib.sha256(der).hexdigest() if der else ""


def is_shown(wanted: str, shown: str) -> bool:
    """Whether what was shown is what is wanted, if something is: fingerprints of both."""
    return not wanted or secrets.compare_digest(wanted, shown)
