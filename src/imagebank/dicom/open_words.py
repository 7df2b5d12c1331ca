"""What cameras and programs write into a file beside its pixels: Exif, XMP, and the head of a film. Runs in a sandbox child.

Where something was taken (GPS, places) is never read.
"""

import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, Final
from xml.etree import ElementTree as ET

from PIL import ExifTags, Image

from imagebank.dicom.kind import Kind
from imagebank.dicom.open_document import tidy

_LONGEST: Final = 256
_FORMATS: Final = ("JPEG", "PNG", "TIFF", "WEBP", "JPEG2000")
# Exif 2.32, 4.6.4 and 4.6.5; the last ones are Windows' own.
_OF_IMAGE: Final = {
    "make": ExifTags.Base.Make,
    "model": ExifTags.Base.Model,
    "description": ExifTags.Base.ImageDescription,
    "artist": ExifTags.Base.Artist,
    "changed_at": ExifTags.Base.DateTime,
    "title": ExifTags.Base.XPTitle,
    "subject": ExifTags.Base.XPSubject,
    "keywords": ExifTags.Base.XPKeywords,
}
_OF_EXIF: Final = {
    "taken_at": ExifTags.Base.DateTimeOriginal,
    "offset": ExifTags.Base.OffsetTimeOriginal,
    "owner": ExifTags.Base.CameraOwnerName,
    "serial": ExifTags.Base.BodySerialNumber,
    "comment": ExifTags.Base.UserComment,
}
_COMMENT_CODES: Final = {b"ASCII\0\0\0": "latin_1", b"UNICODE\0": "utf_16"}
_RDF: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC: Final = "{http://purl.org/dc/elements/1.1/}"
_TIFF: Final = "{http://ns.adobe.com/tiff/1.0/}"
_XMP: Final = {
    "taken_at": (
        "{http://ns.adobe.com/exif/1.0/}DateTimeOriginal",
        "{http://ns.adobe.com/photoshop/1.0/}DateCreated",
        "{http://ns.adobe.com/xap/1.0/}CreateDate",
    ),
    "artist": (f"{_DC}creator",),
    "title": (f"{_DC}title", "{http://ns.adobe.com/photoshop/1.0/}Headline"),
    "description": (f"{_DC}description",),
    "keywords": (f"{_DC}subject",),
    "make": (f"{_TIFF}Make",),
    "model": (f"{_TIFF}Model",),
    "serial": ("{http://cipa.jp/exif/1.0/}BodySerialNumber", "{http://ns.adobe.com/exif/1.0/aux/}SerialNumber"),
}
# ISO 16684-1 7.3.2: how a packet is found in a file of any kind.
_BEGIN, _END = b"<x:xmpmeta", b"</x:xmpmeta>"
_LONGEST_PACKET: Final = 1 << 20
_MOST_PACKETS: Final = 64
_EPOCH: Final = datetime(1904, 1, 1, tzinfo=UTC)
_MOST_BOXES: Final = 10_000
# QuickTime File Format: user data of old, and the keys that phones write.
_USER_DATA: Final = {
    b"\xa9mak": "make",
    b"\xa9mod": "model",
    b"\xa9day": "taken_at",
    b"\xa9ART": "artist",
    b"\xa9nam": "title",
}
_KEYS: Final = {
    b"com.apple.quicktime.make": "make",
    b"com.apple.quicktime.model": "model",
    b"com.apple.quicktime.creationdate": "taken_at",
    b"com.apple.quicktime.artist": "artist",
    b"com.apple.quicktime.title": "title",
    b"com.apple.quicktime.description": "description",
}


def words(header: dict[str, Any], payload: memoryview) -> tuple[dict[str, Any], Sequence[bytes]]:
    """Sandbox task: what a file of `kind` says in `exif`, `film` and `xmp`, by name. What cannot be read is not there."""
    kind, data = Kind(header["kind"]), bytes(payload)
    exif: dict[str, str] = {}
    film: dict[str, str] = {}
    if kind in (Kind.MP4, Kind.QUICKTIME):
        with suppress(struct.error, ValueError, OverflowError):
            film = dict(_film(data))
    elif kind.value.startswith("image/"):
        # Pillow raises whatever its plug-ins do; a picture whose words are broken may have whole pixels.
        with warnings.catch_warnings(), suppress(Exception):
            warnings.simplefilter("ignore")
            exif = _exif(data)
    return {"exif": _clean(exif), "film": _clean(film), "xmp": _clean(_xmp(data, is_pdf=kind is Kind.PDF))}, ()


