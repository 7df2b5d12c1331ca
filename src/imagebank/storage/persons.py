"""Patient records, the persons that they are linked to, and the decisions about that, in the database."""

import time
from collections import namedtuple
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any, Final

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    delete,
    func,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    update,
)

from imagebank.model.access import Scope
from imagebank.model.identity import Decision, Deed, Evidence, Ground, Identity, Likeness, Linked, Move, Origin
from imagebank.model.identity_weights import Census
from imagebank.model.person import PatientId, PersonName
from imagebank.ports.steady import SEARCH_S, hold
from imagebank.storage import identity_keys, tables
from imagebank.storage.database import Database, Prepared, insert_new, lock, put
from imagebank.storage.rows import clean, dumps, micros, moment
from imagebank.storage.select import studies_in
from imagebank.storage.sets import among, members, one_of
from imagebank.storage.shape import Shape, parameters_of, shape_of
from imagebank.storage.visible import is_visible

_IDENTITY, _KEY, _LIKENESS = tables.identity, tables.identity_key, tables.likeness
_DECISION, _RECORD = tables.person_decision, tables.person_decision_record
_NOBODY: Final = ""
"""The issuer of a record that was forgotten."""
_LOCK: Final = 0x706572736F6E
_EVERYTHING: Final = Scope(organizations=None)
_AT_ONCE: Final = 500
"""Records that are named in one question."""


def _is(table: Any, patient: PatientId) -> ColumnElement[bool]:
    return and_(table.c.issuer == clean(patient.issuer), table.c.identifier == clean(patient.identifier))


def _named(patient: PatientId) -> dict[str, str]:
    return {"issuer": clean(patient.issuer), "identifier": clean(patient.identifier)}


def _pair(patient: PatientId) -> tuple[str, str]:
    return clean(patient.issuer), clean(patient.identifier)


def shown(scope: Scope, dialect: str, record: Any) -> list[ColumnElement[bool]]:
    """What a record must be to be shown: one of its studies is."""
    return _shown(studies_in(scope, dialect), record)


def _shown(conditions: Sequence[ColumnElement[bool]], record: Any) -> list[ColumnElement[bool]]:
    # Constants stand in the text, so that statements can be prepared.
    is_somebody = record.c.issuer != literal_column(f"'{_NOBODY}'", Text)
    if not conditions:
        return [is_somebody]
    patient, study = tables.patient, tables.study
    seen = (
        select(text("1"))
        .select_from(patient.join(study, study.c.patient_row == patient.c.id))
        .where(patient.c.issuer == record.c.issuer, patient.c.identifier == record.c.identifier, *conditions)
    )
    return [is_somebody, seen.correlate(record).exists()]


def _given_by(organization: str, scope: Scope, dialect: str) -> list[ColumnElement[bool]]:
    """What a record must be for whoever identifies studies of an organization: its own, and hidden by nothing."""
    patient, study = tables.patient, tables.study
    has_study = (
        select(text("1"))
        .select_from(patient.join(study, study.c.patient_row == patient.c.id))
        .where(patient.c.issuer == _IDENTITY.c.issuer, patient.c.identifier == _IDENTITY.c.identifier)
        .correlate(_IDENTITY)
    )
    is_seen = and_(*shown(scope, dialect, _IDENTITY))
    return [_IDENTITY.c.issuer == clean(organization), or_(~has_study.exists(), is_seen)]


def _hundredths(score: float) -> int:
    return round(score * 100)


def _packed(evidence: Sequence[Evidence]) -> str:
    return dumps([[each.field, each.finding, each.weight] for each in evidence])


def evidence_of(packed: str) -> tuple[Evidence, ...]:
    """What was packed of a likeness."""
    return tuple(Evidence(*each) for each in orjson.loads(packed or "[]"))


_Record: Final = namedtuple("_Record", [column.name for column in _IDENTITY.columns])  # type: ignore[misc]  # noqa: PYI024 - its columns are the table's


def _linked(row: Any) -> Linked:
    identity = Identity(
        PatientId(row.issuer, row.identifier),
        PersonName(row.name, row.name_ideographic, row.name_phonetic),
        row.birth_date,
        row.sex,
        row.address,
        row.phone,
        row.mother,
        tuple(PatientId(*each) for each in orjson.loads(row.others or "[]")),
        Origin(row.origin),
        moment(row.heard_at),
        row.own,
    )
    return Linked(identity, row.person)


