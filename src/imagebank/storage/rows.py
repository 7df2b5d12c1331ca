"""Values of the model as they stand in columns, and back."""

import struct
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import msgspec
import orjson

from imagebank.model.comparison import comparison, name_groups
from imagebank.model.exam import Said
from imagebank.model.imaging import DataSet, Digest, Element, Pixels
from imagebank.model.query import name_words
from imagebank.storage.tables import INSTANCE_COLUMNS, LAST, NUMBERED, NUMBERS, Stored, name_columns

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


def pack_set(values: Iterable[str]) -> str:
    r"""A set as sorted text between backslashes, so that one value can be looked for: `\CT\PT\`."""
    inner = "\\".join(sorted({value for value in values if value}))
    return f"\\{inner}\\" if inner else ""


def unpack_set(packed: str) -> list[str]:
    return packed.strip("\\").split("\\") if packed else []


def clean(text: str) -> str:
    """Foreign text as both databases can hold it: no NUL, no lone surrogates."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return text.replace("\0", "").encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def cut(text: str) -> str:
    return clean(text[:TEXT_LIMIT])


def pack_digest(digest: Digest) -> bytes:
    return digest.algorithm.encode() + b":" + digest.value


def unpack_digest(packed: bytes) -> Digest:
    algorithm, _, value = packed.partition(b":")
    return Digest(algorithm.decode(), value)


def pack_said(said: Said) -> str:
    return clean(msgspec.json.encode(said).decode())


unpack_said: Final = msgspec.json.Decoder(Said).decode


@cache
def picking(keys: frozenset[str]) -> Callable[[str], DataSet]:
    """Reads of attributes in the DICOM JSON model those that are among `keys`, and passes over the others."""
    names = [(key, f"a{key}") for key in sorted(keys)]
    fields = [(name, dict[str, Any] | None, msgspec.field(default=None, name=key)) for key, name in names]
    decode = msgspec.json.Decoder(msgspec.defstruct("Picked", fields)).decode

    def pick(text: str) -> DataSet:
        found = decode(text)
        return {key: element for key, name in names if (element := getattr(found, name)) is not None}

    return pick


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
    """JSON text. What JSON cannot say is put in another way: no number becomes null, a huge one text."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return orjson.dumps(_sayable(value)).decode()


def _sayable(value: object) -> object:
    match value:
        case dict():
            return {str(key): _sayable(part) for key, part in value.items()}
        case list() | tuple():
            return [_sayable(part) for part in value]
        case bool() | float() | None:
            return value
        case int():
            return value if -LAST <= value <= LAST else str(value)
        case _:
            return clean(str(value))


def fit(number: str) -> int | None:
    """A whole number if a 64-bit column can hold it."""
    value = int(number)
    return value if -_BIGGEST <= value <= _BIGGEST else None


def columns_of(attributes: Iterable[Stored], dataset: DataSet) -> dict[str, Any]:
    """The columns of these attributes, in comparison form; what is missing is '' or none."""
    columns: dict[str, Any] = {}
    for stored in attributes:
        element = dataset.get(stored.key)
        if stored.vr == "PN":
            columns.update(zip(name_columns(stored.name), _name(element), strict=True))
            continue
        forms = comparison(stored.attribute, element) if element else ()
        if stored.vr not in NUMBERS:
            columns[stored.name] = cut(forms[0]) if forms else ""
        else:
            number = fit(forms[0]) if forms else None
            columns[stored.name] = LAST if number is None and stored.name in NUMBERED else number
    return columns


def _name(element: Element | None) -> tuple[str, str, str, str]:
    """The three writings of the first name, and its words between spaces."""
    values = (element or {}).get("Value") or [""]
    groups = tuple(cut(group) for group in name_groups(values[0]))
    words = " ".join(word for group in groups for word in name_words(group))
    return groups[0], groups[1], groups[2], f" {words} " if words else ""


INSTANCE_NAMES: Final = tuple(stored.name for stored in INSTANCE_COLUMNS)
PLAIN: Final = tuple((stored.key, stored.vr) for stored in INSTANCE_COLUMNS)
"""Key and VR of the attribute of each of these columns."""


def instance_columns(dataset: DataSet) -> dict[str, Any]:
    """The attribute columns of an instance, and in `rest` whatever they do not say exactly."""
    columns = columns_of(INSTANCE_COLUMNS, dataset)
    told = instance_dataset([columns[name] for name in INSTANCE_NAMES], "")
    rest = {key: element for key, element in dataset.items() if told.get(key) != element and is_filled(element)}
    columns["rest"] = clean(dumps(rest)) if rest else ""
    return columns


def instance_dataset(values: Iterable[Any], rest: str) -> DataSet:
    """The attributes of an instance from its columns, in the order of `INSTANCE_NAMES`, and from `rest`."""
    dataset = {
        key: {"vr": vr, "Value": [value]} for (key, vr), value in zip(PLAIN, values, strict=True) if is_told(value)
    }
    if rest:
        dataset.update(orjson.loads(rest))
    return dataset


def is_told(value: Any) -> bool:
    """Whether a column of an attribute says anything."""
    return value is not None and value not in ("", LAST)
