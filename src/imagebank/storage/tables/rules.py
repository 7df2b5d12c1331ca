"""Versions of the site's rules, and what rules want sent to devices."""

from sqlalchemy import Column, Integer, Table

from imagebank.storage.tables.columns import TEXT, metadata, moment, words

rules_version = Table(
    "rules_version",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    words("digest"),
    words("rules"),
    words("tables"),
    moment("at"),
    words("by"),
    words("way"),
)
"""The one with the greatest number is in force. `tables` is packed as JSON."""

route = Table(
    "route",
    metadata,
    Column("device", TEXT, primary_key=True),
    Column("study_instance_uid", TEXT, primary_key=True),
    Column("sop_instance_uid", TEXT, primary_key=True),
    sqlite_with_rowid=False,
)
"""An object that is to be sent to a device, until it has been."""
