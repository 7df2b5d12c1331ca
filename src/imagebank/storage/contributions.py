"""How much owners of accounts add, in the database."""

from collections.abc import Collection
from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, false, func, or_, select, update

from imagebank.model.person import PatientId
from imagebank.ports.contributions import Amount
from imagebank.storage import tables
from imagebank.storage.database import Database, insert_new
from imagebank.storage.rows import clean

_T, _PATIENT = tables.contribution, tables.patient
_STUDY, _SERIES, _INSTANCE, _ASIDE = tables.study, tables.series, tables.instance, tables.quarantine


class SQLContributions:
    """A `ContributionReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def kept(self, records: Collection[PatientId]) -> Amount:
        same = [
            and_(_PATIENT.c.issuer == clean(one.issuer), _PATIENT.c.identifier == clean(one.identifier))
            for one in records
        ]
        joined = _PATIENT.join(_STUDY).join(_SERIES).join(_INSTANCE)
        held = select(func.count(), func.coalesce(func.sum(_INSTANCE.c.size), 0)).select_from(joined)
        names = [clean(one.issuer) for one in records]
        aside = select(func.count(), func.coalesce(func.sum(_ASIDE.c.size), 0)).where(_ASIDE.c.organization.in_(names))
        with self._database.reading() as connection:
            return _sum(connection, held.where(or_(false(), *same)), aside)

    def spent(self, account: str, day: date) -> Amount:
        chosen = select(_T.c.files, _T.c.bytes).where(_T.c.account == clean(account), _T.c.day == day.isoformat())
        with self._database.reading() as connection:
            return _sum(connection, chosen)


def _sum(connection: Connection, *statements: Select[Any]) -> Amount:
    rows = [row for each in statements for row in connection.execute(each)]
    return Amount(sum(int(row[0]) for row in rows), sum(int(row[1]) for row in rows))


class ContributionChanges:
    """A `ContributionWriter` on an open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def spend(self, account: str, day: date, more: Amount, most: Amount) -> bool:
        whose = {"account": clean(account), "day": day.isoformat()}
        insert_new(self._connection, _T, {**whose, "files": 0, "bytes": 0})
        fits = (_T.c.files + more.files <= most.files, _T.c.bytes + more.bytes <= most.bytes)
        counted = {"files": _T.c.files + more.files, "bytes": _T.c.bytes + more.bytes}
        mine = [_T.c[name] == value for name, value in whose.items()]
        return self._connection.execute(update(_T).where(*mine, *fits).values(counted)).rowcount == 1

    def sweep(self, before: date) -> None:
        self._connection.execute(delete(_T).where(_T.c.day < before.isoformat()))