def _decisions(connection: Connection, chosen: Select[Any]) -> list[Decision]:
    """Decisions with all their records, in the order of the statement."""
    rows = connection.execute(chosen).all()
    dialect = connection.dialect.name
    about = select(_RECORD).where(one_of(dialect, _RECORD.c.decision, [row.id for row in rows]))
    records: dict[str, list[Row[Any]]] = {}
    for each in connection.execute(about.order_by(_RECORD.c.decision, _RECORD.c.place)):
        records.setdefault(each.decision, []).append(each)
    return [_decision(row, records.get(row.id, [])) for row in rows]


def _decision(row: Row[Any], records: Sequence[Row[Any]]) -> Decision:
    named = tuple(PatientId(each.issuer, each.identifier) for each in records if each.is_named)
    moves = tuple(
        Move(PatientId(each.issuer, each.identifier), each.before, each.after) for each in records if not each.is_named
    )
    return Decision(
        row.id,
        moment(row.at),
        Deed(row.deed),
        Ground(row.ground),
        row.by,
        named,
        row.reason,
        row.undoes,
        None if row.score is None else row.score / 100,
        evidence_of(row.evidence),
        moves,
    )


@cache
def _record(shape: Shape) -> Prepared:
    """The record of an issuer and identifier, where it is shown."""
    named = (_IDENTITY.c.issuer == bindparam("issuer"), _IDENTITY.c.identifier == bindparam("identifier"))
    return Prepared(lambda dialect: select(_IDENTITY).where(*named, *_shown(is_visible(shape, dialect), _IDENTITY)))


