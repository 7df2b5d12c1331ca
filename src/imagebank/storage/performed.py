"""Performed procedure steps in the database."""

from typing import Any

import msgspec
from sqlalchemy import Connection, and_, or_, select, true, update

from imagebank.model.order import Performed, PerformedSeries, Reference, State
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.database import insert_new
from imagebank.storage.rows import clean, micros, moment

_T, _ORDER = tables.performed_step, tables.imaging_order


def add(connection: Connection, step: Performed) -> bool:
    """Note a step that has begun; False for one that is known."""
    if connection.scalar(select(_T.c.uid).where(_T.c.uid == step.uid)) is not None:
        return False
    insert_new(connection, _T, _row(step))
    return True


def find(connection: Connection, uid: Uid, organization: str) -> Performed | None:
    """A step of an organization, which nobody else changes until the transaction ends."""
    own = (_T.c.uid == uid, _T.c.organization == clean(organization))
    row = connection.execute(select(_T).where(*own).with_for_update()).one_or_none()
    if row is None:
        return None
    return Performed(
        Uid(row.uid),
        row.organization,
        PatientId(row.issuer, row.identifier),
        State(row.state),
        msgspec.json.decode(row.details, type=tuple[Reference, ...]),
        row.by,
        moment(row.changed_at),
        row.modality,
        msgspec.json.decode(row.series or "[]", type=tuple[PerformedSeries, ...]),
        msgspec.json.decode(row.dose or "[]", type=tuple[tuple[str, str], ...]),
    )


def change(connection: Connection, step: Performed) -> None:
    connection.execute(update(_T).where(_T.c.uid == step.uid).values(**_row(step)))


def advance(connection: Connection, step: Performed) -> None:
    """Let the orders that a step answers be as far as it is: those of its organization alone."""
    rows = _ORDER.c
    values = {"state": step.state.value, "state_at": micros(step.changed_at)}
    for one in step.references:
        by_study, by_accession = rows.study == clean(one.study), rows.accession == clean(one.accession)
        named = by_study if one.study else and_(by_accession, by_accession if one.accession else rows.id < 0)
        # A step without a number of its own was given out under that of its order.
        same = or_(rows.step_id == clean(one.step_id), rows.step_id == "") if one.step_id else true()
        own = rows.organization == clean(step.organization)
        connection.execute(update(_ORDER).where(own, named, same).values(**values))


def _row(step: Performed) -> dict[str, Any]:
    return {
        "uid": step.uid,
        "organization": clean(step.organization),
        "issuer": clean(step.patient.issuer),
        "identifier": clean(step.patient.identifier),
        "state": step.state.value,
        "by": clean(step.by),
        "changed_at": micros(step.changed_at),
        "details": clean(msgspec.json.encode(step.references).decode()),
        "modality": clean(step.modality),
        "series": clean(msgspec.json.encode(step.series).decode()),
        "dose": clean(msgspec.json.encode(step.dose).decode()),
    }
