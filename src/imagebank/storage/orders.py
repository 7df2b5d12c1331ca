"""Orders, reports, and the messages that bring them, in the database."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import msgspec
import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    delete,
    insert,
    or_,
    select,
    update,
)

from imagebank.model.access import Scope
from imagebank.model.encounter import Encounter, Stay
from imagebank.model.imaging import Digest, Location
from imagebank.model.message import Fate, Letter, Peer, Told
from imagebank.model.order import Order, Ordered, Patient, Performed, State, joined
from imagebank.model.person import PatientId
from imagebank.model.report import Report, Which
from imagebank.model.uid import Uid
from imagebank.ports.orders import Wanted
from imagebank.storage import account_keys, delays, performed, tables, whose
from imagebank.storage.database import Database, insert_new, lock_studies, put
from imagebank.storage.rows import clean, micros, moment, pack_digest, pack_set, unpack_digest, unpack_set
from imagebank.storage.segments import Segments
from imagebank.storage.select import studies_in
from imagebank.storage.sets import one_of
from imagebank.storage.visible import orders_in, reports_in, visits_in

_PEER, _LETTER, _ORDER, _REPORT = tables.peer, tables.letter, tables.imaging_order, tables.report
_STUDY: Final = tables.study
_VISIT, _WORD, _KNOWN = tables.encounter, tables.patient_word, tables.identity
_SEGMENT: Final = tables.segment.c.name.label("segment")
_OVER: Final = tuple(state.value for state in State if state.is_over)
_ACCESSION: Final = "00080050"
_BY_NAME: Final = ("organization", "placer", "filler", "accession", "accession_issuer", "procedure_id", "step_id")
_PLAIN: Final = (*_BY_NAME, "modality", "station_aet", "scheduled_at")


def forget_patient(connection: Connection, patient: PatientId) -> None:
    """Delete a patient's orders, visits and performed steps, and when something was said of the patient."""
    for table in (_ORDER, _VISIT, _WORD, tables.performed_step):
        connection.execute(delete(table).where(*_of_patient(table, patient)))


def forget_sealed(connection: Connection, names: Sequence[bytes]) -> list[int]:
    """Delete messages and reports whose data keys were wrapped by keys of these names.

    The rows of studies that such a report may be of.
    """
    told = select(_STUDY.c.id).join(_REPORT, _is_told_of()).where(_REPORT.c.sealed_by.in_(list(names)))
    studies = list(connection.scalars(told.distinct()))
    for table in (_LETTER, _REPORT):
        connection.execute(delete(table).where(table.c.sealed_by.in_(list(names))))
    return studies


def _is_told_of() -> ColumnElement[bool]:
    """Whether a report may be of a study; of which patient they are is not looked at."""
    by_accession = (_REPORT.c.study == "", _REPORT.c.accession != "", _REPORT.c.accession == _STUDY.c.accession_number)
    named = or_(_REPORT.c.study == _STUDY.c.study_instance_uid, and_(*by_accession))
    return and_(_REPORT.c.organization == _STUDY.c.organization, named)


def _of_patient(table: Any, patient: PatientId) -> tuple[ColumnElement[bool], ...]:
    return table.c.issuer == clean(patient.issuer), table.c.identifier == clean(patient.identifier)


def _location(row: Row[Any]) -> Location:
    return Location(row.segment, row.segment_offset, row.length, row.size)


def _peer_of(row: Row[Any]) -> Peer:
    return Peer(row.application, row.facility, row.host, row.organization, row.certificate)


def _letter_of(row: Row[Any]) -> Letter:
    return Letter(
        row.sender,
        row.control,
        row.kind,
        row.organization,
        row.address,
        unpack_digest(bytes(row.digest)),
        moment(row.received_at),
        _location(row),
        Told(Fate(row.fate), row.code, row.reason, row.place),
        id=row.id,
    )


