"""The tables. One column for each main attribute, made from the table in `model.attribute`.

Text columns are never null: what is missing is the empty string. Moments are whole microseconds since 1970, UTC.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.sql.schema import SchemaItem

from imagebank.model.attribute import INSTANCE, PATIENT, SERIES, STUDY, Attribute

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

NUMBERS: Final = frozenset(["IS", "US", "SS", "UL", "SL"])
NUMBERED: Final = frozenset(["series_number", "instance_number"])
LAST: Final = 2**63 - 1
"""Stands for a missing series or instance number, so that those come last on both databases."""

# Byte order on both databases: it is stable, and prefixes can use the index.
_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
_ID = BigInteger().with_variant(Integer, "sqlite")

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def column_name(attribute: Attribute) -> str:
    """`StudyInstanceUID` → `study_instance_uid`."""
    return _WORD_START.sub("_", attribute.keyword).lower()


@dataclass(frozen=True, slots=True)
class Stored:
    """An attribute that has a column: top level, and taken from the header."""

    attribute: Attribute
    key: str
    vr: str
    name: str


def stored(attributes: tuple[Attribute, ...]) -> tuple[Stored, ...]:
    return tuple(Stored(a, a.key, a.vr, column_name(a)) for a in attributes if len(a.path) == 1 and not a.computed)


PATIENT_COLUMNS = stored(PATIENT)
STUDY_COLUMNS = stored(STUDY)
SERIES_COLUMNS = stored(SERIES)
INSTANCE_COLUMNS = stored(INSTANCE)


def _text(name: str) -> "Column[str]":
    return Column(name, _TEXT, nullable=False, server_default=text("''"))


def _moment(name: str) -> "Column[int]":
    return Column(name, BigInteger, nullable=False)


def _count(name: str) -> "Column[int]":
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


def _blob(name: str) -> "Column[bytes]":
    return Column(name, LargeBinary, nullable=False)


def _id() -> "Column[int]":
    return Column("id", _ID, primary_key=True)


def _attributes(attributes: tuple[Stored, ...]) -> Iterator[SchemaItem]:
    for attribute in attributes:
        name = attribute.name
        if attribute.vr == "PN":
            yield from (_text(part) for part in name_columns(name))
        elif name in NUMBERED:
            yield Column(name, BigInteger, nullable=False, server_default=text(str(LAST)))
        elif attribute.vr in NUMBERS:
            yield Column(name, BigInteger)
        else:
            yield _text(name)


def name_columns(name: str) -> tuple[str, str, str, str]:
    """A person name takes four columns: its three writings, and its words between spaces."""
    return name, f"{name}_ideographic", f"{name}_phonetic", f"{name}_words"


def _location() -> Iterator[SchemaItem]:
    yield Column("segment_id", BigInteger, nullable=False)
    yield Column("segment_offset", BigInteger, nullable=False)
    yield Column("length", BigInteger, nullable=False)
    yield Column("size", BigInteger, nullable=False)


def _sealed_by() -> "Column[bytes | None]":
    """The name of the account key that wraps the record's data key."""
    return Column("sealed_by", LargeBinary)


# The anchor is the study UID where there is no identifier, so that unidentified patients are never merged.
patient = Table(
    "patient",
    metadata,
    _id(),
    _text("issuer"),
    _text("identifier"),
    _text("anchor"),
    UniqueConstraint("issuer", "identifier", "anchor"),
)

# `json` is the DICOM JSON of the level's own attributes; `origins` says which instance each came from.
study = Table(
    "study",
    metadata,
    _id(),
    Column("patient_row", _ID, ForeignKey("patient.id"), nullable=False, index=True),
    _text("organization"),
    _count("series_count"),
    _count("instance_count"),
    _text("modalities"),
    _text("sop_classes"),
    _text("json"),
    _text("origins"),
    *_attributes(PATIENT_COLUMNS),
    *_attributes(STUDY_COLUMNS),
    UniqueConstraint("study_instance_uid"),
    Index("study_newest", "study_date", "study_time"),
    Index("study_patient", "patient_id"),
    Index("study_accession", "accession_number"),
    Index("study_name", "patient_name"),
    Index("study_name_ideographic", "patient_name_ideographic"),
    Index("study_name_phonetic", "patient_name_phonetic"),
)

