"""Which attributes are searchable, in the database, and what objects say of them that came before."""

import time
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, Table, delete, func, insert, select, tuple_, update

from imagebank.errors import Conflict
from imagebank.model.access import Scope
from imagebank.model.attribute import Attribute, Catalogue, Level, catalogue, place
from imagebank.model.declared import Declared, State
from imagebank.model.imaging import Instance
from imagebank.ports.searchable import Read
from imagebank.storage import tables
from imagebank.storage.database import Database, Prepared, lock_studies, put
from imagebank.storage.growth import Branch, distinct, write_values
from imagebank.storage.instances import instances_after
from imagebank.storage.rows import clean, dumps, instance_columns, micros, moment
from imagebank.storage.standing import series_row_of, study_row_of

_T, _VERSION, _VALUE = tables.searchable, tables.catalogue_version, tables.attribute
_STUDY, _SERIES, _INSTANCE = tables.study, tables.series, tables.instance
_HELD: Final[dict[Level, tuple[Table, str]]] = {
    Level.PATIENT: (_STUDY, "json"),
    Level.STUDY: (_STUDY, "json"),
    Level.SERIES: (_SERIES, "json"),
    Level.INSTANCE: (_INSTANCE, "rest"),
}
"""Where the elements of each level stand."""
_LOOKED_FOR_S: Final = 1.0
_FORGOTTEN: Final = 2_000
"""Values that are taken out in one transaction; others write in between."""


class SQLSearchable:
    """A `SearchableReader`. What others change is seen after a second."""

    def __init__(self, database: Database, base: Catalogue) -> None:
        self._database = database
        self._dialect = database.engine.dialect.name
        self._base = base
        self._known = base
        self._looked_at = -_LOOKED_FOR_S

    def catalogue(self) -> Catalogue:
        now = time.monotonic()
        if now - self._looked_at >= _LOOKED_FOR_S:
            with self._database.reading() as connection:
                version = _version(connection)
                if version != self._known.version:
                    self._known = self._read(connection, version)
            self._looked_at = now
        return self._known

    def _read(self, connection: Connection, version: int) -> Catalogue:
        held = [one.attribute for one in _declared(connection) if one.state is not State.GOING]
        main = catalogue().by_path
        own = [attribute for attribute in self._base.attributes if attribute.path not in main]
        return catalogue((), [*own, *held], version)

    def look_again(self) -> None:
        """Have the next question see what this process has just changed."""
        self._looked_at = -_LOOKED_FOR_S

    def declared(self) -> list[Declared]:
        with self._database.reading() as connection:
            return list(_declared(connection))

    def unread(self, after: int, upto: int, limit: int, scope: Scope) -> list[tuple[int, Instance]]:
        with self._database.reading() as connection:
            return instances_after(connection, after, upto, limit, scope)


_NEWEST: Final = Prepared(lambda _: select(_VERSION.c.version))


def _version(connection: Connection) -> int:
    """Asked with every batch of instances."""
    row = _NEWEST.run(connection, {}).fetchone()
    return int(row[0] or 0) if row else 0


def _declared(connection: Connection) -> Iterator[Declared]:
    for row in connection.execute(select(_T).order_by(_T.c.added_at, _T.c.key)):
        yield _of_row(row)


def _of_row(row: Row[Any]) -> Declared:
    path = tuple(int(part, 16) for part in row.key.split("."))
    state = State(row.state)
    attribute = Attribute(
        row.name,
        path,
        row.vr,
        Level(row.level),
        folded=bool(row.folded),
        creator=row.creator,
        is_partial=state is State.FILLING,
    )
    return Declared(attribute, row.written, state, moment(row.added_at), row.added_by, row.total, row.done, row.last)


