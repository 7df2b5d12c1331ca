"""What the parameters of a search say."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebank.dicomweb.qido import Question, read_question
from imagebank.errors import Invalid
from imagebank.model.attribute import Attribute, Level, catalogue
from imagebank.model.query import Between, Like, OneOf, Query, Words

PRIVATE = Attribute("OurNumber", (0x00091001,), "LO", Level.SERIES, creator="OURS")
KNOWN = catalogue([PRIVATE])


def question(text: str, level: Level = Level.STUDY) -> Question:
    return read_question(parse_qsl(text, keep_blank_values=True), KNOWN, level)


def query(text: str, level: Level = Level.STUDY) -> Query:
    return question(text, level).query(level)


@pytest.mark.parametrize("name", ["PatientName", "00100010"])
def test_an_attribute_is_named_by_keyword_or_tag(name: str) -> None:
    (found,) = query(f"{name}=M%C3%BCller*").conditions

    assert found.attribute.keyword == "PatientName"
    assert found.match == Like("muller*")


@pytest.mark.parametrize(
    "name",
    [
        "RequestAttributesSequence.RequestedProcedureID",
        "00400275.00401001",
        "00400275.RequestedProcedureID",
    ],
)
def test_an_attribute_inside_a_sequence_is_named_by_its_path(name: str) -> None:
    (found,) = query(f"{name}=R1", Level.SERIES).conditions

    assert found.attribute.path == (0x00400275, 0x00401001)


def test_lists_of_uids_take_commas_and_backslashes() -> None:
    assert query("StudyInstanceUID=1.2,1.3").conditions[0].match == OneOf(("1.2", "1.3"))
    assert query("StudyInstanceUID=1.2%5C1.3").conditions[0].match == OneOf(("1.2", "1.3"))


def test_ranges_of_date_and_time_are_one_span_when_both_are_given() -> None:
    assert query("StudyDate=20200101-20200131&StudyTime=1000-1200").combined
    assert not query("StudyDate=20200101-20200131").combined
    assert query("StudyDate=-20200131").conditions[0].match == Between("", "20200131")


def test_fuzzy_matching_looks_for_the_words_of_a_name() -> None:
    assert query("PatientName=doe%20jane&fuzzymatching=true").conditions[0].match == Words(("doe", "jane"))


def test_an_empty_key_matches_everything_and_is_returned() -> None:
    found = question("StudyDescription=")

    assert found.query(Level.STUDY).conditions == ()
    assert (0x00081030,) in found.conditions


def test_included_fields_come_in_a_list_or_repeated() -> None:
    assert question("includefield=00081030,00100021&includefield=StudyID").wanted == {
        (0x00081030,),
        (0x00100021,),
        (0x00200010,),
    }
    assert question("includefield=all").wants_all


@pytest.mark.parametrize(
    "text",
    [
        "PatientID=1&PatientID=2",
        "PatientID=1&00100020=1",
        "limit=-1",
        "limit=x",
        "limit=1&limit=2",
        "offset=1.5",
        "fuzzymatching=perhaps",
        "includefield=all,StudyID",
        "StudyDate=yesterday",
        "StudyDate=20201301",
        "StudyTime=2599",
        "StudyInstanceUID=../etc",
        "NumberOfStudyRelatedInstances=many",
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        question(text)


@pytest.mark.parametrize("name", ["NoSuchKeyword", "00180050", "Modality", "TimezoneOffsetFromUTC", "00091001"])
def test_a_key_that_cannot_be_used_is_named_in_a_warning(name: str) -> None:
    found = question(f"{name}=X")

    assert found.query(Level.STUDY).conditions == ()
    assert name in found.warnings[0]


@pytest.mark.parametrize(
    "text", ["00091001=X", "00091001=X&00090010=OTHERS", "00091001=X&00090011=OURS", "00091002=X&00090010=OURS"]
)
def test_a_private_attribute_needs_its_creator(text: str) -> None:
    assert query(text, Level.SERIES).conditions == ()


@pytest.mark.parametrize(
    "text", ["00091001=X&00090010=OURS", "00090010=OURS&00091001=X", "00091101=X&00090011=OURS", "OurNumber=X"]
)
def test_a_private_attribute_is_asked_for_in_whatever_block(text: str) -> None:
    (found,) = query(text, Level.SERIES).conditions

    assert found.attribute == PRIVATE


def test_modalities_may_be_a_list_or_repeated_and_no_other_key() -> None:
    either = OneOf(("CT", "MR"))

    for text in ("ModalitiesInStudy=CT,MR", "ModalitiesInStudy=CT%5CMR", "ModalitiesInStudy=CT&00080061=MR"):
        assert query(text).conditions[0].match == either


def test_fields_that_the_index_does_not_hold_are_named_in_a_warning() -> None:
    many = ",".join(f"0018{number:04X}" for number in range(0x9000, 0x9040))

    (warning,) = question(
        "includefield=PatientComments,StudyID,NoSuchKeyword,RequestAttributesSequence,00081190"
    ).warnings
    assert warning == "includefield: the index does not hold PatientComments, NoSuchKeyword"
    assert question(f"includefield={many}").warnings[0].endswith(" and others")
    assert question("includefield=all").warnings == []


def test_a_page_has_a_largest_size() -> None:
    found = question("limit=999999&offset=5")

    assert (found.limit, found.offset) == (10_000, 5)
    assert "10000" in found.warnings[0]


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=5))
def test_any_parameters_are_read_or_refused(parameters: list[tuple[str, str]]) -> None:
    try:
        found = read_question(parameters, KNOWN, Level.INSTANCE)
    except Invalid:
        return

    assert all(warning.isascii() for warning in found.warnings)