# `version` counts every change; ready-made metadata are good for one version only.
series = Table(
    "series",
    metadata,
    _id(),
    Column("study_row", _ID, ForeignKey("study.id"), nullable=False),
    _count("instance_count"),
    _count("version"),
    _text("json"),
    _text("origins"),
    *_attributes(SERIES_COLUMNS),
    UniqueConstraint("series_instance_uid"),
    Index("series_in_study", "study_row", "series_number"),
)

# `rest` is the DICOM JSON of those attributes that cannot be told from the columns.
instance = Table(
    "instance",
    metadata,
    _id(),
    Column("series_row", _ID, ForeignKey("series.id"), nullable=False),
    _text("transfer_syntax"),
    *_location(),
    _blob("digest"),
    _blob("content_digest"),
    Column("dataset_offset", BigInteger, nullable=False),
    Column("pixels", LargeBinary),
    _moment("received_at"),
    _text("rest"),
    *_attributes(INSTANCE_COLUMNS),
    _sealed_by(),
    UniqueConstraint("sop_instance_uid"),
    Index("instance_in_series", "series_row", "instance_number"),
    Index("instance_sealed_by", "sealed_by"),
)

# Former versions of an instance; their records are still there.
instance_history = Table(
    "instance_history",
    metadata,
    _id(),
    Column("sop_instance_uid", _TEXT, nullable=False, index=True),
    *_location(),
    _blob("digest"),
    _blob("content_digest"),
    _moment("received_at"),
    _sealed_by(),
    Index("instance_history_sealed_by", "sealed_by"),
)

segment = Table("segment", metadata, _id(), Column("name", _TEXT, nullable=False, unique=True))

# Values of attributes without a column, and all values of attributes that have several; `owner` is a row of the level.
attribute = Table(
    "attribute",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("key", _TEXT, primary_key=True),
    Column("value", _TEXT, primary_key=True),
    Column("owner", BigInteger, primary_key=True, autoincrement=False),
    Index("attribute_of_owner", "level", "owner"),
    sqlite_with_rowid=False,
)

series_metadata = Table(
    "series_metadata",
    metadata,
    Column("series_row", _ID, ForeignKey("series.id"), primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    _blob("body"),
)

quarantine = Table(
    "quarantine",
    metadata,
    _id(),
    _text("reason"),
    _text("name"),
    _text("way"),
    _text("principal"),
    _text("organization"),
    _text("address"),
    _moment("received_at"),
    *_location(),
    _blob("digest"),
    _text("uid"),
    _sealed_by(),
    Index("quarantine_at", "segment_id", "segment_offset"),
    Index("quarantine_sealed_by", "sealed_by"),
    sqlite_autoincrement=True,
)

HAS_PERSON: Final = text("person <> ''")

event = Table(
    "event",
    metadata,
    _id(),
    _moment("at"),
    _text("act"),
    _text("principal"),
    _text("organization"),
    _text("address"),
    _text("study"),
    _count("count"),
    _text("detail"),
    _text("person"),
    _text("purpose"),
    _text("lane"),
    _count("position"),
    _text("link"),
    Index("event_place", "lane", "position", unique=True),
    Index("event_study", "study"),
    Index("event_at", "at"),
    Index("event_person", "person", sqlite_where=HAS_PERSON, postgresql_where=HAS_PERSON),
    sqlite_autoincrement=True,
)
"""The ledger. The database itself refuses to change or delete a line (see the migration)."""

lane = Table(
    "lane",
    metadata,
    Column("lane", _TEXT, primary_key=True),
    _count("position"),
    _text("link"),
    _count("at"),
    _count("known"),
)
"""Where each lane of the ledger ends, and up to where a checkpoint knows it."""

told = Table("told", metadata, Column("lane", _TEXT, primary_key=True), _count("position"))
"""Up to where each lane of the ledger was told to the audit record repository."""

errand = Table("errand", metadata, Column("name", _TEXT, primary_key=True), _text("holder"), _count("until"))
"""Lasting work that one process does at a time: who has it, and until when."""

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("number", _ID, primary_key=True, autoincrement=False),
    _count("at"),
    _text("heads"),
    _text("before"),
    _text("key"),
    _text("signature"),
)

