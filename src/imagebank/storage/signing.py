"""The bank's own keys: what signs checkpoints of the ledger, and what hides there who a patient is."""

import hmac
import secrets

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from imagebank.model.ledger import Checkpoint
from imagebank.model.person import PatientId
from imagebank.ports import Keys
from imagebank.storage.database import Database, insert_new
from imagebank.storage.ledger import Pseudonym
from imagebank.storage.tables import secret

_BYTES = 32


def own_key(database: Database, keys: Keys, name: str) -> bytes:
    """A key of 32 bytes that the database keeps, wrapped by the root key. Whoever asks first makes it."""
    kept = kept_key(database, name)
    if kept is None:
        with database.writing() as connection:
            insert_new(connection, secret, {"name": name, "wrapped": keys.wrap(secrets.token_bytes(_BYTES))})
        kept = kept_key(database, name)
    assert kept is not None
    return keys.unwrap(kept)


def kept_key(database: Database, name: str) -> bytes | None:
    """A key of this name as the database keeps it, wrapped; None when there is none yet."""
    with database.reading() as connection:
        wrapped = connection.scalar(select(secret.c.wrapped).where(secret.c.name == name))
    return None if wrapped is None else bytes(wrapped)


def pseudonyms(key: bytes) -> Pseudonym:
    """Names for people that only who has this key can tell: 32 hex digits of a keyed hash of their identifier."""

    def name(patient: PatientId) -> str:
        # A record without an identifier is nobody that could be found again.
        told = f"{patient.issuer}\0{patient.identifier}".encode()
        return hmac.digest(key, told, "sha256").hex()[:32] if patient.identifier else ""

    return name


class LedgerKey:
    """The Ed25519 key that signs checkpoints."""

    def __init__(self, private: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(private)
        self.seen: Checkpoint | None = None
        self.kept: Checkpoint | None = None

    def public(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    def sign(self, statement: bytes) -> bytes:
        return self._key.sign(statement)
