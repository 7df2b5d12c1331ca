"""Transfers in the database."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from imagebank.model.access import Purpose, Role
from imagebank.model.transfer import Destination, Sent, State, Transfer
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.database import Database, put
from imagebank.storage.rows import clean, dumps, micros, moment
from imagebank.storage.sets import one_of

_PLACE, _TRANSFER, _OBJECT = tables.destination, tables.transfer, tables.transfer_object


def _transfers() -> Select[Any]:
    """Transfers, with how many objects each has and how many are there."""
    of_it = select(func.count()).where(_OBJECT.c.transfer == _TRANSFER.c.id).correlate(_TRANSFER)
    total, sent = of_it.scalar_subquery(), of_it.where(_OBJECT.c.sent_at != 0).scalar_subquery()
    return select(_TRANSFER, total.label("total"), sent.label("sent"))


def _transfer_of(row: Row[Any]) -> Transfer:
    return Transfer(
        row.id,
        row.by,
        Role(row.role),
        row.organization,
        Purpose(row.purpose),
        row.address,
        row.destination,
        tuple(Uid(each) for each in orjson.loads(row.studies)),
        moment(row.made_at),
        row.total,
        row.sent,
        State(row.state),
        row.reason,
        moment(row.ended_at) if row.ended_at else None,
    )


def _place_of(row: Row[Any]) -> Destination:
    return Destination(row.name, row.device, row.url, bytes(row.secret), row.organization, bool(row.is_for_recipients))


class SQLTransfers:
    """A `TransferReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _rows(self, statement: Select[Any]) -> list[Any]:
        with self._database.reading() as connection:
            return list(connection.execute(statement))

    def destinations(self) -> list[Destination]:
        return [_place_of(row) for row in self._rows(select(_PLACE).order_by(_PLACE.c.name))]

    def destination(self, name: str) -> Destination | None:
        rows = self._rows(select(_PLACE).where(_PLACE.c.name == clean(name)))
        return _place_of(rows[0]) if rows else None

    def transfer(self, identifier: str) -> Transfer | None:
        rows = self._rows(_transfers().where(_TRANSFER.c.id == identifier))
        return _transfer_of(rows[0]) if rows else None

    def transfers(self, by: str, limit: int) -> list[Transfer]:
        chosen = _transfers().order_by(_TRANSFER.c.made_at.desc(), _TRANSFER.c.id).limit(limit)
        if by:
            chosen = chosen.where(_TRANSFER.c.by == clean(by))
        return [_transfer_of(row) for row in self._rows(chosen)]

    def objects(self, identifier: str) -> list[Sent]:
        chosen = select(_OBJECT).where(_OBJECT.c.transfer == identifier)
        rows = self._rows(chosen.order_by(_OBJECT.c.study, _OBJECT.c.sop_instance_uid))
        return [
            Sent(Uid(row.study), Uid(row.sop_instance_uid), row.digest, moment(row.sent_at) if row.sent_at else None)
            for row in rows
        ]


class TransferChanges:
    """A `TransferWriter` on an open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put_destination(self, one: Destination) -> None:
        values = {"name": clean(one.name), "device": clean(one.device), "url": one.url, "secret": one.secret}
        whose = {"organization": clean(one.organization), "is_for_recipients": int(one.for_recipients)}
        put(self._connection, _PLACE, ["name"], values | whose)

    def remove_destination(self, name: str) -> bool:
        return self._connection.execute(delete(_PLACE).where(_PLACE.c.name == clean(name))).rowcount == 1

    def put(self, one: Transfer, objects: Iterable[Sent]) -> None:
        values = {
            "id": one.id,
            "by": clean(one.by),
            "role": one.role.value,
            "organization": clean(one.organization),
            "purpose": one.purpose.value,
            "address": clean(one.address),
            "destination": clean(one.destination),
            "studies": dumps(list(one.studies)),
            "made_at": micros(one.made_at),
            "state": one.state.value,
            "reason": clean(one.reason),
            "ended_at": micros(one.ended_at) if one.ended_at else 0,
        }
        self._connection.execute(insert(_TRANSFER).values(values))
        rows = [
            {"transfer": one.id, "sop_instance_uid": each.instance, "study": each.study, "digest": each.digest}
            for each in objects
        ]
        self._connection.execute(insert(_OBJECT), rows)

    def sent(self, identifier: str, instances: Iterable[Uid], at: datetime) -> None:
        theirs = one_of(self._connection.dialect.name, _OBJECT.c.sop_instance_uid, sorted(instances))
        done = update(_OBJECT).where(_OBJECT.c.transfer == identifier, theirs)
        self._connection.execute(done.values(sent_at=micros(at)))

    def settle(self, identifier: str, state: State, reason: str, at: datetime | None) -> bool:
        values = {"state": state.value, "reason": clean(reason), "ended_at": micros(at) if at else 0}
        is_open = (_TRANSFER.c.id == identifier, _TRANSFER.c.state == State.WAITING.value)
        return self._connection.execute(update(_TRANSFER).where(*is_open).values(values)).rowcount == 1
