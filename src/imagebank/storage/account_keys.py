"""Keys of accounts: in the database, and in records of their own among the objects, each wrapped by the root key."""

import hmac
import secrets
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Select, bindparam, func, select, update

from imagebank.errors import NotFound, Unavailable
from imagebank.model.imaging import Location
from imagebank.model.key import AccountKey
from imagebank.model.person import PatientId
from imagebank.ports import Blobs
from imagebank.storage import tables
from imagebank.storage.database import Database, Prepared, insert_new
from imagebank.storage.keys import RootKeys, unwrapped
from imagebank.storage.record import KEY_NAME

_T: Final = tables.account_key
_BYTES: Final = 32
_CACHED: Final = 10_000
"""Unwrapped keys that a process remembers; unwrapping another costs as much as a record's own key does."""


class _Note(msgspec.Struct, frozen=True):
    """What the record of a key holds, sealed under the root key."""

    name: bytes
    wrapped: bytes
    issuer: str
    identifier: str


_OF: Final = Prepared(lambda _: select(_T.c.name).where(_T.c.owner == bindparam("owner")))
_NAMED: Final = Prepared(lambda _: select(_T.c.wrapped).where(_T.c.name == bindparam("name")))


def _living(dialect: str) -> Select[Any]:
    statement = select(_T.c.owner).where(_T.c.name == bindparam("name"))
    # Whoever closes the account waits for us, or we for them.
    return statement.with_for_update(read=True) if dialect == "postgresql" else statement


_LIVING: Final = Prepared(_living)


def require_living(connection: Connection, names: set[bytes]) -> None:
    """See that nobody destroys these keys before the transaction ends. Raises Unavailable when one is destroyed."""
    for name in sorted(names):
        row = _LIVING.run(connection, {"name": name}).fetchone()
        if row is not None and not row[0]:  # others are root keys, which nobody destroys
            raise Unavailable(
                "the key of its account was destroyed while it came; nothing of this was kept, send it again"
            )


def close(connection: Connection, names: Sequence[bytes]) -> None:
    """Forget keys, all but their names and places, so that a late reader learns that they were destroyed."""
    connection.execute(update(_T).where(_T.c.name.in_(list(names))).values(owner="", wrapped=b""))


def hidden(people: bytes, owner: PatientId) -> str:
    """How an account stands in the database: only who has this key can tell."""
    return hmac.digest(people, f"key\0{owner.issuer}\0{owner.identifier}".encode(), "sha256").hex()[:32]


