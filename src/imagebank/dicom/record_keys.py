"""Which type of directory record leads to an object of a class, and which keys it has (PS3.3 F.4 and F.5)."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from pydicom.datadict import dictionary_VR, tag_for_keyword


class Need(Enum):
    """Whether a key must have a value, must be there, or is there when the object has it."""

    MUST = 1
    THERE = 2
    MAY = 3


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    tag: int
    vr: str
    need: Need


def _keys(must: str = "", there: str = "", may: str = "") -> tuple[Key, ...]:
    found = []
    for need, names in zip(Need, (must, there, may), strict=True):
        for name in names.split():
            tag = tag_for_keyword(name)
            assert tag is not None
            found.append(Key(name, tag, dictionary_VR(tag), need))
    return tuple(found)


_CONTENT: Final = "ContentDate ContentTime InstanceNumber"
_NAMED: Final = f"{_CONTENT} ContentLabel"
_SAID: Final = "ContentDescription ContentCreatorName"
KEYS: Final = {
    "PATIENT": _keys("PatientID", "PatientName", "PatientBirthDate PatientSex IssuerOfPatientID"),
    "STUDY": _keys("StudyDate StudyTime StudyID StudyInstanceUID", "StudyDescription AccessionNumber"),
    "SERIES": _keys("Modality SeriesInstanceUID SeriesNumber", "", "SeriesDescription BodyPartExamined Laterality"),
    "IMAGE": _keys("InstanceNumber", "", "ImageType NumberOfFrames"),
    "RT DOSE": _keys("InstanceNumber DoseSummationType", "", "DoseComment"),
    "RT STRUCTURE SET": _keys("InstanceNumber StructureSetLabel", "StructureSetDate StructureSetTime"),
    "RT PLAN": _keys("InstanceNumber RTPlanLabel", "RTPlanDate RTPlanTime"),
    "RT TREAT RECORD": _keys("InstanceNumber", "TreatmentDate TreatmentTime"),
    "PRESENTATION": _keys(
        "PresentationCreationDate PresentationCreationTime InstanceNumber ContentLabel",
        _SAID,
        "ReferencedSeriesSequence BlendingSequence",
    ),
    "WAVEFORM": _keys(_CONTENT),
    "RAW DATA": _keys(_CONTENT),
    "SR DOCUMENT": _keys(
        f"{_CONTENT} CompletionFlag VerificationFlag ConceptNameCodeSequence",
        "",
        "VerificationDateTime ContentSequence",
    ),
    "KEY OBJECT DOC": _keys(f"{_CONTENT} ConceptNameCodeSequence", "", "ContentSequence"),
    "SPECTROSCOPY": _keys(
        f"ImageType {_CONTENT} NumberOfFrames Rows Columns DataPointRows DataPointColumns",
        "",
        "ReferencedImageEvidenceSequence",
    ),
    "ENCAP DOC": _keys(
        "InstanceNumber MIMETypeOfEncapsulatedDocument",
        "ContentDate ContentTime DocumentTitle ConceptNameCodeSequence",
        "HL7InstanceIdentifier",
    ),
    **dict.fromkeys(("REGISTRATION", "FIDUCIAL", "VALUE MAP", "SURFACE", "MEASUREMENT", "TRACT"), _keys(_NAMED, _SAID)),
    "SURFACE SCAN": _keys("ContentDate ContentTime"),
    "STEREOMETRIC": _keys(),
    "PLAN": _keys(),
    "RADIOTHERAPY": _keys("InstanceNumber", _SAID, "UserContentLabel UserContentLongLabel"),
    "ASSESSMENT": _keys("InstanceNumber InstanceCreationDate", "InstanceCreationTime"),
}

OTHERWISE: Final = {
    "PatientID": "UNKNOWN",
    "StudyDate": "19000101",
    "StudyTime": "000000",
    "StudyID": "1",
    "Modality": "OT",
    "SeriesNumber": "1",
    "InstanceNumber": "1",
    "ContentDate": "19000101",
    "ContentTime": "000000",
    "ContentLabel": "UNNAMED",
    "PresentationCreationDate": "19000101",
    "PresentationCreationTime": "000000",
    "InstanceCreationDate": "19000101",
    "DoseSummationType": "PLAN",
    "StructureSetLabel": "UNNAMED",
    "RTPlanLabel": "UNNAMED",
    "CompletionFlag": "PARTIAL",
    "VerificationFlag": "UNVERIFIED",
    "MIMETypeOfEncapsulatedDocument": "application/octet-stream",
    "ImageType": "ORIGINAL\\PRIMARY",
    "NumberOfFrames": "1",
    **dict.fromkeys(("Rows", "Columns", "DataPointRows", "DataPointColumns"), "1"),
}
"""What a record has where neither the object nor anybody else says it."""

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."


def _of(kind: str, endings: str) -> dict[str, str]:
    return {_STORAGE + ending: kind for ending in endings.split()}


TYPES: Final = {
    **_of("RT DOSE", "481.2"),
    **_of("RT STRUCTURE SET", "481.3"),
    **_of("RT PLAN", "481.5 481.8"),
    **_of("RT TREAT RECORD", "481.4 481.6 481.7 481.9"),
    **_of("RADIOTHERAPY", "481.10 481.12 481.13 481.14 481.15 481.16 481.17 481.18 481.19 481.20 481.21"),
    **_of("PRESENTATION", " ".join(f"11.{number}" for number in range(1, 13)) + " 131"),
    **_of(
        "WAVEFORM",
        "9.1.1 9.1.2 9.1.3 9.2.1 9.3.1 9.4.1 9.4.2 9.5.1 9.6.1 9.6.2 9.7.1 9.7.2 9.7.3 9.7.4 9.8.1 9.1.4",
    ),
    **_of(
        "SR DOCUMENT",
        "88.11 88.22 88.33 88.34 88.35 88.40 88.50 88.65 88.67 88.68 88.69 88.70 88.71 88.72 88.73 88.74 88.75 88.76 "
        "78.6 79.1 80.1",
    ),
    **_of("KEY OBJECT DOC", "88.59"),
    **_of("SPECTROSCOPY", "4.2"),
    **_of("RAW DATA", "66 9.100.1 9.100.2"),
    **_of("REGISTRATION", "66.1 66.3"),
    **_of("FIDUCIAL", "66.2"),
    **_of("SURFACE", "66.5"),
    **_of("TRACT", "66.6"),
    **_of("VALUE MAP", "67"),
    **_of("SURFACE SCAN", "68.1 68.2"),
    **_of("STEREOMETRIC", "77.1.5.3"),
    **_of("MEASUREMENT", "78.1 78.2 78.3 78.4 78.5 78.7 78.8"),
    **_of("ASSESSMENT", "90.1"),
    **_of("ENCAP DOC", "104.1 104.2 104.3 104.4 104.5"),
}
"""The type of record by SOP class; images are what is left."""
