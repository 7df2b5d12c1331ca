"""What studies say of radiation (`model.dose`)."""

from sqlalchemy import Column, ForeignKey, Table

from imagebank.storage.tables.columns import ID, count, metadata, words

dose = Table(
    "dose",
    metadata,
    Column("study_row", ID, ForeignKey("study.id"), primary_key=True, autoincrement=False),
    count("edition"),
    words("readings"),
)
"""One row a study whose headers were looked at, with its readings as JSON, also where there are none."""
