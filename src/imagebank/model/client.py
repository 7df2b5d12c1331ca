"""Systems that ask for tokens themselves."""

from dataclasses import dataclass
from datetime import datetime

from imagebank.model.access import Role


@dataclass(frozen=True, slots=True)
class Client:
    """A system that proves who it is by its private key. `key` is the public one, a JWK as JSON."""

    name: str
    role: Role
    organization: str
    key: str
    created_at: datetime
