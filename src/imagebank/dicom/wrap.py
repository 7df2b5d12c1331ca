"""Files of departments without DICOM as DICOM objects: the stream carried as it is wherever DICOM has a syntax for it.

Everything follows from the file and what is said of it: the same call gives the same object, so that a file that comes
again is a duplicate. Where a picture was taken (GPS) never goes into the object; the original keeps it.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID

from imagebank.dicom import codestream, described, film
from imagebank.dicom.digest import digest_of
from imagebank.dicom.iod import Content, iod_of
from imagebank.dicom.kind import Kind
from imagebank.dicom.layout import EXPLICIT, HTJ2K_RPCL
from imagebank.dicom.movie import Movie, read_movie, syntaxes
from imagebank.dicom.sandbox import Sandbox
from imagebank.dicom.transcode import transcode
from imagebank.errors import BankError, Invalid, Unsupported
from imagebank.model.uid import Uid
from imagebank.model.upload import About

_OPEN: Final = "imagebank.dicom.open_media:picture"
_BASELINE, _EXTENDED = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
_METHODS: Final[Mapping[str, str]] = {
    _BASELINE: "ISO_10918_1",
    _EXTENDED: "ISO_10918_1",
    "1.2.840.10008.1.2.4.91": "ISO_15444_1",
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{n}" for n in (102, 103, 104, 105, 106)), "ISO_14496_10"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{n}" for n in (107, 108)), "ISO_23008_2"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{n}" for n in (100, 101)), "ISO_13818_2"),
}
_WORTH_PACKING: Final = 64 << 10
_MOST_OF_HEAD: Final = 64 << 10
_CDA_ID: Final = re.compile(rb"<(?:\w+:)?id\s[^>]*>")
_ATTRIBUTE: Final = re.compile(rb"(root|extension)\s*=\s*[\"']([^\"'<&]*)")
PICTURES: Final = frozenset({Kind.JPEG, Kind.JPEG2000, Kind.PNG, Kind.GIF, Kind.TIFF, Kind.BMP, Kind.WEBP})
_CARRIED_FILMS: Final = frozenset({Kind.MP4, Kind.QUICKTIME})
FILMS: Final = _CARRIED_FILMS | {Kind.AVI, Kind.WEBM, Kind.MPEG, Kind.TRANSPORT}
_REMAKE: Final = "imagebank.dicom.film:remake"
_FILM_S: Final = 900.0
DOCUMENTS: Final = frozenset({Kind.PDF, Kind.CDA, Kind.STL, Kind.OBJ})


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A DICOM file that was made of another one, its SOP Instance UID, and what the other one said of itself."""

    file: bytes
    uid: Uid
    said: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Pixels:
    """Frames as they will stand in the object, and the Image Pixel attributes that tell how they are coded."""

    syntax: Uid
    frames: Sequence[bytes]
    attributes: Mapping[str, Any]
    native_bytes: int


def wrap(sandbox: Sandbox, data: bytes, kind: Kind, about: About, received_at: datetime) -> Wrapped:
    """A file as the DICOM object that suits what it is and who took it.

    `received_at` stands where nobody says when it was taken. Raises Invalid for a file that is broken, Unsupported for
    what cannot become an object here.
    """
    content, pixels = _read(sandbox, data, kind)
    ds = _common(data, content, about, received_at)
    iod = iod_of(content, about)
    ds.SOPClassUID, ds.Modality = iod.sop_class, iod.modality
    ds.SeriesInstanceUID = Uid.derived(ds.StudyInstanceUID, "series", iod.sop_class, about.laterality.value)
    iod.fill(ds, content, about)
    if pixels is None:
        _encapsulate(ds, data)
        return Wrapped(_file(ds, EXPLICIT), Uid(ds.SOPInstanceUID), content.said)
    _put_pixels(ds, pixels, is_film=content.is_film)
    file = _file(ds, pixels.syntax)
    if pixels.syntax == EXPLICIT and len(file) > _WORTH_PACKING:
        file = transcode(sandbox, file, HTJ2K_RPCL)
    return Wrapped(file, Uid(ds.SOPInstanceUID), content.said)


