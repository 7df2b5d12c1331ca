"""What is said of a file that says nothing of itself."""

from datetime import date, datetime

import pytest

from imagebank.errors import Invalid
from imagebank.model.person import PatientId
from imagebank.model.region import REGIONS, region_named
from imagebank.model.upload import About, Department, Laterality, Technique, read_about


def test_what_was_said_is_read() -> None:
    about = read_about(
        {
            "patient_id": " 4711 ",
            "patient_issuer": "north",
            "patient_name": "Diaz^Ana",
            "birth_date": "1980-02-03",
            "sex": "f",
            "department": "Dermatology",
            "taken_at": "2026-11-05T08:30",
            "description": "Left arm",
            "body_part": "elbow",
            "laterality": "l",
            "accession_number": "A1",
            "operator": "Roe^Jo",
            "batch": "b1",
            "order": "O1",
            "encounter": "V1",
            "technique": "Panoramic X-Ray",
            "something": "else",
        }
    )

    assert about == About(
        PatientId("north", "4711"),
        "Diaz^Ana",
        date(1980, 2, 3),
        "F",
        Department.DERMATOLOGY,
        datetime(2026, 11, 5, 8, 30),  # noqa: DTZ001 - a form knows no zone
        "Left arm",
        REGIONS["ELBOW"],
        Laterality.LEFT,
        "A1",
        "Roe^Jo",
        "b1",
        "O1",
        "V1",
        Technique.PANORAMIC,
    )


def test_what_was_not_said_is_unknown() -> None:
    assert read_about({}) == About()


@pytest.mark.parametrize(
    "given",
    [
        {"birth_date": "3.2.1980"},
        {"taken_at": "yesterday"},
        {"sex": "x"},
        {"department": "kitchen"},
        {"laterality": "top"},
        {"body_part": "hat"},
        {"accession_number": "1" * 17},
        {"patient_name": "a\nb"},
        {"description": "a\\b"},
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_name(given: dict[str, str]) -> None:
    with pytest.raises(Invalid, match=next(iter(given)).replace("_", "[_ ]")):
        read_about(given)


def test_a_part_of_the_body_is_found_by_its_term() -> None:
    assert region_named("") is None
    assert region_named(" knee ") is REGIONS["KNEE"]
