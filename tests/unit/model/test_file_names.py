"""What names of files and folders tell, as the patterns that are built in read them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebank.actions.reading_names import reading
from imagebank.errors import Invalid
from imagebank.model.document_words import proposals_of_text
from imagebank.model.file_names import Pattern, Place, Reading, Words, expression, proposals_of_name
from imagebank.model.proposal import SURE, ProposalSource, ranked
from imagebank.model.upload import read_about

BUILT_IN = reading(None)


def told(name: str, by: Reading = BUILT_IN) -> dict[str, str]:
    """The most confident value of each field."""
    found: dict[str, str] = {}
    for one in ranked(proposals_of_name(by, name)):
        found.setdefault(one.field, one.value)
    return found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("4711_2026-03-01_OD.jpg", {"patient_id": "4711", "taken_at": "2026-03-01", "laterality": "R"}),
        ("AB0042_20260301_101500_OS.jpg", {"patient_id": "AB0042", "taken_at": "2026-03-01T10:15:00", "laterality": "L"}),
        ("4711_01.03.2026_OU.tif", {"patient_id": "4711", "taken_at": "2026-03-01", "laterality": None}),
        ("4711_RE.png", {"patient_id": "4711", "laterality": "R"}),
        ("4711_2026-03-01_izquierda.png", {"patient_id": "4711", "taken_at": "2026-03-01", "laterality": "L"}),
        ("knie_rechts.jpg", {"body_part": "KNEE", "laterality": "R"}),
        ("genou gauche.jpg", {"body_part": "KNEE", "laterality": "L"}),
        ("Diaz_Ana_1980-02-03.jpg", {"patient_name": "Diaz^Ana", "birth_date": "1980-02-03"}),
        ("Müller, Jörg 3.2.1980.pdf", {"patient_name": "Müller^Jörg", "birth_date": "1980-02-03"}),
        ("zahn_18-48.png", {"body_part": "TOOTH", "department": "dental", "description": "teeth 18-48"}),
        ("tooth 55.png", {"body_part": "TOOTH", "department": "dental", "description": "tooth 55"}),
        ("IMG_20260301_101500.HEIC", {"taken_at": "2026-03-01T10:15:00"}),
        ("IMG_0042.JPG", {}),
        ("Augenklinik/x.jpg", {"department": "ophthalmology"}),
        ("disc.zip!/Dermatología/Pat_4711/DSC.jpg", {"department": "dermatology", "patient_id": "4711"}),
        ("C:\\scans\\Diaz_Ana_19800203\\2026-03-01\\x.jpg", {"patient_name": "Diaz^Ana", "birth_date": "1980-02-03", "taken_at": "2026-03-01"}),
        ("", {}),
    ],
)  # fmt: skip
def test_common_names_are_read(name: str, expected: dict[str, str | None]) -> None:
    expected = {field: value or "B" for field, value in expected.items()}

    assert told(name) == expected


def test_a_name_tells_whose_a_file_is_and_is_never_sure_of_it() -> None:
    for one in proposals_of_name(BUILT_IN, "4711_2026-03-01_OD.jpg"):
        assert one.evidence.startswith("file name: 4711_2026-03-01_OD")
        assert one.source is ProposalSource.NAME
        assert one.confidence < SURE


def test_two_words_that_contradict_each_other_are_both_less_sure() -> None:
    found = [one for one in proposals_of_name(BUILT_IN, "right and left.jpg") if one.field == "laterality"]

    assert {(one.value, one.confidence) for one in found} == {("R", 0.4), ("L", 0.4)}


def test_a_date_that_can_be_read_in_two_ways_is_proposed_in_both_and_says_so() -> None:
    us = Reading((Pattern("us", expression(r"(?P<birth_date>\d\d/\d\d/\d{4}|\d\d-\d\d-\d{4})"), confidence=0.8),))
    found = list(proposals_of_name(us, "03-02-1980.jpg"))

    assert [(one.value, one.confidence) for one in found] == [("1980-02-03", 0.4), ("1980-03-02", 0.4)]
    assert found[0].evidence.endswith("day and month may be the other way round")


def test_values_that_a_field_cannot_have_are_no_proposals() -> None:
    by = Reading((Pattern("all", expression(r"(?P<accession_number>\w{1,40})_(?P<tooth>\d\d)(?P<sex>-)?")),))

    assert told(f"{'1' * 17}_99.jpg", by) == {}
    assert told("A1_11-.jpg", by) == {
        "accession_number": "A1",
        "body_part": "TOOTH",
        "department": "dental",
        "description": "tooth 11",
    }


def test_folders_are_read_by_patterns_of_their_own() -> None:
    by = Reading((Pattern("box", expression(r"(?P<patient_id>\d{1,9})"), Place.FOLDER),))

    assert told("4711.jpg", by) == {}
    assert told("4711/x.jpg", by) == {"patient_id": "4711"}


def test_words_are_read_without_case_and_points() -> None:
    by = Reading(words=(Words("department", {"straße": "surgery"}),))

    assert told("STRASSE/x.jpg", Reading(words=(Words("department", {"strasse": "surgery"}),))) == {
        "department": "surgery"
    }
    assert told("nowhere/x.jpg", by) == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("(?P<patient_id>", "no regular expression"),
        ("4711", "no named group"),
        ("(?P<hat>x)", "no part 'hat'"),
        ("(?P<patient_id>(?:a+)+)$", "try too long"),
        ("(?P<patient_id>.*).*.*x", "try too long"),
        ("(?P<patient_id>(?:a|ab|b)*)$", "try too long"),
        ("(?P<patient_id>(?=a*)(?=a*)(?=a*)a)", "try too long"),
        (r"(?P<patient_id>a)\1", "not taken here"),
    ],
)
def test_an_expression_that_is_none_or_could_try_too_long_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        expression(text)


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_name_and_no_text_is_too_odd(name: str, text: str) -> None:
    found = [*proposals_of_name(BUILT_IN, name), *proposals_of_text(BUILT_IN, text, ProposalSource.DOCUMENT, "text")]

    for one in found:
        assert 0 <= one.confidence < SURE
        read_about({one.field: one.value})


def test_an_expression_that_is_taken_answers_at_once() -> None:
    hard = expression(r"(?P<patient_id>[ab]{1,60}?[abc]{1,60}?)(?!a)(?P<order>x|y)?$")
    began = time.process_time()
    hard.match("ab" * 127)

    assert time.process_time() - began < 5
