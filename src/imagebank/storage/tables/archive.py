"""Patients, studies, series, instances, and what was laid aside."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    UniqueConstraint,
    text,
)

from imagebank.storage.tables.columns import (
    ID,
    INSTANCE_COLUMNS,
    PATIENT_COLUMNS,
    SERIES_COLUMNS,
    STUDY_COLUMNS,
    TEXT,
    attributes_of,
    count,
    location,
    metadata,
    moment,
    octets,
    row_id,
    sealed_by,
    words,
)

NAMES_NOBODY: Final = text("identifier = ''")
"""A patient without an identifier, who stands for the one study that names nobody."""

# The anchor is the study UID where there is no identifier, so that unidentified patients are never merged.
patient = Table(
    "patient",
    metadata,
    row_id(),
    words("issuer"),
    words("identifier"),
    words("anchor"),
    UniqueConstraint("issuer", "identifier", "anchor"),
    Index("patient_unidentified", "id", sqlite_where=NAMES_NOBODY, postgresql_where=NAMES_NOBODY),
)

# `json` is the DICOM JSON of the level's own attributes; `origins` says which instance each came from.
study = Table(
    "study",
    metadata,
    row_id(),
    Column("patient_row", ID, ForeignKey("patient.id"), nullable=False, index=True),
    words("organization"),
    count("series_count"),
    count("instance_count"),
    words("modalities"),
    words("sop_classes"),
    words("json"),
    words("origins"),
    *attributes_of(PATIENT_COLUMNS),
    *attributes_of(STUDY_COLUMNS),
    UniqueConstraint("study_instance_uid"),
    Index("study_patient", "patient_id"),
    Index("study_accession", "accession_number"),
    Index("study_name", "patient_name", "study_date", "study_time", "organization", postgresql_include=["id"]),
    Index("study_name_ideographic", "patient_name_ideographic"),
    Index("study_name_phonetic", "patient_name_phonetic"),
)

# `version` counts every change; ready-made metadata are good for one version only. `types` and `since` are those of
# documents that are reports: delays count from the moment, and none binds where it is 0.
series = Table(
    "series",
    metadata,
    row_id(),
    Column("study_row", ID, ForeignKey("study.id"), nullable=False),
    count("instance_count"),
    count("version"),
    words("json"),
    words("origins"),
    *attributes_of(SERIES_COLUMNS),
    words("types"),
    count("since"),
    UniqueConstraint("series_instance_uid"),
    Index("series_in_study", "study_row", "series_number"),
)

# `rest` is the DICOM JSON of those attributes that cannot be told from the columns.
instance = Table(
    "instance",
    metadata,
    row_id(),
    Column("series_row", ID, ForeignKey("series.id"), nullable=False),
    words("transfer_syntax"),
    *location(),
    octets("digest"),
    octets("content_digest"),
    Column("dataset_offset", BigInteger, nullable=False),
    Column("pixels", LargeBinary),
    moment("received_at"),
    words("rest"),
    *attributes_of(INSTANCE_COLUMNS),
    sealed_by(),
    UniqueConstraint("sop_instance_uid"),
    Index("instance_in_series", "series_row", "instance_number"),
    Index("instance_sealed_by", "sealed_by"),
)

# What else is kept under an instance's UID: its former versions, with the correction that took the place of each where
# one did, and, with a media type, the file that it was made of.
instance_history = Table(
    "instance_history",
    metadata,
    row_id(),
    Column("sop_instance_uid", TEXT, nullable=False, index=True),
    *location(),
    octets("digest"),
    octets("content_digest"),
    moment("received_at"),
    sealed_by(),
    words("media_type"),
    words("name"),
    words("superseded_by"),
    Index("instance_history_sealed_by", "sealed_by"),
    Index("instance_history_digest", "digest"),
)

segment = Table("segment", metadata, row_id(), Column("name", TEXT, nullable=False, unique=True))

# Values of attributes without a column, and all values of attributes that have several; `owner` is a row of the level.
attribute = Table(
    "attribute",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("key", TEXT, primary_key=True),
    Column("value", TEXT, primary_key=True),
    Column("owner", BigInteger, primary_key=True, autoincrement=False),
    Index("attribute_of_owner", "level", "owner"),
    sqlite_with_rowid=False,
)

series_metadata = Table(
    "series_metadata",
    metadata,
    Column("series_row", ID, ForeignKey("series.id"), primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    octets("body"),
)

quarantine = Table(
    "quarantine",
    metadata,
    row_id(),
    words("reason"),
    words("name"),
    words("way"),
    words("principal"),
    words("organization"),
    words("address"),
    moment("received_at"),
    *location(),
    octets("digest"),
    words("uid"),
    sealed_by(),
    Index("quarantine_at", "segment_id", "segment_offset"),
    Index("quarantine_sealed_by", "sealed_by"),
    sqlite_autoincrement=True,
)

completion = Table("completion", metadata, row_id(), Column("is_complete", Integer, nullable=False))
"""One row while every object has its row. None in a database that was made beside objects, or is being rebuilt."""

REBUILT: Final = (
    series_metadata,
    attribute,
    instance_history,
    instance,
    series,
    study,
    patient,
    quarantine,
)
"""What `clear` empties, children first."""
