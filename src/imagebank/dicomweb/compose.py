"""One DICOM file from a data set in the JSON model and the bulk data that it names (PS3.18 annex F, 10.5.1.1)."""

import io
import struct
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite, write_dataset
from pydicom.uid import UID

from imagebank.actions.unnamed import unnamed_file, write_all
from imagebank.dicom.described import Coded
from imagebank.dicom.json_model import data_set_of
from imagebank.dicom.layout import LOSSY
from imagebank.dicom.part10 import implementation_class_uid, implementation_version
from imagebank.dicom.scan import EXPLICIT_LE
from imagebank.dicomweb.bulk_types import inspect
from imagebank.dicomweb.tables import OCTETS, VIDEO
from imagebank.errors import Invalid, Mismatch
from imagebank.http.spool import IN_MEMORY, Section, no_place
from imagebank.model.imaging import DataSet
from imagebank.model.uid import Uid

_PIXEL_DATA: Final = 0x7FE00010
PIXELS: Final = f"{_PIXEL_DATA:08X}"
DOCUMENT: Final = "00420011"
_MAX_NATIVE: Final = (1 << 32) - 2
# A value that is not pixel data is held in memory while its file is put together.
_MAX_VALUE: Final = 1 << 30
_NUMBERS: Final = {
    "US": "<u2",
    "SS": "<i2",
    "UL": "<u4",
    "SL": "<i4",
    "FL": "<f4",
    "FD": "<f8",
    "SV": "<i8",
    "UV": "<u8",
}
_TEXT: Final = frozenset(("DS", "IS", "LT", "ST", "UC", "UR", "UT"))
# What pydicom raises for JSON that is not in the DICOM model; there is no common base.
_ODD: Final = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    struct.error,
    NotImplementedError,
)


@dataclass(frozen=True, slots=True)
class BulkData:
    """The parts that one BulkDataURI names: one, or one for each frame; their media type and transfer syntax."""

    kind: str
    syntax: str
    sections: tuple[Section, ...]


def compose(data_set: DataSet, bulk: Mapping[str, BulkData], folder: Path) -> tuple[BinaryIO, int]:
    """The file, at its start, and its length in bytes. `folder` takes files that are too large for memory.

    Raises Invalid for a data set that is not in the JSON model, Mismatch when bulk data contradicts it, OutOfSpace.
    """
    pixels = bulk_of(data_set, PIXELS, bulk)
    attributes = plain_data_set(data_set, bulk)
    try:
        coded = _coded(pixels, attributes) if pixels else None
        head, tail = _halves(attributes, coded.syntax if coded else EXPLICIT_LE)
        value = _pixel_value(pixels, coded, attributes) if pixels else iter(())
    except _ODD as error:
        raise not_in_model() from error
    return as_file(chain([head], value, [tail]), sum(one.size for one in pixels.sections) if pixels else 0, folder)


def _uri(data_set: DataSet, tag: str) -> object:
    element = data_set.get(tag)
    return element.get("BulkDataURI") if isinstance(element, dict) else None


def bulk_of(data_set: DataSet, tag: str, bulk: Mapping[str, BulkData]) -> BulkData | None:
    uri = _uri(data_set, tag)
    if uri is not None and not isinstance(uri, str):
        raise not_in_model()
    return bulk.get(uri) if uri is not None else None


def not_in_model() -> Invalid:
    # pydicom's own words may hold the value.
    return Invalid("the data set is not in the DICOM JSON model (PS3.18 annex F)")


def plain_data_set(data_set: DataSet, bulk: Mapping[str, BulkData]) -> Dataset:
    """The attributes without pixel data; group 2 and what only the JSON form has are left out."""
    left_out = {"00083002", "FFFCFFFC"}
    if _uri(data_set, PIXELS) is not None:
        left_out.add(PIXELS)
    plain = {tag: one for tag, one in data_set.items() if tag not in left_out and not tag.startswith("0002")}

    def value(_tag: str, vr: str, uri: str) -> Any:
        return _value(vr, bulk[uri])

    try:
        with warnings.catch_warnings():
            # What is odd in a value is judged when the file is taken in.
            warnings.simplefilter("ignore")
            attributes = data_set_of(plain, value)
            # JSON is UTF-8, whatever it says of itself (PS3.18 F.2).
            attributes.SpecificCharacterSet = "ISO_IR 192"
            _document(plain, bulk, attributes)
    except _ODD as error:
        raise not_in_model() from error
    return attributes


def _value(vr: str, bulk: BulkData) -> Any:
    if len(bulk.sections) > 1:
        raise Mismatch("only pixel data may have a part for each frame")
    section = bulk.sections[0]
    if section.size > _MAX_VALUE:
        raise Invalid("a bulk value that is not pixel data may have 1 GiB")
    data = b"".join(section.pieces())
    if vr in _NUMBERS:
        numbers = np.frombuffer(data, _NUMBERS[vr]).tolist()
        return numbers[0] if len(numbers) == 1 else numbers
    return data.decode("utf-8") if vr in _TEXT else data + b"\0" * (len(data) % 2)


