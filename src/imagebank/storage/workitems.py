"""Steps in the database."""

from collections.abc import Iterable

import orjson
from sqlalchemy import Connection, select, update

from imagebank.model.uid import Uid
from imagebank.model.workitem import Claim
from imagebank.storage import tables
from imagebank.storage.database import Database, insert_new
from imagebank.storage.rows import clean, dumps
from imagebank.storage.sets import one_of

_T = tables.workitem


class SQLWorkitems:
    """A `WorkitemReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, uid: Uid) -> Claim | None:
        return self.claims([uid]).get(uid)

    def claims(self, uids: Iterable[Uid]) -> dict[Uid, Claim]:
        with self._database.reading() as connection:
            wanted = one_of(connection.dialect.name, _T.c.uid, list(uids))
            rows = connection.execute(select(_T).where(wanted)).all()
        return {
            Uid(row.uid): Claim(Uid(row.uid), row.task, row.transaction_uid, orjson.loads(row.said or "{}"))
            for row in rows
        }


class WorkitemChanges:
    """A `WorkitemWriter` on an open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def know(self, claims: Iterable[Claim]) -> None:
        for one in claims:
            insert_new(self._connection, _T, {"uid": one.uid, "task": clean(one.task)})

    def put(self, claim: Claim) -> None:
        values = {"transaction_uid": clean(claim.transaction), "said": dumps(claim.said) if claim.said else ""}
        self._connection.execute(update(_T).where(_T.c.uid == claim.uid).values(**values))