def _order_of(row: Row[Any]) -> Order:
    return Order(
        patient=Patient(PatientId(row.issuer, row.identifier), row.name, row.birth_date, row.sex),
        event_at=moment(row.event_at),
        state=State(row.state) if row.state else None,
        study=Uid(row.study) if row.study else None,
        ordered=msgspec.json.decode(row.details, type=Ordered),
        state_at=moment(row.state_at) if row.state_at else None,
        id=row.id,
        **{name: row._mapping[name] for name in _PLAIN},  # noqa: SLF001 - how SQLAlchemy gives a row by names
    )


def _order_row(order: Order) -> dict[str, Any]:
    patient = order.patient
    return {
        "issuer": clean(patient.id.issuer),
        "identifier": clean(patient.id.identifier),
        "name": clean(patient.name),
        "birth_date": clean(patient.birth_date),
        "sex": clean(patient.sex),
        "event_at": micros(order.event_at),
        "state": order.state.value if order.state else "",
        "state_at": micros(order.decided_at) if order.state else 0,
        "study": order.study or "",
        "details": clean(msgspec.json.encode(order.ordered).decode()),
        **{name: clean(getattr(order, name)) for name in _PLAIN},
    }


def report_of(row: Row[Any]) -> Report:
    """A version of a report, of a row that `with_segment` chose."""
    return Report(
        row.organization,
        PatientId(row.issuer, row.identifier),
        moment(row.event_at),
        row.status,
        row.number,
        row.accession,
        Uid(row.study) if row.study else None,
        unpack_digest(bytes(row.digest)),
        moment(row.received_at),
        _location(row),
        row.id,
        tuple(unpack_set(row.types)),
    )


def _encounter_of(row: Row[Any]) -> Encounter:
    patient = PatientId(row.issuer, row.identifier)
    stay, at = Stay(row.stay), moment(row.event_at)
    return Encounter(row.organization, row.number, patient, at, stay, row.kind, row.place, row.began_at, row.ended_at)


def with_segment(table: Any) -> Select[Any]:
    """The rows of a table with the names of the segments that they point into."""
    return select(table, _SEGMENT).join_from(table, tables.segment, tables.segment.c.id == table.c.segment_id)


def _asked(wanted: Wanted, dialect: str) -> list[ColumnElement[bool]]:
    rows = _ORDER.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.since:
        conditions.append(rows.scheduled_at >= wanted.since)
    if wanted.until:
        # Times of that day come after the day itself, and before its end.
        conditions.append(rows.scheduled_at < wanted.until + ":")
    if wanted.modalities:
        conditions.append(one_of(dialect, rows.modality, wanted.modalities))
    if wanted.station_aet:
        conditions.append(or_(rows.station_aet == wanted.station_aet, rows.station_aet == ""))
    named = ((rows.accession, wanted.accession), (rows.identifier, wanted.identifier), (rows.issuer, wanted.issuer))
    for column, text in named:
        conditions += [column == clean(text)] if text else []
    if wanted.number:
        conditions.append(or_(rows.placer == clean(wanted.number), rows.filler == clean(wanted.number)))
    if wanted.is_open:
        conditions.append(rows.state.in_(["", State.SCHEDULED.value]))
    return conditions


