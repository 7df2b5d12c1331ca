"""What pictures are known again by, and which are held twice, in the database."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    func,
    literal_column,
    or_,
    select,
    union,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.sql.elements import ClauseElement

from imagebank.model.access import Scope
from imagebank.model.person import PatientId
from imagebank.model.picture import (
    BANDS,
    NEAR,
    Answer,
    Finding,
    Fingerprint,
    Ground,
    Likely,
    Pair,
    Side,
    Verdict,
    bands,
    distance,
    near_band,
)
from imagebank.model.uid import Uid
from imagebank.ports.pictures import Undone
from imagebank.storage import tables
from imagebank.storage.database import Database, Prepared, insert_new, put
from imagebank.storage.rows import clean, micros, moment
from imagebank.storage.select import studies_in
from imagebank.storage.sets import among, members, one_of
from imagebank.storage.shape import Shape, parameters_of, shape_of
from imagebank.storage.visible import is_visible

_PRINT, _PAIR, _VERDICT = tables.fingerprint, tables.picture_pair, tables.picture_verdict
_STUDY, _SERIES, _INSTANCE, _PATIENT = tables.study, tables.series, tables.instance, tables.patient
_SIGN: Final = 1 << 63
_ABOVE: Final = _INSTANCE.join(_SERIES, _SERIES.c.id == _INSTANCE.c.series_row).join(
    _STUDY, _STUDY.c.id == _SERIES.c.study_row
)
_IS_DECIDED: Final = and_(
    _VERDICT.c.first_study == _PAIR.c.first_study,
    _VERDICT.c.second_study == _PAIR.c.second_study,
    _VERDICT.c.answer != Answer.OPEN.value,
)


def _putting(dialect: str) -> ClauseElement:
    make = sqlite_insert if dialect == "sqlite" else postgresql_insert
    names = [column.name for column in _PRINT.columns]
    statement = make(_PRINT).values({name: bindparam(name) for name in names})
    changes = {name: statement.excluded[name] for name in names if name != "instance_row"}
    return statement.on_conflict_do_update(index_elements=["instance_row"], set_=changes)


_PUT: Final = Prepared(_putting)
_HELD: Final = Prepared(
    lambda _: select(_INSTANCE.c.id).where(_INSTANCE.c.sop_instance_uid == bindparam("uid")).with_for_update(read=True)
)


def forget(connection: Connection, instances: Sequence[int]) -> None:
    """Forget what is known of the pictures of these rows, before they go."""
    dialect = connection.dialect.name
    numbers = {"numbers": members(dialect, instances)}
    uids = select(_INSTANCE.c.sop_instance_uid).where(among(dialect, _INSTANCE.c.id, "numbers"))
    for column in (_PAIR.c.first, _PAIR.c.second):
        connection.execute(delete(_PAIR).where(column.in_(uids)), numbers)
    connection.execute(delete(_PRINT).where(among(dialect, _PRINT.c.instance_row, "numbers")), numbers)


def forget_studies(connection: Connection, studies: Sequence[str]) -> None:
    """Forget what was said of these studies."""
    dialect = connection.dialect.name
    named = (one_of(dialect, column, studies) for column in (_VERDICT.c.first_study, _VERDICT.c.second_study))
    connection.execute(delete(_VERDICT).where(or_(*named)))


class SQLPictures:
    """A `PictureReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.engine.dialect.name

    def undone(self, limit: int, scope: Scope, series: Uid | None = None, after: int = -1) -> list[Undone]:
        asked = {"after": after, "most": limit, **parameters_of(scope, self._dialect)}
        asked |= {} if series is None else {"series": series}
        chosen = _undone(shape_of(scope), of_series=series is not None)
        with self._database.directly() as connection:
            return [Undone(Uid(uid), row) for uid, row in chosen.run(connection, asked).fetchall()]

    def count(self, scope: Scope) -> tuple[int, int]:
        joined = _ABOVE.outerjoin(_PRINT, _PRINT.c.instance_row == _INSTANCE.c.id)
        counted = select(func.count(_PRINT.c.instance_row), func.count()).select_from(joined)
        with self._database.reading() as connection:
            chosen = counted.where(_INSTANCE.c.pixels.is_not(None), *studies_in(scope, self._dialect))
            done, all_ = connection.execute(chosen).one()
        return done, all_

    def alike(self, fingerprint: Fingerprint, study: Uid, scope: Scope, most: int) -> list[Likely]:
        told = {"study": study, **parameters_of(scope, self._dialect)}
        found: dict[Uid, Likely] = {}
        with self._database.reading() as connection:
            if fingerprint.digest:
                asked = {**told, "digest": fingerprint.digest, "most": most}
                for uid, other, _ in _alike(shape_of(scope), by_look=False).run(connection, asked):
                    found[Uid(uid)] = Likely(Uid(uid), Uid(other), Ground.EXACT)
            if fingerprint.look is None:
                return list(found.values())
            near = {
                f"band_{n}": members(self._dialect, near_band(one)) for n, one in enumerate(bands(fingerprint.look))
            }
            for uid, other, look in _alike(shape_of(scope), by_look=True).run(connection, told | near):
                apart = distance(look & (_SIGN << 1) - 1, fingerprint.look)
                if apart <= NEAR:
                    found.setdefault(Uid(uid), Likely(Uid(uid), Uid(other), Ground.ALIKE, apart))
        return sorted(found.values(), key=lambda one: (one.ground is Ground.ALIKE, one.distance, one.uid))[:most]

    def findings(self, scope: Scope, limit: int, *, is_open: bool = True, offset: int = 0) -> list[Finding]:
        decided = select(literal_column("1")).where(_IS_DECIDED).correlate(_PAIR).exists()
        chosen = self._grouped(scope).where(~decided if is_open else decided)
        order = (func.max(_PAIR.c.found_at).desc(), _PAIR.c.first_study, _PAIR.c.second_study)
        with self._database.reading() as connection:
            rows = connection.execute(chosen.order_by(*order).limit(limit).offset(offset)).all()
            return [found for row in rows if (found := self._finding(connection, row)) is not None]

    def finding(self, first: Uid, second: Uid, scope: Scope) -> Finding | None:
        chosen = self._grouped(scope).where(_PAIR.c.first_study == first, _PAIR.c.second_study == second)
        with self._database.reading() as connection:
            row = connection.execute(chosen).one_or_none()
            return None if row is None else self._finding(connection, row)

    def _grouped(self, scope: Scope) -> Select[Any]:
        """Pairs of studies of which the scope shows both."""
        conditions = studies_in(scope, self._dialect)
        shown = [
            select(literal_column("1"))
            .where(_STUDY.c.study_instance_uid == column, *conditions)
            .correlate(_PAIR)
            .exists()
            for column in (_PAIR.c.first_study, _PAIR.c.second_study)
        ]
        return (
            select(
                _PAIR.c.first_study,
                _PAIR.c.second_study,
                func.count().label("pictures"),
                func.min(_PAIR.c.first).label("example"),
                func.max(_PAIR.c.ground).label("ground"),
                func.max(_PAIR.c.found_at).label("found_at"),
            )
            .where(*shown)
            .group_by(_PAIR.c.first_study, _PAIR.c.second_study)
        )

    def _finding(self, connection: Connection, row: Row[Any]) -> Finding | None:
        of_both = (_PAIR.c.first_study == row.first_study, _PAIR.c.second_study == row.second_study)
        other = connection.scalar(select(func.min(_PAIR.c.second)).where(*of_both, _PAIR.c.first == row.example))
        sides = [_side(connection, uid) for uid in (row.example, other)]
        if None in sides:
            return None
        said = select(_VERDICT).where(
            _VERDICT.c.first_study == row.first_study,
            _VERDICT.c.second_study == row.second_study,
            _VERDICT.c.answer != Answer.OPEN.value,
        )
        verdict = connection.execute(said).one_or_none()
        first, second = (one for one in sides if one is not None)
        return Finding(
            first,
            second,
            Ground(row.ground),
            row.pictures,
            moment(row.found_at),
            verdict=None if verdict is None else _verdict(verdict),
        )


@cache
def _undone(shape: Shape, *, of_series: bool) -> Prepared:
    """Pictures of which nothing is known yet, behind a row."""
    done: Select[Any] = select(literal_column("1")).where(_PRINT.c.instance_row == _INSTANCE.c.id)
    named = [_SERIES.c.series_instance_uid == bindparam("series")] if of_series else []
    chosen = (
        select(_INSTANCE.c.sop_instance_uid, _INSTANCE.c.id)
        .select_from(_ABOVE)
        .where(_INSTANCE.c.pixels.is_not(None), _INSTANCE.c.id > bindparam("after"), *named)
        .where(~done.correlate(_INSTANCE).exists())
        .order_by(_INSTANCE.c.id)
        .limit(bindparam("most", type_=Integer()))
        .offset(literal_column("0"))
    )
    return Prepared(lambda dialect: chosen.where(*is_visible(shape, dialect)))


@cache
def _alike(shape: Shape, *, by_look: bool) -> Prepared:
    """Pictures of other studies with the same digest, or of which some part of the look is nearly that of another look.

    Kept for each shape of scope: it is asked of every picture, and to write it takes longer than to run it.
    """

    def written(dialect: str) -> Select[Any]:
        joined = _ABOVE.join(_PRINT, _PRINT.c.instance_row == _INSTANCE.c.id)
        others = (_PRINT.c.is_telling == literal_column("1"), _STUDY.c.study_instance_uid != bindparam("study"))
        chosen = (
            select(_INSTANCE.c.sop_instance_uid, _STUDY.c.study_instance_uid, _PRINT.c.look)
            .select_from(joined)
            .where(*others, *is_visible(shape, dialect))
        )
        if not by_look:
            same = chosen.where(_PRINT.c.digest == bindparam("digest"))
            return same.limit(bindparam("most", type_=Integer())).offset(literal_column("0"))
        parts = [
            select(_PRINT.c.instance_row).where(among(dialect, _PRINT.c[name], name))
            for name in (f"band_{number}" for number in range(BANDS))
        ]
        return chosen.where(_PRINT.c.instance_row.in_(select(union(*parts).subquery().c.instance_row)))

    return Prepared(written)


def _side(connection: Connection, uid: str) -> Side | None:
    names = (_STUDY.c.study_instance_uid, _SERIES.c.series_instance_uid, _STUDY.c.organization, _STUDY.c.study_date)
    joined = _ABOVE.join(_PATIENT, _PATIENT.c.id == _STUDY.c.patient_row)
    chosen = select(*names, _PATIENT.c.issuer, _PATIENT.c.identifier).select_from(joined)
    row = connection.execute(chosen.where(_INSTANCE.c.sop_instance_uid == uid)).one_or_none()
    if row is None:
        return None
    patient = PatientId(row.issuer, row.identifier)
    return Side(
        Uid(row.study_instance_uid), Uid(uid), Uid(row.series_instance_uid), patient, row.organization, row.study_date
    )


def _verdict(row: Row[Any]) -> Verdict:
    return Verdict(Uid(row.first_study), Uid(row.second_study), Answer(row.answer), row.by, moment(row.at), row.reason)


class PictureChanges:
    """A `PictureWriter` on an open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, found: Sequence[tuple[Uid, Fingerprint]]) -> None:
        for uid, one in found:
            # Held until the end, so that it cannot go before the row that names it is in.
            held = _HELD.run(self._connection, {"uid": uid}).fetchone()
            if held is None:
                continue
            parts: Sequence[int | None] = [None] * BANDS if one.look is None else bands(one.look)
            values = {
                "instance_row": held[0],
                "digest": one.digest,
                "look": None if one.look is None else one.look - (_SIGN << 1 if one.look >= _SIGN else 0),
                "is_telling": int(one.is_telling),
                **{f"band_{place}": part for place, part in enumerate(parts)},
            }
            _PUT.run(self._connection, values)

    def file(self, pairs: Sequence[Pair], at: datetime) -> list[tuple[Uid, Uid]]:
        # Held until the end, so that none goes before the row that names it is in.
        named = sorted({uid for one in pairs for uid in (one.first, one.second)})
        here = select(_INSTANCE.c.sop_instance_uid).where(
            one_of(self._connection.dialect.name, _INSTANCE.c.sop_instance_uid, named)
        )
        held = set(self._connection.scalars(here.order_by(_INSTANCE.c.id).with_for_update(read=True)))
        pairs = [one for one in pairs if held.issuperset((one.first, one.second))]
        new = []
        for studies in dict.fromkeys((one.first_study, one.second_study) for one in pairs):
            known = [
                select(table.c.first_study).where(table.c.first_study == studies[0], table.c.second_study == studies[1])
                for table in (_PAIR, _VERDICT)
            ]
            if all(self._connection.scalar(one.limit(1)) is None for one in known):
                new.append(studies)
        for one in pairs:
            row = {
                "first": str(one.first),
                "second": str(one.second),
                "ground": one.ground.value,
                "first_study": str(one.first_study),
                "second_study": str(one.second_study),
                "distance": one.distance,
                "found_at": micros(at),
            }
            insert_new(self._connection, _PAIR, row)
        return new

    def settle(self, verdict: Verdict) -> None:
        row = {
            "first_study": str(verdict.first_study),
            "second_study": str(verdict.second_study),
            "answer": verdict.answer.value,
            "by": clean(verdict.by),
            "reason": clean(verdict.reason),
            "at": micros(verdict.at),
        }
        put(self._connection, _VERDICT, ["first_study", "second_study"], row)
