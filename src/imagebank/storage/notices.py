"""Notices, the mail that carries them, addresses, choices and codes, in the database."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    update,
)

from imagebank.model.access import is_elsewhere
from imagebank.model.notice import Kind, Mailbox, Notice, SentCode, State, Way, folded_address
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind as Decided
from imagebank.storage import provisions, tables
from imagebank.storage.database import Database, Prepared, insert_new, put
from imagebank.storage.rows import clean, micros, moment

_NOTICE, _MAILBOX, _CHOICE, _CODE = tables.notice, tables.mailbox, tables.notice_choice, tables.mailed_code
_PLACE: Final = tables.place


def _holders() -> Select[Any]:
    """Accounts, or the names of others, that hold the records of a patient now."""
    held, account = tables.provision.c, tables.account
    never: ColumnElement[int] = literal_column("0")
    kind: ColumnElement[str] = literal_column(f"'{Decided.HOLDING.value}'")
    is_now = (held.revoked_at == never, held.starts_at <= bindparam("now"), held.ends_at > bindparam("now"))
    is_theirs = provisions.is_of(bindparam("issuer"), bindparam("identifier"))
    joined = tables.provision.outerjoin(account, account.c.name == held.principal)
    chosen = select(account.c.id, held.principal).select_from(joined).distinct()
    return chosen.where(is_theirs, held.kind == kind, *is_now)


_HOLDERS: Final = Prepared(lambda _: _holders())


class SQLNotices:
    """A `NoticesReader` on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_account(self, account: str, limit: int, before: datetime | None = None) -> list[Notice]:
        rows = _NOTICE.c
        wanted = select(_NOTICE).where(rows.account == account)
        if before is not None:
            wanted = wanted.where(rows.at < micros(before))
        return self._notices(wanted.order_by(rows.at.desc(), rows.id).limit(limit))

    def unseen(self, account: str) -> int:
        with self._database.reading() as connection:
            wanted = select(func.count()).where(_NOTICE.c.account == account, _NOTICE.c.seen_at == 0)
            return int(connection.scalar(wanted) or 0)

    def notice(self, identifier: str) -> Notice | None:
        found = self._notices(select(_NOTICE).where(_NOTICE.c.id == clean(identifier)))
        return found[0] if found else None

    def of_mail(self, mail: str) -> list[Notice]:
        return self._notices(select(_NOTICE).where(_NOTICE.c.mail == mail).order_by(_NOTICE.c.at, _NOTICE.c.id))

    def unsent(self, limit: int) -> list[Notice]:
        rows = _NOTICE.c
        is_unsent = rows.state.in_([State.WAITING.value, State.ASIDE.value])
        return self._notices(select(_NOTICE).where(is_unsent).order_by(rows.at, rows.id).limit(limit))

    def _notices(self, statement: Any) -> list[Notice]:
        with self._database.reading() as connection:
            return [_notice_of(row) for row in connection.execute(statement)]

    def mailbox(self, account: str) -> Mailbox | None:
        with self._database.reading() as connection:
            return _mailbox(connection, account)

    def accounts_at(self, address: str) -> list[str]:
        account = tables.account.c.id
        theirs = select(account).join_from(_MAILBOX, tables.account, account == _MAILBOX.c.account).order_by(account)
        with self._database.reading() as connection:
            return list(connection.scalars(theirs.where(_MAILBOX.c.folded == clean(address))))

    def ways(self, account: str) -> dict[Kind, Way]:
        with self._database.reading() as connection:
            return _ways(connection, account)

    def code(self, key: str) -> SentCode | None:
        with self._database.reading() as connection:
            row = connection.execute(select(_CODE).where(_CODE.c.key == clean(key))).one_or_none()
        return None if row is None else _code_of(row)


