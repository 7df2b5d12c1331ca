"""What pictures are known again by, and which are held twice (`model.picture`)."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, SmallInteger, Table

from imagebank.storage.tables.columns import ID, TEXT, count, metadata, moment, octets, words

# `look` is 64 bits with a sign. Its four parts stand apart, so that looks that differ in some bits are found by an index.
fingerprint = Table(
    "fingerprint",
    metadata,
    Column("instance_row", ID, ForeignKey("instance.id"), primary_key=True, autoincrement=False),
    octets("digest"),
    Column("look", BigInteger),
    Column("is_telling", SmallInteger, nullable=False),
    *(Column(f"band_{number}", Integer) for number in range(4)),
    Index("fingerprint_digest", "digest"),
    *(Index(f"fingerprint_band_{number}", f"band_{number}") for number in range(4)),
)

picture_pair = Table(
    "picture_pair",
    metadata,
    Column("first", TEXT, primary_key=True),
    Column("second", TEXT, primary_key=True),
    words("first_study"),
    words("second_study"),
    words("ground"),
    count("distance"),
    moment("found_at"),
    Index("picture_pair_second", "second"),
    Index("picture_pair_studies", "first_study", "second_study"),
)
"""Instances by their SOP Instance UIDs; the study with the lower UID comes first."""

picture_verdict = Table(
    "picture_verdict",
    metadata,
    Column("first_study", TEXT, primary_key=True),
    Column("second_study", TEXT, primary_key=True),
    words("answer"),
    words("by"),
    words("reason"),
    moment("at"),
)
