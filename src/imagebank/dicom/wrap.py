"""Files of departments without DICOM as DICOM objects: the stream carried as it is wherever DICOM has a syntax for it.

Everything follows from the file and what is said of it: the same call gives the same object, so that a file that comes
again is a duplicate. Where a picture was taken (GPS) never goes into the object; the original keeps it.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filereader import read_dataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID

from imagebank.dicom.contents import Pixels, read
from imagebank.dicom.digest import digest_of
from imagebank.dicom.iod import Content, iod_of
from imagebank.dicom.kind import Kind
from imagebank.dicom.layout import EXPLICIT, HTJ2K_RPCL
from imagebank.dicom.ordered import put_order
from imagebank.dicom.sandbox import Sandbox
from imagebank.dicom.transcode import transcode
from imagebank.model.uid import Uid
from imagebank.model.upload import About

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


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A DICOM file that was made of another one, its SOP Instance UID, and what the other one said of itself."""

    file: bytes
    uid: Uid
    said: Mapping[str, str]


def wrap(sandbox: Sandbox, data: bytes, kind: Kind, about: About, received_at: datetime) -> Wrapped:
    """A file as the DICOM object that suits what it is and who took it.

    `received_at` stands where nobody says when it was taken. Raises Invalid for a file that is broken, Unsupported for
    what cannot become an object here.
    """
    found = read(sandbox, data, kind)
    content, pixels = found.content, found.pixels
    stated = _stated(about)
    ds = _named(stated, data, content, about, received_at)
    if pixels is None:
        if content.recording is None:
            _encapsulate(ds, found.document)
        return Wrapped(_file(ds, EXPLICIT), Uid(ds.SOPInstanceUID), content.said)
    _put_pixels(ds, pixels, is_film=content.is_film)
    if content.frames > 1:
        ds.NumberOfFrames = content.frames
    for keyword in _LOST_BEFORE:
        if keyword in stated:
            ds[keyword] = stated[keyword]
    file = _file(ds, pixels.syntax)
    if pixels.syntax == EXPLICIT and len(file) > _WORTH_PACKING:
        file = transcode(sandbox, file, HTJ2K_RPCL)
    return Wrapped(file, Uid(ds.SOPInstanceUID), content.said)


# Who states it knows of a loss that cannot be seen in the file (PS3.3 C.7.6.1.1.5).
_LOST_BEFORE: Final = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
_UIDS: Final = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def _stated(about: About) -> Dataset:
    """What whoever sent the file states in DICOM's own words."""
    return read_dataset(io.BytesIO(about.given), is_implicit_VR=False, is_little_endian=True)


def _named(stated: Dataset, data: bytes, content: Content, about: About, received_at: datetime) -> Dataset:
    """The object without its content: as it is stated where that names a class, else what suits the file."""
    ds = _common(data, content, about, received_at)
    for keyword in _UIDS:
        if stated.get(keyword):
            ds[keyword] = stated[keyword]
    iod = iod_of(content, about)
    sop_class = stated.get("SOPClassUID") or iod.sop_class
    if not stated.get("SeriesInstanceUID"):
        ds.SeriesInstanceUID = Uid.derived(ds.StudyInstanceUID, "series", sop_class, about.laterality.value)
    if stated.get("SOPClassUID"):
        uids = {keyword: ds[keyword] for keyword in _UIDS}
        ds = Dataset()
        ds.update(stated)
        for keyword, element in uids.items():
            ds[keyword] = element
        return ds
    ds.SOPClassUID, ds.Modality = iod.sop_class, iod.modality
    iod.fill(ds, content, about)
    for keyword, value in content.attributes.items():
        setattr(ds, keyword, value)
    for element in stated:
        if element.keyword != "Modality" and element.value not in (None, "", []):
            ds[element.tag] = element
    return ds


_SAID: Final = (
    ("ManufacturerModelName", "model"),
    ("DeviceSerialNumber", "serial"),
    ("DerivationDescription", "derivation"),
    ("ImageComments", "comment"),
)


def _common(data: bytes, content: Content, about: About, received_at: datetime) -> Dataset:
    """Patient, study, series and equipment (PS3.3 C.7), as far as anybody says."""
    digest = digest_of(data).value.hex()
    taken_at = about.taken_at or _moment(content) or received_at
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
    put_order(ds, about)
    ds.SeriesNumber, ds.InstanceNumber = None, 1
    # PS3.3 C.12.1: the times above are those of a clock that is so far ahead of UTC.
    if about.taken_at is not None and about.taken_at.tzinfo is not None:
        ds.TimezoneOffsetFromUTC = f"{about.taken_at:%z}"[:5]
    said = {**dict(about.device), **content.said}
    ds.Manufacturer = said.get("make", "")
    for keyword, word in _SAID:
        if word in said:
            setattr(ds, keyword, said[word])
    return ds


def _study(about: About, taken_at: datetime, digest: str) -> Uid:
    """The study of the order; else one for what was taken of one patient on one day by one department; of nobody known,
    for one batch.
    """
    if about.asked is not None and about.asked.study is not None:
        return about.asked.study
    of = (about.patient.issuer, about.patient.identifier) if about.patient.identifier else ("", about.batch or digest)
    return Uid.derived("study", *of, about.department.value, about.accession, f"{taken_at:%Y%m%d}")


def _moment(content: Content) -> datetime | None:
    """When the device says that it was. Exif 2.32, 4.6.5: colons in the date, too."""
    told, written = content.said.get("taken_at", ""), "%Y:%m:%d %H:%M:%S"
    if content.recording is not None:
        told, written = content.recording.taken_at, "%Y%m%d%H%M%S"
    try:
        return datetime.strptime(told, written)  # noqa: DTZ007 - devices know no zone
    except ValueError:
        return None


def _put_pixels(ds: Dataset, pixels: Pixels, *, is_film: bool) -> None:
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
