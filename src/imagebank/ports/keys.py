"""Keys: what wraps data keys, what keeps the keys of accounts, and what signs."""

from collections.abc import Sequence
from typing import Protocol

from imagebank.model.key import AccountKey
from imagebank.model.ledger import Checkpoint
from imagebank.model.person import PatientId


class Keys(Protocol):
    """Wraps data keys. A wrapped key names the key that wrapped it, so that keys can change."""

    def wrap(self, data_key: bytes, key: AccountKey | None = None) -> bytes:
        """The data key (32 bytes) sealed under an account's key, or without one under the current root key.

        56 bytes, of which the first 16 name the key.
        """
        ...

    def unwrap(self, sealed: bytes) -> bytes:
        """The data key again. Raises Unavailable when the wrapping key is not here, NotFound when destroyed."""
        ...


class KeyService(Protocol):
    """A key management service, given by a package with an entry point in the group `imagebank.keys`.

    The entry point is called without arguments and gives one. It is asked when a process starts, not for each object:
    the root key file then holds what it wrapped. Whatever it raises ends the start.
    """

    def wrap(self, key: bytes) -> bytes:
        """A root key of 32 bytes, sealed so that only the service can open it."""
        ...

    def unwrap(self, sealed: bytes) -> bytes:
        """The root key again."""
        ...


class AccountKeys(Protocol):
    """The keys of accounts. Each is kept, wrapped by the root key, in the database and among the objects."""

    def of(self, owner: PatientId) -> AccountKey:
        """The account's key, made durable when there was none. Raises OutOfSpace, Unavailable."""
        ...

    def names_of(self, owner: PatientId) -> list[bytes]:
        """The names of an account's keys; none of those that are destroyed."""
        ...

    def destroy(self, names: Sequence[bytes]) -> None:
        """Destroy keys durably, among the objects and everywhere; a repeat changes nothing."""
        ...

    def renew(self, limit: int) -> int:
        """Wrap up to `limit` keys anew that another than the current root key wraps; how many there were.

        At 0 nothing is left to do. It may run beside everything else, and be cut short at any moment.
        """
        ...

    def tidy(self) -> None:
        """Destroy records of keys among the objects to which no row refers any more, as a renewal leaves them."""
        ...

    def usage(self) -> tuple[str, dict[str, int]]:
        """The name of the current root key, and how many keys each root key wraps; names in hexadecimal."""
        ...

    def is_root(self, name: bytes) -> bool:
        """Whether a key of this name is a root key that is at hand."""
        ...

    def restore(self) -> None:
        """Let the database know every key that is kept among the objects, and which of them are destroyed."""
        ...


class Signer(Protocol):
    """Signs checkpoints of the ledger with Ed25519.

    It remembers, in this process, the newest checkpoint that was `seen` and the newest that is `kept` among the objects.
    """

    seen: Checkpoint | None
    kept: Checkpoint | None

    def public(self) -> bytes:
        """The public key, 32 bytes."""
        ...

    def sign(self, statement: bytes) -> bytes:
        """The signature, 64 bytes."""
        ...