def _read(sandbox: Sandbox, data: bytes, kind: Kind) -> tuple[Content, _Pixels | None]:
    if kind in PICTURES:
        return _picture(sandbox, data, kind)
    if kind in FILMS:
        return _film(data, kind)
    if kind in DOCUMENTS:
        return Content(kind, said={"id": _identifier(data)} if kind is Kind.CDA else {}), None
    raise Unsupported(f"a file of the kind {kind.value} cannot be made into an object of the archive yet")


def _picture(sandbox: Sandbox, data: bytes, kind: Kind) -> tuple[Content, _Pixels]:
    carried = _carried(data, kind)
    # Also what is carried as it is has to be whole, so it is decoded once.
    answer, cells = sandbox.call(_OPEN, {"kind": kind.value, "cells": carried is None}, data)
    if carried is not None and answer["is_turned"]:
        # No attribute of DICOM turns a picture, so the cells are turned, and kept without further loss.
        answer, cells = sandbox.call(_OPEN, {"kind": kind.value, "cells": True}, data)
        carried = None
    content = Content(
        kind,
        answer["rows"],
        answer["columns"],
        answer["samples"],
        answer["bits"],
        answer["frames"],
        answer["frame_ms"],
        answer["said"],
    )
    return content, carried or _cells(content, cells, lossy=_loss(kind))


