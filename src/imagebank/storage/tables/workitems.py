"""Steps that tasks of the reconciliation queue are shown as (`model.workitem`)."""

from sqlalchemy import Column, Table

from imagebank.storage.tables.columns import TEXT, metadata, words

workitem = Table(
    "workitem",
    metadata,
    Column("uid", TEXT, primary_key=True),
    words("task"),
    words("transaction_uid"),
    words("said"),
)
"""Which task a step is, who works on it, and what was said of it, in the DICOM JSON model."""
