"""Studies that are made ready before somebody reads, in the database."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, delete, func, or_, select

from imagebank.model.prefetch import HERE, Link, Prefetch, State
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.database import Database, put
from imagebank.storage.rows import clean, micros, moment

_ONE: Final = tables.prefetch


class SQLPrefetches:
    """A `PrefetchReader` on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def one(self, device: str, study: Uid) -> Prefetch | None:
        wanted = select(_ONE).where(_ONE.c.device == clean(device), _ONE.c.study_instance_uid == study)
        with self._database.reading() as connection:
            row = connection.execute(wanted).one_or_none()
        return None if row is None else _of(row)

    def done_since(self, device: str, since: datetime) -> tuple[int, int]:
        done = (_ONE.c.device == clean(device), _ONE.c.state == State.DONE.value, _ONE.c.at >= micros(since))
        counted = select(func.count(), func.coalesce(func.sum(_ONE.c.octets), 0)).where(*done)
        with self._database.reading() as connection:
            studies, octets = connection.execute(counted).one()
        return int(studies), int(octets)

    def links(self, since: datetime) -> list[Link]:
        # What was left out here stays so, and is of its day.
        stands = and_(_ONE.c.state != State.DONE.value, _ONE.c.device != HERE)
        in_time = or_(stands, _ONE.c.at >= micros(since))
        columns = (_ONE.c.device, _ONE.c.state, func.count(), func.sum(_ONE.c.octets), func.min(_ONE.c.at))
        counted = select(*columns).where(in_time).group_by(_ONE.c.device, _ONE.c.state).order_by(_ONE.c.device)
        found: dict[str, Link] = {}
        with self._database.reading() as connection:
            for device, state, count, octets, oldest in connection.execute(counted):
                link = replace(found.get(device, Link(device)), **{state: count})
                is_owed = state != State.DONE and device != HERE
                found[device] = _older(link, oldest) if is_owed else replace(link, octets=link.octets + int(octets))
        return list(found.values())

    def newest(self, limit: int) -> list[Prefetch]:
        wanted = select(_ONE).order_by(_ONE.c.at.desc(), _ONE.c.device, _ONE.c.study_instance_uid).limit(limit)
        with self._database.reading() as connection:
            return [_of(row) for row in connection.execute(wanted)]


class PrefetchChanges:
    """A `PrefetchWriter` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, one: Prefetch) -> None:
        values = {
            "device": clean(one.device),
            "study_instance_uid": one.study,
            "state": one.state.value,
            "at": micros(one.at),
            "objects": one.objects,
            "octets": one.octets,
        }
        put(self._connection, _ONE, ["device", "study_instance_uid"], values)

    def forget(self, before: datetime, device: str | None = None, study: Uid | None = None) -> None:
        which = [_ONE.c.at < micros(before)]
        which += [] if device is None else [_ONE.c.device == clean(device)]
        which += [] if study is None else [_ONE.c.study_instance_uid == study]
        self._connection.execute(delete(_ONE).where(*which))


def _older(link: Link, oldest: int) -> Link:
    at = moment(oldest)
    return replace(link, oldest=at if link.oldest is None else min(link.oldest, at))


def _of(row: Row[Any]) -> Prefetch:
    at = moment(row.at)
    return Prefetch(row.device, Uid(row.study_instance_uid), State(row.state), at, row.objects, row.octets)