class SQLAccountKeys:
    """`Keys` and `AccountKeys` on a database, below root keys. `people` hides who an account is.

    What is asked for by a name that the database does not know is looked for among the objects, which `keep_in` tells.
    """

    def __init__(self, root: RootKeys, database: Database, people: bytes) -> None:
        self._root, self._database, self._people = root, database, people
        self._blobs: Blobs | None = None
        self._making = threading.Lock()
        self._strays: dict[bytes, bytes] | None = None
        self._secret = lru_cache(maxsize=_CACHED)(self._find)

    def keep_in(self, blobs: Blobs) -> None:
        """Where the records of keys are kept: the store that itself asks here for the keys of its records."""
        self._blobs = blobs

    def wrap(self, data_key: bytes, key: AccountKey | None = None) -> bytes:
        return self._root.wrap(data_key, key)

    def unwrap(self, sealed: bytes) -> bytes:
        name = sealed[:KEY_NAME]
        return self._root.unwrap(sealed) if self._root.has(name) else unwrapped(self._secret(name), sealed)

    def of(self, owner: PatientId) -> AccountKey:
        hidden_owner = hidden(self._people, owner)
        return self._known(hidden_owner) or self._make(owner, hidden_owner)

    def _known(self, owner: str) -> AccountKey | None:
        # Asked every time: another process may have destroyed the key, and nothing may be sealed under it then.
        with self._database.directly() as connection:
            row = _OF.run(connection, {"owner": owner}).fetchone()
        if row is None:
            return None
        name = bytes(row[0])
        return AccountKey(name, self._secret(name))

    def _make(self, owner: PatientId, hidden_owner: str) -> AccountKey:
        """A new key. Two processes may make one each for the same account: both are good, and die together."""
        with self._making:
            known = self._known(hidden_owner)
            if known is not None:
                return known
            key = AccountKey(secrets.token_bytes(KEY_NAME), secrets.token_bytes(_BYTES))
            note = _Note(key.name, self._root.wrap(key.secret), owner.issuer, owner.identifier)
            location = self._store.keep_key(msgspec.json.encode(note))
            with self._database.writing() as connection:
                insert_new(connection, _T, self._row(note, location))
        return key

    @property
    def _store(self) -> Blobs:
        assert self._blobs is not None
        return self._blobs

    def _row(self, note: _Note, location: Location) -> dict[str, object]:
        owner = hidden(self._people, PatientId(note.issuer, note.identifier))
        place = {"segment": location.segment, "segment_offset": location.offset, "length": location.length}
        return {"name": note.name, "owner": owner, "wrapped": note.wrapped, **place}

    def _find(self, name: bytes) -> bytes:
        with self._database.directly() as connection:
            row = _NAMED.run(connection, {"name": name}).fetchone()
        if row is None and (root := self._root.find(name)) is not None:
            return root  # one that was added while this process ran
        sealed = bytes(row[0]) if row is not None else self._stray(name)
        if not sealed:
            raise NotFound("the key of its account was destroyed")
        return self._root.unwrap(sealed)

    def _stray(self, name: bytes) -> bytes:
        """A key that the database lost; empty for one that was destroyed."""
        if self._strays is None:
            strays = {note.name: note.wrapped for note, _ in self._notes()}
            self._strays = strays | dict.fromkeys(self._store.destroyed_keys(), b"")
        sealed = self._strays.get(name)
        if sealed is None:
            raise Unavailable("the key {key} is not here; put back the root key, or the folder of keys", key=name.hex())
        return sealed

    def _notes(self) -> Iterator[tuple[_Note, Location]]:
        for record in self._store.kept_keys():
            if record.note is not None:
                yield msgspec.json.decode(record.note, type=_Note), record.location

    def restore(self) -> None:
        found = [self._row(note, location) for note, location in self._notes()]
        dead = self._store.destroyed_keys()
        with self._database.writing() as connection:
            for row in found:
                if row["name"] not in dead:
                    insert_new(connection, _T, row)
            close(connection, [name for name in map(bytes, connection.scalars(select(_T.c.name))) if name in dead])
        self._forget()

    def names_of(self, owner: PatientId) -> list[bytes]:
        with self._database.reading() as connection:
            theirs = select(_T.c.name).where(_T.c.owner == hidden(self._people, owner))
            return [bytes(name) for name in connection.scalars(theirs)]

    def destroy(self, names: Sequence[bytes]) -> None:
        wanted = select(_T.c.segment, _T.c.segment_offset, _T.c.length).where(_T.c.name.in_(list(names)))
        with self._database.reading() as connection:
            places = connection.execute(wanted).all()
        self._store.destroy_keys(names, [Location(*place, 0) for place in places])
        self._forget()

    def renew(self, limit: int) -> int:
        self._root.refresh()
        self._renew_own()
        others = select(_T.c.name).where(
            _T.c.wrapped != b"", func.substr(_T.c.wrapped, 1, KEY_NAME) != self._root.current
        )
        with self._database.reading() as connection:
            names = list(map(bytes, connection.scalars(others.limit(limit))))
        for name in names:
            self._renew(name)
        return len(names)

    def _renew(self, name: bytes) -> None:
        """The row is held until it names the new record, so that nobody else renews or tidies meanwhile."""
        with self._database.writing() as connection:
            row = connection.execute(select(_T).where(_T.c.name == name).with_for_update()).one()
            sealed = bytes(row.wrapped)
            if not sealed or sealed[:KEY_NAME] == self._root.current:
                return
            before = Location(row.segment, row.segment_offset, row.length, 0)
            told = msgspec.json.decode(self._store.note(before), type=_Note)
            note = msgspec.structs.replace(told, wrapped=self._root.wrap(self._root.unwrap(sealed)))
            place = self._store.keep_key(msgspec.json.encode(note))
            connection.execute(update(_T).where(_T.c.name == name).values(**self._row(note, place)))
        self._store.destroy([before])

    def _renew_own(self) -> None:
        """The bank's own keys: what signs the ledger, and the like."""
        own = tables.secret
        with self._database.writing() as connection:
            for name, sealed in connection.execute(select(own.c.name, own.c.wrapped)).all():
                if sealed[:KEY_NAME] != self._root.current:
                    renewed = self._root.wrap(self._root.unwrap(bytes(sealed)))
                    connection.execute(update(own).where(own.c.name == name).values(wrapped=renewed))

    def tidy(self) -> None:
        for note, location in self._notes():
            if self._is_spare(note.name, location):
                self._store.destroy([location])

    def _is_spare(self, name: bytes, location: Location) -> bool:
        """Whether a key is destroyed, or kept in another record. One without a row is being made."""
        row_of = select(_T.c.wrapped, _T.c.segment, _T.c.segment_offset).where(_T.c.name == name)

        def says(connection: Connection, statement: Select[Any]) -> bool:
            row = connection.execute(statement).one_or_none()
            here = (location.segment, location.offset)
            return row is not None and (not row.wrapped or (row.segment, row.segment_offset) != here)

        with self._database.reading() as connection:
            if not says(connection, row_of):
                return False
        with self._database.writing() as connection:  # after whoever renews it just now
            return says(connection, row_of.with_for_update())

    def usage(self) -> tuple[str, dict[str, int]]:
        root = func.substr(_T.c.wrapped, 1, KEY_NAME)
        counted = select(root, func.count()).where(_T.c.wrapped != b"").group_by(root)
        with self._database.reading() as connection:
            return self._root.current.hex(), {bytes(name).hex(): n for name, n in connection.execute(counted)}

    def is_root(self, name: bytes) -> bool:
        return self._root.has(name)

    def _forget(self) -> None:
        self._secret.cache_clear()
        self._strays = None
