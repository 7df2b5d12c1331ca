"""Patient records as they were last heard of, the persons that they are linked to, and every decision about that."""

from sqlalchemy import BigInteger, Column, Index, SmallInteger, Table, UniqueConstraint

from imagebank.storage.tables.columns import TEXT, metadata, moment, row_id, words

identity = Table(
    "identity",
    metadata,
    row_id(),
    words("issuer"),
    words("identifier"),
    words("own"),
    words("person"),
    words("name"),
    words("name_ideographic"),
    words("name_phonetic"),
    words("birth_date"),
    words("sex"),
    words("address"),
    words("phone"),
    words("mother"),
    words("others"),
    words("origin"),
    moment("heard_at"),
    UniqueConstraint("issuer", "identifier"),
    Index("identity_person", "person"),
    Index("identity_own", "own"),
)
"""`person` follows from the decisions. A record that was forgotten keeps a row without an issuer, so that they do still."""

identity_key = Table(
    "identity_key",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("identity", BigInteger, primary_key=True, autoincrement=False),
    Index("identity_key_of", "identity"),
    sqlite_with_rowid=False,
)
"""By what like records are found, and names counted."""

likeness = Table(
    "likeness",
    metadata,
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("second", BigInteger, primary_key=True, autoincrement=False),
    Column("score", BigInteger, nullable=False),
    words("evidence"),
    words("bar"),
    moment("at"),
    Index("likeness_second", "second"),
    Index("likeness_score", "score"),
    Index("likeness_at", "at", "first", "second"),
)
"""Pairs of records that somebody has to look at. Scores are in hundredths."""

person_decision = Table(
    "person_decision",
    metadata,
    Column("id", TEXT, primary_key=True),
    moment("at"),
    words("deed"),
    words("ground"),
    words("by"),
    words("reason"),
    words("undoes"),
    Column("score", BigInteger),
    words("evidence"),
    Index("person_decision_at", "at"),
)

person_decision_record = Table(
    "person_decision_record",
    metadata,
    Column("decision", TEXT, primary_key=True),
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("is_named", SmallInteger, nullable=False),
    words("issuer"),
    words("identifier"),
    words("before"),
    words("after"),
    Index("person_decision_record_of", "issuer", "identifier"),
)
"""The records that a decision names, and those that it moved."""
