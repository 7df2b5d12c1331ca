"""What was corrected, and new versions that are written but not yet seen."""

from sqlalchemy import BigInteger, Column, Index, Table

from imagebank.storage.tables.columns import TEXT, count, location, metadata, moment, sealed_by, words

# `told` is JSON: what was asked for, and values before and after.
correction = Table(
    "correction",
    metadata,
    Column("id", TEXT, primary_key=True),
    words("study"),
    words("series"),
    words("instance"),
    words("principal"),
    words("organization"),
    words("address"),
    words("reason"),
    words("undoes"),
    words("state"),
    words("fault"),
    words("issuer"),
    words("identifier"),
    words("told"),
    moment("at"),
    count("instances"),
    count("total"),
    Index("correction_study", "study", "at"),
)

# The version that a new one was made of, and the new one's place.
correction_step = Table(
    "correction_step",
    metadata,
    Column("correction", TEXT, primary_key=True),
    Column("sop_instance_uid", TEXT, primary_key=True),
    Column("former_segment_id", BigInteger, nullable=False),
    Column("former_offset", BigInteger, nullable=False),
    Column("former_length", BigInteger, nullable=False),
    Column("former_size", BigInteger, nullable=False),
    *location(),
    sealed_by(),
    words("told"),
    Index("correction_step_instance", "sop_instance_uid"),
)
