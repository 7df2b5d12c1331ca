"""Who comes in: people, systems, devices; and what somebody decided about whom."""

from collections.abc import Iterator

from sqlalchemy import Column, Index, Integer, LargeBinary, SmallInteger, Table, text
from sqlalchemy.sql.schema import SchemaItem

from imagebank.storage.tables.columns import TEXT, count, metadata, moment, octets, words


def _signed_in() -> Iterator[SchemaItem]:
    yield Column("digest", LargeBinary, primary_key=True)
    yield words("name")
    yield words("role")
    yield words("organization")
    yield moment("created_at")
    yield moment("expires_at")


token = Table("token", metadata, *_signed_in(), words("certificate"), Index("token_name", "name"))
client = Table(
    "client",
    metadata,
    Column("name", TEXT, primary_key=True),
    words("role"),
    words("organization"),
    words("key"),
    moment("created_at"),
    words("certificate"),
)
session = Table(
    "session",
    metadata,
    *_signed_in(),
    Column("token", LargeBinary),
    words("account"),
    words("address"),
    count("seen_at"),
    count("proven_at"),
    Index("session_account", "account"),
)
link = Table("link", metadata, *_signed_in(), octets("session_digest"))

account = Table(
    "account",
    metadata,
    Column("id", TEXT, primary_key=True),
    words("name"),
    words("display_name"),
    words("organization"),
    words("role"),
    moment("created_at"),
    Column("is_locked", SmallInteger, nullable=False),
    words("password"),
    octets("totp"),
    octets("totp_waiting"),
    count("totp_step"),
    Index("account_name", "name", unique=True),
)
"""People (`model.account`)."""

passkey = Table(
    "passkey",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    words("account"),
    octets("public_key"),
    count("count"),
    words("name"),
    moment("created_at"),
    Index("passkey_account", "account"),
)

invitation = Table(
    "invitation",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    words("account"),
    words("role"),
    words("organization"),
    moment("expires_at"),
)

challenge = Table(
    "challenge",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    words("account"),
    moment("expires_at"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("key", TEXT, primary_key=True),
    count("count"),
    moment("ends_at"),
)
"""Tries to sign in, by what was tried and from where, within a window of time."""

device = Table(
    "device",
    metadata,
    Column("aet", TEXT, primary_key=True),
    words("host"),
    Column("port", Integer, nullable=False),
    Column("tls", SmallInteger, nullable=False),
    words("rights"),
    words("organization"),
    words("certificate"),
)

provision = Table(
    "provision",
    metadata,
    Column("id", TEXT, primary_key=True),
    words("kind"),
    Column("permits", SmallInteger, nullable=False),
    words("issuer"),
    words("identifier"),
    words("study"),
    words("modality"),
    words("since"),
    words("until"),
    words("organization"),
    words("principal"),
    words("role"),
    words("purpose"),
    moment("starts_at"),
    moment("ends_at"),
    words("by"),
    words("reason"),
    count("revoked_at"),
    words("reviewed_by"),
    words("review"),
    Column("of_person", SmallInteger, nullable=False, server_default=text("0")),
    words("body_part"),
    words("terms"),
    Index("provision_patient", "issuer", "identifier"),
    Index("provision_principal", "principal", "kind"),
)
"""Consents, grants, holdings, cards, care relationships and emergencies (`model.provision`)."""

label = Table(
    "label",
    metadata,
    Column("study", TEXT, primary_key=True),
    Column("label", TEXT, primary_key=True),
)
"""What somebody has put on studies, such as that they are sensitive."""
