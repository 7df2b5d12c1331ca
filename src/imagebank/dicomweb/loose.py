"""Files of other kinds that come by STOW-RS with metadata: what no transfer syntax holds, and what names no SOP class.

PS3.18 10.5.1.1.2 has PNG and GIF made into pixel data without loss; of who only says whose picture it is, the object
follows from the file, as with every other way in.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from imagebank.actions.ingest import Arrival
from imagebank.dicom.kind import HEAD, Kind, kind_of
from imagebank.dicomweb.bulk_types import BulkNotTaken, inspect
from imagebank.dicomweb.compose import DOCUMENT, PIXELS, BulkData, as_file, bulk_of, not_in_model, plain_data_set
from imagebank.errors import Invalid, Mismatch
from imagebank.model.imaging import DataSet
from imagebank.model.person import PatientId
from imagebank.model.region import Region, region_named
from imagebank.model.uid import Uid
from imagebank.model.upload import About, Department, Laterality, Technique

# What an object of a class that is named may be made of (PS3.18 10.5.1.1.2), though DICOM has no transfer syntax for it.
_MADE_ANEW: Final = frozenset({Kind.PNG, Kind.GIF, Kind.JPEG})
_OF_THE_FILE: Final = ("EncapsulatedDocument", "EncapsulatedDocumentLength", "MIMETypeOfEncapsulatedDocument")
_UIDS: Final = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_DEPARTMENTS: Final = {
    "ES": Department.ENDOSCOPY,
    "OP": Department.OPHTHALMOLOGY,
    "DMS": Department.DERMATOLOGY,
    "GM": Department.PATHOLOGY,
    "SM": Department.PATHOLOGY,
    "IO": Department.DENTAL,
    "PX": Department.DENTAL,
}
_TECHNIQUES: Final = {
    "IO": Technique.INTRA_ORAL,
    "PX": Technique.PANORAMIC,
    **dict.fromkeys(("CR", "DX", "RG"), Technique.XRAY),
}


@dataclass(frozen=True, slots=True)
class Loose(Arrival):
    """A file as it came, what its metadata say of it, and the UIDs that they give: of study, series and instance."""

    about: About = field(default_factory=About)
    uids: tuple[Uid | None, ...] = (None, None, None)


def loose(
    data_set: DataSet, bulk: Mapping[str, BulkData], folder: Path, name: str, study: Uid | None = None
) -> Loose | None:
    """The file that an object is to be made of; None where the parts are an object already.

    Raises Invalid for metadata that cannot be read, Mismatch for those of another study than `study`, OutOfSpace.
    """
    is_named = "00080016" in data_set and bool(data_set["00080016"].get("Value"))
    pixels = bulk_of(data_set, PIXELS, bulk)
    file = pixels or (None if is_named else bulk_of(data_set, DOCUMENT, bulk))
    if file is None or len(file.sections) > 1:
        return None
    section = file.sections[0]
    kind = kind_of(section.read(0, HEAD))
    if kind in (Kind.UNKNOWN, Kind.DICOM) or (is_named and not _is_made_anew(file, kind)):
        return None
    stated = plain_data_set(data_set, bulk)
    for keyword in _OF_THE_FILE:
        stated.pop(keyword, None)
    _check(stated, study)
    content, size = as_file(section.pieces(), section.size, folder)
    given = (str(stated.get(keyword, "") or "") for keyword in _UIDS)
    uids = tuple(Uid(one) if one else None for one in given)
    return Loose(content, size, name, about=replace(_about(stated), instance=uids[-1]), uids=uids)


def _is_made_anew(file: BulkData, kind: Kind) -> bool:
    if kind not in _MADE_ANEW:
        return False
    try:
        inspect(file.kind, file.syntax, file.sections[0])
    except BulkNotTaken:
        return True
    return False


def _check(stated: Dataset, study: Uid | None) -> None:
    for keyword in _UIDS:
        if stated.get(keyword):
            Uid.parse(str(stated[keyword].value))
    if study is not None and stated.setdefault("StudyInstanceUID", study).value != study:
        raise Mismatch("it belongs to another study than the one that it was sent to")


def _about(stated: Dataset) -> About:
    """What the metadata say, in the words of every other way in; and all of it, as it goes into the object."""

    def said(keyword: str) -> str:
        return str(stated.get(keyword, "") or "").strip()

    modality, named = said("Modality"), said("InstitutionalDepartmentName").lower()
    is_known = named in tuple(Department)
    return About(
        PatientId(said("IssuerOfPatientID"), said("PatientID")),
        said("PatientName"),
        _date(said("PatientBirthDate")),
        said("PatientSex"),
        Department(named) if named and is_known else _DEPARTMENTS.get(modality, Department.OTHER),
        _moment(said("AcquisitionDateTime") or said("ContentDate") + said("ContentTime")),
        said("StudyDescription"),
        _region(said("BodyPartExamined")),
        _side(said("ImageLaterality") or said("Laterality")),
        said("AccessionNumber"),
        technique=_TECHNIQUES.get(modality, Technique.UNKNOWN),
        given=_written(stated),
    )


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text[:14], "%Y%m%d%H%M%S")  # noqa: DTZ007 - the zone stands elsewhere in the data set
    except ValueError:
        return None


def _region(text: str) -> Region | None:
    try:
        return region_named(text)
    except Invalid:
        return None


def _side(text: str) -> Laterality:
    return Laterality(text) if text in tuple(Laterality) else Laterality.UNKNOWN


def _written(stated: Dataset) -> bytes:
    try:
        with io.BytesIO() as stream:
            dcmwrite(stream, stated, implicit_vr=False, little_endian=True)
            return stream.getvalue()
    except (ValueError, TypeError, AttributeError, OSError) as error:
        raise not_in_model() from error
