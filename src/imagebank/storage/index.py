"""The index in SQL: its readers."""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Any, Final, cast

from sqlalchemy import Row, Select, bindparam, select

from imagebank.errors import BankError, NotFound
from imagebank.model.access import Device, Right, Role, Scope, Session, Token
from imagebank.model.attribute import Catalogue
from imagebank.model.event import Event
from imagebank.model.imaging import Digest, Found, Instance, Location, Quarantined, Selection
from imagebank.model.ledger import Checkpoint, Line, Sought
from imagebank.model.original import Original
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.query import Query
from imagebank.model.uid import Uid
from imagebank.ports.steady import CHANGE_S, LOOKUP_S, SEARCH_S, hold
from imagebank.storage import (
    alerts,
    cards,
    completeness,
    compression,
    contributions,
    corrections,
    doses,
    elsewhere,
    fetches,
    histories,
    ledger,
    marks,
    notices,
    orders,
    originals,
    people,
    persons,
    pictures,
    prefetches,
    proposals,
    provisions,
    quarantine,
    recoveries,
    requests,
    rules,
    searchable,
    tables,
    tasks,
    telling,
    transfers,
    whose,
    words,
    workitems,
)
from imagebank.storage.asking import Asking, rows_of
from imagebank.storage.database import Database, Prepared
from imagebank.storage.entry import Duplicates
from imagebank.storage.found import found
from imagebank.storage.instances import instance_of, instance_rows
from imagebank.storage.migrate import is_migrated
from imagebank.storage.ownership import owner_of
from imagebank.storage.places import places
from imagebank.storage.rows import micros, moment, pack_digest, unpack_digest
from imagebank.storage.select import (
    events_in,
    quarantined_in,
)
from imagebank.storage.series import metadata_row, series_rows
from imagebank.storage.transaction import SQLTransaction

_EVERYTHING: Final = Scope(organizations=None)

_HELD: Final = Prepared(
    lambda _: (
        select(
            tables.instance.c.content_digest,
            tables.segment.c.name,
            tables.instance.c.segment_offset,
            tables.instance.c.length,
            tables.instance.c.size,
        )
        .join_from(tables.instance, tables.segment, tables.segment.c.id == tables.instance.c.segment_id)
        .where(tables.instance.c.sop_instance_uid == bindparam("uid"))
    )
)


def _tokens() -> Select[Any]:
    """Tokens; the columns are those of `_token`."""
    names = ("digest", "name", "role", "organization", "created_at", "expires_at", "certificate")
    return select(*(tables.token.c[name] for name in names))


def _open_token() -> Select[Any]:
    """The token of this digest, if it is good for a while yet. Asked with every request."""
    rows = tables.token
    return _tokens().where(rows.c.digest == bindparam("digest"), rows.c.expires_at > bindparam("now"))


_TOKEN: Final = Prepared(lambda _: _open_token())
_SESSION: Final = Prepared(lambda _: people.open_session())


def no_name(_: PatientId) -> str:
    """For an index that keeps no ledger of people."""
    return ""


