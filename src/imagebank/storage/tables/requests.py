"""What owners of accounts ask organizations for (`model.request`)."""

from sqlalchemy import Column, Index, Table

from imagebank.storage.tables.columns import TEXT, metadata, moment, words

request = Table(
    "request",
    metadata,
    Column("id", TEXT, primary_key=True),
    words("kind"),
    words("account"),
    words("issuer"),
    words("identifier"),
    words("facility"),
    words("what"),
    words("place"),
    words("period"),
    moment("made_at"),
    moment("changed_at"),
    words("state"),
    words("by"),
    words("study"),
    words("reason"),
    Index("request_patient", "issuer", "identifier"),
    Index("request_facility", "facility", "state", "made_at"),
)
