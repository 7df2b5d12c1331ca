"""What is known of a file that says nothing of itself in DICOM's words, and the departments that have such files."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from imagebank.model.person import PatientId

NOBODY: Final = PatientId("", "")
"""Whose pictures are of nobody known."""


class Department(StrEnum):
    """Who took a picture, which decides what kind of object it becomes. A site's own names are free text beside it."""

    CARDIOLOGY = "cardiology"
    DENTAL = "dental"
    DERMATOLOGY = "dermatology"
    ENDOSCOPY = "endoscopy"
    OPHTHALMOLOGY = "ophthalmology"
    PATHOLOGY = "pathology"
    RADIOLOGY = "radiology"
    SURGERY = "surgery"
    OTHER = ""


class Laterality(StrEnum):
    """Which side, as Image Laterality (0020,0062) has it."""

    RIGHT = "R"
    LEFT = "L"
    BOTH = "B"
    UNKNOWN = ""


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept: its value, the scheme that it is of, and its meaning in words (PS3.3 8.8)."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the body: its code, the term of Body Part Examined (0018,0015), and whether there is one on each side."""

    code: Code
    term: str
    is_paired: bool = False


@dataclass(frozen=True, slots=True)
class About:
    """What whoever uploads a file says of it. Whatever is empty is unknown; nothing is guessed here.

    A patient without identifier is nobody known: the object is kept as unidentified. `issuer` of the patient is empty
    where it is the depositing organization. `name` is a PN value (PS3.5 6.2). `batch` ties together what was taken in
    one go where neither patient nor accession number does.
    """

    patient: PatientId = NOBODY
    name: str = ""
    birth_date: date | None = None
    sex: str = ""
    department: Department = Department.OTHER
    taken_at: datetime | None = None
    description: str = ""
    region: Region | None = None
    laterality: Laterality = Laterality.UNKNOWN
    accession: str = ""
    operator: str = ""
    batch: str = ""
