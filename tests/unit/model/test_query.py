"""A key of a question, read as DICOM matching has it."""

import pytest

from imagebank.errors import Invalid
from imagebank.model.attribute import Attribute, Level, catalogue
from imagebank.model.query import Between, Like, Match, OneOf, Words, condition

DOSE = Attribute("CTDIvol", (0x00189345,), "FD", Level.INSTANCE)
KNOWN = catalogue([DOSE]).by_keyword


@pytest.mark.parametrize(
    ("keyword", "text", "match"),
    [
        ("PatientName", "Müller^J*", Like("muller^j*")),
        ("PatientName", "Doe^Jane^^", OneOf(("doe^jane",))),
        ("StudyInstanceUID", "1.2,1.3\\1.4", OneOf(("1.2", "1.3", "1.4"))),
        ("StudyDate", "20260102", OneOf(("20260102",))),
        ("StudyDate", "2026.01.02-", Between("20260102", "")),
        ("StudyDate", "-20260102", Between("", "20260102")),
        ("StudyTime", "10:15", Between("101500.000000", "101559.999999")),
        ("StudyTime", "10-11", Between("100000.000000", "115959.999999")),
        ("StudyTime", "10\\11", OneOf(("100000.000000", "110000.000000"))),
        ("InstanceNumber", "07\\ 8", OneOf(("7", "8"))),
        ("CTDIvol", "70.50\\7e1", OneOf(("70.5", "70"))),
        ("Modality", "CT\\MR", OneOf(("CT", "MR"))),
        ("ModalitiesInStudy", "CT,MR", OneOf(("CT", "MR"))),
        ("StudyID", "A,B", OneOf(("A,B",))),
        ("Modality", "C?", Like("C?")),
    ],
)
def test_a_key_is_brought_into_the_form_in_which_values_are_compared(keyword: str, text: str, match: Match) -> None:
    read = condition(KNOWN[keyword], text)

    assert read is not None
    assert read.match == match


def test_a_fuzzy_name_is_its_words() -> None:
    read = condition(KNOWN["PatientName"], "Doe^Ja*", fuzzy=True)

    assert read is not None
    assert read.match == Words(("doe", "ja"))


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("PatientName", "**"),
        ("PatientID", " \0"),
        ("StudyDate", ""),
        ("StudyDate", "*"),
        ("StudyDate", "-"),
        ("StudyTime", "- "),
        ("StudyInstanceUID", "*"),
        ("InstanceNumber", "*"),
        ("Rows", "*"),
        ("CTDIvol", "*"),
        ("ModalitiesInStudy", "\\,"),
    ],
)
def test_an_empty_key_a_bare_star_and_a_range_without_ends_match_everything(keyword: str, text: str) -> None:
    assert condition(KNOWN[keyword], text) is None


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("StudyDate", "yesterday"),
        ("StudyDate", "20261301"),
        ("StudyDate", "2026*"),
        ("StudyTime", "1"),
        ("StudyTime", "2400"),
        ("InstanceNumber", "first"),
        ("CTDIvol", "high"),
        ("StudyInstanceUID", "1.2.*"),
    ],
)
def test_a_key_that_can_match_nothing_is_refused_by_its_name(keyword: str, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        condition(KNOWN[keyword], text)

    assert str(refused.value)
    assert text not in str(refused.value) or len(text) < 3
