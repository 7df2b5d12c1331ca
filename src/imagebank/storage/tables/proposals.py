"""What is proposed of files that say nothing of themselves (`model.proposal`)."""

from sqlalchemy import Column, Table

from imagebank.storage.tables.columns import TEXT, metadata, words

# The instance may come later than its file: no foreign key.
proposal = Table(
    "proposal",
    metadata,
    Column("sop_instance_uid", TEXT, primary_key=True),
    words("proposals"),
    sqlite_with_rowid=False,
)
"""All proposals of one instance, as JSON."""