def _carried(data: bytes, kind: Kind) -> _Pixels | None:
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
    return _Pixels(coded.syntax, [stream], coded.description, native * coded.description["BitsAllocated"] // 8)


def _loss(kind: Kind) -> str:
    """The method by which the pixels of a file have lost something before (PS3.3 C.7.6.1.1.5); empty for none."""
    return {Kind.JPEG: "ISO_10918_1"}.get(kind, "")


def _cells(content: Content, cells: memoryview, *, lossy: str) -> _Pixels:
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
    return _Pixels(EXPLICIT, frames, attributes, frame_bytes * content.frames)


def _film(data: bytes, kind: Kind) -> tuple[Content, _Pixels]:
    """A film whose stream DICOM has a transfer syntax for, as it is; any other is made anew where that is installed."""
    said: dict[str, str] = {}
    try:
        movie, syntax = _movie(data, kind)
    except (Invalid, Unsupported) as error:
        data, said = _remade(data, error)
        movie, syntax = _movie(data, Kind.MP4)
    coded = described.film(movie, syntax)
    pixels = dict(coded.description)
    frames, bits = pixels.pop("NumberOfFrames"), pixels["BitsAllocated"]
    content = Content(kind, movie.rows, movie.columns, 3, bits, frames, movie.frame_ms, said)
    return content, _Pixels(syntax, [data], pixels, movie.rows * movie.columns * 3 * frames * bits // 8)


def _movie(data: bytes, kind: Kind) -> tuple[Movie, Uid]:
    """What the film is, and the transfer syntax that allows it. Raises Invalid, Unsupported."""
    if kind not in _CARRIED_FILMS:
        raise Unsupported(f"DICOM has no transfer syntax for films of the kind {kind.value}")
    movie = read_movie(lambda at, size: data[at : at + size], len(data))
    if movie.is_turned:
        raise Unsupported("the film lies on its side, and DICOM has no word for turning it")
    return movie, syntaxes(movie)[0]


def _remade(data: bytes, error: BankError) -> tuple[bytes, dict[str, str]]:
    """The film as MP4, and in words what it was. Raises Unsupported where nothing here can make it."""
    if not film.IS_THERE:
        raise Unsupported(f"{error}; with `pip install imagebank[video]` this bank can make it one")
    # In a child of its own: what it loads is large, and films are rare and take long.
    with Sandbox(1, timeout_s=_FILM_S, modules=(film.__name__,)) as studio:
        answer, made = studio.call(_REMAKE, {}, data)
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


_SAID: Final = (
    ("ManufacturerModelName", "model"),
    ("DeviceSerialNumber", "serial"),
    ("DerivationDescription", "derivation"),
)


def _common(data: bytes, content: Content, about: About, received_at: datetime) -> Dataset:
    """Patient, study, series and equipment (PS3.3 C.7), as far as anybody says."""
    digest = digest_of(data).value.hex()
    taken_at = about.taken_at or _moment(content.said) or received_at
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName, ds.PatientID, ds.PatientSex = about.name, about.patient.identifier, about.sex
    ds.PatientBirthDate = about.birth_date
    if about.patient.issuer:
        ds.IssuerOfPatientID = about.patient.issuer
    ds.StudyInstanceUID = _study(about, taken_at, digest)
    ds.SOPInstanceUID = Uid.derived(ds.StudyInstanceUID, digest)
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = f"{taken_at:%Y%m%d}"
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = f"{taken_at:%H%M%S}"
    ds.AccessionNumber, ds.StudyID, ds.ReferringPhysicianName = about.accession, "", ""
    if about.operator:
        ds.OperatorsName = about.operator
    if about.description:
        ds.StudyDescription = about.description[:64]
    if about.department:
        ds.InstitutionalDepartmentName = about.department.value
    ds.SeriesNumber, ds.InstanceNumber = None, 1
    ds.Manufacturer = content.said.get("make", "")
    for keyword, word in _SAID:
        if word in content.said:
            setattr(ds, keyword, content.said[word])
    return ds


def _study(about: About, taken_at: datetime, digest: str) -> Uid:
    """One study for what was taken of one patient on one day by one department; of nobody known, for one batch."""
    of = (about.patient.issuer, about.patient.identifier) if about.patient.identifier else ("", about.batch or digest)
    return Uid.derived("study", *of, about.department.value, about.accession, f"{taken_at:%Y%m%d}")


def _moment(said: Mapping[str, str]) -> datetime | None:
    """When the camera says that it was. Exif 2.32, 4.6.5: colons in the date, too."""
    try:
        return datetime.strptime(said.get("taken_at", ""), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - cameras know no zone
    except ValueError:
        return None


def _put_pixels(ds: Dataset, pixels: _Pixels, *, is_film: bool) -> None:
    for keyword, value in pixels.attributes.items():
        setattr(ds, keyword, value)
    method = _METHODS.get(pixels.syntax)
    if method is not None:
        coded = sum(map(len, pixels.frames))
        ds.LossyImageCompression, ds.LossyImageCompressionMethod = "01", method
        ds.LossyImageCompressionRatio = f"{max(pixels.native_bytes / max(coded, 1), 0.01):.10g}"[:16]
    if pixels.syntax == EXPLICIT:
        ds.PixelData = _even(b"".join(pixels.frames))
        ds["PixelData"].VR = "OW" if ds.BitsAllocated > 8 else "OB"
        if ds.get("LossyImageCompression") == "01":
            # Coded anew without loss; by how much the picture was pressed before, nobody can say any more.
            ds.LossyImageCompressionRatio = "1"
    else:
        # PS3.5 8.2.5: a film is one item behind an empty offset table.
        ds.PixelData = encapsulate([*pixels.frames], has_bot=not is_film)
        ds["PixelData"].VR = "OB"


def _encapsulate(ds: Dataset, data: bytes) -> None:
    """PS3.3 C.24.2: the padding is told apart by the true length."""
    ds.EncapsulatedDocument = _even(data)
    ds.EncapsulatedDocumentLength = len(data)


def _even(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)


def _file(ds: Dataset, syntax: Uid) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID = UID(syntax)
    ds.file_meta = meta
    with io.BytesIO() as stream:
        dcmwrite(stream, ds, enforce_file_format=True)
        return stream.getvalue()
