"""The DICOM JSON model (PS3.18 annex F), straight from the scanned bytes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import orjson

from imagebank.dicom.scan import Header
from imagebank.dicom.values import BINARY, CHARSET, Place, inline
from imagebank.dicom.vr import LONG, SHORT, STANDARD
from imagebank.dicom.walk import MAX_DEPTH, PIXELS, Buffer, Raw, elements, items
from imagebank.errors import Invalid, NotFound
from imagebank.model.imaging import DataSet, Element

Bulk = Callable[[str], str]
"""The BulkDataURI for a path: a tag, or tags and item numbers from 1, as `00400100/1/54001010`."""

INLINE_LIMIT: Final = 1024
# PS3.18 F.2.6 lets any value be bulk data. Numbers take some twenty times their bytes while their JSON is made.
MAX_INLINE_TEXT: Final = 1 << 20
# What explicit coding can hold of those VRs that anybody searches for.
MAX_ALONE: Final = 0xFFFF
AVAILABLE_TRANSFER_SYNTAX: Final = 0x00083002

# Enough for the elements that repeat in one series; longer elements rarely repeat (ingest.md section 3).
MAX_FRAGMENTS: Final = 4096
MAX_FRAGMENT: Final = 1024


def to_json(
    data: Buffer,
    header: Header,
    *,
    bulk: Bulk | None,
    available_transfer_syntax: str = "",
    inline_limit: int = INLINE_LIMIT,
    skip_pixels: bool = True,
    warnings: dict[str, None] | None = None,
) -> DataSet:
    """A data set in the JSON model. Never raises for odd values: what was tolerated is added to `warnings`, in words.

    Binary values longer than `inline_limit` bytes, and pixel data always, are named by `bulk`. Without `bulk`
    everything is inline, and pixel data is there only when `skip_pixels` is false. `available_transfer_syntax`, that
    of the stored file, becomes AvailableTransferSyntaxUID.
    """
    place = Place.top(data, header)
    found = _data_set(place, _Rules(bulk, inline_limit, skip_pixels and bulk is None), "")
    if available_transfer_syntax:
        found[f"{AVAILABLE_TRANSFER_SYNTAX:08X}"] = {"vr": "UI", "Value": [available_transfer_syntax]}
        found = dict(sorted(found.items()))
    if warnings is not None:
        warnings.update(place.warnings)
    return found


@dataclass(frozen=True, slots=True)
class _Rules:
    """Where binary values go."""

    bulk: Bulk | None
    limit: int
    skips_pixels: bool = False


INLINE: Final = _Rules(None, 0)


def _data_set(place: Place, rules: _Rules, above: str) -> DataSet:
    found: DataSet = {}
    for tag in sorted(place.elements):
        if is_shown(tag) and not (tag in PIXELS and rules.skips_pixels):
            found[f"{tag:08X}"] = element_json(place, tag, place.elements[tag], rules, above)
    return found


def is_shown(tag: int) -> bool:
    """Whether an element belongs into the JSON model: no group lengths, no command or file meta elements (PS3.18 F.2)."""
    return tag & 0xFFFF != 0 and tag > 0x0007FFFF and tag < 0xFFFE0000


def element_json(place: Place, tag: int, raw: Raw, rules: _Rules, above: str) -> Element:
    """One element. `above` is the path down to its data set."""
    vr = place.vr(tag, raw)
    if vr == "SQ":
        return _sequence(place, tag, rules, f"{above}{tag:08X}")
    if tag == CHARSET:
        # The JSON is UTF-8, whatever the file was.
        return {"vr": "CS", "Value": ["ISO_IR 192"]} if raw.length else {"vr": "CS"}
    limit = rules.limit if vr in BINARY else MAX_INLINE_TEXT
    if rules.bulk is not None and raw.length and (raw.length > limit or tag in PIXELS):
        return {"vr": vr, "BulkDataURI": rules.bulk(f"{above}{tag:08X}")}
    if vr in BINARY:
        return inline(vr, place.value(raw)) if raw.length else {"vr": vr}
    return place.read(tag, vr, place.value(raw))


def _sequence(place: Place, tag: int, rules: _Rules, path: str) -> Element:
    if place.depth >= MAX_DEPTH:
        place.warn(tag, "is nested too deep to be shown")
    values = [_data_set(item, rules, f"{path}/{number}/") for number, item in enumerate(children(place, tag), 1)]
    return {"vr": "SQ", "Value": values} if values else {"vr": "SQ"}


def element_of(place: Place, tag: int, vr: str) -> Element:
    """One element alone, read with `vr` where neither the bytes nor the dictionary tell its own.

    It is given empty, with a warning, when it is too long to be searched for.
    """
    raw = place.elements[tag]
    if raw.length > MAX_ALONE and raw.vr != "SQ":
        place.warn(tag, "is too long to be searched for")
        return {"vr": vr}
    known = place.vr(tag, raw)
    if known == "UN":
        known = vr
    if known in BINARY or known == "SQ" or tag == CHARSET:
        return element_json(place, tag, raw, INLINE, "")
    return place.read(tag, known, place.value(raw))


def children(place: Place, tag: int) -> Iterator[Place]:
    """The items of a sequence as far as they can be read; none for what is not a sequence."""
    raw = place.elements[tag]
    if place.vr(tag, raw) != "SQ" or place.depth >= MAX_DEPTH:
        return
    try:
        for start, end, coded in items(place.data, raw, explicit=place.is_explicit):
            found, _ = elements(place.data, start, end, explicit=coded)
            if not place.spend(tag, len(found) + 1):
                return
            yield place.item(found, is_explicit=coded)
    except Invalid:
        place.warn(tag, "is broken; items after the break are not read")


def locate(data: Buffer, header: Header, path: str) -> Raw:
    """The value that a BulkDataURI's path names. Raises NotFound when the data set has none, or no such path."""
    raw = locate_place(data, header, path).elements.get(int(path.rpartition("/")[2], 16))
    if raw is None:
        raise NotFound("the instance has no such bulk data")
    return raw


