"""Patient records, the persons that they are linked to, and the decisions about that."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0012"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "identity",
        sa.Column("id", ID, nullable=False),
        *words("issuer", "identifier", "own", "person", "name", "name_ideographic", "name_phonetic"),
        *words("birth_date", "sex", "address", "phone", "mother", "others", "origin"),
        number("heard_at"),
        sa.PrimaryKeyConstraint("id", name="identity_pkey"),
        sa.UniqueConstraint("issuer", "identifier", name="identity_issuer_identifier_key"),
    )
    op.create_index("identity_person", "identity", ["person"])
    op.create_table(
        "identity_key",
        sa.Column("key", TEXT, nullable=False),
        number("identity"),
        sa.PrimaryKeyConstraint("key", "identity", name="identity_key_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("identity_key_of", "identity_key", ["identity"])
    op.create_table(
        "likeness",
        number("first"),
        number("second"),
        number("score"),
        *words("evidence", "bar"),
        number("at"),
        sa.PrimaryKeyConstraint("first", "second", name="likeness_pkey"),
    )
    op.create_index("likeness_second", "likeness", ["second"])
    op.create_index("likeness_score", "likeness", ["score"])
    _decisions()


def _decisions() -> None:
    op.create_table(
        "person_decision",
        sa.Column("id", TEXT, nullable=False),
        number("at"),
        *words("deed", "ground", "by", "reason", "undoes"),
        sa.Column("score", sa.BigInteger),
        *words("evidence"),
        sa.PrimaryKeyConstraint("id", name="person_decision_pkey"),
    )
    op.create_index("person_decision_at", "person_decision", ["at"])
    op.create_table(
        "person_decision_record",
        sa.Column("decision", TEXT, nullable=False),
        number("place"),
        sa.Column("is_named", sa.SmallInteger, nullable=False),
        *words("issuer", "identifier", "before", "after"),
        sa.PrimaryKeyConstraint("decision", "place", name="person_decision_record_pkey"),
    )
    op.create_index("person_decision_record_of", "person_decision_record", ["issuer", "identifier"])


def words(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, TEXT, nullable=False, server_default=sa.text("''")) for name in names]


def number(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False, autoincrement=False)
