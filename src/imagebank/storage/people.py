"""People who sign in, their means and their sessions, in the database."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, case, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from imagebank.model.access import Role, Session, Token
from imagebank.model.account import Account, Invitation, Passkey
from imagebank.model.client import Client
from imagebank.model.recovery import Fate
from imagebank.storage import tables
from imagebank.storage.database import Database, put
from imagebank.storage.recoveries import RecoveryChanges
from imagebank.storage.rows import clean, micros, moment

_ACCOUNT, _PASSKEY, _SESSION, _ATTEMPT = tables.account, tables.passkey, tables.session, tables.attempt


def _sessions() -> Select[Any]:
    """Sessions with what their account is now; of nobody who is locked out."""
    rows = _SESSION
    return (
        select(
            rows.c.digest,
            func.coalesce(_ACCOUNT.c.name, rows.c.name),
            func.coalesce(_ACCOUNT.c.role, rows.c.role),
            func.coalesce(_ACCOUNT.c.organization, rows.c.organization),
            *(rows.c[name] for name in ("created_at", "expires_at", "token", "account", "address")),
            rows.c.seen_at,
            rows.c.proven_at,
        )
        .join_from(rows, _ACCOUNT, _ACCOUNT.c.id == rows.c.account, isouter=True)
        # Literals: the driver itself runs it, with the named parameters only.
        .where((rows.c.account == text("''")) | (_ACCOUNT.c.is_locked == text("0")))
        .where(rows.c.expires_at > bindparam("now"), rows.c.seen_at > bindparam("seen_after"))
    )


def open_session() -> Select[Any]:
    """The session of this digest. One that was opened with a token, only as long as that one is there."""
    tokens = tables.token
    has_token = select(tokens.c.digest).where(tokens.c.digest == _SESSION.c.token).exists()
    return _sessions().where(_SESSION.c.digest == bindparam("digest")).where(_SESSION.c.token.is_(None) | has_token)


def _client_of(row: Any) -> Client:
    return Client(row.name, Role(row.role), row.organization, row.key, moment(row.created_at), row.certificate)


def session_of(row: Any) -> Session:
    digest, name, role, organization, created, expires, token, account, address, seen, proven = row
    return Session(
        bytes(digest),
        name,
        Role(role),
        organization,
        moment(created),
        moment(expires),
        None if token is None else bytes(token),
        account,
        address,
        moment(seen),
        moment(proven),
    )


def session_row(session: Session) -> dict[str, Any]:
    return signed_in(session) | {
        "token": session.token,
        "account": session.account,
        "address": clean(session.address),
        "seen_at": micros(session.seen_at),
        "proven_at": micros(session.proven_at),
    }


def signed_in(value: Token | Session) -> dict[str, Any]:
    return {
        "digest": value.digest,
        "name": clean(value.name),
        "role": value.role.value,
        "organization": clean(value.organization),
        "created_at": micros(value.created_at),
        "expires_at": micros(value.expires_at),
    }


def _account_of(row: Row[Any]) -> Account:
    return Account(
        row.id,
        row.name,
        row.display_name,
        row.organization,
        Role(row.role),
        moment(row.created_at),
        bool(row.is_locked),
        row.password,
        bytes(row.totp),
        bytes(row.totp_waiting),
        row.totp_step,
    )


def _passkey_of(row: Row[Any]) -> Passkey:
    numbers = row._mapping  # noqa: SLF001 - a row is a tuple, too, and has a method named count
    return Passkey(
        bytes(row.id), row.account, bytes(row.public_key), numbers["count"], row.name, moment(row.created_at)
    )


def _invitation_of(row: Row[Any] | None) -> Invitation | None:
    return row and Invitation(row.account, Role(row.role), row.organization, moment(row.expires_at))


class SQLPeople:
    """A `PeopleReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _rows(self, statement: Select[Any], given: dict[str, Any] | None = None) -> list[Any]:
        with self._database.reading() as connection:
            return list(connection.execute(statement, given or {}))

    def account(self, name: str) -> Account | None:
        rows = self._rows(select(_ACCOUNT).where(_ACCOUNT.c.name == clean(name)))
        return _account_of(rows[0]) if rows else None

    def account_of(self, identifier: str) -> Account | None:
        rows = self._rows(select(_ACCOUNT).where(_ACCOUNT.c.id == identifier))
        return _account_of(rows[0]) if rows else None

    def accounts(self) -> list[Account]:
        return [_account_of(row) for row in self._rows(select(_ACCOUNT).order_by(_ACCOUNT.c.name))]

    def client(self, name: str) -> Client | None:
        rows = self._rows(select(tables.client).where(tables.client.c.name == clean(name)))
        return _client_of(rows[0]) if rows else None

    def clients(self) -> list[Client]:
        return [_client_of(row) for row in self._rows(select(tables.client).order_by(tables.client.c.name))]

    def passkey(self, identifier: bytes) -> Passkey | None:
        rows = self._rows(select(_PASSKEY).where(_PASSKEY.c.id == identifier))
        return _passkey_of(rows[0]) if rows else None

    def passkeys(self, account: str) -> list[Passkey]:
        chosen = select(_PASSKEY).where(_PASSKEY.c.account == account).order_by(_PASSKEY.c.created_at, _PASSKEY.c.id)
        return [_passkey_of(row) for row in self._rows(chosen)]

    def invitation(self, digest: bytes, now: datetime) -> Invitation | None:
        links = tables.invitation
        rows = self._rows(select(links).where(links.c.digest == digest, links.c.expires_at > micros(now)))
        return _invitation_of(rows[0] if rows else None)

    def sessions(self, account: str, now: datetime, seen_after: datetime) -> list[Session]:
        mine = _sessions().where(_SESSION.c.account == account).order_by(_SESSION.c.created_at.desc())
        rows = self._rows(mine, {"now": micros(now), "seen_after": micros(seen_after)})
        return [session_of(row) for row in rows]


class PeopleChanges:
    """A `PeopleWriter` on an open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _done(self, statement: Any) -> int:
        return self._connection.execute(statement).rowcount

    def _insert(self, table: Any) -> Any:
        return (sqlite_insert if self._connection.dialect.name == "sqlite" else postgresql_insert)(table)

    def _is_new(self, table: Any, values: dict[str, Any]) -> bool:
        """Insert a row, unless one with the same key is there."""
        statement = self._insert(table).values(**values).on_conflict_do_nothing().returning(*table.primary_key)
        return self._connection.scalar(statement) is not None

    def put_account(self, account: Account) -> bool:
        values = {
            "id": account.id,
            "name": clean(account.name),
            "display_name": clean(account.display_name),
            "organization": clean(account.organization),
            "role": account.role.value,
            "created_at": micros(account.created_at),
            "is_locked": int(account.is_locked),
            "password": account.password,
            "totp": account.totp,
            "totp_waiting": account.totp_waiting,
            "totp_step": account.totp_step,
        }
        return self._is_new(_ACCOUNT, values)

    def change_account(
        self,
        identifier: str,
        *,
        password: str | None = None,
        totp: bytes | None = None,
        totp_waiting: bytes | None = None,
        is_locked: bool | None = None,
    ) -> None:
        given = {"password": password, "totp": totp, "totp_waiting": totp_waiting}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if is_locked is not None:
            changes["is_locked"] = int(is_locked)
        self._done(update(_ACCOUNT).where(_ACCOUNT.c.id == identifier).values(**changes))
        if password is not None or totp is not None:
            RecoveryChanges(self._connection).end(identifier, Fate.OVERTAKEN)

    def spend_step(self, identifier: str, step: int) -> bool:
        rows = _ACCOUNT
        is_new = (rows.c.id == identifier, rows.c.totp_step < step)
        return self._done(update(rows).where(*is_new).values(totp_step=step)) == 1

    def put_passkey(self, passkey: Passkey) -> bool:
        values = {
            "id": passkey.id,
            "account": passkey.account,
            "public_key": passkey.public_key,
            "count": passkey.count,
            "name": clean(passkey.name),
            "created_at": micros(passkey.created_at),
        }
        return self._is_new(_PASSKEY, values)

    def remove_passkey(self, account: str, identifier: bytes) -> bool:
        return self._done(delete(_PASSKEY).where(_PASSKEY.c.account == account, _PASSKEY.c.id == identifier)) == 1

    def remove_passkeys(self, account: str) -> None:
        self._done(delete(_PASSKEY).where(_PASSKEY.c.account == account))

    def count_passkey(self, identifier: bytes, before: int, count: int) -> bool:
        same = (_PASSKEY.c.id == identifier, _PASSKEY.c["count"] == before)
        return self._done(update(_PASSKEY).where(*same).values(count=count)) == 1

    def put_invitation(self, digest: bytes, invitation: Invitation) -> None:
        links = tables.invitation
        self._done(delete(links).where(links.c.account == invitation.account))
        values = {
            "digest": digest,
            "account": invitation.account,
            "role": invitation.role.value,
            "organization": clean(invitation.organization),
            "expires_at": micros(invitation.expires_at),
        }
        put(self._connection, links, ["digest"], values)

    def use_invitation(self, digest: bytes, now: datetime) -> Invitation | None:
        links = tables.invitation
        spent = delete(links).where(links.c.digest == digest, links.c.expires_at > micros(now)).returning(links)
        return _invitation_of(self._connection.execute(spent).one_or_none())

    def put_client(self, client: Client) -> bool:
        values = {
            "name": client.name,
            "role": client.role.value,
            "organization": clean(client.organization),
            "key": client.key,
            "created_at": micros(client.created_at),
            "certificate": client.certificate,
        }
        return self._is_new(tables.client, values)

    def remove_client(self, name: str) -> bool:
        return self._done(delete(tables.client).where(tables.client.c.name == name)) == 1

    def put_challenge(self, digest: bytes, account: str, expires_at: datetime) -> None:
        values = {"digest": digest, "account": account, "expires_at": micros(expires_at)}
        put(self._connection, tables.challenge, ["digest"], values)

    def use_challenge(self, digest: bytes, account: str, now: datetime) -> bool:
        given = tables.challenge
        mine = (given.c.digest == digest, given.c.account == account, given.c.expires_at > micros(now))
        return self._done(delete(given).where(*mine)) == 1

    def count_attempt(self, key: str, now: datetime, until: datetime, limit: int) -> int:
        rows = _ATTEMPT
        is_over = rows.c.ends_at <= micros(now)
        counted = rows.c["count"]
        statement = self._insert(rows).values(key=key, count=1, ends_at=micros(until))
        statement = statement.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "count": case((is_over, 1), else_=counted + 1),
                "ends_at": case((is_over, micros(until)), else_=rows.c.ends_at),
            },
            where=is_over | (counted < limit),
        ).returning(counted)
        return self._connection.scalar(statement) or 0

    def give_back_attempt(self, key: str) -> None:
        rows = _ATTEMPT
        counted = rows.c["count"]
        self._done(update(rows).where(rows.c.key == key, counted > 0).values({counted: counted - 1}))

    def forget_attempts(self, key: str) -> None:
        self._done(delete(_ATTEMPT).where(_ATTEMPT.c.key == key))

    def see_session(self, digest: bytes, at: datetime) -> None:
        self._done(update(_SESSION).where(_SESSION.c.digest == digest).values(seen_at=micros(at)))

    def prove_session(self, digest: bytes, at: datetime) -> None:
        self._done(update(_SESSION).where(_SESSION.c.digest == digest).values(proven_at=micros(at)))

    def end_sessions(self, account: str, digest: bytes | None = None, *, but: bytes = b"") -> int:
        ended = delete(_SESSION).where(_SESSION.c.account == account, _SESSION.c.digest != but)
        return self._done(ended if digest is None else ended.where(_SESSION.c.digest == digest))

    def sweep(self, now: datetime) -> None:
        for table in (tables.invitation, tables.challenge):
            self._done(delete(table).where(table.c.expires_at <= micros(now)))
        self._done(delete(_ATTEMPT).where(_ATTEMPT.c.ends_at <= micros(now)))