def _clean(found: Mapping[str, str]) -> dict[str, str]:
    words = {name: tidy(value.replace("\0", "")).replace("\n", " ")[:_LONGEST] for name, value in found.items()}
    return {name: value for name, value in words.items() if value}


def _exif(data: bytes) -> dict[str, str]:
    with Image.open(BytesIO(data), formats=_FORMATS) as image:
        exif = image.getexif()
        inner = exif.get_ifd(ExifTags.IFD.Exif)
    found = {name: exif.get(tag) for name, tag in _OF_IMAGE.items()}
    found |= {name: inner.get(tag) for name, tag in _OF_EXIF.items()}
    return {name: _text(name, value) for name, value in found.items() if value}


def _text(name: str, value: Any) -> str:
    if not isinstance(value, bytes):
        return str(value)
    if name == "comment":
        return value[8:].decode(_COMMENT_CODES.get(value[:8], "utf_8"), "replace")
    return value.decode("utf_16_le" if name in ("title", "subject", "keywords") else "utf_8", "replace")


def _xmp(data: bytes, *, is_pdf: bool) -> dict[str, str]:
    """The first packet that can be read; of a PDF, the last one that is of the document and not of a picture in it."""
    found: dict[str, str] = {}
    at = 0
    for _ in range(_MOST_PACKETS):
        at = data.find(_BEGIN, at)
        end = data.find(_END, at, at + _LONGEST_PACKET)
        if at < 0 or end < 0:
            break
        packet, at = data[at : end + len(_END)], end
        if is_pdf and b"application/pdf" not in packet:
            continue
        with suppress(ET.ParseError, ValueError, LookupError):
            # In a child without files, network and much memory: what a packet declares harms nobody.
            found = _packet(ET.fromstring(packet)) or found  # noqa: S314
            if not is_pdf:
                break
    return found


def _packet(root: ET.Element) -> dict[str, str]:
    """A property stands as an attribute or as an element, with one value or a list of them (ISO 16684-1 7)."""
    values: dict[str, str] = {}
    for description in root.iter(f"{_RDF}Description"):
        values |= description.attrib
        for one in description:
            items = [item.text or "" for item in one.iter(f"{_RDF}li")]
            values[one.tag] = "; ".join(filter(None, items)) if items else one.text or ""
    found = {name: next(filter(None, (values.get(tag) for tag in tags)), "") for name, tags in _XMP.items()}
    return {name: value for name, value in found.items() if value}


def _film(data: bytes) -> Iterator[tuple[str, str]]:
    for kind, body in _boxes(data, b"moov"):
        if kind == b"mvhd":
            # ISO 14496-12 8.2.2: seconds since 1904, UTC, in four or eight bytes.
            seconds = struct.unpack_from(">Q" if body[0] == 1 else ">I", body, 4)[0]
            if seconds:
                yield "made_at", (_EPOCH + timedelta(seconds=seconds)).isoformat()
        elif kind == b"udta":
            for name, text in _boxes(body):
                if name in _USER_DATA:
                    yield _USER_DATA[name], text[4:].decode("utf_8", "replace")
        elif kind == b"meta":
            yield from _keyed(body)


def _keyed(meta: bytes) -> Iterator[tuple[str, str]]:
    """QuickTime's metadata: a list of keys, and values by their numbers."""
    # ISO 14496-12 has four more bytes before the boxes than QuickTime.
    inside = dict(_boxes(meta if meta[4:8] == b"hdlr" else meta[4:]))
    keys = [key for _, key in _boxes(inside.get(b"keys", b"")[8:])]
    for number, item in _boxes(inside.get(b"ilst", b"")):
        at = int.from_bytes(number, "big") - 1
        name = _KEYS.get(keys[at]) if 0 <= at < len(keys) else None
        if name:
            yield name, dict(_boxes(item)).get(b"data", b"")[8:].decode("utf_8", "replace")


def _boxes(data: bytes, within: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    """The boxes that follow each other (ISO 14496-12 4.2); those in the boxes of a kind, where one is named."""
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > len(data):
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        size = size or len(data) - at
        if size < head:
            return
        body = data[at + head : at + size]
        if not within:
            yield kind, body
        elif kind == within:
            yield from _boxes(body)
        at += size


def warm() -> None:
    """Load what is needed once, so that nothing is opened after the sandbox has closed itself."""
    packet = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a xmlns="{_DC}"/></x:xmpmeta>'.replace("{", "").replace("}", "")
    _xmp(packet.encode(), is_pdf=False)
    with BytesIO() as stream:
        Image.new("L", (8, 8)).save(stream, "JPEG")
        _exif(stream.getvalue())
    "\u00e4".encode("utf_16").decode("utf_16")