def locate_place(data: Buffer, header: Header, path: str) -> Place:
    """The data set or item in which the value lies that a BulkDataURI's path names. Raises NotFound for no such path."""
    place = Place.top(data, header)
    parts = path.split("/")
    try:
        tags = [int(part, 16) for part in parts[::2]]
        numbers = [int(part) for part in parts[1::2]]
    except ValueError:
        raise NotFound("a bulk data path has tags and item numbers in turn") from None
    if len(tags) != len(numbers) + 1 or len(tags) > MAX_DEPTH:
        raise NotFound("a bulk data path ends with a tag")
    for tag, number in zip(tags, numbers, strict=False):
        found = islice(children(place, tag), number - 1, None) if tag in place.elements and number > 0 else iter(())
        inner = next(found, None)
        if inner is None:
            raise NotFound("the instance has no such item")
        place = inner
    return place


class Fragments:
    """JSON of elements that repeat byte by byte within a series. It holds patient data: one for a build, then drop it."""

    __slots__ = ("_count", "_known", "_limit")

    def __init__(self, inline_limit: int = INLINE_LIMIT) -> None:
        self._known: dict[tuple[object, ...], dict[bytes, bytes]] = {}
        self._count = 0
        self._limit = inline_limit

    def instance(self, data: Buffer, header: Header, transfer_syntax: str, bulk_base: str) -> bytes:
        """The same as `to_json` gives, as UTF-8 text; the URI of bulk data is `bulk_base` and the path."""
        place = Place.top(data, header)
        rules = _Rules(lambda path: bulk_base + path, self._limit)
        # The JSON of equal bytes is equal where these are.
        known = self._known.setdefault((place.encodings, place.is_explicit, place.is_signed()), {})
        heads = _EXPLICIT_HEADS if place.is_explicit else _IMPLICIT_HEADS
        parts = [_text(AVAILABLE_TRANSFER_SYNTAX, {"vr": "UI", "Value": [transfer_syntax]})]
        before = 0
        for tag, raw in sorted(header.elements.items()):
            vr, offset, length = raw
            head = heads.get(vr)
            key = bytes(data[offset - head : offset + length]) if head and length <= MAX_FRAGMENT else None
            text = known.get(key) if key else None
            if text is None:
                text = self._made(place, tag, rules, known, key)
            if tag < AVAILABLE_TRANSFER_SYNTAX:
                before += bool(text)
            if tag != AVAILABLE_TRANSFER_SYNTAX and text:
                parts.append(text)
        parts[: before + 1] = [*parts[1 : before + 1], parts[0]]
        return b"{" + b",".join(parts) + b"}"

    def _made(self, place: Place, tag: int, rules: _Rules, known: dict[bytes, bytes], key: bytes | None) -> bytes:
        text = _text(tag, element_json(place, tag, place.elements[tag], rules, "")) if is_shown(tag) else b""
        if key and self._count < MAX_FRAGMENTS and b"BulkDataURI" not in text:
            known[key] = text
            self._count += 1
        return text


# Where an element's bytes begin before its value, for those whose VR is sure. What UN stands for depends on creators.
_EXPLICIT_HEADS: Final = {**dict.fromkeys(SHORT.values(), 8), **dict.fromkeys(set(LONG.values()) - {"UN"}, 12)}
_IMPLICIT_HEADS: Final = dict.fromkeys({*STANDARD.values()} - {"UN"}, 8)


def _text(tag: int, element: Element) -> bytes:
    return b'"%08X":' % tag + orjson.dumps(element)


def series_json(items: Iterable[tuple[Buffer, Header, str, str]], *, inline_limit: int = INLINE_LIMIT) -> bytes:
    """The metadata of many instances, a JSON array in their order.

    Each comes with its data, its header, its stored transfer syntax, and what its BulkDataURIs begin with.
    """
    fragments = Fragments(inline_limit)
    return b"[" + b",".join(fragments.instance(*item) for item in items) + b"]"
