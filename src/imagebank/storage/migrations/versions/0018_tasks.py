"""The reconciliation queue: what is filed, what was done about it, and ways to what waits without reading all."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0020"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def words(name: str) -> "sa.Column[str]":
    return sa.Column(name, TEXT, nullable=False, server_default=sa.text("''"))


def number(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))


def upgrade() -> None:
    op.create_table(
        "task",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("is_filed", sa.SmallInteger, nullable=False),
        *(words(name) for name in ("kind", "organization", "department")),
        *(number(name) for name in ("priority", "opened_at")),
        *(words(name) for name in ("note", "taken_by")),
        *(number(name) for name in ("taken_until", "postponed_until")),
        *(words(name) for name in ("how", "by")),
        sa.Column("at", sa.BigInteger, nullable=False),
        words("reason"),
    )
    waiting = sa.text("is_filed = 1 AND how = ''")
    columns = ["priority", "opened_at", "id"]
    op.create_index("task_waiting", "task", columns, sqlite_where=waiting, postgresql_where=waiting)
    op.create_index("task_settled", "task", ["at", "id"])
    op.create_table("task_study", *(sa.Column(name, TEXT, primary_key=True) for name in ("task", "study")))
    nobody = sa.text("identifier = ''")
    op.create_index("patient_unidentified", "patient", ["id"], sqlite_where=nobody, postgresql_where=nobody)
    op.create_index("likeness_at", "likeness", ["at", "first", "second"])
