"""People's accounts, and by what they sign in."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from imagebank.errors import Invalid
from imagebank.model.access import Role

_NAME: Final = re.compile(r"[\w.@+-]{1,64}")


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who signs in. `name` is what is typed, and how they stand in the ledger.

    `password` is an Argon2id hash, empty for none. `totp` is the sealed secret of an authenticator app, empty for
    none, `totp_waiting` one that was shown but not proven yet; no code of step `totp_step` or before is taken again.
    """

    id: str
    name: str
    display_name: str
    organization: str
    role: Role
    created_at: datetime
    is_locked: bool = False
    password: str = ""
    totp: bytes = b""
    totp_waiting: bytes = b""
    totp_step: int = 0


@dataclass(frozen=True, slots=True)
class Passkey:
    """A WebAuthn credential: its identifier, public key (COSE), and the last count that it showed."""

    id: bytes
    account: str
    public_key: bytes
    count: int
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a one-time activation link allows: to choose by what `account` signs in.

    Without an account it makes one, of this role and organization.
    """

    account: str
    role: Role
    organization: str
    expires_at: datetime


def name_of(text: str) -> str:
    """How a sign-in name is written everywhere: without capitals. Raises Invalid for what is none."""
    name = folded(text)
    if not _NAME.fullmatch(name):
        raise Invalid("a name for signing in has up to 64 letters, digits, and . @ + - _, and no spaces")
    return name


def folded(text: str) -> str:
    """The same name however it was typed."""
    return unicodedata.normalize("NFKC", text).strip().casefold()
