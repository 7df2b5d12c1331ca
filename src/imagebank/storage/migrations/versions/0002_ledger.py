"""The ledger's lines stand in lanes, each linked to the one before; checkpoints; the bank's own keys."""

from dataclasses import asdict

import sqlalchemy as sa
from alembic import op

from imagebank.model.ledger import BEGINNING, Line, link_of

revision = "0002"
down_revision = "0001"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
OLD_LANE = "0" * 16
"""Where the lines go that were written before there were lanes."""


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, TEXT, nullable=False, server_default=sa.text("''"))


def _number(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))


def upgrade() -> None:
    for column in (_text("person"), _text("purpose"), _text("lane"), _number("position"), _text("link")):
        op.add_column("event", column)
    op.create_table(
        "lane",
        sa.Column("lane", TEXT, primary_key=True),
        _number("position"),
        _text("link"),
        _number("at"),
        _number("known"),
    )
    _link_old_lines()
    op.create_index("event_place", "event", ["lane", "position"], unique=True)
    op.create_index("event_study", "event", ["study"])
    has_person = sa.text("person <> ''")
    op.create_index("event_person", "event", ["person"], sqlite_where=has_person, postgresql_where=has_person)
    op.create_table(
        "checkpoint",
        sa.Column("number", ID, primary_key=True, autoincrement=False),
        _number("at"),
        *(_text(name) for name in ("heads", "before", "key", "signature")),
    )
    op.create_table(
        "secret", sa.Column("name", TEXT, primary_key=True), sa.Column("wrapped", sa.LargeBinary, nullable=False)
    )
    for table in ("event", "checkpoint"):
        _forbid_changes(table)


# What a line told then.
_TOLD = ("at", "act", "principal", "organization", "address", "study", "count", "detail", "person", "purpose")


def _link_old_lines() -> None:
    bind = op.get_bind()
    event = sa.table("event", *(sa.column(name) for name in ("id", "lane", "position", *_TOLD, "link")))
    told = [event.c[name] for name in _TOLD]
    line, link = None, BEGINNING
    for position, row in enumerate(bind.execute(sa.select(event.c.id, *told).order_by(event.c.id)).all(), 1):
        line = Line(OLD_LANE, position, *row[1:])
        link = link_of(link, line)
        where = {"lane": OLD_LANE, "position": position, "link": link}
        bind.execute(sa.update(event).where(event.c.id == row[0]).values(**where))
    if line is not None:
        lane = sa.table("lane", *(sa.column(name) for name in ("lane", "position", "link", "at")))
        end = {name: value for name, value in asdict(line).items() if name in ("lane", "position", "at")}
        bind.execute(sa.insert(lane).values(**end, link=link))


def _forbid_changes(table: str) -> None:
    """Have the database refuse to change or delete rows. Whoever may drop a trigger can; the chain tells of that."""
    if op.get_context().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            refusal = "SELECT RAISE(ABORT, 'the ledger is only appended to')"
            op.execute(f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} BEGIN {refusal}; END")
        return
    op.execute(
        "CREATE OR REPLACE FUNCTION only_appended() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the ledger is only appended to'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_only_appended BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION only_appended()"
    )