provision = Table(
    "provision",
    metadata,
    Column("id", _TEXT, primary_key=True),
    _text("kind"),
    Column("permits", SmallInteger, nullable=False),
    _text("issuer"),
    _text("identifier"),
    _text("study"),
    _text("modality"),
    _text("since"),
    _text("until"),
    _text("organization"),
    _text("principal"),
    _text("role"),
    _text("purpose"),
    _moment("starts_at"),
    _moment("ends_at"),
    _text("by"),
    _text("reason"),
    _count("revoked_at"),
    _text("reviewed_by"),
    _text("review"),
    Index("provision_patient", "issuer", "identifier"),
    Index("provision_principal", "principal", "kind"),
)
"""Consents, grants, care relationships and emergencies (`model.provision`)."""

label = Table(
    "label",
    metadata,
    Column("study", _TEXT, primary_key=True),
    Column("label", _TEXT, primary_key=True),
)
"""What somebody has put on studies, such as that they are sensitive."""

account_key = Table(
    "account_key",
    metadata,
    Column("name", LargeBinary, primary_key=True),
    _text("owner"),
    _blob("wrapped"),
    _text("segment"),
    Column("segment_offset", BigInteger, nullable=False),
    Column("length", BigInteger, nullable=False),
    Index("account_key_owner", "owner"),
)
"""Keys of accounts, each wrapped by the root key; `owner` is a keyed hash. A destroyed one has neither, only its name."""

secret = Table("secret", metadata, Column("name", _TEXT, primary_key=True), _blob("wrapped"))
"""Keys of the bank's own, each wrapped by the root key."""

IS_WAITING: Final = text("state = 'waiting' AND key <> ''")
"""A job that a later one of its kind and key is merged with."""

# `due` is when a waiting job may be taken, or when the lease of a taken one ends.
job = Table(
    "job",
    metadata,
    _id(),
    _text("kind"),
    _text("key"),
    _text("payload"),
    _moment("due"),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    _text("state"),
    _text("reason"),
    Index("job_due", "state", "due"),
    Index(
        "job_waiting",
        "kind",
        "key",
        unique=True,
        sqlite_where=IS_WAITING,
        postgresql_where=IS_WAITING,
    ),
    sqlite_autoincrement=True,
)


def _signed_in() -> Iterator[SchemaItem]:
    yield Column("digest", LargeBinary, primary_key=True)
    yield _text("name")
    yield _text("role")
    yield _text("organization")
    yield _moment("created_at")
    yield _moment("expires_at")


token = Table("token", metadata, *_signed_in(), _text("certificate"), Index("token_name", "name"))
client = Table(
    "client",
    metadata,
    Column("name", _TEXT, primary_key=True),
    _text("role"),
    _text("organization"),
    _text("key"),
    _moment("created_at"),
    _text("certificate"),
)
session = Table(
    "session",
    metadata,
    *_signed_in(),
    Column("token", LargeBinary),
    _text("account"),
    _text("address"),
    _count("seen_at"),
    _count("proven_at"),
    Index("session_account", "account"),
)
link = Table("link", metadata, *_signed_in(), _blob("session_digest"))

account = Table(
    "account",
    metadata,
    Column("id", _TEXT, primary_key=True),
    _text("name"),
    _text("display_name"),
    _text("organization"),
    _text("role"),
    _moment("created_at"),
    Column("is_locked", SmallInteger, nullable=False),
    _text("password"),
    _blob("totp"),
    _blob("totp_waiting"),
    _count("totp_step"),
    Index("account_name", "name", unique=True),
)
"""People (`model.account`)."""

passkey = Table(
    "passkey",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    _text("account"),
    _blob("public_key"),
    _count("count"),
    _text("name"),
    _moment("created_at"),
    Index("passkey_account", "account"),
)

invitation = Table(
    "invitation",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    _text("account"),
    _text("role"),
    _text("organization"),
    _moment("expires_at"),
)

challenge = Table(
    "challenge",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    _text("account"),
    _moment("expires_at"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("key", _TEXT, primary_key=True),
    _count("count"),
    _moment("ends_at"),
)
"""Tries to sign in, by what was tried and from where, within a window of time."""

completion = Table("completion", metadata, _id(), Column("is_complete", Integer, nullable=False))
"""One row while every object has its row. None in a database that was made beside objects, or is being rebuilt."""

device = Table(
    "device",
    metadata,
    Column("aet", _TEXT, primary_key=True),
    _text("host"),
    Column("port", Integer, nullable=False),
    Column("tls", SmallInteger, nullable=False),
    _text("rights"),
    _text("organization"),
    _text("certificate"),
)

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
