"""What cameras say of a picture."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from imagebank.actions.reading_names import reading
from imagebank.model.camera_words import of_camera
from imagebank.model.document_words import hl7_moment, proposals_of_header
from imagebank.model.proposal import LIKELY, SURE, Proposal, ProposalSource

NOW = datetime(2026, 11, 5, 8, 30, tzinfo=UTC)
BUILT_IN = reading(None)


def told(said: Mapping[str, str]) -> list[Proposal]:
    return list(of_camera(BUILT_IN, said, ProposalSource.EXIF, "Exif", NOW))


def test_the_moment_that_a_camera_writes_is_sure_and_keeps_its_offset() -> None:
    (plain,) = told({"taken_at": "2026:03:01 10:15:00"})
    (exact,) = told({"taken_at": "2026:03:01 10:15:00", "offset": "+01:00"})

    assert (plain.value, plain.is_sure) == ("2026-03-01T10:15:00", True)
    assert exact == Proposal(
        "taken_at", "2026-03-01T10:15:00+01:00", ProposalSource.EXIF, "Exif: taken at 2026:03:01 10:15:00", 0.97
    )


@pytest.mark.parametrize(
    "said", ["1980:01:01 00:00:00", "2020:01:01 00:00:31", "1994:05:05 10:00:00", "2027:05:05 10:00:00"]
)
def test_a_clock_that_nobody_has_set_is_not_believed(said: str) -> None:
    (found,) = told({"taken_at": said})

    assert found.confidence < LIKELY
    assert "nobody has set" in found.evidence


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ({"taken_at": "2026-03-01T10:15:00+01:00"}, "2026-03-01T10:15:00+01:00"),
        ({"made_at": "2026-03-01T09:15:00+00:00"}, "2026-03-01T09:15:00+00:00"),
        ({"changed_at": "2026:03:01 10:15:00"}, "2026-03-01T10:15:00"),
    ],
)
def test_other_moments_are_likely(said: dict[str, str], value: str) -> None:
    (found,) = told(said)

    assert found.value == value
    assert LIKELY <= found.confidence < SURE


@pytest.mark.parametrize("said", ["yesterday", "2026:03", "0000:00:00 00:00:00", "2026:03:01 10:15:00+", ""])
def test_what_is_no_moment_is_passed_over(said: str) -> None:
    assert told({"taken_at": said, "offset": "east" if said.endswith("+") else ""}) == []


def test_who_held_the_camera_is_proposed() -> None:
    assert [(one.field, one.value) for one in told({"artist": "Jo Roe", "owner": "Clinic, Wound"})] == [
        ("operator", "Roe^Jo"),
        ("operator", "Clinic^Wound"),
    ]


def test_what_somebody_wrote_describes_the_picture() -> None:
    found = told({"description": "Wound of the left knee", "keywords": "Dermatology; rechts"})

    assert {(one.field, one.value) for one in found} == {
        ("description", "Wound of the left knee"),
        *(("laterality", "L"), ("body_part", "KNEE"), ("department", "surgery")),
        *(("department", "dermatology"), ("laterality", "R")),
    }


def test_labels_in_a_description_tell_whose_it_is() -> None:
    found = told({"comment": "MRN: 4711"})

    assert [(one.field, one.value, one.is_sure) for one in found] == [("patient_id", "4711", False)]


def test_what_a_camera_puts_where_nobody_wrote_anything_is_nothing() -> None:
    assert told({"description": "OLYMPUS DIGITAL CAMERA", "title": "Untitled"}) == []


def test_the_header_of_a_clinical_document_is_read() -> None:
    info = {
        "patient_id": "4711",
        "patient_name": "Díaz^Ana",
        "sex": "F",
        "birth_date": "19800203",
        "title": "Eye report",
        "performed": "20260301101500+0100",
        "creationdate": "202603021200",
        "encounter": "V-9",
    }
    found = {(one.field, one.value): one for one in proposals_of_header(info, "header")}

    assert set(found) == {
        *(("patient_id", "4711"), ("patient_name", "Díaz^Ana"), ("sex", "F"), ("birth_date", "1980-02-03")),
        *(
            ("description", "Eye report"),
            ("taken_at", "2026-03-01T10:15:00+01:00"),
            ("taken_at", "2026-03-02T12:00:00"),
        ),
        ("encounter", "V-9"),
    }
    assert {one.field for one in found.values() if one.is_sure} == {"description", "taken_at"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("D:20131005094612+02'00'", "2013-10-05T09:46:12+02:00"),
        ("D:20131005094612Z", "2013-10-05T09:46:12+00:00"),
        ("20131005", "2013-10-05"),
        ("201310050946-05", "2013-10-05T09:46:00-05:00"),
        ("2013", ""),
        ("", ""),
    ],
)
def test_a_moment_of_hl7_and_pdf_is_read(text: str, value: str) -> None:
    assert hl7_moment(text) == value