class SQLOrders:
    """An `OrderReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.engine.dialect.name

    def _rows(self, statement: Select[Any]) -> list[Row[Any]]:
        with self._database.reading() as connection:
            return list(connection.execute(statement))

    def peers(self) -> list[Peer]:
        return [_peer_of(row) for row in self._rows(select(_PEER).order_by(_PEER.c.application, _PEER.c.facility))]

    def letters(self, fates: Sequence[Fate] = (), limit: int = 100) -> list[Letter]:
        chosen = with_segment(_LETTER).order_by(_LETTER.c.id.desc()).limit(limit)
        if fates:
            chosen = chosen.where(_LETTER.c.fate.in_([fate.value for fate in fates]))
        return [_letter_of(row) for row in self._rows(chosen)]

    def letter(self, number: int) -> Letter | None:
        rows = self._rows(with_segment(_LETTER).where(_LETTER.c.id == number))
        return _letter_of(rows[0]) if rows else None

    def letter_like(self, sender: str, control: str, digest: Digest) -> Letter | None:
        same = (_LETTER.c.sender == clean(sender), _LETTER.c.control == clean(control))
        rows = self._rows(
            with_segment(_LETTER).where(*same, _LETTER.c.digest == pack_digest(digest)).order_by(_LETTER.c.id).limit(1)
        )
        return _letter_of(rows[0]) if rows else None

    def orders(self, wanted: Wanted, scope: Scope) -> list[Order]:
        conditions = [*orders_in(scope, self._dialect), *_asked(wanted, self._dialect)]
        chosen = select(_ORDER).where(*conditions).order_by(_ORDER.c.scheduled_at, _ORDER.c.id).limit(wanted.limit)
        return [_order_of(row) for row in self._rows(chosen)]

    def steps_of(self, organization: str, placer: str, filler: str) -> list[Order]:
        if not (placer or filler):
            return []
        rows = self._rows(select(_ORDER).where(_is_numbered(organization, placer, filler)).order_by(_ORDER.c.id))
        return [_order_of(row) for row in rows]

    def order_of(self, organization: str, placer: str, filler: str) -> Order | None:
        return next(iter(self.steps_of(organization, placer, filler)), None)

    def encounters(self, patient: PatientId, scope: Scope) -> list[Encounter]:
        theirs = (*_of_patient(_VISIT, patient), _VISIT.c.stay != Stay.CANCELLED.value)
        chosen = select(_VISIT).where(*theirs, *visits_in(scope, self._dialect))
        newest = chosen.order_by(_VISIT.c.began_at.desc(), _VISIT.c.number)
        return [_encounter_of(row) for row in self._rows(newest)]

    def encounter(self, number: str, scope: Scope) -> Encounter | None:
        chosen = select(_VISIT).where(_VISIT.c.number == clean(number), *visits_in(scope, self._dialect)).limit(2)
        rows = self._rows(chosen)
        return _encounter_of(rows[0]) if len(rows) == 1 else None

    def reports(self, study: Uid, scope: Scope) -> list[Report]:
        with self._database.directly() as connection:
            owned = whose.owned(connection, study, scope)
            if owned is None or not owned[2].identifier or not whose.is_reported_of(connection, owned[2]):
                return []
        organization, text, patient = owned
        accession = next(iter(orjson.loads(text).get(_ACCESSION, {}).get("Value", ())), "")
        by_accession = and_(_REPORT.c.study == "", _REPORT.c.accession == accession)
        named = or_(_REPORT.c.study == study, by_accession) if accession else _REPORT.c.study == study
        # Whoever sends for one organization says nothing about the studies of another.
        own = _REPORT.c.organization == organization
        told = (_of_person(patient), own, named, *reports_in(scope, self._dialect))
        newest = (_REPORT.c.event_at.desc(), _REPORT.c.id.desc())
        return [report_of(row) for row in self._rows(with_segment(_REPORT).where(*told).order_by(*newest))]

    def studies_of(self, report: Report, scope: Scope) -> list[Uid]:
        named = _STUDY.c.study_instance_uid == report.study
        if report.study is None:
            named = and_(_STUDY.c.accession_number == clean(report.accession), _STUDY.c.accession_number != "")
        own = _STUDY.c.organization == clean(report.organization)
        chosen = select(_STUDY.c.study_instance_uid).where(own, named, *studies_in(scope, self._dialect))
        return [Uid(row[0]) for row in self._rows(chosen)]


def _of_person(patient: PatientId) -> ColumnElement[bool]:
    """Whether a report is of a patient, or of another record of the same person."""
    person = select(_KNOWN.c.person).where(*_of_patient(_KNOWN, patient)).scalar_subquery()
    linked = (_KNOWN.c.issuer == _REPORT.c.issuer, _KNOWN.c.identifier == _REPORT.c.identifier)
    is_linked = select(1).where(*linked, _KNOWN.c.person == person, _KNOWN.c.person != "").exists()
    return or_(and_(*_of_patient(_REPORT, patient)), is_linked)


def _theirs(connection: Connection, patient: PatientId) -> ColumnElement[bool]:
    """The same by the identifiers of these records, so that the database begins at those and not at every report."""
    person = connection.scalar(select(_KNOWN.c.person).where(*_of_patient(_KNOWN, patient)))
    linked = select(_KNOWN.c.issuer, _KNOWN.c.identifier).where(_KNOWN.c.person == person)
    found = [PatientId(*row) for row in connection.execute(linked)] if person else []
    return or_(*(and_(*_of_patient(_REPORT, one)) for one in {patient, *found}))


def _is_numbered(organization: str, placer: str, filler: str) -> ColumnElement[bool]:
    """Whether a row is of an order with these numbers: one is the same, and the other no different one."""
    rows = _ORDER.c

    def same(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
        return and_(column == clean(text), column != "")

    def no_other(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
        return column.in_(["", clean(text)]) if text else column == column  # noqa: PLR0124 - true for every row

    either = or_(
        and_(same(rows.placer, placer), no_other(rows.filler, filler)),
        and_(same(rows.filler, filler), no_other(rows.placer, placer)),
    )
    return and_(rows.organization == clean(organization), either)


class OrderChanges:
    """An `OrderWriter` on an open connection."""

    def __init__(self, connection: Connection, segments: Segments) -> None:
        self._connection = connection
        self._segments = segments

    def put_peer(self, peer: Peer) -> None:
        values = {name: clean(getattr(peer, name)) for name in ("application", "facility", "host", "organization")}
        put(self._connection, _PEER, ["application", "facility"], values | {"certificate": peer.certificate})

    def remove_peer(self, application: str, facility: str) -> int:
        mine = (_PEER.c.application == application, _PEER.c.facility == facility)
        return self._connection.execute(delete(_PEER).where(*mine)).rowcount

    def put_letter(self, letter: Letter, sealed_by: bytes) -> int:
        account_keys.require_living(self._connection, {sealed_by})
        values = {
            "sender": clean(letter.sender),
            "control": clean(letter.control),
            "kind": clean(letter.kind),
            "organization": clean(letter.organization),
            "address": letter.address,
            "digest": pack_digest(letter.digest),
            "received_at": micros(letter.received_at),
            "sealed_by": sealed_by,
            **_told_row(letter.told),
            **self._segments.columns(letter.location),
        }
        number: int = self._connection.scalars(insert(_LETTER).values(**values).returning(_LETTER.c.id)).one()
        return number

    def tell_letter(self, number: int, told: Told) -> None:
        self._connection.execute(update(_LETTER).where(_LETTER.c.id == number).values(**_told_row(told)))

    def put_order(self, order: Order) -> bool:
        lock_studies(self._connection, [f"orders of {order.organization}"])
        numbered = _is_numbered(order.organization, order.placer, order.filler)
        same_step = _ORDER.c.step_id.in_(["", clean(order.step_id)]) if order.step_id else numbered
        held = [_order_of(row) for row in self._connection.execute(select(_ORDER).where(numbered, same_step))]
        if not held:
            first = replace(order, study=order.study or Uid.new())
            self._connection.execute(insert(_ORDER).values(**_order_row(first)))
            return True
        changed = False
        for one in held:
            values = _order_row(joined(one, order))
            if values != _order_row(one):
                self._connection.execute(update(_ORDER).where(_ORDER.c.id == one.id).values(**values))
                changed = True
        return changed

    def note_word(self, organization: str, patient: PatientId, at: datetime) -> bool:
        values = {
            "organization": clean(organization),
            "issuer": clean(patient.issuer),
            "identifier": clean(patient.identifier),
        }
        lock_studies(self._connection, [f"words of {organization}"])
        mine = (*_of_patient(_WORD, patient), _WORD.c.organization == values["organization"])
        last: int | None = self._connection.scalar(select(_WORD.c.event_at).where(*mine))
        if last is not None and last > micros(at):
            return False
        put(self._connection, _WORD, list(values), values | {"event_at": micros(at)})
        return True

    def name_patient(self, organization: str, patient: Patient, at: datetime) -> int:
        named = {"name": patient.name, "birth_date": patient.birth_date, "sex": patient.sex}
        values = {name: clean(text) for name, text in named.items() if text}
        if not values:
            return 0
        theirs = (*_of_patient(_ORDER, patient.id), _ORDER.c.organization == clean(organization))
        is_open = (_ORDER.c.state.not_in(_OVER), _ORDER.c.event_at <= micros(at))
        return self._connection.execute(update(_ORDER).where(*theirs, *is_open).values(**values)).rowcount

    def move_orders(self, organization: str, old: PatientId, new: PatientId) -> int:
        own = clean(organization)
        theirs = (*_of_patient(_ORDER, old), _ORDER.c.organization == own, _ORDER.c.state.not_in(_OVER))
        values = {"issuer": clean(new.issuer), "identifier": clean(new.identifier)}
        visits = (*_of_patient(_VISIT, old), _VISIT.c.organization == own, _VISIT.c.stay == Stay.OPEN.value)
        self._connection.execute(update(_VISIT).where(*visits).values(**values))
        return self._connection.execute(update(_ORDER).where(*theirs).values(**values)).rowcount

    def put_encounter(self, encounter: Encounter) -> bool:
        lock_studies(self._connection, [f"visits of {encounter.organization}"])
        key = (_VISIT.c.organization == clean(encounter.organization), _VISIT.c.number == clean(encounter.number))
        row = self._connection.execute(select(_VISIT).where(*key)).one_or_none()
        if row is not None and moment(row.event_at) > encounter.event_at:
            return False
        texts = {name: clean(getattr(encounter, name)) for name in ("kind", "place", "began_at", "ended_at")}
        # What is not said stays as it was, but for the end of a visit that is open again.
        kept = {name: row._mapping[name] for name in texts if row is not None}  # noqa: SLF001 - a row by names
        values = {
            "organization": clean(encounter.organization),
            "number": clean(encounter.number),
            "issuer": clean(encounter.patient.issuer),
            "identifier": clean(encounter.patient.identifier),
            "event_at": micros(encounter.event_at),
            "stay": encounter.stay.value,
            **{name: text or kept.get(name, "") for name, text in texts.items()},
        }
        if encounter.stay is Stay.OPEN:
            values["ended_at"] = ""
        put(self._connection, _VISIT, ["organization", "number"], values)
        return True

    def add_performed(self, step: Performed) -> bool:
        return performed.add(self._connection, step)

    def performed(self, uid: Uid, organization: str) -> Performed | None:
        return performed.find(self._connection, uid, organization)

    def change_performed(self, step: Performed) -> None:
        performed.change(self._connection, step)

    def advance(self, step: Performed) -> None:
        performed.advance(self._connection, step)

    def put_report(self, report: Report, sealed_by: bytes) -> bool:
        assert report.digest is not None
        assert report.received_at is not None
        assert report.location is not None
        account_keys.require_living(self._connection, {sealed_by})
        digest = pack_digest(report.digest)
        if self._connection.scalar(select(_REPORT.c.id).where(_REPORT.c.digest == digest)) is not None:
            return False
        values = {
            "issuer": clean(report.patient.issuer),
            "identifier": clean(report.patient.identifier),
            "event_at": micros(report.event_at),
            "received_at": micros(report.received_at),
            "study": report.study or "",
            "digest": digest,
            "sealed_by": sealed_by,
            "types": clean(pack_set(report.types)),
            "since": delays.first_since(self._connection, report, _theirs(self._connection, report.patient)),
            **{name: clean(getattr(report, name)) for name in ("organization", "number", "status", "accession")},
            **self._segments.columns(report.location),
        }
        insert_new(self._connection, _REPORT, values)
        return True

    def release(self, which: Which) -> None:
        if which.series is not None:
            delays.release_series(self._connection, which.series)
        elif which.number:
            named = (_REPORT.c.organization == clean(which.organization), _REPORT.c.number == clean(which.number))
            delays.release_reports(self._connection, and_(*named, _theirs(self._connection, which.patient)))
        elif which.digest is not None:
            delays.release_reports(self._connection, _REPORT.c.digest == pack_digest(which.digest))


def _told_row(told: Told) -> dict[str, Any]:
    return {"fate": told.fate.value, "code": told.code, "reason": clean(told.reason), "place": clean(told.place)}
