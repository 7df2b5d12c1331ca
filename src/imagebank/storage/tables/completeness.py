"""What was announced of studies, and whether it has come (`model.expectation`, `model.completeness`)."""

from sqlalchemy import Column, Index, SmallInteger, Table

from imagebank.storage.tables.columns import TEXT, count, metadata, moment, words

# `word` is the JSON of the whole.
expectation = Table(
    "expectation",
    metadata,
    Column("study", TEXT, primary_key=True),
    Column("organization", TEXT, primary_key=True),
    Column("origin", TEXT, primary_key=True),
    Column("key", TEXT, primary_key=True),
    words("issuer"),
    words("identifier"),
    words("word"),
    Index("expectation_patient", "issuer", "identifier"),
    sqlite_with_rowid=False,
)

# `details` is the JSON of the whole; empty until a study has been judged for the first time.
completeness = Table(
    "completeness",
    metadata,
    Column("study", TEXT, primary_key=True),
    Column("organization", TEXT, primary_key=True),
    words("progress"),
    count("expected"),
    count("missing"),
    Column("is_certain", SmallInteger, nullable=False),
    words("modalities"),
    words("study_date"),
    words("origins"),
    words("issuer"),
    words("identifier"),
    words("details"),
    moment("judged_at"),
    Index("completeness_progress", "progress", "study_date", "study"),
    Index("completeness_patient", "issuer", "identifier"),
    sqlite_with_rowid=False,
)
"""One row a study and organization. A study that never came has one, too, as long as its order or modality says so."""