def _document(plain: DataSet, bulk: Mapping[str, BulkData], attributes: Dataset) -> None:
    """PS3.3 C.24.2: a document's media type and its length before padding."""
    document = bulk_of(plain, DOCUMENT, bulk)
    if document is None:
        return
    stated = str(attributes.get("MIMETypeOfEncapsulatedDocument", "") or "")
    if not stated:
        attributes.MIMETypeOfEncapsulatedDocument = document.kind
    elif document.kind not in ("", OCTETS, stated.lower()):
        raise Mismatch("the part of the encapsulated document has another media type than the data set states")
    if "EncapsulatedDocumentLength" not in attributes:
        attributes.EncapsulatedDocumentLength = document.sections[0].size


def _coded(pixels: BulkData, attributes: Dataset) -> Coded | None:
    """What the codestream is; fills the Image Pixel attributes that were left out. Raises Mismatch on a contradiction."""
    coded = inspect(pixels.kind, pixels.syntax, pixels.sections[0])
    if coded is None:
        return None
    for keyword, told in coded.description.items():
        stated = attributes.get(keyword)
        if stated is None:
            setattr(attributes, keyword, told)
        elif keyword in ("Rows", "Columns", "SamplesPerPixel") and int(stated) != told:
            raise Mismatch(f"{keyword} of the data set is not that of the codestream")
    if coded.syntax in LOSSY | VIDEO and "LossyImageCompression" not in attributes:
        attributes.LossyImageCompression = "01"
    frames = int(attributes.get("NumberOfFrames") or 1)
    if coded.syntax in VIDEO:
        if len(pixels.sections) > 1:
            raise Mismatch(f"a video comes in one part, and {len(pixels.sections)} came")
    elif frames != len(pixels.sections):
        raise Mismatch(f"the data set has {frames} frames, and {len(pixels.sections)} parts came for them")
    return coded


def _halves(attributes: Dataset, syntax: Uid) -> tuple[bytes, bytes]:
    """The file up to its pixel data, and the elements behind it. Raises what pydicom raises."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(str(attributes.get("SOPClassUID", "") or ""))
    meta.MediaStorageSOPInstanceUID = UID(str(attributes.get("SOPInstanceUID", "") or ""))
    meta.TransferSyntaxUID = UID(syntax)
    meta.ImplementationClassUID = UID(implementation_class_uid)
    meta.ImplementationVersionName = implementation_version
    behind = attributes[_PIXEL_DATA + 1 :]
    for element in behind:
        del attributes[element.tag]
    attributes.file_meta = meta
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        head, tail = io.BytesIO(), DicomBytesIO()
        tail.is_little_endian, tail.is_implicit_VR = True, False
        try:
            dcmwrite(head, attributes, implicit_vr=False, little_endian=True)
            write_dataset(tail, behind)
        except OSError as error:  # which is what pydicom makes of a number that its VR cannot hold
            raise not_in_model() from error
    body = head.getvalue()
    return (body if body[128:132] == b"DICM" else bytes(128) + b"DICM" + body), tail.getvalue()


def _pixel_value(pixels: BulkData, coded: Coded | None, attributes: Dataset) -> Iterator[bytes]:
    """The pixel data element (PS3.5 A.2, A.4): native, or one fragment for each part, with an empty offset table."""
    if coded is not None:
        return _fragments(pixels, coded)
    size = sum(section.size for section in pixels.sections)
    if size > _MAX_NATIVE:
        raise Invalid("native pixel data may have 4 GiB; compress it")
    vr = b"OW" if int(attributes.get("BitsAllocated") or 8) > 8 else b"OB"
    head = struct.pack("<HH2sHI", 0x7FE0, 0x0010, vr, 0, size + size % 2)
    return chain([head], *(section.pieces() for section in pixels.sections), [b"\0" * (size % 2)])


def _fragments(pixels: BulkData, coded: Coded) -> Iterator[bytes]:
    yield struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    for section in pixels.sections:
        size = section.size - coded.start
        if size > _MAX_NATIVE:
            raise Invalid("one fragment of pixel data may have 4 GiB")
        yield struct.pack("<HHI", 0xFFFE, 0xE000, size + size % 2)
        yield from section.pieces(coded.start)
        yield b"\0" * (size % 2)
    yield struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def as_file(pieces: Iterable[bytes], expected: int, folder: Path) -> tuple[BinaryIO, int]:
    content: BinaryIO = io.BytesIO()
    try:
        if expected > IN_MEMORY:
            content = unnamed_file(folder)
        for piece in pieces:
            write_all(content, piece)
    except OSError as error:
        content.close()
        raise no_place(error) from error
    size = content.tell()
    content.seek(0)
    return content, size
