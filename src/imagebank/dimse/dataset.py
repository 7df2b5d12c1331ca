"""Small data sets on the wire (identifiers, reports), to and from the DICOM JSON model."""

import struct
from bisect import bisect
from collections.abc import Iterable
from typing import Any, Final

from imagebank.dicom.dicomjson import to_json
from imagebank.dicom.keys import CHARSET, text_of
from imagebank.dicom.part10 import explicit_element
from imagebank.dicom.scan import DEFLATED_LE, EXPLICIT_BE, Header, elements
from imagebank.dimse.contexts import EXPLICIT_LE, IMPLICIT_LE
from imagebank.errors import Invalid
from imagebank.model.imaging import DataSet, Element
from imagebank.model.uid import Uid

_SOP_CLASS: Final = 0x00080016
_SOP_INSTANCE: Final = 0x00080018
# VRs with a length of 16 bits that stand before those two.
_SHORT: Final = frozenset((b"AE", b"CS", b"DA", b"DT", b"LO", b"SH", b"TM", b"UI", b"UL", b"US"))
_NOT_PLAIN: Final = frozenset((EXPLICIT_BE, DEFLATED_LE))
_ITEM: Final = 0xFFFEE000
_NUMBERS: Final = {
    "US": "<H", "SS": "<h", "UL": "<I", "SL": "<i", "UV": "<Q", "SV": "<q", "FL": "<f", "FD": "<d",
}  # fmt: skip
# PS3.5 7.1.2: longer values do not fit into the short form of explicit coding.
_MAX_SHORT: Final = 0xFFFE
_UTF_8: Final[Element] = {"vr": "CS", "Value": ["ISO_IR 192"]}
_DEFAULT: Final[Element] = {"vr": "CS"}


def decode(data: bytes, transfer_syntax: str) -> DataSet:
    """Read an identifier; text comes out as Unicode, whatever character set it names. Raises Invalid."""
    explicit = transfer_syntax == EXPLICIT_LE
    found, end = elements(data, 0, len(data), explicit=explicit)
    if end != len(data):
        raise Invalid(f"the identifier breaks off at byte {end}")
    header = Header(Uid(transfer_syntax), 0, {}, found, explicit, len(data))
    return to_json(data, header, bulk=None)


def identity(start: bytes, transfer_syntax: str) -> dict[int, str]:
    """SOP Class UID and SOP Instance UID by tag, as far as the first bytes of a data set show them.

    Both stand near the start (PS3.5 7.1: ascending tags). What is coded in another way than little endian shows nothing.
    """
    found: dict[int, str] = {}
    explicit = transfer_syntax != IMPLICIT_LE
    position = 0
    while transfer_syntax not in _NOT_PLAIN and position + 8 <= len(start) and len(found) < 2:
        group, element, code, length = struct.unpack_from("<HH2sH", start, position)
        tag = group << 16 | element
        if not explicit:
            length = int.from_bytes(start[position + 4 : position + 8], "little")
        if tag > _SOP_INSTANCE or (explicit and code not in _SHORT) or position + 8 + length > len(start):
            break
        if tag in (_SOP_CLASS, _SOP_INSTANCE):
            found[tag] = start[position + 8 : position + 8 + length].decode("latin-1").strip(" \0")
        position += 8 + length
    return found


def encode(dataset: DataSet, transfer_syntax: str) -> bytes:
    """Write a data set: in the default repertoire where that is enough, otherwise in ISO_IR 192 (UTF-8)."""
    return Writer(transfer_syntax).write(dataset)


class Writer:
    """Writes data sets like `encode`, one after another: an element that is as it was in the one before is kept.

    Of the answers to a query most elements are.
    """

    def __init__(self, transfer_syntax: str) -> None:
        self._is_explicit = transfer_syntax == EXPLICIT_LE
        self._last: dict[str, tuple[Element, bytes, bool]] = {}
        self._keys: DataSet = {}
        self._order: list[str] = []

    def write(self, dataset: DataSet) -> bytes:
        """A data set as bytes."""
        if dataset.keys() != self._keys.keys():
            self._keys, self._order = dataset, sorted(dataset.keys() - {CHARSET})
        known, is_plain = self._last.get, True
        written = []
        for key in self._order:
            element, last = dataset[key], known(key)
            if last is None or (last[0] is not element and last[0] != element):
                last = self._written(key, element)
            written.append(last[1])
            is_plain = is_plain and last[2]
        if not is_plain or CHARSET in dataset:
            charset = _DEFAULT if is_plain else _UTF_8
            written.insert(bisect(self._order, CHARSET), self._written(CHARSET, charset)[1])
        return b"".join(written)

    def _written(self, key: str, element: Element) -> tuple[Element, bytes, bool]:
        """An element, its bytes, and whether it is in the default repertoire."""
        written = _element(int(key, 16), element, explicit=self._is_explicit)
        last = self._last[key] = element, written, _is_plain(element.get("Value") or ())
        return last


def _is_plain(values: Iterable[Any]) -> bool:
    for value in values:
        if isinstance(value, str) and not value.isascii():
            return False
        if isinstance(value, dict) and not _is_plain(value.values()):
            return False
        if isinstance(value, list) and not _is_plain(value):
            return False
    return True


def _encoded(dataset: DataSet, *, explicit: bool) -> bytes:
    return b"".join(_element(int(key, 16), dataset[key], explicit=explicit) for key in sorted(dataset))


def _element(tag: int, element: Element, *, explicit: bool) -> bytes:
    vr = element["vr"]
    values = element.get("Value") or []
    raw = b"".join(_item(value, explicit=explicit) for value in values) if vr == "SQ" else _raw(vr, values)
    written = explicit_element(tag, vr, raw)
    if explicit:
        return written
    # Padding is the same in both codings; only the head differs.
    padded = len(raw) + len(raw) % 2
    value = written[len(written) - padded :] if padded else b""
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, padded) + value


def _item(dataset: DataSet, *, explicit: bool) -> bytes:
    body = _encoded(dataset, explicit=explicit)
    return struct.pack("<HHI", _ITEM >> 16, _ITEM & 0xFFFF, len(body)) + body


def _raw(vr: str, values: list[Any]) -> bytes:
    if vr in _NUMBERS:
        return b"".join(struct.pack(_NUMBERS[vr], value) for value in values if isinstance(value, int | float))
    if vr == "AT":
        return b"".join(struct.pack("<HH", int(str(v)[:4], 16), int(str(v)[4:], 16)) for v in values)
    is_one = len(values) == 1 and type(values[0]) in (str, int)
    raw = (str(values[0]) if is_one else text_of({"vr": vr, "Value": values})).encode()
    # A list that is too long is cut at a value; an identifier has no longer form for it.
    return raw if len(raw) <= _MAX_SHORT else raw[:_MAX_SHORT].rpartition(b"\\")[0]