class NoticesChanges:
    """A `NoticesWriter` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _done(self, statement: Any) -> int:
        return self._connection.execute(statement).rowcount

    def put(self, notice: Notice) -> None:
        values = {
            "id": notice.id,
            "account": notice.account,
            "kind": notice.kind.value,
            "at": micros(notice.at),
            "link": clean(notice.link),
            "state": notice.state.value,
            "mail": notice.mail,
            "address": clean(notice.address),
            "number": notice.number,
            "reason": clean(notice.reason),
            "seen_at": micros(notice.seen_at) if notice.seen_at else 0,
        }
        put(self._connection, _NOTICE, ["id"], values)

    def holders(self, patient: PatientId, now: datetime) -> list[str]:
        asked = {"issuer": patient.issuer, "identifier": patient.identifier, "now": micros(now)}
        rows = _HOLDERS.run(self._connection, asked).fetchall()
        return sorted(identifier or name for identifier, name in rows if identifier or is_elsewhere(name))

    def again(self, account: str, kind: Kind, link: str, since: datetime) -> bool:
        rows = _NOTICE.c
        same = (rows.account == account, rows.kind == kind.value, rows.link == clean(link), rows.seen_at == 0)
        newest = select(rows.id).where(*same, rows.at > micros(since)).order_by(rows.at.desc()).limit(1)
        counted = update(_NOTICE).where(rows.id == newest.scalar_subquery()).values(number=rows.number + 1)
        return self._done(counted) == 1

    def gather(self, account: str, mail: str) -> int:
        held = (_NOTICE.c.account == account, _NOTICE.c.state == State.HELD.value)
        return self._done(update(_NOTICE).where(*held).values(state=State.WAITING.value, mail=mail))

    def settle(self, mail: str, state: State, reason: str = "") -> None:
        waiting = update(_NOTICE).where(_NOTICE.c.mail == mail, _NOTICE.c.state == State.WAITING.value)
        self._done(waiting.values(state=state.value, reason=clean(reason)))

    def send_again(self) -> list[str]:
        aside = update(_NOTICE).where(_NOTICE.c.state == State.ASIDE.value)
        changed = aside.values(state=State.WAITING.value, reason="").returning(_NOTICE.c.mail)
        return sorted(set(self._connection.scalars(changed)))

    def see(self, account: str, at: datetime, identifier: str = "") -> int:
        unseen = update(_NOTICE).where(_NOTICE.c.account == account, _NOTICE.c.seen_at == 0)
        if identifier:
            unseen = unseen.where(_NOTICE.c.id == clean(identifier))
        return self._done(unseen.values(seen_at=micros(at)))

    def mailbox(self, account: str) -> Mailbox | None:
        return _mailbox(self._connection, account)

    def ways(self, account: str) -> dict[Kind, Way]:
        return _ways(self._connection, account)

    def put_mailbox(self, mailbox: Mailbox) -> None:
        values = {
            "account": mailbox.account,
            "address": clean(mailbox.address),
            "verified_at": micros(mailbox.verified_at),
            "language": mailbox.language,
            "folded": folded_address(mailbox.address),
        }
        put(self._connection, _MAILBOX, ["account"], values)

    def remove_mailbox(self, account: str) -> bool:
        return self._done(delete(_MAILBOX).where(_MAILBOX.c.account == account)) == 1

    def choose(self, account: str, kind: Kind, way: Way) -> None:
        put(
            self._connection,
            _CHOICE,
            ["account", "kind"],
            {"account": account, "kind": kind.value, "way": way.value},
        )

    def put_leave(self, mail: str, digest: bytes) -> None:
        self._done(update(_NOTICE).where(_NOTICE.c.mail == mail).values(leave=digest))

    def use_leave(self, digest: bytes) -> list[Notice]:
        spent = update(_NOTICE).where(_NOTICE.c.leave == digest).values(leave=None).returning(_NOTICE)
        return [_notice_of(row) for row in self._connection.execute(spent)]

    def put_code(self, key: str, code: SentCode) -> None:
        values = {
            "key": clean(key),
            "address": clean(code.address),
            "kept": code.kept,
            "tries": code.tries,
            "ends_at": micros(code.ends_at),
        }
        put(self._connection, _CODE, ["key"], values)

    def try_code(self, key: str, now: datetime, limit: int) -> SentCode | None:
        rows = _CODE.c
        is_good = (rows.key == clean(key), rows.ends_at > micros(now), rows.tries < limit)
        counted = update(_CODE).where(*is_good).values(tries=rows.tries + 1).returning(_CODE)
        row = self._connection.execute(counted).one_or_none()
        return None if row is None else _code_of(row)

    def spend_code(self, key: str, kept: bytes) -> bool:
        return self._done(delete(_CODE).where(_CODE.c.key == clean(key), _CODE.c.kept == kept)) == 1

    def note_place(self, account: str, place: str, at: datetime) -> bool:
        values = {"account": account, "place": clean(place), "at": micros(at)}
        if not insert_new(self._connection, _PLACE, values):
            same = (_PLACE.c.account == account, _PLACE.c.place == clean(place))
            self._done(update(_PLACE).where(*same).values(at=micros(at)))
            return False
        others = select(func.count()).where(_PLACE.c.account == account, _PLACE.c.place != clean(place))
        return bool(self._connection.scalar(others))

    def forget(self, account: str) -> None:
        for table in (_NOTICE, _MAILBOX, _CHOICE, _PLACE):
            self._done(delete(table).where(table.c.account == account))

    def sweep(self, before: datetime, now: datetime) -> None:
        for table in (_NOTICE, _PLACE):
            self._done(delete(table).where(table.c.at < micros(before)))
        self._done(delete(_CODE).where(_CODE.c.ends_at <= micros(now)))


def _mailbox(connection: Connection, account: str) -> Mailbox | None:
    row = connection.execute(select(_MAILBOX).where(_MAILBOX.c.account == account)).one_or_none()
    return None if row is None else Mailbox(row.account, row.address, moment(row.verified_at), row.language)


def _ways(connection: Connection, account: str) -> dict[Kind, Way]:
    rows = connection.execute(select(_CHOICE.c.kind, _CHOICE.c.way).where(_CHOICE.c.account == account))
    return {Kind(kind): Way(way) for kind, way in rows}


def _code_of(row: Row[Any]) -> SentCode:
    return SentCode(row.address, bytes(row.kept), row.tries, moment(row.ends_at))


def _notice_of(row: Row[Any]) -> Notice:
    return Notice(
        row.id,
        row.account,
        Kind(row.kind),
        moment(row.at),
        row.link,
        State(row.state),
        row.mail,
        row.address,
        row.number,
        row.reason,
        moment(row.seen_at) if row.seen_at else None,
    )
