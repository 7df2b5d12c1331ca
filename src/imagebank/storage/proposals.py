"""Proposals in the database: all of one instance in one row."""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, select

from imagebank.model.access import Scope
from imagebank.model.proposal import Proposal
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.database import Database, put
from imagebank.storage.rows import clean
from imagebank.storage.select import studies_in
from imagebank.storage.sets import one_of

_T: Final = tables.proposal


class SQLProposals:
    """A `ProposalReader` on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.engine.dialect.name

    def of(self, uids: Collection[Uid], scope: Scope) -> dict[Uid, tuple[Proposal, ...]]:
        held, series, study = tables.instance, tables.series, tables.study
        statement = (
            select(_T.c.sop_instance_uid, _T.c.proposals)
            .join_from(_T, held, held.c.sop_instance_uid == _T.c.sop_instance_uid)
            .join(series, series.c.id == held.c.series_row)
            .join(study, study.c.id == series.c.study_row)
            .where(one_of(self._dialect, _T.c.sop_instance_uid, sorted(uids)), *studies_in(scope, self._dialect))
        )
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
        return {Uid(uid): msgspec.json.decode(packed, type=tuple[Proposal, ...]) for uid, packed in rows}


class ProposalChanges:
    """A `ProposalWriter` on an open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, uid: Uid, proposals: Sequence[Proposal]) -> None:
        if not proposals:
            self._connection.execute(delete(_T).where(_T.c.sop_instance_uid == uid))
            return
        packed = clean(msgspec.json.encode(proposals).decode())
        put(self._connection, _T, ["sop_instance_uid"], {"sop_instance_uid": uid, "proposals": packed})
