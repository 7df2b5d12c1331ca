"""A study as lists and the heads of pages say it."""

from dataclasses import dataclass

from imagebank.model.imaging import DataSet
from imagebank.portal import launch, wording


@dataclass(frozen=True, slots=True)
class StudyRow:
    """What is said of a study, in words; dates are DA values."""

    uid: str
    patient: wording.Name
    patient_id: str
    issuer: str
    born: str
    age: str
    sex: str
    date: str
    time: str
    modalities: tuple[str, ...]
    is_picture: bool
    description: str
    accession: str
    series: int
    instances: int


def row_of(found: DataSet) -> StudyRow:
    """What lists say of a study."""
    born, on = wording.text(found, "00100030"), wording.text(found, "00080020")
    return StudyRow(
        uid=wording.text(found, "0020000D"),
        patient=wording.name(found, "00100010"),
        patient_id=wording.text(found, "00100020"),
        issuer=wording.text(found, "00100021"),
        born=born,
        age=wording.age(born, on),
        sex=wording.sex(wording.text(found, "00100040")),
        date=on,
        time=wording.text(found, "00080030"),
        modalities=tuple(str(value) for value in wording.values(found, "00080061")),
        is_picture=any(launch.may_have_picture(str(value)) for value in wording.values(found, "00080062")),
        description=wording.text(found, "00081030"),
        accession=wording.text(found, "00080050"),
        series=wording.number(found, "00201206") or 0,
        instances=wording.number(found, "00201208") or 0,
    )
