"""Element values as the DICOM JSON model has them (PS3.18 annex F.2), read from bytes without ever failing."""

import math
import struct
from binascii import b2a_base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Self

from imagebank.dicom.charset import DEFAULT, Encodings, decode, encodings
from imagebank.dicom.scan import Header
from imagebank.dicom.vr import KNOWN, creator_tag, name_of, private_vr, standard_vr
from imagebank.dicom.walk import Buffer, Raw, is_undefined
from imagebank.model.imaging import Element

CHARSET: Final = 0x00080005
BINARY: Final = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
# The JSON of an element takes some 500 bytes; the largest real headers, of whole slides, have about a million elements.
MAX_SHOWN: Final = 1_000_000
SETTLED: Final = KNOWN - {"UN"}
_PIXEL_REPRESENTATION: Final = 0x00280103
# PS3.3 C.11.1.1: the first number of these counts entries and is unsigned, whatever the VR.
_LUT_DESCRIPTORS: Final = frozenset((0x00281101, 0x00281102, 0x00281103, 0x00283002))


@dataclass(slots=True)
class Place:
    """One data set or sequence item, with what its values need to be read: coding, character set, what is around it.

    Nothing changes it but its own counting. It is not frozen because that would double the time of making one, and a
    whole-slide image has hundreds of thousands of items.
    """

    data: Buffer
    elements: dict[int, Raw]
    is_explicit: bool
    encodings: Encodings
    parent: Self | None = None
    depth: int = 0
    warnings: dict[str, None] = field(default_factory=dict)
    left: list[int] = field(default_factory=lambda: [MAX_SHOWN])

    @classmethod
    def top(cls, data: Buffer, header: Header) -> Self:
        names, warning = _named(data, header.elements, DEFAULT)
        return cls(data, header.elements, header.is_explicit, names, warnings=dict.fromkeys(warning))

    def item(self, found: dict[int, Raw], *, is_explicit: bool) -> "Place":
        """An item of a sequence in here; it may name a character set of its own (PS3.5 7.5.3)."""
        names, warning = _named(self.data, found, self.encodings)
        self.warnings.update(dict.fromkeys(warning))
        return Place(self.data, found, is_explicit, names, self, self.depth + 1, self.warnings, self.left)

    def spend(self, tag: int, count: int) -> bool:
        """Count elements that are about to be read; false, with a warning, when there have been too many."""
        self.left[0] -= count
        if self.left[0] < 0:
            self.warn(tag, "has more items than can be shown")
        return self.left[0] >= 0

    def value(self, raw: Raw) -> bytes:
        return bytes(self.data[raw.offset : raw.offset + raw.length])

    def warn(self, tag: int, what: str) -> None:
        self.warnings[f"{name_of(tag)} {what}"] = None

    def vr(self, tag: int, raw: Raw) -> str:
        """The VR to read an element with: written, by dictionary, or settled by other elements (PS3.5 A.1)."""
        vr = raw.vr
        if vr in SETTLED:
            return vr
        if vr not in KNOWN and len(vr) == 2:
            self.warn(tag, "has a VR that DICOM does not know")
        if vr == "UN" and is_undefined(self.data, raw):
            return "SQ"  # PS3.5 6.2.2
        if vr == "UN" and raw.length > 0xFFFF and self.is_explicit:
            return "UN"  # it was made so because it is too long for its VR: see `part10`
        if len(vr) == 2:
            creator = creator_tag(tag)
            vr = standard_vr(tag) if creator is None else private_vr(tag, self._text(creator))
        if vr in SETTLED or vr == "UN":
            return vr
        if vr == "US or SS":
            return "SS" if self.is_signed() else "US"
        return "OB" if is_undefined(self.data, raw) else "OW"

    def _text(self, tag: int) -> str:
        raw = self.elements.get(tag)
        return self.value(raw).decode("latin-1").strip(" \0") if raw and raw.length <= 64 else ""

    def is_signed(self) -> bool:
        place: Place | None = self
        while place is not None:
            raw = place.elements.get(_PIXEL_REPRESENTATION)
            if raw is not None and raw.length >= 2:
                return place.value(raw)[0] == 1
            place = place.parent
        return False

    def read(self, tag: int, vr: str, value: bytes) -> Element:
        """The JSON form of a value that is neither a sequence nor binary. Falls back to UN when it has a wrong length."""
        if not value:
            return {"vr": vr}
        reader = _READERS.get(vr)
        if reader is None:
            values = self._texts(tag, vr, value)
        else:
            try:
                values = reader(self, tag, value)
            except struct.error:
                self.warn(tag, f"has a length that {vr} cannot have")
                return inline("UN", value)
        return {"vr": vr, "Value": values} if values else {"vr": vr}

    def _texts(self, tag: int, vr: str, value: bytes) -> list[Any]:
        text = self.decoded(tag, value) if vr in _CUSTOM else value.decode("latin-1")
        if vr in _UNSPLIT:
            text = text.rstrip(" \0")
            return [text] if text else []
        if "\\" not in text:
            text = text.strip(" \0")
            return [text] if text else []
        parts: list[Any] = [part.strip(" \0") or None for part in text.split("\\")]
        return [] if parts == [None] else parts

    def decoded(self, tag: int, value: bytes, *, is_name: bool = False) -> str:
        text, clean = decode(value, self.encodings, is_name=is_name)
        if not clean:
            self.warn(tag, "has bytes that its character set does not know")
        return text


