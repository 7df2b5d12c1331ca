"""Kinds of columns, and one column for each main attribute, made from the table in `model.attribute`.

Text columns are never null: what is missing is the empty string. Moments are whole microseconds since 1970, UTC.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Text, text
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
TEXT = Text().with_variant(Text(collation="C"), "postgresql")
ID = BigInteger().with_variant(Integer, "sqlite")

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


def words(name: str) -> "Column[str]":
    return Column(name, TEXT, nullable=False, server_default=text("''"))


def moment(name: str) -> "Column[int]":
    return Column(name, BigInteger, nullable=False)


def count(name: str) -> "Column[int]":
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


def octets(name: str) -> "Column[bytes]":
    return Column(name, LargeBinary, nullable=False)


def row_id() -> "Column[int]":
    return Column("id", ID, primary_key=True)


def attributes_of(attributes: tuple[Stored, ...]) -> Iterator[SchemaItem]:
    for attribute in attributes:
        name = attribute.name
        if attribute.vr == "PN":
            yield from (words(part) for part in name_columns(name))
        elif name in NUMBERED:
            yield Column(name, BigInteger, nullable=False, server_default=text(str(LAST)))
        elif attribute.vr in NUMBERS:
            yield Column(name, BigInteger)
        else:
            yield words(name)


def name_columns(name: str) -> tuple[str, str, str, str]:
    """A person name takes four columns: its three writings, and its words between spaces."""
    return name, f"{name}_ideographic", f"{name}_phonetic", f"{name}_words"


def location() -> Iterator[SchemaItem]:
    yield Column("segment_id", BigInteger, nullable=False)
    yield Column("segment_offset", BigInteger, nullable=False)
    yield Column("length", BigInteger, nullable=False)
    yield Column("size", BigInteger, nullable=False)


def sealed_by() -> "Column[bytes | None]":
    """The name of the account key that wraps the record's data key."""
    return Column("sealed_by", LargeBinary)
