"""What files of departments without DICOM hold: pixels, curves or a document, read or taken over as they are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from imagebank.dicom import codestream, described, film, heic, stand_in
from imagebank.dicom.document_text import read_document
from imagebank.dicom.ecg import Recording
from imagebank.dicom.film_length import is_whole
from imagebank.dicom.iod import Content
from imagebank.dicom.kind import Kind
from imagebank.dicom.layout import EXPLICIT
from imagebank.dicom.movie import Movie, read_movie, syntaxes
from imagebank.dicom.sandbox import Sandbox
from imagebank.errors import BankError, Invalid, Unsupported, noted
from imagebank.model.uid import Uid

PICTURES: Final = frozenset({Kind.JPEG, Kind.JPEG2000, Kind.PNG, Kind.GIF, Kind.TIFF, Kind.BMP, Kind.WEBP, Kind.AVIF})
_CARRIED_FILMS: Final = frozenset({Kind.MP4, Kind.QUICKTIME})
FILMS: Final = _CARRIED_FILMS | {Kind.AVI, Kind.WEBM, Kind.MPEG, Kind.TRANSPORT}
DOCUMENTS: Final = frozenset({Kind.PDF, Kind.CDA, Kind.STL, Kind.OBJ})
CURVES: Final = frozenset({Kind.SCP_ECG, Kind.ECG_XML})
_OPEN: Final = "imagebank.dicom.open_media:picture"
_MODEL: Final = "imagebank.dicom.open_model:check"
_VOLUME: Final = "imagebank.dicom.volume:volume"
_RECORDING: Final = "imagebank.dicom.open_ecg:recording"
_REMAKE: Final = "imagebank.dicom.film:remake"
_PHOTOGRAPH: Final = "imagebank.dicom.heic:picture"
_STUDIO_S: Final = 900.0
_MOST_OF_HEAD: Final = 64 << 10
_CDA_ID: Final = re.compile(rb"<(?:\w+:)?id\s[^>]*>")
_ATTRIBUTE: Final = re.compile(rb"(root|extension)\s*=\s*[\"']([^\"'<&]*)")
_LOCKED: Final = noted("it can be opened with a password alone; pack it without one, or unpack it, and send it anew")
_PACKED: Final = noted(
    "an archive in an archive is not opened, nor a document of an office program: unpack it, or make a PDF of it"
)
# The methods by which the pixels of a file have lost something before (PS3.3 C.7.6.1.1.5).
_LOST_BY: Final = {Kind.JPEG: "ISO_10918_1", Kind.HEIC: "ISO_23008_2"}


@dataclass(frozen=True, slots=True)
class Pixels:
    """Frames as they will stand in the object, and the Image Pixel attributes that tell how they are coded."""

    syntax: Uid
    frames: Sequence[bytes]
    attributes: Mapping[str, Any]
    native_bytes: int


@dataclass(frozen=True, slots=True)
class Read:
    """A file that was read: what it holds, and its pixels or the document that is encapsulated, if it has any."""

    content: Content
    pixels: Pixels | None = None
    document: bytes = b""


def read(sandbox: Sandbox, data: bytes, kind: Kind) -> Read:
    """What a file holds. Raises Invalid for one that is broken, Unsupported for what is not read here."""
    if kind in PICTURES:
        return Read(*_picture(sandbox, data, kind))
    if kind in FILMS:
        return Read(*_film(data, kind))
    if kind is Kind.HEIC:
        return Read(*_photograph(data))
    if kind in DOCUMENTS:
        return Read(_document(sandbox, data, kind), document=data)
    if kind is Kind.ZIP:
        # PKWARE 4.4.4: the first entry tells.
        is_locked = data[6] & 1 if len(data) > 6 else 0
        raise Unsupported(_LOCKED if is_locked else _PACKED)
    reader = _volume if kind is Kind.NIFTI else _curves if kind in CURVES else None
    if reader is None:
        raise Unsupported("a file of the kind {kind} cannot be made into an object of the archive", kind=kind.value)
    try:
        return reader(sandbox, data, kind)
    except Unsupported as error:
        # What a document says can be kept and found, whatever nobody here can show of it.
        return Read(Content(Kind.PDF, said={"derivation": f"stands for a file of the kind {kind.value}"}),
                    document=stand_in.page(kind, data, str(error)))  # fmt: skip


def _document(sandbox: Sandbox, data: bytes, kind: Kind) -> Content:
    """What is encapsulated as it is has to be whole, so it is opened once. Raises Invalid, Unsupported."""
    if kind in (Kind.PDF, Kind.CDA):
        read_document(sandbox, data, pages=0, letters=0)
    else:
        sandbox.call(_MODEL, {"kind": kind.value}, data)
    return Content(kind, said={"id": _identifier(data)} if kind is Kind.CDA else {})


def _picture(sandbox: Sandbox, data: bytes, kind: Kind) -> tuple[Content, Pixels]:
    carried = _carried(data, kind)
    # Also what is carried as it is has to be whole, so it is decoded once.
    answer, cells = sandbox.call(_OPEN, {"kind": kind.value, "cells": carried is None}, data)
    if carried is not None and answer["is_turned"]:
        # No attribute of DICOM turns a picture, so the cells are turned, and kept without further loss.
        answer, cells = sandbox.call(_OPEN, {"kind": kind.value, "cells": True}, data)
        carried = None
    content = _content(kind, answer)
    return content, carried or _cells(content, cells)


def _content(kind: Kind, answer: Mapping[str, Any]) -> Content:
    shape = {name: answer[name] for name in ("rows", "columns", "samples", "bits", "frames", "frame_ms")}
    return Content(kind, **shape, said=answer["said"], attributes=answer.get("attributes", {}))


def _volume(sandbox: Sandbox, data: bytes, kind: Kind) -> Read:
    answer, cells = sandbox.call(_VOLUME, {}, data)
    content = _content(kind, answer)
    return Read(content, _cells(content, cells))


def _curves(sandbox: Sandbox, data: bytes, kind: Kind) -> Read:
    answer, values = sandbox.call(_RECORDING, {"kind": kind.value}, data)
    leads = tuple(answer["leads"])
    samples = np.frombuffer(values, "<i2").reshape(-1, len(leads))
    found = Recording(leads, samples, answer["hertz"], answer["microvolts"], answer["taken_at"])
    return Read(Content(kind, said=answer["said"], recording=found))


def _photograph(data: bytes) -> tuple[Content, Pixels]:
    if not film.IS_THERE:
        raise Unsupported(
            "photographs in HEIC are read with `pip install imagebank[video]`; or have the phone write JPEG "
            "(on an iPhone: Settings, Camera, Formats, Most Compatible) and send it anew"
        )
    answer, cells = _studio(heic.__name__, _PHOTOGRAPH, data)
    content = _content(Kind.HEIC, answer)
    content = replace(
        content, said={**content.said, "derivation": "decoded from HEVC in HEIC, and kept without further loss"}
    )
    return content, _cells(content, cells)


def _studio(module: str, task: str, data: bytes) -> tuple[dict[str, Any], memoryview]:
    """In a child of its own: what it loads is large, and such files are rare and take long."""
    with Sandbox(1, timeout_s=_STUDIO_S, modules=(module,)) as studio:
        return studio.call(task, {}, data)


def _carried(data: bytes, kind: Kind) -> Pixels | None:
    """A codestream that DICOM has a transfer syntax for; None where the cells have to be coded anew."""
    read = {Kind.JPEG: described.jpeg, Kind.JPEG2000: described.jpeg2000}.get(kind)
    if read is None:
        return None
    try:
        coded = read(data)
    except Unsupported:
        return None
    if coded.description["SamplesPerPixel"] not in (1, 3) or coded.description["BitsAllocated"] > 16:
        return None
    stream = codestream.without_words(data) if kind is Kind.JPEG else data[coded.start :]
    native = coded.description["Rows"] * coded.description["Columns"] * coded.description["SamplesPerPixel"]
    return Pixels(coded.syntax, [stream], coded.description, native * coded.description["BitsAllocated"] // 8)


def _cells(content: Content, cells: memoryview) -> Pixels:
    lossy = _LOST_BY.get(content.kind, "")
    frame_bytes = content.rows * content.columns * content.samples * content.bits // 8
    frames = [bytes(cells[at : at + frame_bytes]) for at in range(0, frame_bytes * content.frames, frame_bytes)]
    attributes: dict[str, Any] = {
        "SamplesPerPixel": content.samples,
        "PhotometricInterpretation": "RGB" if content.samples == 3 else "MONOCHROME2",
        "Rows": content.rows,
        "Columns": content.columns,
        "BitsAllocated": content.bits,
        "BitsStored": content.bits,
        "HighBit": content.bits - 1,
        "PixelRepresentation": 0,
        "LossyImageCompression": "01" if lossy else "00",
    }
    if content.samples == 3:
        attributes["PlanarConfiguration"] = 0
    if lossy:
        attributes["LossyImageCompressionMethod"] = lossy
    return Pixels(EXPLICIT, frames, attributes, frame_bytes * content.frames)


def _film(data: bytes, kind: Kind) -> tuple[Content, Pixels]:
    """A film whose stream DICOM has a transfer syntax for, as it is; any other is made anew where that is installed."""
    said: dict[str, str] = {}
    if not is_whole(kind, data):
        raise Invalid("the film ends too early; send it anew from the device")
    try:
        movie, syntax = _movie(data, kind)
    except (Invalid, Unsupported) as error:
        data, said = _remade(data, error)
        movie, syntax = _movie(data, Kind.MP4)
    coded = described.film(movie, syntax)
    pixels = dict(coded.description)
    frames, bits = pixels.pop("NumberOfFrames"), pixels["BitsAllocated"]
    content = Content(kind, movie.rows, movie.columns, 3, bits, frames, movie.frame_ms, said)
    return content, Pixels(syntax, [data], pixels, movie.rows * movie.columns * 3 * frames * bits // 8)


def _movie(data: bytes, kind: Kind) -> tuple[Movie, Uid]:
    """What the film is, and the transfer syntax that allows it. Raises Invalid, Unsupported."""
    if kind not in _CARRIED_FILMS:
        raise Unsupported("DICOM has no transfer syntax for films of the kind {kind}", kind=kind.value)
    movie = read_movie(lambda at, size: data[at : at + size], len(data))
    if movie.is_turned:
        raise Unsupported("the film lies on its side, and DICOM has no word for turning it")
    return movie, syntaxes(movie)[0]


def _remade(data: bytes, error: BankError) -> tuple[bytes, dict[str, str]]:
    """The film as MP4, and in words what it was. Raises Unsupported where nothing here can make it."""
    if not film.IS_THERE:
        if isinstance(error, Invalid):
            raise error
        raise Unsupported("{error}; with `pip install imagebank[video]` this bank can make it one", error=error)
    answer, made = _studio(film.__name__, _REMAKE, data)
    how = "taken over from" if answer["is_carried"] else "coded anew, with loss, from"
    return bytes(made), {"derivation": f"{how} {answer['was']}"[:1024]}


def _identifier(document: bytes) -> str:
    """Root and extension of a clinical document (CDA R2 4.2.1.1; PS3.3 C.24.2). Raises Invalid when it has none.

    Read as text: nothing that a document declares is ever followed or expanded.
    """
    found = _CDA_ID.search(document[document.find(b"ClinicalDocument") :][:_MOST_OF_HEAD])
    named = dict(_ATTRIBUTE.findall(found[0])) if found else {}
    root = named.get(b"root", b"").decode("ascii", "ignore")
    if not root:
        raise Invalid("the clinical document has no id, by which its next version would be known")
    return f"{root}^{named.get(b'extension', b'').decode('utf-8', 'ignore')}"[:1024]
