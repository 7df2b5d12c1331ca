"""Cards and withdrawals in the database."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, and_, case, delete, false, insert, or_, select, update

from imagebank.model.access import Scope
from imagebank.model.card import NO_END, Card, Withdrawal
from imagebank.model.person import PatientId
from imagebank.storage import tables
from imagebank.storage.database import put
from imagebank.storage.health_links import HealthLinkChanges, SQLHealthLinks
from imagebank.storage.rows import clean, micros, moment

_CARD, _WITHDRAWAL = tables.card, tables.withdrawal
_TEXTS: Final = ("organization", "by", "holder", "label", "recipient", "email", "purpose")
_COUNTED: Final = ("tries_left", "uses_left", "uses")


def _of(patients: Collection[PatientId]) -> ColumnElement[bool]:
    same = [and_(_CARD.c.issuer == clean(one.issuer), _CARD.c.identifier == clean(one.identifier)) for one in patients]
    return or_(false(), *same)


class SQLCards(SQLHealthLinks):
    """A `CardReader`."""

    def _rows(self, statement: Select[Any], scope: Scope) -> list[Any]:
        if scope.organizations is not None:
            return []
        with self._database.reading() as connection:
            return list(connection.execute(statement))

    def card(self, identifier: str, scope: Scope) -> Card | None:
        rows = self._rows(select(_CARD).where(_CARD.c.id == clean(identifier)), scope)
        return _card_of(rows[0]) if rows else None

    def cards(self, scope: Scope, patients: Collection[PatientId] | None = None) -> list[Card]:
        statement = select(_CARD).order_by(_CARD.c.made_at.desc(), _CARD.c.id)
        if patients is not None:
            statement = statement.where(_of(patients))
        return [_card_of(row) for row in self._rows(statement, scope)]

    def withdrawals(self, card: str, scope: Scope) -> list[Withdrawal]:
        statement = select(_WITHDRAWAL).where(_WITHDRAWAL.c.card == clean(card)).order_by(_WITHDRAWAL.c.number.desc())
        return [_withdrawal_of(row) for row in self._rows(statement, scope)]


class CardChanges(HealthLinkChanges):
    """A `CardWriter` on an open connection."""

    def put(self, card: Card) -> None:
        self._connection.execute(insert(_CARD).values(**_row_of(card)))

    def hold(self, identifier: str) -> Card | None:
        row = self._connection.execute(select(_CARD).where(_CARD.c.id == identifier).with_for_update()).one_or_none()
        return None if row is None else _card_of(row)

    def find(self, number: bytes) -> Card | None:
        row = self._connection.execute(select(_CARD).where(_CARD.c.number == number)).one_or_none()
        return None if row is None else _card_of(row)

    def change(self, identifier: str, **changes: str | int | datetime | None) -> None:
        values = {name: _kept(value) for name, value in changes.items()}
        if values:
            self._connection.execute(update(_CARD).where(_CARD.c.id == identifier).values(**values))

    def count_try(self, number: bytes, now: datetime) -> Card | None:
        is_it = (_CARD.c.number == number, _CARD.c.tries_left > 0, *_works(now))
        counted = update(_CARD).where(*is_it).values(tries_left=_CARD.c.tries_left - 1).returning(*_CARD.c)
        row = self._connection.execute(counted).one_or_none()
        return None if row is None else _card_of(row)

    def give_back_try(self, identifier: str) -> None:
        given = update(_CARD).where(_CARD.c.id == identifier).values(tries_left=_CARD.c.tries_left + 1)
        self._connection.execute(given)

    def spend(self, identifier: str, now: datetime) -> int:
        left = _CARD.c.uses_left
        spent = (
            update(_CARD)
            .where(_CARD.c.id == identifier, *_works(now))
            .values(uses=_CARD.c.uses + 1, uses_left=case((left == NO_END, left), else_=left - 1))
            .returning(_CARD.c.uses)
        )
        return self._connection.scalar(spent) or 0

    def put_withdrawal(self, withdrawal: Withdrawal) -> None:
        values = {
            "card": withdrawal.card,
            "number": withdrawal.number,
            "at": micros(withdrawal.at),
            "ends_at": micros(withdrawal.ends_at),
            "name": clean(withdrawal.name),
            "institution": clean(withdrawal.institution),
            "purpose": clean(withdrawal.purpose),
            "address": clean(withdrawal.address),
        }
        put(self._connection, _WITHDRAWAL, ["card", "number"], values)

    def forget(self, patients: Sequence[PatientId]) -> None:
        theirs = select(_CARD.c.id).where(_of(patients))
        self._connection.execute(delete(_WITHDRAWAL).where(_WITHDRAWAL.c.card.in_(theirs)))
        self._connection.execute(delete(_CARD).where(_of(patients)))


def _works(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """That a card is neither frozen nor taken back, ended or used up."""
    rows = _CARD.c
    return rows.frozen_at == 0, rows.revoked_at == 0, rows.ends_at > micros(now), rows.uses_left != 0


def _kept(value: str | int | datetime | None) -> str | int:
    match value:
        case None:
            return 0
        case datetime():
            return micros(value)
        case str():
            return clean(value)
    return value


def _row_of(card: Card) -> dict[str, Any]:
    return {
        "id": card.id,
        "number": card.number,
        "pin": card.pin,
        "issuer": clean(card.patient.issuer),
        "identifier": clean(card.patient.identifier),
        "made_at": micros(card.made_at),
        "ends_at": micros(card.ends_at),
        "frozen_at": _kept(card.frozen_at),
        "revoked_at": _kept(card.revoked_at),
        **{name: clean(getattr(card, name)) for name in _TEXTS},
        **{name: getattr(card, name) for name in _COUNTED},
    }


def _card_of(row: Row[Any]) -> Card:
    return Card(
        row.id,
        bytes(row.number),
        row.pin,
        PatientId(row.issuer, row.identifier),
        row.organization,
        row.by,
        moment(row.made_at),
        moment(row.ends_at),
        row.holder,
        row.label,
        row.recipient,
        row.email,
        row.purpose,
        row.tries_left,
        row.uses_left,
        row.uses,
        moment(row.frozen_at) if row.frozen_at else None,
        moment(row.revoked_at) if row.revoked_at else None,
    )


def _withdrawal_of(row: Row[Any]) -> Withdrawal:
    return Withdrawal(
        row.card,
        row.number,
        moment(row.at),
        moment(row.ends_at),
        row.name,
        row.institution,
        row.purpose,
        row.address,
    )
