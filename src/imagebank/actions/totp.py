"""Codes of authenticator apps (RFC 6238): six digits, SHA-1, a new one every 30 seconds."""

import base64
import hmac
import secrets
from datetime import datetime
from typing import Final
from urllib.parse import quote

STEP_S: Final = 30
_DIGITS: Final = 6
_SECRET_BYTES: Final = 20
_WINDOW: Final = (-1, 0, 1)
"""Steps around the present one whose codes are taken: clocks differ, and people type slowly."""


def new_secret() -> bytes:
    return secrets.token_bytes(_SECRET_BYTES)


def step_at(now: datetime) -> int:
    return int(now.timestamp()) // STEP_S


def code(secret: bytes, step: int) -> str:
    """RFC 4226 5.3 for the counter `step`."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**_DIGITS:0{_DIGITS}}"


def step_of(secret: bytes, typed: str, now: datetime, after: int) -> int | None:
    """Of which step, later than `after`, the typed code is; None when of none."""
    told = "".join(typed.split()).encode()
    steps = [step_at(now) + offset for offset in _WINDOW]
    found = [step for step in steps if hmac.compare_digest(code(secret, step).encode(), told) and step > after]
    return found[0] if found else None


def written(secret: bytes) -> str:
    """The secret as a person types it into an app."""
    return base64.b32encode(secret).decode().rstrip("=")


def address(secret: bytes, name: str) -> str:
    """What an app reads from a QR code."""
    return f"otpauth://totp/Imagebank:{quote(name, safe='')}?secret={written(secret)}&issuer=Imagebank"