def _named(data: Buffer, found: dict[int, Raw], inherited: Encodings) -> tuple[Encodings, tuple[str, ...]]:
    """The character set that a data set or item names, else the inherited one; and a warning when there is none such."""
    raw = found.get(CHARSET)
    if raw is None:
        return inherited, ()
    text = bytes(data[raw.offset : raw.offset + min(raw.length, 1024)]).decode("latin-1")
    names, warning = encodings(text.rstrip(" \0"))
    return names, (warning,) if warning else ()


_CUSTOM: Final = frozenset(("LO", "LT", "SH", "ST", "UC", "UT"))
_UNSPLIT: Final = frozenset(("LT", "ST", "UT", "UR"))


def inline(vr: str, value: bytes) -> Element:
    """A binary value within the JSON: base64, as a bare string."""
    return {"vr": vr, "InlineBinary": b2a_base64(value, newline=False).decode("ascii")}


def _names(place: Place, tag: int, value: bytes) -> list[Any]:
    text = place.decoded(tag, value, is_name=True)
    names = [_name(part) for part in text.rstrip(" \0").split("\\")]
    return [] if names == [None] else names


def _name(text: str) -> dict[str, str] | None:
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False)
    return {key: group for key, part in groups if (group := part.strip(" \0"))} or None


def _integers(place: Place, tag: int, value: bytes) -> list[Any]:
    return _numbers(place, tag, value, _integer)


def _decimals(place: Place, tag: int, value: bytes) -> list[Any]:
    return _numbers(place, tag, value, _decimal)


def _numbers(place: Place, tag: int, value: bytes, read: Callable[[str], int | float]) -> list[Any]:
    """Numbers where the text is one; the text itself where it is not, so that nothing is lost."""
    values: list[Any] = []
    for part in value.decode("latin-1").split("\\"):
        text = part.strip(" \0")
        if not text:
            values.append(None)
            continue
        try:
            values.append(read(text))
        except ValueError:
            place.warn(tag, "has a value that is not a number")
            values.append(text)
    return [] if values == [None] else values


def _integer(text: str) -> int:
    if "_" in text or len(text) > 64:
        raise ValueError
    try:
        number = int(text)
    except ValueError:
        # `1.0` is against PS3.5 6.2 and common.
        exact = float(text)
        if not exact.is_integer():
            raise
        number = int(exact)
    if not -_MAX_JSON <= number <= _MAX_JSON:
        raise ValueError
    return number


_MAX_JSON: Final = 2**63 - 1


def _decimal(text: str) -> float:
    number = float(text)
    if "_" in text or not math.isfinite(number):
        raise ValueError
    return number


def _tags(place: Place, tag: int, value: bytes) -> list[Any]:
    del place, tag
    halves = struct.unpack(f"<{len(value) // 4 * 2}H", value)
    return [f"{halves[i]:04X}{halves[i + 1]:04X}" for i in range(0, len(halves), 2)]


def _packed(code: str, width: int) -> "_Reader":
    def read(place: Place, tag: int, value: bytes) -> list[Any]:
        del place
        values: list[Any] = list(struct.unpack(f"<{len(value) // width}{code}", value))
        if tag in _LUT_DESCRIPTORS and code == "h":
            values[0] &= 0xFFFF
        return values

    return read


def _floats(code: str, width: int) -> "_Reader":
    def read(place: Place, tag: int, value: bytes) -> list[Any]:
        del place, tag
        # JSON has no number for these; the words are those that other implementations read.
        return [
            number if math.isfinite(number) else _WORDS.get(number, "NaN")
            for number in struct.unpack(f"<{len(value) // width}{code}", value)
        ]

    return read


_WORDS: Final = {math.inf: "Infinity", -math.inf: "-Infinity"}
_Reader = Callable[[Place, int, bytes], list[Any]]
_READERS: Final[dict[str, _Reader]] = {
    "PN": _names,
    "IS": _integers,
    "DS": _decimals,
    "AT": _tags,
    "US": _packed("H", 2),
    "SS": _packed("h", 2),
    "UL": _packed("I", 4),
    "SL": _packed("i", 4),
    "UV": _packed("Q", 8),
    "SV": _packed("q", 8),
    "FL": _floats("f", 4),
    "FD": _floats("d", 8),
}
