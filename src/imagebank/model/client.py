"""Systems that ask for tokens themselves."""

from dataclasses import dataclass
from datetime import datetime

from imagebank.model.access import Role


@dataclass(frozen=True, slots=True)
class Client:
    """A system that proves who it is by private keys: one that it signs with, one of its TLS certificate, or both.

    `key` is the public one of the first, a JWK as JSON; `certificate` the other's fingerprint. Empty is none.
    """

    name: str
    role: Role
    organization: str
    key: str
    created_at: datetime
    certificate: str = ""
