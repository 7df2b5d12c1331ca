"""The DICOM JSON model (PS3.18 annex F), straight from the scanned bytes."""

from collections.abc import Callable, Iterable
from typing import Final

import orjson

from imagebank.dicom.scan import MAX_DEPTH, PIXELS, Buffer, Header, Raw, elements, items
from imagebank.dicom.values import BINARY, CHARSET, Place, inline
from imagebank.errors import Invalid, NotFound
from imagebank.model.imaging import DataSet, Element

Bulk = Callable[[str], str]
"""The BulkDataURI for a path: a tag, or tags and item numbers from 1, as `00400100/1/54001010`."""

INLINE_LIMIT: Final = 1024
AVAILABLE_TRANSFER_SYNTAX: Final = 0x00083002
SOP_INSTANCE: Final = 0x00080018

# Enough for the elements that repeat in one series; longer elements rarely repeat (ingest.md section 3).
MAX_FRAGMENTS: Final = 4096
MAX_FRAGMENT: Final = 1024


def to_json(
    data: Buffer,
    header: Header,
    *,
    bulk: Bulk | None,
    transfer_syntax: str = "",
    inline_limit: int = INLINE_LIMIT,
    skip_pixels: bool = True,
    warnings: dict[str, None] | None = None,
) -> DataSet:
    """A data set in the JSON model. Never raises for odd values: what was tolerated is added to `warnings`, in words.

    Binary values longer than `inline_limit` bytes, and pixel data always, are named by `bulk`. Without `bulk`
    everything is inline, and pixel data is there only when `skip_pixels` is false. `transfer_syntax`, that of the
    stored file, becomes AvailableTransferSyntaxUID.
    """
    place = Place.top(data, header)
    found = _data_set(place, _Rules(bulk, inline_limit, skip_pixels=skip_pixels), "")
    if transfer_syntax:
        found[f"{AVAILABLE_TRANSFER_SYNTAX:08X}"] = {"vr": "UI", "Value": [transfer_syntax]}
        found = dict(sorted(found.items()))
    if warnings is not None:
        warnings.update(place.warnings)
    return found


class _Rules:
    """Where binary values go."""

    __slots__ = ("bulk", "limit", "skip_pixels")

    def __init__(self, bulk: Bulk | None, limit: int, *, skip_pixels: bool) -> None:
        self.bulk = bulk
        self.limit = limit
        self.skip_pixels = skip_pixels


def _data_set(place: Place, rules: _Rules, above: str) -> DataSet:
    found: DataSet = {}
    for tag in sorted(place.elements):
        if is_shown(tag):
            element = element_json(place, tag, place.elements[tag], rules, above)
            if element is not None:
                found[f"{tag:08X}"] = element
    return found


def is_shown(tag: int) -> bool:
    """Whether an element belongs into the JSON model: no group lengths, no command or file meta elements (PS3.18 F.2)."""
    return tag & 0xFFFF != 0 and tag > 0x0007FFFF and tag < 0xFFFE0000


def element_json(place: Place, tag: int, raw: Raw, rules: _Rules, above: str) -> Element | None:
    """One element; None for pixel data that is to be left out. `above` is the path down to its data set."""
    vr = place.vr(tag, raw)
    if vr == "SQ":
        return _sequence(place, tag, raw, rules, f"{above}{tag:08X}")
    if tag == CHARSET:
        # The JSON is UTF-8, whatever the file was.
        return {"vr": "CS", "Value": ["ISO_IR 192"]} if raw.length else {"vr": "CS"}
    if vr in BINARY:
        is_bulk = raw.length > rules.limit or tag in PIXELS
        if is_bulk and rules.bulk is not None:
            return {"vr": vr, "BulkDataURI": rules.bulk(f"{above}{tag:08X}")}
        if tag in PIXELS and rules.skip_pixels:
            return None
        return inline(vr, place.value(raw)) if raw.length else {"vr": vr}
    return place.read(tag, vr, place.value(raw))