class SQLPersons:
    """A `PersonsReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.engine.dialect.name

    def _records(self, chosen: Select[Any]) -> list[Linked]:
        with self._database.reading() as connection:
            return [_linked(row) for row in connection.execute(chosen)]

    def identity(self, patient: PatientId, scope: Scope) -> Linked | None:
        began = time.perf_counter()
        asked = {**_named(patient), **parameters_of(scope, self._dialect)}
        with self._database.directly() as connection:
            found = _record(shape_of(scope)).run(connection, asked).fetchone()
        if found is None and scope != _EVERYTHING:
            hold(began, SEARCH_S[self._dialect])
        return None if found is None else _linked(_Record(*found))

    def record_named(self, own: str, scope: Scope) -> Linked | None:
        chosen = select(_IDENTITY).where(_IDENTITY.c.own == own, *shown(scope, self._dialect, _IDENTITY))
        found = self._records(chosen)
        return found[0] if found else None

    def identities(self, scope: Scope, limit: int, after: PatientId | None = None) -> list[Linked]:
        rows = _IDENTITY
        chosen = select(rows).where(*shown(scope, self._dialect, rows)).order_by(rows.c.issuer, rows.c.identifier)
        if after is not None:
            issuer, identifier = clean(after.issuer), clean(after.identifier)
            is_behind = or_(rows.c.issuer > issuer, and_(rows.c.issuer == issuer, rows.c.identifier > identifier))
            chosen = chosen.where(is_behind)
        return self._records(chosen.limit(limit))

    def person(self, person: str, scope: Scope) -> list[Linked]:
        rows = _IDENTITY
        chosen = select(rows).where(rows.c.person == person, *shown(scope, self._dialect, rows))
        return self._records(chosen.order_by(rows.c.issuer, rows.c.identifier))

    def queue(self, scope: Scope, limit: int) -> list[Likeness]:
        first, second = _IDENTITY.alias("one"), _IDENTITY.alias("other")
        chosen = _likenesses(first, second).order_by(_LIKENESS.c.score.desc(), _LIKENESS.c.first, _LIKENESS.c.second)
        chosen = chosen.where(*shown(scope, self._dialect, first), *shown(scope, self._dialect, second))
        with self._database.reading() as connection:
            return [_likeness(row) for row in connection.execute(chosen.limit(limit))]

    def like(self, keys: Iterable[str], organization: str, limit: int, scope: Scope) -> list[Linked]:
        with self._database.reading() as connection:
            mine = _given_by(organization, scope, self._dialect)
            chosen = select(_IDENTITY).where(_IDENTITY.c.id.in_(identity_keys.bearing(connection, keys, limit)), *mine)
            return [_linked(row) for row in connection.execute(chosen.order_by(_IDENTITY.c.id))]

    def called(self, text: str, organization: str, limit: int, scope: Scope) -> list[Linked]:
        by_name = [identity_keys.begins(word) for word in identity_keys.words_of(text)]
        is_it = _IDENTITY.c.identifier == clean(text.strip())
        if by_name:
            is_it = or_(is_it, and_(*by_name))
        chosen = select(_IDENTITY).where(is_it, *_given_by(organization, scope, self._dialect))
        return self._records(chosen.order_by(_IDENTITY.c.name, _IDENTITY.c.identifier).limit(limit))

    def census(self, names: Iterable[str], scope: Scope) -> Census:  # noqa: ARG002 - see the port
        with self._database.reading() as connection:
            return identity_keys.census(connection, names)

    def decisions(
        self, scope: Scope, limit: int, patient: PatientId | None = None, identifier: str = ""
    ) -> list[Decision]:
        chosen = select(_DECISION).where(self._shows_all(scope)).order_by(_DECISION.c.at.desc(), _DECISION.c.id)
        if identifier:
            chosen = chosen.where(_DECISION.c.id == identifier)
        if patient is not None:
            theirs = select(_RECORD.c.decision).where(_is(_RECORD, patient))
            chosen = chosen.where(_DECISION.c.id.in_(theirs))
        with self._database.reading() as connection:
            found = _decisions(connection, chosen.limit(limit))
            moved = {move.patient for one in found for move in one.moves}
            seen = self._seen(connection, moved, scope)
        return [replace(one, moves=tuple(move for move in one.moves if move.patient in seen)) for one in found]

    def _seen(self, connection: Connection, patients: Iterable[PatientId], scope: Scope) -> set[PatientId]:
        rows = _IDENTITY
        theirs = tuple_(rows.c.issuer, rows.c.identifier).in_([*map(_pair, patients)])
        chosen = select(rows.c.issuer, rows.c.identifier).where(theirs, *shown(scope, self._dialect, rows))
        return {PatientId(*row) for row in connection.execute(chosen)}

    def _shows_all(self, scope: Scope) -> ColumnElement[bool]:
        """Whether none of the records is hidden that a decision names."""
        there = select(text("1")).where(
            _IDENTITY.c.issuer == _RECORD.c.issuer,
            _IDENTITY.c.identifier == _RECORD.c.identifier,
            *shown(scope, self._dialect, _IDENTITY),
        )
        named = and_(_RECORD.c.decision == _DECISION.c.id, _RECORD.c.is_named == 1)
        hidden = select(text("1")).where(named, ~there.correlate(_RECORD).exists())
        return ~hidden.correlate(_DECISION).exists()


def _likenesses(first: Any, second: Any) -> Select[Any]:
    names = (each.label(f"{side}_{each.key}") for side, of in (("one", first), ("two", second)) for each in _own(of))
    return select(_LIKENESS.c.score, _LIKENESS.c.evidence, _LIKENESS.c.bar, *names).select_from(
        _LIKENESS.join(first, first.c.id == _LIKENESS.c.first).join(second, second.c.id == _LIKENESS.c.second)
    )


def _own(of: Any) -> tuple[Any, Any]:
    return of.c.issuer, of.c.identifier


def _likeness(row: Row[Any]) -> Likeness:
    return Likeness(
        PatientId(row.one_issuer, row.one_identifier),
        PatientId(row.two_issuer, row.two_identifier),
        row.score / 100,
        evidence_of(row.evidence),
        row.bar,
    )


_NUMBER: Final = Prepared(
    lambda _: select(_IDENTITY.c.id).where(
        _IDENTITY.c.issuer == bindparam("issuer"), _IDENTITY.c.identifier == bindparam("identifier")
    )
)
_BEARING: Final = Prepared(
    lambda dialect: (
        select(_IDENTITY)
        .where(_IDENTITY.c.id.in_(select(_KEY.c.identity).where(among(dialect, _KEY.c.key, "telling"))))
        .order_by(_IDENTITY.c.id)
    )
)
_NO_KEYS: Final = Prepared(lambda _: delete(_KEY).where(_KEY.c.identity == bindparam("number")))
_KEYS: Final = Prepared(lambda _: _KEY.insert().values(key=bindparam("key"), identity=bindparam("identity")))
_WITHDRAW: Final = Prepared(
    lambda _: delete(_LIKENESS).where(
        or_(_LIKENESS.c.first == bindparam("mine"), _LIKENESS.c.second == bindparam("mine"))
    )
)


class PersonsChanges:
    """A `PersonsWriter` on an open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name

    def lock(self) -> None:
        lock(self._connection, _LOCK)

    def record(self, patient: PatientId) -> Linked | None:
        if self._number(patient) is None:
            return None
        row = self._connection.execute(select(_IDENTITY).where(_is(_IDENTITY, patient))).one_or_none()
        return None if row is None else _linked(row)

    def put_identity(self, identity: Identity, keys: Iterable[str]) -> None:
        name = identity.name
        values = {
            "issuer": clean(identity.patient.issuer),
            "identifier": clean(identity.patient.identifier),
            "name": clean(name.alphabetic),
            "name_ideographic": clean(name.ideographic),
            "name_phonetic": clean(name.phonetic),
            "others": dumps([[each.issuer, each.identifier] for each in identity.others]) if identity.others else "",
            "origin": identity.origin.value,
            "heard_at": micros(identity.heard_at),
        }
        values |= {each: clean(getattr(identity, each)) for each in ("birth_date", "sex", "address", "phone", "mother")}
        # Asked first: a row that is only tried takes a number, and numbers count the records.
        number = self._number(identity.patient)
        if number is None:
            insert_new(self._connection, _IDENTITY, values | {"own": identity.own, "person": identity.own})
            number = self._number(identity.patient)
        else:
            self._connection.execute(update(_IDENTITY).where(_IDENTITY.c.id == number).values(**values))
        _NO_KEYS.run(self._connection, {"number": number})
        rows = [{"key": key, "identity": number} for key in sorted({clean(each) for each in keys})]
        if rows:
            _KEYS.run_many(self._connection, rows)

    def _number(self, patient: PatientId) -> int | None:
        row = _NUMBER.run(self._connection, _named(patient)).fetchone()
        return row[0] if row else None

    def candidates(self, keys: Iterable[str], limit: int) -> list[Linked]:
        telling = identity_keys.telling(self._connection, keys, limit)
        asked = {"telling": members(self._dialect, telling)}
        return [_linked(_Record(*row)) for row in _BEARING.run(self._connection, asked).fetchall()]

    def census(self, names: Iterable[str]) -> Census:
        return identity_keys.census(self._connection, names)

    def of_person(self, person: str) -> list[Linked]:
        chosen = select(_IDENTITY).where(_IDENTITY.c.person == person).order_by(_IDENTITY.c.id)
        return [_linked(row) for row in self._connection.execute(chosen)]

    def groups(self, patients: Iterable[PatientId]) -> dict[PatientId, list[PatientId]]:
        one, other = _IDENTITY, _IDENTITY.alias("other")
        chosen = select(one.c.issuer, one.c.identifier, other.c.issuer, other.c.identifier)
        chosen = chosen.join_from(one, other, other.c.person == one.c.person).order_by(other.c.id)
        asked = {_pair(each): each for each in patients}
        found: dict[PatientId, list[PatientId]] = {}
        for row in self._of(chosen, one, asked.values()):
            found.setdefault(asked[row[0], row[1]], []).append(PatientId(row[2], row[3]))
        return found

    def decisions_about(self, patients: Iterable[PatientId]) -> list[Decision]:
        theirs = {row[0] for row in self._of(select(_RECORD.c.decision).distinct(), _RECORD, patients)}
        if not theirs:
            return []
        chosen = select(_DECISION).where(one_of(self._dialect, _DECISION.c.id, sorted(theirs)))
        return _decisions(self._connection, chosen.order_by(_DECISION.c.at, _DECISION.c.id))

    def put_decision(self, decision: Decision) -> None:
        known = select(_DECISION.c.id).where(_DECISION.c.id == decision.id)
        if self._connection.scalar(known) is not None:
            return
        row = {
            "id": decision.id,
            "at": micros(decision.at),
            "deed": decision.deed.value,
            "ground": decision.ground.value,
            "by": clean(decision.by),
            "reason": clean(decision.reason),
            "undoes": decision.undoes,
            "score": None if decision.score is None else _hundredths(decision.score),
            "evidence": _packed(decision.evidence) if decision.evidence else "",
        }
        self._connection.execute(_DECISION.insert().values(**row))
        named = [(each, 1, "", "") for each in decision.records]
        moved = [(each.patient, 0, each.before, each.after) for each in decision.moves]
        for place, (patient, is_named, before, after) in enumerate(named + moved):
            values = {"issuer": clean(patient.issuer), "identifier": clean(patient.identifier)}
            values |= {"before": before, "after": after}
            where = {"decision": decision.id, "place": place, "is_named": is_named}
            self._connection.execute(_RECORD.insert().values(**where, **values))

    def last_decided_at(self) -> datetime | None:
        last = self._connection.scalar(select(func.max(_DECISION.c.at)))
        return None if last is None else moment(last)

    def move(self, patient: PatientId, person: str) -> None:
        self._connection.execute(update(_IDENTITY).where(_is(_IDENTITY, patient)).values(person=person))

    def ask(self, likenesses: Sequence[Likeness], at: datetime) -> None:
        if not likenesses:
            return
        numbers = self._numbers({each for one in likenesses for each in (one.first, one.second)})
        rows = []
        for likeness in likenesses:
            first, second = sorted(numbers.get(_pair(each), 0) for each in (likeness.first, likeness.second))
            said = {"score": _hundredths(likeness.score), "evidence": _packed(likeness.evidence), "bar": likeness.bar}
            rows.append({"first": first, "second": second, **said, "at": micros(at)})
        put(self._connection, _LIKENESS, ["first", "second"], *rows)

    def _numbers(self, patients: Iterable[PatientId]) -> dict[tuple[str, str], int]:
        rows = _IDENTITY.c
        chosen = select(rows.issuer, rows.identifier, rows.id)
        return {(row[0], row[1]): row[2] for row in self._of(chosen, _IDENTITY, patients)}

    def _of(self, chosen: Select[Any], table: Any, patients: Iterable[PatientId]) -> Iterator[Any]:
        """Rows of these records, asked for by so many at once as every database takes."""
        pairs = sorted({_pair(each) for each in patients})
        for start in range(0, len(pairs), _AT_ONCE):
            theirs = tuple_(table.c.issuer, table.c.identifier).in_(pairs[start : start + _AT_ONCE])
            yield from self._connection.execute(chosen.where(theirs))

    def question(self, first: PatientId, second: PatientId) -> Likeness | None:
        one, other = _IDENTITY.alias("one"), _IDENTITY.alias("other")
        either = or_(and_(_is(one, first), _is(other, second)), and_(_is(one, second), _is(other, first)))
        row = self._connection.execute(_likenesses(one, other).where(either)).one_or_none()
        return None if row is None else _likeness(row)

    def withdraw(self, patient: PatientId, other: PatientId | None = None) -> None:
        mine = self._number(patient)
        if other is None:
            _WITHDRAW.run(self._connection, {"mine": mine})
            return
        pair = or_(_LIKENESS.c.first == mine, _LIKENESS.c.second == mine)
        theirs = self._number(other)
        pair = and_(pair, or_(_LIKENESS.c.first == theirs, _LIKENESS.c.second == theirs))
        self._connection.execute(delete(_LIKENESS).where(pair))

    def settle(self, person: str) -> None:
        theirs = select(_IDENTITY.c.id).where(_IDENTITY.c.person == person)
        both = _LIKENESS.c.first.in_(theirs), _LIKENESS.c.second.in_(theirs)
        self._connection.execute(delete(_LIKENESS).where(*both))

    def forget(self, patient: PatientId) -> None:
        number = self._number(patient)
        if number is None:
            return
        self.withdraw(patient)
        self._connection.execute(delete(_KEY).where(_KEY.c.identity == number))
        nobody = {"issuer": _NOBODY, "identifier": f"forgotten {number}"}
        empty = (
            "name",
            "name_ideographic",
            "name_phonetic",
            "birth_date",
            "sex",
            "address",
            "phone",
            "mother",
            "others",
        )
        self._connection.execute(update(_RECORD).where(_is(_RECORD, patient)).values(**nobody))
        blank = dict.fromkeys(empty, "")
        self._connection.execute(update(_IDENTITY).where(_IDENTITY.c.id == number).values(**nobody, **blank))
