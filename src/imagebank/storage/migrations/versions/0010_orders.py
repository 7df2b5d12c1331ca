"""Orders, visits, reports, and messages of other systems."""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0013"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _texts(names: str) -> Iterator["sa.Column[str]"]:
    for name in names.split():
        yield sa.Column(name, TEXT, nullable=False, server_default=sa.text("''"))


def _numbers(names: str) -> Iterator["sa.Column[int]"]:
    for name in names.split():
        yield sa.Column(name, sa.BigInteger, nullable=False)


def _id() -> "sa.Column[int]":
    return sa.Column("id", ID, primary_key=True)


def _digest() -> "sa.Column[bytes]":
    return sa.Column("digest", sa.LargeBinary, nullable=False)


def _place() -> Iterator["sa.Column[int] | sa.Column[bytes]"]:
    yield from _numbers("segment_id segment_offset length size")
    yield sa.Column("sealed_by", sa.LargeBinary)


def upgrade() -> None:
    op.create_table(
        "peer",
        sa.Column("application", TEXT, primary_key=True),
        sa.Column("facility", TEXT, primary_key=True),
        *_texts("host organization certificate"),
    )
    op.create_table(
        "letter",
        _id(),
        *_texts("sender control kind organization address"),
        _digest(),
        *_numbers("received_at"),
        *_texts("fate"),
        sa.Column("code", sa.Integer, nullable=False),
        *_texts("reason place"),
        *_place(),
        sqlite_autoincrement=True,
    )
    op.create_index("letter_control", "letter", ["sender", "control"])
    op.create_index("letter_fate", "letter", ["fate", "id"])
    op.create_index("letter_sealed_by", "letter", ["sealed_by"])
    _orders()
    _encounters()
    _reports()


def _orders() -> None:
    op.create_table(
        "imaging_order",
        _id(),
        *_texts("organization issuer identifier name birth_date sex"),
        *_numbers("event_at"),
        *_texts("state"),
        sa.Column("state_at", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        *_texts("placer filler accession accession_issuer procedure_id step_id study modality station_aet"),
        *_texts("scheduled_at details"),
        sqlite_autoincrement=True,
    )
    op.create_index("imaging_order_filler", "imaging_order", ["organization", "filler"])
    op.create_index("imaging_order_placer", "imaging_order", ["organization", "placer"])
    op.create_index("imaging_order_patient", "imaging_order", ["issuer", "identifier"])
    op.create_index("imaging_order_at", "imaging_order", ["state", "scheduled_at"])


def _encounters() -> None:
    op.create_table(
        "encounter",
        sa.Column("organization", TEXT, primary_key=True),
        sa.Column("number", TEXT, primary_key=True),
        *_texts("issuer identifier"),
        *_numbers("event_at"),
        *_texts("stay kind place began_at ended_at"),
    )
    op.create_index("encounter_patient", "encounter", ["issuer", "identifier"])


def _reports() -> None:
    op.create_table(
        "report",
        _id(),
        *_texts("organization issuer identifier number status accession study"),
        *_numbers("event_at received_at"),
        _digest(),
        *_place(),
        sa.UniqueConstraint("digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("report_patient", "report", ["issuer", "identifier"])
    op.create_index("report_sealed_by", "report", ["sealed_by"])