def _sequence(place: Place, tag: int, raw: Raw, rules: _Rules, path: str) -> Element:
    values: list[DataSet] = []
    if place.depth >= MAX_DEPTH:
        place.warn(tag, "is nested too deep to be shown")
        return {"vr": "SQ"}
    try:
        for number, (start, end, coded) in enumerate(items(place.data, raw, explicit=place.is_explicit), 1):
            found, _ = elements(place.data, start, end, explicit=coded)
            values.append(_data_set(place.item(found, is_explicit=coded), rules, f"{path}/{number}/"))
    except Invalid:
        place.warn(tag, "is broken; items after the break are not shown")
    return {"vr": "SQ", "Value": values} if values else {"vr": "SQ"}


def locate(data: Buffer, header: Header, path: str) -> Raw:
    """The value that a BulkDataURI's path names. Raises NotFound when the data set has none, or no such path."""
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
        place = _item(place, tag, number)
    raw = place.elements.get(tags[-1])
    if raw is None:
        raise NotFound("the instance has no such bulk data")
    return raw


def _item(place: Place, tag: int, number: int) -> Place:
    raw = place.elements.get(tag)
    try:
        found = items(place.data, raw, explicit=place.is_explicit) if raw and place.vr(tag, raw) == "SQ" else []
        if not 1 <= number <= len(found):
            raise NotFound("the instance has no such item")
        start, end, coded = found[number - 1]
        return place.item(elements(place.data, start, end, explicit=coded)[0], is_explicit=coded)
    except Invalid as exc:
        raise NotFound("the sequence that the path names is broken") from exc


class Fragments:
    """JSON of elements that repeat byte by byte within a series. It holds patient data: one for a build, then drop it."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], bytes] = {}

    def instance(self, data: Buffer, header: Header, *, bulk: Bulk | None, transfer_syntax: str = "") -> bytes:
        """The same as `to_json` with the usual limits, as UTF-8 text."""
        place = Place.top(data, header)
        rules = _Rules(bulk, INLINE_LIMIT, skip_pixels=True)
        parts: list[bytes] = []
        available = _text(AVAILABLE_TRANSFER_SYNTAX, {"vr": "UI", "Value": [transfer_syntax]})
        for tag in sorted({*header.elements, AVAILABLE_TRANSFER_SYNTAX} if transfer_syntax else header.elements):
            if tag == AVAILABLE_TRANSFER_SYNTAX and transfer_syntax:
                parts.append(available)
            elif is_shown(tag) and (text := self._fragment(place, tag, header.elements[tag], rules)):
                parts.append(text)
        return b"{" + b",".join(parts) + b"}"

    def _fragment(self, place: Place, tag: int, raw: Raw, rules: _Rules) -> bytes:
        vr = raw.vr
        # A VR of two letters other than UN is what the bytes say, so the JSON depends on nothing else; binary values
        # have to be short enough to be inline, and sequences may hold a path in them.
        is_plain = raw.length <= MAX_FRAGMENT and len(vr) == 2 and vr not in ("UN", "SQ") and tag not in PIXELS
        if not is_plain:
            element = element_json(place, tag, raw, rules, "")
            return b"" if element is None else _text(tag, element)
        key = (tag, vr, place.encodings, place.value(raw))
        text = self._known.get(key)
        if text is None:
            element = element_json(place, tag, raw, rules, "")
            text = _text(tag, element) if element is not None else b""
            if len(self._known) < MAX_FRAGMENTS:
                self._known[key] = text
        return text


def _text(tag: int, element: Element) -> bytes:
    return b'"%08X":' % tag + orjson.dumps(element)


def series_json(
    instances: Iterable[tuple[Buffer, Header, str]], bulk_for: Callable[[str], Bulk], fragments: Fragments | None = None
) -> bytes:
    """The metadata of many instances, a JSON array in their order.

    Each comes with its data, header and stored transfer syntax; `bulk_for` gives the URIs of one SOP Instance UID.
    """
    cache = Fragments() if fragments is None else fragments
    return (
        b"["
        + b",".join(
            cache.instance(data, header, bulk=bulk_for(_uid(data, header)), transfer_syntax=syntax)
            for data, header, syntax in instances
        )
        + b"]"
    )


def _uid(data: Buffer, header: Header) -> str:
    raw = header.elements.get(SOP_INSTANCE)
    return bytes(data[raw.offset : raw.offset + raw.length]).decode("latin-1").strip(" \0") if raw else ""
