"""The key that signs checkpoints of the ledger: in the database, wrapped by the root key."""

import threading

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from imagebank.ports import Index, Keys

_NAME = "ledger"


class LedgerKey:
    """An Ed25519 key, made at first use. Whoever comes first keeps one; all processes sign with that."""

    def __init__(self, index: Index, keys: Keys) -> None:
        self._index = index
        self._keys = keys
        self._lock = threading.Lock()
        self._private: Ed25519PrivateKey | None = None

    def public(self) -> bytes:
        return self._key().public_key().public_bytes_raw()

    def sign(self, statement: bytes) -> bytes:
        return self._key().sign(statement)

    def _key(self) -> Ed25519PrivateKey:
        with self._lock:
            if self._private is None:
                mine = Ed25519PrivateKey.generate().private_bytes_raw()
                with self._index.begin() as tx:
                    kept = tx.put_secret(_NAME, self._keys.wrap(mine))
                self._private = Ed25519PrivateKey.from_private_bytes(self._keys.unwrap(kept))
            return self._private
