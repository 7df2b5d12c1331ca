"""Health links and the sealed files that wait to be got (`model.health_link`)."""

from sqlalchemy import Column, Index, LargeBinary, Table

from imagebank.storage.tables.columns import TEXT, count, metadata, moment, octets, words

health_link = Table(
    "health_link",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("card", TEXT, nullable=False, index=True),
    words("flags"),
    words("access"),
    moment("made_at"),
    count("ended_at"),
)
"""Neither addresses nor keys are here: who has the table alone can neither ask for a file nor open one."""

health_link_file = Table(
    "health_link_file",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    words("card"),
    octets("content"),
    moment("ends_at"),
    Index("health_link_file_ends_at", "ends_at"),
)
