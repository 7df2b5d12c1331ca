"""Values of the model as they stand in columns, and back."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from imagebank.model.attribute import Attribute
from imagebank.model.comparison import comparison, name_groups
from imagebank.model.imaging import DataSet, Digest, Element, Pixels
from imagebank.model.query import name_words
from imagebank.storage.tables import INSTANCE_COLUMNS, LAST, NUMBERS, column_name, name_columns

TEXT_LIMIT: Final = 512
"""Comparison forms are cut here, in characters: PostgreSQL's index entries end near 2,700 bytes."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_BIGGEST: Final = LAST - 1


def micros(moment: datetime) -> int:
    """Whole microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(micros_since_1970: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros_since_1970)


def clean(text: str) -> str:
    """Foreign text as both databases can hold it: no NUL, no lone surrogates."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def cut(text: str) -> str:
    return clean(text[:TEXT_LIMIT])


def pack_digest(digest: Digest) -> bytes:
    return digest.algorithm.encode() + b":" + digest.value


def unpack_digest(packed: bytes) -> Digest:
    algorithm, _, value = packed.partition(b":")
    return Digest(algorithm.decode(), value)


_PIXELS: Final = struct.Struct("<qqqqqqqB")


def pack_pixels(pixels: Pixels | None) -> bytes | None:
    """Numbers at a fixed place, then the frame table."""
    if pixels is None:
        return None
    flags = pixels.encapsulated | pixels.direct << 1
    head = _PIXELS.pack(
        pixels.offset,
        pixels.length,
        pixels.frames,
        pixels.rows,
        pixels.columns,
        pixels.samples,
        pixels.bits_allocated,
        flags,
    )
    return head + pixels.frame_table


def unpack_pixels(packed: bytes | None) -> Pixels | None:
    if packed is None:
        return None
    offset, length, frames, rows, columns, samples, bits, flags = _PIXELS.unpack_from(packed)
    return Pixels(
        offset,
        length,
        bool(flags & 1),
        frames,
        packed[_PIXELS.size :],
        direct=bool(flags & 2),
        rows=rows,
        columns=columns,
        samples=samples,
        bits_allocated=bits,
    )


def is_filled(element: Element) -> bool:
    """Whether an element has something to say."""
    if "InlineBinary" in element or "BulkDataURI" in element:
        return True
    return any(value not in (None, "", {}) for value in element.get("Value") or ())


def dumps(value: object) -> str:
    """JSON text; a number that JSON cannot say becomes null."""
    return orjson.dumps(value, default=str).decode()


def fit(number: str) -> int | None:
    """A whole number if a 64-bit column can hold it."""
    value = int(number)
    return value if -_BIGGEST <= value <= _BIGGEST else None


def columns_of(attributes: Iterable[Attribute], dataset: DataSet) -> dict[str, Any]:
    """The columns of these attributes, in comparison form; what is missing is '' or none."""
    columns: dict[str, Any] = {}
    for attribute in attributes:
        name = column_name(attribute)
        element = dataset.get(attribute.key)
        if attribute.vr == "PN":
            columns.update(zip(name_columns(name), _name(element), strict=True))
        elif attribute.vr in NUMBERS:
            number = _number(attribute, element)
            columns[name] = LAST if number is None and name in {"series_number", "instance_number"} else number
        else:
            forms = comparison(attribute, element) if element else ()
            columns[name] = cut(forms[0]) if forms else ""
    return columns


def _name(element: Element | None) -> tuple[str, str, str, str]:
    """The three writings of the first name, and the words of all of them between spaces."""
    values = (element or {}).get("Value") or [""]
    groups = tuple(cut(group) for group in name_groups(values[0]))
    words = " ".join(word for group in groups for word in name_words(group))
    return groups[0], groups[1], groups[2], f" {words} " if words else ""


def _number(attribute: Attribute, element: Element | None) -> int | None:
    forms = comparison(attribute, element) if element else ()
    return fit(forms[0]) if forms else None


@dataclass(frozen=True, slots=True)
class _Plain:
    """How one instance attribute is told from its column."""

    key: str
    vr: str
    name: str


_PLAIN: Final = tuple(_Plain(a.key, a.vr, column_name(a)) for a in INSTANCE_COLUMNS)
INSTANCE_NAMES: Final = tuple(plain.name for plain in _PLAIN)


def instance_columns(dataset: DataSet) -> dict[str, Any]:
    """The attribute columns of an instance, and in `rest` whatever they do not say exactly."""
    columns = columns_of(INSTANCE_COLUMNS, dataset)
    told = instance_dataset([columns[name] for name in INSTANCE_NAMES], "")
    rest = {key: element for key, element in dataset.items() if is_filled(element) and told.get(key) != element}
    columns["rest"] = clean(dumps(rest)) if rest else ""
    return columns


def instance_dataset(values: Iterable[Any], rest: str) -> DataSet:
    """The attributes of an instance from its columns, in the order of `INSTANCE_NAMES`, and from `rest`."""
    dataset: DataSet = {}
    for plain, value in zip(_PLAIN, values, strict=True):
        if value not in (None, "", LAST):
            dataset[plain.key] = {"vr": plain.vr, "Value": [value]}
    if rest:
        dataset.update(orjson.loads(rest))
    return dataset
