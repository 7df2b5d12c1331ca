"""Who asks, and what they may see."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from imagebank.errors import NotAllowed
from imagebank.model.uid import Uid


class Right(StrEnum):
    """One thing that a caller may do. The last four are those of a DIMSE device, too."""

    ADMINISTER = "administer"
    DELETE = "delete"
    STORE = "store"
    FIND = "find"
    MOVE = "move"
    GET = "get"


class Role(StrEnum):
    """What a caller is; a role carries rights and nothing else."""

    ADMIN = "admin"
    CLINICIAN = "clinician"
    DEVICE = "device"
    SYSTEM = "system"


RIGHTS: Mapping[Role, frozenset[Right]] = MappingProxyType(
    {
        Role.ADMIN: frozenset(Right),
        Role.CLINICIAN: frozenset({Right.FIND, Right.GET, Right.STORE}),
        Role.DEVICE: frozenset({Right.STORE, Right.FIND, Right.MOVE, Right.GET}),
        Role.SYSTEM: frozenset({Right.STORE, Right.FIND, Right.GET}),
    }
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a caller may see, as a value that every read has to be given.

    `organizations` None means that the organization does not narrow; likewise `studies`. An empty set shows nothing.
    What lies outside the scope does not exist for the caller: it is neither found, nor counted, nor refused by name.
    """

    organizations: frozenset[str] | None
    studies: frozenset[Uid] | None = None

    @classmethod
    def nothing(cls) -> Self:
        return cls(frozenset())

    @classmethod
    def of(cls, *organizations: str) -> Self:
        return cls(frozenset(organizations))

    @classmethod
    def everything(cls, reason: str) -> "Unbounded":
        """The whole bank, for the bank's own upkeep. `actions.audit.unbounded` turns it into a scope and an event."""
        return Unbounded(reason)


@dataclass(frozen=True, slots=True)
class Unbounded:
    """A wish to see everything, which becomes a `Scope` only together with an event in the ledger."""

    reason: str


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller that the bank knows: a token's holder, a device or a signed-in session.

    `organization` is the one that the caller deposits for; `scope` what it may see.
    """

    name: str
    role: Role
    organization: str
    rights: frozenset[Right]
    scope: Scope

    def require(self, right: Right) -> None:
        """Raises NotAllowed when the caller lacks the right."""
        if right not in self.rights:
            raise NotAllowed(f"this needs the right to {right}; ask whoever runs the bank")


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token as the bank keeps it: its SHA-256 only, never the token itself."""

    digest: bytes
    name: str
    role: Role
    organization: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser. The cookie holds a random value of which the bank keeps the SHA-256.

    `token` is the digest of the bearer token that it was opened with, if it was; it ends with that.
    """

    digest: bytes
    name: str
    role: Role
    organization: str
    created_at: datetime
    expires_at: datetime
    token: bytes | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """A DIMSE peer: who may call us, and where a C-MOVE or a commitment result may go."""

    aet: str
    host: str
    port: int
    tls: bool
    rights: frozenset[Right]
    organization: str
