"""What is known of a file that says nothing of itself in DICOM's words, and the departments that have such files."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from imagebank.errors import Invalid
from imagebank.model.encounter import Encounter
from imagebank.model.order import Order
from imagebank.model.person import PatientId
from imagebank.model.region import Region, region_named
from imagebank.model.uid import Uid

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


class Technique(StrEnum):
    """How a picture was made, where that does not show in it: a JPEG of a radiograph looks like any other."""

    XRAY = "x-ray"
    INTRA_ORAL = "intra-oral x-ray"
    PANORAMIC = "panoramic x-ray"
    UNKNOWN = ""


@dataclass(frozen=True, slots=True)
class About:
    """What whoever uploads a file says of it. Whatever is empty is unknown; nothing is guessed here.

    A patient without identifier is nobody known: the object is kept as unidentified. `issuer` of the patient is empty
    where it is the depositing organization. `name` is a PN value (PS3.5 6.2). `batch` ties together what was taken in
    one go where neither patient nor accession number does. `order` and `encounter` are the numbers of an order and of a visit;
    `asked` and `visit` are those themselves, where they are known here. `device` is its make, model and serial, by name.
    `hospital` is another one whose images these are, as on a disc that a patient brings: it gave the identifiers, also
    those in DICOM objects that name nobody.
    `given` is a data set (Explicit VR Little Endian) that goes into the object as it is, and may name its SOP class;
    `instance` is the SOP Instance UID that it gives, if any.
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
    order: str = ""
    encounter: str = ""
    technique: Technique = Technique.UNKNOWN
    asked: Order | None = None
    visit: Encounter | None = None
    device: tuple[tuple[str, str], ...] = ()
    hospital: str = ""
    given: bytes = b""
    instance: Uid | None = None


FIELDS: Final = (
    "patient_id",
    "patient_issuer",
    "patient_name",
    "birth_date",
    "sex",
    "department",
    "taken_at",
    "description",
    "body_part",
    "laterality",
    "accession_number",
    "operator",
    "batch",
    "order",
    "encounter",
    "technique",
    "hospital",
)
"""The names under which `read_about` looks."""
PERSON: Final = "person"
"""The name under which the owner of an account says to whose images files are added."""
SAID: Final = (*FIELDS, PERSON)
"""All names under which something is said of files."""
_SEXES: Final = ("F", "M", "O", "")
# PS3.5 6.2: a PN has at most 64 characters a group, an LO 64, a SH 16.
_LONGEST: Final = {
    "patient_id": 64,
    "patient_issuer": 64,
    "patient_name": 194,
    "accession_number": 16,
    "operator": 194,
    "order": 64,
    "encounter": 64,
    "hospital": 64,
}


def read_about(given: Mapping[str, str]) -> About:
    """What was said of a file, by `FIELDS`; what is not there is unknown. Raises Invalid in the words of who sent it."""
    said = {name: given.get(name, "").strip() for name in FIELDS}
    for name, value in said.items():
        if len(value) > _LONGEST.get(name, 1024) or any(ord(letter) < 0x20 or letter == "\\" for letter in value):
            raise Invalid("{name} is longer than DICOM allows, or has a character that it does not", name=name)
    return About(
        PatientId(said["patient_issuer"], said["patient_id"]),
        said["patient_name"],
        _date(said["birth_date"]),
        _one_of("sex", said["sex"].upper(), _SEXES),
        Department(_one_of("department", said["department"].lower(), tuple(Department))),
        _moment(said["taken_at"]),
        said["description"],
        region_named(said["body_part"]),
        Laterality(_one_of("laterality", said["laterality"].upper(), tuple(Laterality))),
        said["accession_number"],
        said["operator"],
        said["batch"],
        said["order"],
        said["encounter"],
        Technique(_one_of("technique", said["technique"].lower(), tuple(Technique))),
        hospital=said["hospital"],
    )


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise Invalid("{name} is one of {known}, or not given", name=name, known=", ".join(filter(None, known)))
    return value


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid("birth_date is a date such as 1980-02-03") from None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid("taken_at is a moment such as 2026-11-05T08:30") from None