class SQLIndex:
    """An `Index` on SQLite or PostgreSQL."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        duplicates: Duplicates = "refuse",
        pseudonym: ledger.Pseudonym = no_name,
    ) -> None:
        self._database = database
        self._dialect = database.engine.dialect.name
        self._asking = Asking(database)
        self._searchable = searchable.SQLSearchable(database, catalogue)
        self._base = catalogue
        self._duplicates = duplicates
        self._segments: dict[str, int] = {}
        self._lane = ledger.Lane(pseudonym)
        self._people = people.SQLPeople(database)
        self._words = words.SQLWords(database)
        self._orders = orders.SQLOrders(database)
        self._persons = persons.SQLPersons(database)
        self._rules = rules.SQLRules(database)
        self._corrections = corrections.SQLCorrections(database)
        self._proposals = proposals.SQLProposals(database)
        self._completeness = completeness.SQLCompleteness(database)
        self._doses = doses.SQLDoses(database)
        self._compression = compression.Compression(database)
        self._histories = histories.SQLHistories(database)
        self._pictures = pictures.SQLPictures(database)
        self._tasks = tasks.SQLTasks(database)
        self._workitems = workitems.SQLWorkitems(database)
        self._requests = requests.SQLRequests(database)
        self._contributions = contributions.SQLContributions(database)
        self._alerts = alerts.SQLAlerts(database)
        self._transfers = transfers.SQLTransfers(database)
        self._fetches = fetches.SQLFetches(database)
        self._elsewhere = elsewhere.SQLElsewhere(database)
        self._prefetches = prefetches.SQLPrefetches(database)
        self._recoveries = recoveries.SQLRecoveries(database)
        self._notices = notices.SQLNotices(database)
        self._cards = cards.SQLCards(database)

    @property
    def people(self) -> people.SQLPeople:
        return self._people

    @property
    def searchable(self) -> searchable.SQLSearchable:
        return self._searchable

    @property
    def words(self) -> words.SQLWords:
        return self._words

    @property
    def orders(self) -> orders.SQLOrders:
        return self._orders

    @property
    def histories(self) -> histories.SQLHistories:
        return self._histories

    @property
    def persons(self) -> persons.SQLPersons:
        return self._persons

    @property
    def proposals(self) -> proposals.SQLProposals:
        return self._proposals

    @property
    def corrections(self) -> corrections.SQLCorrections:
        return self._corrections

    @property
    def completeness(self) -> completeness.SQLCompleteness:
        return self._completeness

    @property
    def compression(self) -> compression.Compression:
        return self._compression

    @property
    def doses(self) -> doses.SQLDoses:
        return self._doses

    @property
    def tasks(self) -> tasks.SQLTasks:
        return self._tasks

    @property
    def notices(self) -> notices.SQLNotices:
        return self._notices

    @property
    def alerts(self) -> alerts.SQLAlerts:
        return self._alerts

    @property
    def requests(self) -> requests.SQLRequests:
        return self._requests

    @property
    def contributions(self) -> contributions.SQLContributions:
        return self._contributions

    @property
    def transfers(self) -> transfers.SQLTransfers:
        return self._transfers

    @property
    def fetches(self) -> fetches.SQLFetches:
        return self._fetches

    @property
    def elsewhere(self) -> elsewhere.SQLElsewhere:
        return self._elsewhere

    @property
    def prefetches(self) -> prefetches.SQLPrefetches:
        return self._prefetches

    @property
    def recoveries(self) -> recoveries.SQLRecoveries:
        return self._recoveries

    @property
    def workitems(self) -> workitems.SQLWorkitems:
        return self._workitems

    @property
    def rules(self) -> rules.SQLRules:
        return self._rules

    @property
    def pictures(self) -> pictures.SQLPictures:
        return self._pictures

    @property
    def cards(self) -> cards.SQLCards:
        return self._cards

    @contextmanager
    def evenly(self) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        except BankError:
            hold(began, CHANGE_S)
            raise

    @contextmanager
    def begin(self) -> Iterator[SQLTransaction]:
        known = self._searchable.catalogue()
        with self._lane.turn() as turn, self._database.writing() as connection:
            transaction = SQLTransaction(connection, known, self._duplicates, self._segments, turn, self._base)
            yield transaction
            transaction.write_ledger()
        transaction.publish()
        if transaction.searchable.has_changed:
            self._searchable.look_again()

    def find(self, query: Query, scope: Scope) -> Iterator[Found]:
        began = time.perf_counter()
        rows = self._asking.rows(query, scope)
        first = next(rows, None)
        if first is None:
            self._keep_time(began, scope, SEARCH_S)
        else:
            yield from found(chain((first,), rows), query.level)

    def count(self, query: Query, scope: Scope, most: int | None = None) -> int:
        began = time.perf_counter()
        number = self._asking.count(query, scope, most)
        if not number:
            self._keep_time(began, scope, SEARCH_S)
        return number

    def _keep_time(self, began: float, scope: Scope, beats: Mapping[str, float]) -> None:
        """Nothing was found: let that take as long where the scope hides something as where nothing is."""
        if scope != _EVERYTHING:
            hold(began, beats[self._dialect])

    def instances(self, selection: Selection, scope: Scope) -> list[Instance]:
        began = time.perf_counter()
        with self._database.directly() as connection:
            rows = [instance_of(row) for row in instance_rows(connection, selection, scope)]
        if not rows:
            self._keep_time(began, scope, LOOKUP_S)
        return rows

    def held(self, uid: Uid) -> tuple[Digest, Location] | None:
        with self._database.directly() as connection:
            found = _HELD.run(connection, {"uid": uid}).fetchone()
        return None if found is None else (unpack_digest(bytes(found[0])), Location(*found[1:]))

    def metadata(self, series: Uid, scope: Scope) -> tuple[int, bytes | None]:
        with self._database.directly() as connection:
            row = metadata_row(connection, series, scope)
        if row is None:
            raise NotFound("there is no such series")
        return row

    def series_of(self, selection: Selection, scope: Scope) -> list[tuple[Uid, Uid, int]]:
        began = time.perf_counter()
        with self._database.directly() as connection:
            rows = [
                (Uid(study), Uid(one), version) for study, one, version in series_rows(connection, selection, scope)
            ]
        if not rows:
            self._keep_time(began, scope, LOOKUP_S)
        return rows

    def owner_of(self, study: Uid, scope: Scope) -> str | None:
        with self._database.directly() as connection:
            return owner_of(connection, study, scope)

    def original(self, uid: Uid, scope: Scope) -> Original | None:
        with self._database.reading() as connection:
            return originals.find(connection, uid, scope)

    def made_of(self, digest: Digest, patient: PatientId, scope: Scope, named: Uid | None = None) -> Uid | None:
        with self._database.reading() as connection:
            return originals.made_of(connection, digest, patient, scope, named)

    def quarantined(self, scope: Scope, number: int | None = None, digest: Digest | None = None) -> list[Quarantined]:
        statement = quarantine.all_rows().where(*quarantined_in(scope, self._dialect))
        if number is not None:
            statement = statement.where(tables.quarantine.c.id == number)
        if digest is not None:
            statement = statement.where(tables.quarantine.c.digest == pack_digest(digest))
        with self._database.reading() as connection:
            return [quarantine.of_row(row) for row in connection.execute(statement)]

    def locations(self, scope: Scope) -> Iterator[tuple[str, Location]]:
        for name, statement in places(scope, self._dialect):
            for row in rows_of(self._database, statement):
                which, segment, offset, length, size = cast("tuple[Any, ...]", row)
                yield f"{name}{which}", Location(segment, offset, length, size)

    def events(self, scope: Scope, limit: int = 100, patient: PatientId | None = None) -> list[Event]:
        rows = tables.event
        statement = select(rows).where(*events_in(scope, self._dialect)).order_by(rows.c.id.desc()).limit(limit)
        if patient is not None:
            statement = statement.where(rows.c.person == self._lane.pseudonym(patient), rows.c.person != "")
        with self._database.reading() as connection:
            return [ledger.event_of(row) for row in connection.execute(statement)]

    def ledger(self, scope: Scope) -> Iterator[Line]:
        statement = ledger.lines().where(*events_in(scope, self._dialect))
        with self._database.streaming() as connection:
            for row in connection.execute(statement):
                yield Line(*row)

    def untold(self, scope: Scope, limit: int) -> list[Line]:
        return self._lines(telling.untold(limit), scope)

    def lines(self, wanted: Sought, scope: Scope) -> list[Line]:
        return self._lines(telling.sought(wanted, self._lane.pseudonym, self._dialect), scope)

    def patients_of(self, studies: Collection[Uid], scope: Scope) -> dict[str, PatientId]:
        with self._database.directly() as connection:
            found = whose.patients(connection, studies, scope)
        return {self._lane.pseudonym(patient): patient for patient in found if patient.identifier}

    def _lines(self, statement: Select[Any], scope: Scope) -> list[Line]:
        with self._database.reading() as connection:
            rows = connection.execute(statement.where(*events_in(scope, self._dialect)))
            return [Line(*row) for row in rows]

    def chain(self, lane: str, first: int, last: int, scope: Scope) -> list[Line]:
        return self._lines(ledger.chain(lane, first, last), scope)

    def sealing(self, at: int, limit: int) -> list[Checkpoint]:
        with self._database.reading() as connection:
            return [ledger.checkpoint_of(row) for row in connection.execute(ledger.sealing(at, limit))]

    def checkpoints(self, since: int = 1) -> list[Checkpoint]:
        with self._database.reading() as connection:
            return ledger.checkpoints(connection, since)

    def provisions(
        self,
        scope: Scope,
        patient: PatientId | None = None,
        kind: Kind | None = None,
        identifier: str = "",
        principal: str = "",
    ) -> list[Provision]:
        if scope.organizations is not None:
            return []
        with self._database.reading() as connection:
            rows = connection.execute(provisions.chosen(patient, kind, identifier, principal))
            return [provisions.of_row(row) for row in rows]

    def token(self, digest: bytes, now: datetime) -> Token | None:
        with self._database.directly() as connection:
            row = _TOKEN.run(connection, {"digest": digest, "now": micros(now)}).fetchone()
        return _token(row) if row else None

    def tokens(self) -> list[Token]:
        with self._database.reading() as connection:
            statement = _tokens().order_by(tables.token.c.name, tables.token.c.created_at)
            return [_token(cast("tuple[Any, ...]", row)) for row in connection.execute(statement)]

    def session(self, digest: bytes, now: datetime, seen_after: datetime) -> Session | None:
        asked = {"digest": digest, "now": micros(now), "seen_after": micros(seen_after)}
        with self._database.directly() as connection:
            row = _SESSION.run(connection, asked).fetchone()
        return people.session_of(row) if row else None

    def device(self, aet: str) -> Device | None:
        with self._database.reading() as connection:
            row = connection.execute(select(tables.device).where(tables.device.c.aet == aet)).one_or_none()
        return _device(row) if row else None

    def devices(self) -> list[Device]:
        with self._database.reading() as connection:
            return [_device(row) for row in connection.execute(select(tables.device).order_by(tables.device.c.aet))]

    def wipe(self) -> None:
        marks.settle(self._database)
        self._database.wipe()

    def is_complete(self) -> bool:
        with self._database.reading() as connection:
            return connection.scalar(select(tables.completion.c.is_complete)) == 1

    def is_ready(self) -> bool:
        try:
            return is_migrated(self._database)
        except BankError:
            return False

    def close(self) -> None:
        self._database.close()


@lru_cache(256)
def _token(row: tuple[Any, ...]) -> Token:
    digest, name, role, organization, created_at, expires_at, certificate = row
    return Token(bytes(digest), name, Role(role), organization, moment(created_at), moment(expires_at), certificate)


def _device(row: Row[Any]) -> Device:
    rights = frozenset(Right(right) for right in row.rights.split(",") if right)
    return Device(row.aet, row.host, row.port, bool(row.tls), rights, row.organization, row.certificate)
