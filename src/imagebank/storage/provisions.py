"""Consents, grants, care relationships and emergencies in the database; labels of studies."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    delete,
    literal_column,
    or_,
    select,
    update,
)

from imagebank.model.access import Purpose, Role
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.uid import Uid
from imagebank.storage import database, tables
from imagebank.storage.rows import clean, micros, moment

_T = tables.provision


def forget_patient(connection: Connection, patient: PatientId) -> None:
    """Delete all that was decided for a patient."""
    theirs = (_T.c.issuer == clean(patient.issuer), _T.c.identifier == clean(patient.identifier))
    connection.execute(delete(_T).where(*theirs))


def put(connection: Connection, one: Provision) -> None:
    """Write a provision, in the place of what stands under its identifier."""
    values = {
        "id": one.id,
        "kind": one.kind.value,
        "permits": int(one.permits),
        "issuer": clean(one.patient.issuer),
        "identifier": clean(one.patient.identifier),
        "study": one.study or "",
        "modality": one.modality,
        "since": one.since,
        "until": one.until,
        "organization": clean(one.organization),
        "principal": clean(one.principal),
        "role": one.role.value if one.role else "",
        "purpose": one.purpose.value if one.purpose else "",
        "starts_at": micros(one.starts_at),
        "ends_at": micros(one.ends_at),
        "by": clean(one.by),
        "reason": clean(one.reason),
        "revoked_at": micros(one.revoked_at) if one.revoked_at else 0,
        "reviewed_by": clean(one.reviewed_by),
        "review": clean(one.review),
        "of_person": int(one.of_person),
        "body_part": clean(one.body_part),
        "terms": one.terms,
    }
    database.put(connection, _T, ["id"], values)


def revoke(connection: Connection, identifier: str, at: datetime) -> bool:
    """End a provision now; whether it held until now. A second time changes nothing."""
    statement = update(_T).where(_T.c.id == identifier, _T.c.revoked_at == 0).values(revoked_at=micros(at))
    return connection.execute(statement).rowcount == 1


def review(connection: Connection, identifier: str, by: str, words: str) -> bool:
    """Note what somebody made of an emergency; whether nobody had before."""
    is_open = (_T.c.id == identifier, _T.c.kind == Kind.EMERGENCY.value, _T.c.reviewed_by == "")
    statement = update(_T).where(*is_open).values(reviewed_by=clean(by), review=clean(words))
    return connection.execute(statement).rowcount == 1


def chosen(
    patient: PatientId | None = None, kind: Kind | None = None, identifier: str = "", principal: str = ""
) -> Select[Any]:
    """Provisions that hold for a patient, of a kind, an identifier, or for somebody by name, oldest first."""
    statement = select(_T).order_by(_T.c.starts_at, _T.c.id)
    if patient is not None:
        statement = statement.where(is_of(patient.issuer, patient.identifier))
    if kind is not None:
        statement = statement.where(_T.c.kind == kind.value)
    for column, value in ((_T.c.id, identifier), (_T.c.principal, principal)):
        if value:
            statement = statement.where(column == value)
    return statement


def is_of(issuer: Any, identifier: Any) -> ColumnElement[bool]:
    """Whether a provision holds for a patient: it is of this record, or of a linked one and reaches to it."""
    own = and_(_T.c.issuer == issuer, _T.c.identifier == identifier)
    mine = tables.identity.alias()
    named = and_(mine.c.issuer == issuer, mine.c.identifier == identifier)
    linked, reach = linked_to(mine)
    theirs = select(linked.c.id).select_from(mine.join(linked, reach)).where(named, *of_linked(_T, mine, linked))
    return or_(own, theirs.correlate(_T).exists())


def linked_to(mine: Any) -> tuple[Any, ColumnElement[bool]]:
    """The other records of the person that a record is linked to, and how they are joined."""
    linked = tables.identity.alias()
    return linked, and_(linked.c.person == mine.c.person, linked.c.id != mine.c.id)


def of_linked(given: Any, mine: Any, linked: Any) -> tuple[ColumnElement[bool], ...]:
    """Whether a provision is of a linked record and holds for this one, too."""
    return (
        mine.c.person != literal_column("''", Text),
        given.c.issuer == linked.c.issuer,
        given.c.identifier == linked.c.identifier,
        or_(given.c.of_person == literal_column("1"), linked.c.issuer == mine.c.issuer),
    )


def of_row(row: Row[Any]) -> Provision:
    return Provision(
        row.id,
        Kind(row.kind),
        bool(row.permits),
        PatientId(row.issuer, row.identifier),
        moment(row.starts_at),
        moment(row.ends_at),
        Uid(row.study) if row.study else None,
        row.modality,
        row.since,
        row.until,
        row.organization,
        row.principal,
        Role(row.role) if row.role else None,
        Purpose(row.purpose) if row.purpose else None,
        row.by,
        row.reason,
        moment(row.revoked_at) if row.revoked_at else None,
        row.reviewed_by,
        row.review,
        bool(row.of_person),
        row.body_part,
        row.terms,
    )


def put_label(connection: Connection, study: Uid, label: str) -> bool:
    return database.insert_new(connection, tables.label, {"study": study, "label": label})


def remove_label(connection: Connection, study: Uid, label: str) -> bool:
    rows = tables.label
    return connection.execute(delete(rows).where(rows.c.study == study, rows.c.label == label)).rowcount == 1