class SearchableChanges:
    """A `SearchableWriter` on an open connection. `has_changed` says that the catalogue is another one now."""

    def __init__(self, connection: Connection, base: Catalogue) -> None:
        self._connection = connection
        self._base = base
        self.has_changed = False

    def put(self, attribute: Attribute, written: str, by: str, at: datetime) -> bool:
        connection = self._connection
        lock_studies(connection, ["searchable attributes"])
        held = list(_declared(connection))
        own = place(attribute, [*self._base.attributes, *(one.attribute for one in held)])
        for one in held:
            if one.attribute.path == own.path:
                return self._is_again(one, own)
        names = {one.attribute.keyword for one in held} | set(self._base.by_keyword)
        if own.path in self._base.by_path or own.keyword in names:
            raise Conflict(f"{own.keyword} is searchable already")
        total = connection.scalar(select(func.coalesce(func.sum(_STUDY.c.instance_count), 0))) or 0
        values = {
            "key": own.key,
            "written": clean(written),
            "name": clean(own.keyword),
            "vr": own.vr,
            "level": int(own.level),
            "creator": clean(own.creator),
            "folded": int(own.folded),
            "state": (State.FILLING if total else State.WHOLE).value,
            "added_at": micros(at),
            "added_by": clean(by),
            "total": total,
        }
        connection.execute(insert(_T).values(**values))
        self._change()
        return True

    def _is_again(self, one: Declared, own: Attribute) -> bool:
        if one.state is State.GOING:
            raise Conflict(f"the values of a former {own.keyword} are being taken out; try again in a while")
        held = one.attribute
        if (held.keyword, held.vr, held.level, held.creator) != (own.keyword, own.vr, own.level, own.creator):
            raise Conflict(f"{one.written} is searchable already, in another way; remove that first")
        return False

    def _change(self) -> None:
        # The row is locked until the end: two who change at once count both.
        put(self._connection, _VERSION, ["id"], {"id": 1, "version": _version(self._connection) + 1})
        self.has_changed = True

    def leave(self, key: str) -> bool:
        there = (_T.c.key == key, _T.c.state != State.GOING.value)
        left = self._connection.execute(update(_T).where(*there).values(state=State.GOING.value, last=0))
        if left.rowcount:
            self._change()
        return bool(left.rowcount)

    def advance(self, keys: Collection[str], last: int, number: int) -> None:
        values = {"last": last, "done": _T.c.done + number}
        self._connection.execute(update(_T).where(_T.c.key.in_(sorted(keys))).values(**values))

    def finish(self, keys: Collection[str]) -> None:
        filling = (_T.c.key.in_(sorted(keys)), _T.c.state == State.FILLING.value)
        values = {"state": State.WHOLE.value, "done": _T.c.total}
        if self._connection.execute(update(_T).where(*filling).values(**values)).rowcount:
            self._change()

    def version(self) -> int:
        return _version(self._connection)

    def fill(self, keys: Collection[str], read: Sequence[Read]) -> None:
        wanted = frozenset(keys)
        lock_studies(self._connection, {one.instance.study for one in read})
        for one in read:
            held = select(_INSTANCE.c.id).where(_INSTANCE.c.sop_instance_uid == one.instance.uid)
            number = self._connection.scalar(held)
            study = study_row_of(self._connection, one.instance.study)
            series = series_row_of(self._connection, one.instance.series)
            if number is not None and study is not None and series is not None:
                rank = micros(one.instance.received_at), str(one.instance.uid)
                above = [Level.PATIENT, Level.STUDY] if one.tells_of_patient else [Level.STUDY]
                self._grow(_STUDY, Level.STUDY, study, _narrowed(one, wanted, above), rank)
                self._grow(_SERIES, Level.SERIES, series, _narrowed(one, wanted, [Level.SERIES]), rank)
                self._fill_instance(number, one, wanted)

    def _grow(self, table: Table, level: Level, row: Any, said: "_Said", rank: tuple[int, str]) -> None:
        branch = Branch.of_row(row.json, row.origins)
        branch.renew(*said, rank)
        if branch.changed:
            texts = branch.columns(())
            self._connection.execute(update(table).where(table.c.id == row.id).values(**texts))
            write_values(self._connection, level, row.id, branch.values(()))

    def _fill_instance(self, number: int, one: Read, wanted: frozenset[str]) -> None:
        elements, forms = _narrowed(one, wanted, [Level.INSTANCE])
        if elements:
            rest = instance_columns(one.levels[Level.INSTANCE])["rest"]
            self._connection.execute(update(_INSTANCE).where(_INSTANCE.c.id == number).values(rest=rest))
        if forms:
            values = {key: distinct(some) for key, some in forms.items()}
            write_values(self._connection, Level.INSTANCE, number, values)

    def forget(self, key: str) -> bool:
        row = self._connection.execute(select(_T).where(_T.c.key == key, _T.c.state == State.GOING.value)).one_or_none()
        if row is None:
            return False
        level = max(Level(row.level), Level.STUDY)
        whole = tuple_(_VALUE.c.level, _VALUE.c.key, _VALUE.c.value, _VALUE.c.owner)
        some = select(*_VALUE.primary_key.columns).where(_VALUE.c.level == int(level), _VALUE.c.key == key)
        if self._connection.execute(delete(_VALUE).where(whole.in_(some.limit(_FORGOTTEN)))).rowcount:
            return True
        if self._forget_elements(row):
            return True
        self._connection.execute(delete(_T).where(_T.c.key == key))
        return False

    def _forget_elements(self, row: Row[Any]) -> bool:
        """Take the element out of some of the rows that have it; those are left alone that another attribute is in."""
        top = row.key[:8]
        others = select(_T.c.key).where(_T.c.key.startswith(top), _T.c.key != row.key, _T.c.state != State.GOING.value)
        if self._connection.scalar(others) or any(one.key.startswith(top) for one in self._base.attributes):
            return False
        table, column = _HELD[Level(row.level)]
        columns = [table.c.id, table.c[column], *([table.c.origins] if column == "json" else [])]
        has = (table.c.id > row.last, table.c[column].contains(f'"{top}":'))
        found = self._connection.execute(select(*columns).where(*has).order_by(table.c.id).limit(_FORGOTTEN)).all()
        for number, text, *origins in found:
            values = {column: _without(text, top)}
            if origins:
                branch = Branch.of_row(text, origins[0])
                branch.drop({top, row.key})
                values = branch.columns(())
            self._connection.execute(update(table).where(table.c.id == number).values(**values))
        if found:
            self._connection.execute(update(_T).where(_T.c.key == row.key).values(last=found[-1][0]))
        return bool(found)


_Said = tuple[dict[str, Any], dict[str, tuple[str, ...]]]


def _narrowed(one: Read, wanted: frozenset[str], levels: Sequence[Level]) -> _Said:
    """What an object says of the wanted attributes at some levels: elements, and forms."""
    tops = {key[:8] for key in wanted}
    elements = {key: some for level in levels for key, some in one.levels[level].items() if key in tops}
    forms = {key: some for level in levels for key, some in one.forms[level].items() if key in wanted}
    return elements, forms


def _without(text: str, key: str) -> str:
    held = orjson.loads(text)
    held.pop(key, None)
    return clean(dumps(held)) if held else ""
